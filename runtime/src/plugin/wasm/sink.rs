//! A component as a sink.

use async_trait::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use wasmtime::component::ResourceAny;

use super::bindings::exports::millstream::connect::sink::{self, Guest};
use super::convert;
use super::fault::{Failed, Fault, connector_error};
use super::instance::Instance;
use super::plugin::Maker;

pub struct ComponentSink {
    maker: Maker,
    delivery: Delivery,
    live: Option<Live>,
}

struct Live {
    instance: Instance,
    guest: Guest,
    sink: ResourceAny,
}

impl ComponentSink {
    pub fn new(maker: Maker, delivery: Delivery) -> ComponentSink {
        ComponentSink { maker, delivery, live: None }
    }

    /// The open instance, taken out: it is put back by whoever got an answer from it.
    fn live(&mut self) -> Result<Live, Failed> {
        let gone = || Fault::Start { reason: "its instance is gone after an earlier fault".to_owned() };
        self.live.take().ok_or_else(|| gone().into())
    }

    async fn call_open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, Failed> {
        let mut instance = self.maker.instance().await?;
        let Some(indices) = &self.maker.loaded.exports.sink else {
            return Err(Fault::Start { reason: "it exports no sink".to_owned() }.into());
        };
        let guest = instance.load(|store, inner| indices.load(store, inner))?;
        let (role, place, config) = (guest.sink(), self.maker.origin.place(), &self.maker.config);
        let made = instance.call(async |store| role.call_configure(store, config, place).await).await?;
        let sink = made.map_err(|error| Failed::Error(connector_error(error)))?;
        let lowered: Vec<_> = partitions.iter().map(lower_partition).collect();
        let held = instance.call(async |store| role.call_open(store, sink, &lowered).await).await?;
        let held = held.map_err(|error| Failed::Error(connector_error(error)))?;
        let held = lift_positions(held, partitions)?;
        self.live = Some(Live { instance, guest, sink });
        Ok(held)
    }

    async fn call_write(&mut self, batch: &SinkBatch) -> Result<Written, Failed> {
        let mut live = self.live()?;
        let mut written = Written { durable: true, rejected: Vec::new() };
        for (from, to) in convert::pieces(&batch.batch) {
            let piece = batch.batch.slice(from, to);
            let lowered = sink::SinkBatch {
                topic: &batch.topic,
                partition: batch.partition,
                offsets: batch.offsets.get(from..to).unwrap_or_default(),
                records: convert::lower(&piece),
            };
            let (role, sink) = (live.guest.sink(), live.sink);
            let answer =
                live.instance.call(async |store| role.call_write(store, sink, lowered).await).await?;
            let answer = answer.map_err(|error| Failed::Error(connector_error(error)))?;
            live.instance.answered();
            let rejected = convert::lift_rejections(answer.rejected, to - from)?;
            let moved =
                rejected.into_iter().map(|rejection| Rejection { row: rejection.row + from, ..rejection });
            written.rejected.extend(moved);
            written.durable &= answer.durable;
        }
        self.live = Some(live);
        Ok(written)
    }

    async fn call_commit(&mut self, positions: &[SinkPosition]) -> Result<(), Failed> {
        let mut live = self.live()?;
        let lowered: Vec<_> = positions
            .iter()
            .map(|position| sink::PositionParam {
                partition: lower_partition(&position.partition),
                next_offset: position.next_offset,
            })
            .collect();
        let (role, sink) = (live.guest.sink(), live.sink);
        let done = live.instance.call(async |store| role.call_commit(store, sink, &lowered).await).await?;
        done.map_err(|error| Failed::Error(connector_error(error)))?;
        self.live = Some(live);
        Ok(())
    }

    async fn call_close(&mut self) -> Result<(), Failed> {
        let Some(mut live) = self.live.take() else { return Ok(()) };
        let (role, sink) = (live.guest.sink(), live.sink);
        let closed = live.instance.call(async |store| role.call_close(store, sink).await).await?;
        closed.map_err(|error| Failed::Error(connector_error(error)))
    }
}

fn lower_partition(partition: &TopicPartition) -> sink::TopicPartitionParam<'_> {
    sink::TopicPartitionParam {
        topic: &partition.topic,
        topic_id: &partition.topic_id,
        partition: partition.partition,
    }
}

/// Positions that a transactional sink holds: only of partitions that it was told of, each once.
fn lift_positions(
    held: Vec<sink::PositionResult>,
    partitions: &[TopicPartition],
) -> Result<Vec<SinkPosition>, Fault> {
    let mut lifted: Vec<SinkPosition> = Vec::new();
    for position in held {
        let found = &position.partition;
        let place = format!("{}-{}", found.topic, found.partition);
        let known = partitions.iter().find(|known| {
            *known.topic == *found.topic
                && known.partition == found.partition
                && known.topic_id[..] == found.topic_id
        });
        let Some(known) = known else {
            return Err(Fault::answer(format!("a position of {place}, which it was not told of")));
        };
        if position.next_offset < 0 {
            return Err(Fault::answer(format!("position {} of {place}", position.next_offset)));
        }
        if lifted.iter().any(|other| other.partition == *known) {
            return Err(Fault::answer(format!("two positions of {place}")));
        }
        lifted.push(SinkPosition { partition: known.clone(), next_offset: position.next_offset });
    }
    Ok(lifted)
}

#[async_trait]
impl Sink for ComponentSink {
    fn delivery(&self) -> Delivery {
        self.delivery
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        let opened = self.call_open(partitions).await;
        opened.map_err(|failed| failed.into_error(&self.maker.origin, "opening"))
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        let written = self.call_write(&batch).await;
        written.map_err(|failed| failed.into_error(&self.maker.origin, "writing"))
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let committed = self.call_commit(positions).await;
        committed.map_err(|failed| failed.into_error(&self.maker.origin, "committing"))
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        let closed = self.call_close().await;
        closed.map_err(|failed| failed.into_error(&self.maker.origin, "closing"))
    }
}
