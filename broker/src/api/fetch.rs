//! Fetch (key 1), versions 4–18: whole batches from partitions, with long poll and sessions.
//!
//! The batch that holds the asked offset is returned even if the offset lies inside it, and the first batch even
//! if it exceeds the limits (KIP-74). Waits until `min_bytes` are there, an error is to be told, or `max_wait_ms`
//! is over. read_committed ends at the last stable offset and lists aborted transactions (KIP-98). Leader epochs
//! fence and detect divergence (KIP-320, KIP-595); sessions are `fetch_session` (KIP-227); topics by id from
//! version 13 (KIP-516). Left out: followers, preferred read replicas.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    AbortedTransaction, FetchEpochEndOffset, FetchPartition, FetchPartitionData, FetchRequest, FetchResponse,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::deferred::Deferred;
use super::fetch_session::Wanted;
use super::{Call, clock, lookup};
use crate::cluster::MetadataImage;
use crate::limits;
use crate::log::{FetchData, Isolation, Partition, Progress, ReadError};
use crate::node::Node;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: FetchRequest) -> FetchResponse {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let mut reading = Reading {
        isolation: if request.isolation_level == 1 {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        },
        max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(node.config.fetch_max_bytes),
        node: node.clone(),
        deferred: call.deferred,
        bytes: 0,
        failed: false,
    };
    let plan = match node.fetch_sessions.open(request, call.version, clock::now_ms()) {
        Ok(plan) => plan,
        Err(code) => {
            node.metrics.count_error(code);
            return FetchResponse { error_code: code.code(), ..Default::default() };
        }
    };
    let mut read = reading.read_all(&plan.wanted);
    if !reading.is_enough(min_bytes) && Instant::now() < deadline {
        let mut changes = reading.subscribe(&plan.wanted);
        loop {
            // Read again after subscribing: what came in between would wake nobody.
            read = reading.read_all(&plan.wanted);
            if reading.is_enough(min_bytes) || !wait(&node, &mut changes, deadline, min_bytes).await {
                break;
            }
        }
    }
    node.metrics.fetched_bytes.fetch_add(reading.bytes as u64, Relaxed);
    node.fetch_sessions.answer(plan, read, call.version, clock::now_ms(), rand_id())
}

type Changes = Vec<watch::Receiver<Progress>>;

/// Waits for any partition to move. False when the time is over or the node stops: then what was read goes out.
async fn wait(node: &Node, changes: &mut Changes, deadline: Instant, min_bytes: usize) -> bool {
    let moved = async {
        let mut moves: FuturesUnordered<_> = changes.iter_mut().map(watch::Receiver::changed).collect();
        match moves.next().await {
            Some(_) => {}
            // No partition can be waited for; the deadline ends it.
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = moved => {}
        () = sleep_until(deadline) => return false,
        () = node.stopping.cancelled() => return false,
    }
    if min_bytes > 1 {
        // Every look reads all that has gathered, so a request for many bytes looks less often.
        sleep_until(deadline.min(Instant::now() + limits::FETCH_GATHER)).await;
    }
    true
}

/// One pass over the partitions of a request.
struct Reading {
    node: Arc<Node>,
    isolation: Isolation,
    max_bytes: usize,
    deferred: Option<Deferred>,
    /// Record bytes of the last pass, and whether it met an error.
    bytes: usize,
    failed: bool,
}

impl Reading {
    fn read_all(&mut self, wanted: &[Wanted]) -> Vec<FetchPartitionData> {
        self.bytes = 0;
        self.failed = false;
        if let Some(deferred) = &self.deferred {
            deferred.clear();
        }
        let image = self.node.cluster.image();
        wanted.iter().map(|wanted| self.read(&image, wanted)).collect()
    }

    fn is_enough(&self, min_bytes: usize) -> bool {
        self.failed || self.bytes >= min_bytes
    }

    fn subscribe(&self, wanted: &[Wanted]) -> Changes {
        let image = self.node.cluster.image();
        let led = wanted.iter().filter_map(|wanted| {
            let topic = lookup::topic_named(&image, &wanted.topic).ok()?;
            self.node.hosting().find(topic.id, wanted.partition.partition)
        });
        led.map(|partition| partition.subscribe()).collect()
    }

    fn read(&mut self, image: &MetadataImage, wanted: &Wanted) -> FetchPartitionData {
        let asked = &wanted.partition;
        let data = self.try_read(image, wanted).unwrap_or_else(|code| {
            self.node.metrics.count_error(code);
            failure(asked.partition, code)
        });
        self.failed |= data.error_code != ErrorCode::None.code() || data.diverging_epoch.epoch != -1;
        self.bytes += data.records.as_ref().map_or(0, bytes::Bytes::len);
        data
    }

    fn try_read(&self, image: &MetadataImage, wanted: &Wanted) -> Result<FetchPartitionData, ErrorCode> {
        let asked = &wanted.partition;
        let topic = lookup::topic_named(image, &wanted.topic)?;
        let partition = lookup::leader(&self.node, topic, asked.partition, asked.current_leader_epoch)?;
        if let Some(diverging_epoch) = divergence(&partition, asked) {
            return Ok(FetchPartitionData {
                diverging_epoch,
                ..found(asked.partition, empty(&partition), None)
            });
        }
        let limit = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
        let limit = limit.min(self.max_bytes.saturating_sub(self.bytes));
        let first = self.bytes == 0;
        match self.find(&partition, asked.fetch_offset, limit, first) {
            Ok(mut data) => {
                let aborted = (self.isolation == Isolation::ReadCommitted).then(|| aborted(&mut data));
                Ok(found(asked.partition, data, aborted))
            }
            Err(ReadError::OffsetOutOfRange { .. }) => {
                // Consumers reset their position by these bounds.
                self.node.metrics.count_error(ErrorCode::OffsetOutOfRange);
                let error_code = ErrorCode::OffsetOutOfRange.code();
                Ok(FetchPartitionData { error_code, ..found(asked.partition, empty(&partition), None) })
            }
            Err(ReadError::Closed(_)) => Err(ErrorCode::NotLeaderOrFollower),
            Err(error) => {
                tracing::error!(%error, "cannot read records");
                Err(ErrorCode::KafkaStorageError)
            }
        }
    }

    /// The records, or their stand-in where they are read while the response is sent.
    fn find(
        &self,
        partition: &Partition,
        offset: i64,
        limit: usize,
        first: bool,
    ) -> Result<FetchData, ReadError> {
        let Some(deferred) = &self.deferred else {
            return partition.read(offset, limit, first, self.isolation);
        };
        let mut data = partition.find(offset, limit, first, self.isolation)?;
        if let Some(range) = data.deferred.take() {
            match deferred.put(range) {
                Some(stand_in) => data.records = stand_in,
                None => return partition.read(offset, limit, first, self.isolation),
            }
        }
        Ok(data)
    }
}

/// Where the client's log left ours, if it did: its last epoch ended here before the offset that it asks for.
fn divergence(partition: &Partition, asked: &FetchPartition) -> Option<FetchEpochEndOffset> {
    if asked.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end_offset) = partition.offset_for_leader_epoch(asked.last_fetched_epoch).unwrap_or((-1, -1));
    let diverges = epoch < asked.last_fetched_epoch || end_offset < asked.fetch_offset;
    (diverges && epoch >= 0).then_some(FetchEpochEndOffset { epoch, end_offset })
}

fn found(index: i32, data: FetchData, aborted: Option<Vec<AbortedTransaction>>) -> FetchPartitionData {
    FetchPartitionData {
        partition_index: index,
        error_code: ErrorCode::None.code(),
        high_watermark: data.high_watermark,
        last_stable_offset: data.last_stable_offset,
        log_start_offset: data.log_start_offset,
        aborted_transactions: aborted,
        records: Some(data.records),
        ..Default::default()
    }
}

fn empty(partition: &Partition) -> FetchData {
    let progress = partition.progress();
    FetchData {
        records: bytes::Bytes::new(),
        deferred: None,
        next_offset: -1,
        high_watermark: progress.high_watermark,
        last_stable_offset: progress.last_stable_offset,
        log_start_offset: progress.log_start_offset,
        aborted: Vec::new(),
    }
}

fn failure(index: i32, code: ErrorCode) -> FetchPartitionData {
    FetchPartitionData {
        partition_index: index,
        error_code: code.code(),
        high_watermark: -1,
        records: Some(bytes::Bytes::new()),
        ..Default::default()
    }
}

fn aborted(data: &mut FetchData) -> Vec<AbortedTransaction> {
    let aborted = std::mem::take(&mut data.aborted).into_iter();
    aborted
        .map(|one| AbortedTransaction { producer_id: one.producer_id, first_offset: one.first_offset })
        .collect()
}

/// Session ids must be hard to guess only in so far that two clients don't meet.
fn rand_id() -> i32 {
    let [first, second, third, fourth, ..] = *millstream_protocol::Uuid::random().as_bytes();
    i32::from_be_bytes([first, second, third, fourth])
}
