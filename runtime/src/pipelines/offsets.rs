//! Positions of a connector, as Kafka Connect shows and changes them. They can be changed only while it is stopped.

use millstream_client::{CommittedOffset, TopicPartition};
use millstream_sdk::source::Position;
use serde_json::{Value, json};

use super::{Connector, ConnectorType, Pipelines, Refusal};
use crate::connect::{Target, positions};

impl Pipelines {
    /// `{offsets: [{partition, offset}]}`
    pub async fn connector_offsets(&self, name: &str) -> Result<Value, Refusal> {
        let connector = self.connector(name)?;
        let client = self.run(&connector.pipeline)?.client().clone();
        let listed: Vec<Value> = match connector.kind {
            ConnectorType::Source => {
                let stored = positions::list(&client, &connector.pipeline, &connector.node).await;
                let stored = stored.map_err(Refusal::failed)?;
                let shown = |(split, position): (String, Position)| json!({ "partition": { "split": split }, "offset": { "position": readable(&position) } });
                stored.into_iter().map(shown).collect()
            }
            ConnectorType::Sink => {
                let stored =
                    client.admin().group_offsets(&group(&connector), None).await.map_err(Refusal::failed)?;
                let mut stored = stored;
                stored.sort_by(|left, right| {
                    (&left.0.topic, left.0.partition).cmp(&(&right.0.topic, right.0.partition))
                });
                let shown = |(place, offset): (TopicPartition, CommittedOffset)| {
                    let partition =
                        json!({ "kafka_topic": &*place.topic, "kafka_partition": place.partition });
                    json!({ "partition": partition, "offset": { "kafka_offset": offset.offset } })
                };
                stored.into_iter().map(shown).collect()
            }
        };
        Ok(json!({ "offsets": listed }))
    }

    /// Takes `{offsets: [{partition, offset}]}`; a null offset forgets the position.
    pub async fn alter_connector_offsets(&self, name: &str, body: &Value) -> Result<(), Refusal> {
        let connector = self.stopped(name)?;
        let Some(entries) = body["offsets"].as_array().filter(|entries| !entries.is_empty()) else {
            return Err(Refusal::BadRequest(
                "expected {\"offsets\": [{\"partition\": …, \"offset\": …}]}".to_owned(),
            ));
        };
        let client = self.run(&connector.pipeline)?.client().clone();
        match connector.kind {
            ConnectorType::Source => {
                let mut changes = Vec::new();
                for entry in entries {
                    let split = entry["partition"]["split"].as_str().ok_or_else(|| {
                        Refusal::BadRequest("a source's partition is {\"split\": id}".to_owned())
                    })?;
                    changes.push((split.to_owned(), position(&entry["offset"])?));
                }
                positions::put(&client, &connector.pipeline, &connector.node, &changes)
                    .await
                    .map_err(Refusal::failed)
            }
            ConnectorType::Sink => {
                self.refuse_own_positions(&connector)?;
                let mut changes = Vec::new();
                for entry in entries {
                    changes.push(sink_offset(entry)?);
                }
                client
                    .admin()
                    .alter_group_offsets(&group(&connector), &changes)
                    .await
                    .map_err(Refusal::failed)
            }
        }
    }

    /// Forgets every position: the connector starts from the beginning.
    pub async fn reset_connector_offsets(&self, name: &str) -> Result<(), Refusal> {
        let connector = self.stopped(name)?;
        let client = self.run(&connector.pipeline)?.client().clone();
        match connector.kind {
            ConnectorType::Source => {
                let stored = positions::list(&client, &connector.pipeline, &connector.node).await;
                let gone: Vec<_> =
                    stored.map_err(Refusal::failed)?.into_iter().map(|(split, _)| (split, None)).collect();
                positions::put(&client, &connector.pipeline, &connector.node, &gone)
                    .await
                    .map_err(Refusal::failed)
            }
            ConnectorType::Sink => {
                self.refuse_own_positions(&connector)?;
                let stored =
                    client.admin().group_offsets(&group(&connector), None).await.map_err(Refusal::failed)?;
                let start: Vec<_> =
                    stored.into_iter().map(|(place, _)| (place, CommittedOffset::at(0))).collect();
                if start.is_empty() {
                    return Ok(());
                }
                client.admin().alter_group_offsets(&group(&connector), &start).await.map_err(Refusal::failed)
            }
        }
    }

    fn stopped(&self, name: &str) -> Result<Connector, Refusal> {
        let connector = self.connector(name)?;
        match connector.target {
            Target::Stopped => Ok(connector),
            _ => Err(Refusal::BadRequest(format!(
                "Connectors must be in the STOPPED state before their offsets can be changed: PUT /connectors/{name}/stop first"
            ))),
        }
    }

    fn refuse_own_positions(&self, connector: &Connector) -> Result<(), Refusal> {
        let keeps = connector.status.as_ref().is_some_and(|status| status.delivery == "exactly-once");
        match keeps {
            true => Err(Refusal::BadRequest(format!(
                "{} keeps its positions in its target, together with the records; they cannot be changed here",
                connector.name
            ))),
            false => Ok(()),
        }
    }
}

fn group(connector: &Connector) -> String {
    format!("connect-{}-{}", connector.pipeline, connector.node)
}

/// Positions that are JSON show as such.
fn readable(position: &Position) -> Value {
    let text = || Value::String(String::from_utf8_lossy(&position.0).into_owned());
    serde_json::from_slice(&position.0).unwrap_or_else(|_| text())
}

fn position(offset: &Value) -> Result<Option<Position>, Refusal> {
    if offset.is_null() {
        return Ok(None);
    }
    match &offset["position"] {
        Value::Null => Err(Refusal::BadRequest("a source's offset is {\"position\": …} or null".to_owned())),
        Value::String(text) => Ok(Some(Position(text.clone().into()))),
        other => Ok(Some(Position(other.to_string().into()))),
    }
}

fn sink_offset(entry: &Value) -> Result<(TopicPartition, CommittedOffset), Refusal> {
    let (partition, offset) = (&entry["partition"], &entry["offset"]);
    let bad = || {
        Refusal::BadRequest("a sink's entry is {\"partition\": {\"kafka_topic\", \"kafka_partition\"}, \"offset\": {\"kafka_offset\"}}".to_owned())
    };
    let topic = partition["kafka_topic"].as_str().ok_or_else(bad)?;
    let number = partition["kafka_partition"]
        .as_i64()
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(bad)?;
    let next = match offset {
        Value::Null => 0,
        offset => offset["kafka_offset"].as_i64().filter(|next| *next >= 0).ok_or_else(bad)?,
    };
    Ok((TopicPartition::new(topic, number), CommittedOffset::at(next)))
}
