//! Stand-ins for connectors: a source that hands out given records, a sink that keeps what it is handed.

use bytes::Bytes;
use millstream_sdk::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::sink::{Delivery, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use serde_json::Value;

use super::Shared;
use super::records::{Made, Seen};

/// The records a case gives a source.
#[derive(Clone)]
pub struct GivenRecords {
    records: std::sync::Arc<[Made]>,
}

impl GivenRecords {
    pub fn new(records: Vec<Made>) -> Self {
        Self { records: records.into() }
    }
}

fn description(role: Role, delivery: Option<Delivery>) -> Description {
    Description {
        name: "stand-in",
        version: env!("CARGO_PKG_VERSION"),
        doc: "Stands for a connector in a test.",
        roles: vec![RoleDescription {
            role,
            doc: "Stands for a connector in a test.",
            options: &[],
            delivery,
        }],
    }
}

impl Plugin for GivenRecords {
    fn describe(&self) -> Description {
        description(Role::Source, None)
    }

    fn source(&self, _config: &Value, _at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Source for GivenRecords {
    fn is_bounded(&self) -> bool {
        true
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("given")])
    }

    async fn open(
        &self,
        _split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let records = if position.is_some() { [].into() } else { self.records.clone() };
        Ok(Box::new(GivenRecords { records }))
    }
}

#[async_trait]
impl SourceReader for GivenRecords {
    async fn poll(&mut self, _limits: PollLimits) -> Result<Polled, ConnectorError> {
        let mut builder = BatchBuilder::new();
        for record in self.records.iter() {
            for header in &record.headers {
                builder.push_header(&header.name, header.value.as_deref());
            }
            builder.push(record.key.as_deref(), record.value.as_deref(), record.timestamp_ms);
        }
        let position = (!self.records.is_empty()).then(|| Position(Bytes::from_static(b"end")));
        self.records = [].into();
        Ok(Polled { batch: builder.finish(), position, end_of_split: true, ..Polled::default() })
    }
}

/// What a sink was handed.
#[derive(Clone, Default)]
pub struct Kept {
    seen: Shared<Seen>,
}

impl Kept {
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

impl Plugin for Kept {
    fn describe(&self) -> Description {
        description(Role::Sink, Some(Delivery::AtLeastOnce))
    }

    fn sink(&self, _config: &Value, _at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Sink for Kept {
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        let mut seen = self.seen.lock();
        let copied = |part: &[u8]| Bytes::copy_from_slice(part);
        for row in batch.batch.rows() {
            seen.push(Seen {
                key: row.key.map(copied),
                value: row.value.map(copied),
                headers: row.headers.map(|(name, value)| (name.to_owned(), value.map(copied))).collect(),
                timestamp_ms: row.timestamp_ms,
            });
        }
        Ok(Written { durable: true, rejected: Vec::new() })
    }

    async fn commit(&mut self, _positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        Ok(())
    }
}
