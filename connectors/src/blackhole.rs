//! A sink that drops everything: to measure what is ahead of it.

use async_trait::async_trait;
use millstream_sdk::config;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::sink::{Delivery, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use serde_json::Value;

pub struct Blackhole;

impl Plugin for Blackhole {
    fn describe(&self) -> Description {
        Description {
            name: "blackhole",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Takes every record and keeps none.",
            roles: vec![RoleDescription {
                role: Role::Sink,
                doc: "Idempotent, in its way. The status counts what it took.",
                options: &[],
                delivery: Some(Delivery::Idempotent),
            }],
        }
    }

    fn sink(&self, config: &Value, _at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let _: serde_json::Map<String, Value> = config::parse(&[], config)?;
        Ok(Box::new(Nothing))
    }
}

struct Nothing;

#[async_trait]
impl Sink for Nothing {
    fn delivery(&self) -> Delivery {
        Delivery::Idempotent
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn write(&mut self, _batch: SinkBatch) -> Result<Written, ConnectorError> {
        Ok(Written { durable: true, rejected: Vec::new() })
    }

    async fn commit(&mut self, _positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        Ok(())
    }
}
