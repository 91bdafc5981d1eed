//! Metadata records and their stored form.
//!
//! Stored: one byte kind, one byte version, then the fields; integers big-endian, strings and lists with a
//! 32-bit count. The journal adds length and checksum around each record.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use millstream_protocol::Uuid;

use super::image::{Endpoint, PartitionImage};

/// One change of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetadataRecord {
    Broker {
        node_id: i32,
        rack: Option<String>,
        endpoints: Vec<Endpoint>,
    },
    Topic {
        id: Uuid,
        name: String,
    },
    Partition {
        topic: Uuid,
        index: i32,
        state: PartitionImage,
    },
    RemoveTopic {
        id: Uuid,
    },
    /// A topic's setting; `None` removes the override.
    TopicSetting {
        topic: Uuid,
        key: String,
        value: Option<String>,
    },
    /// Producer ids below this one are given out.
    ProducerIds {
        next: i64,
    },
    Feature {
        name: String,
        level: i16,
    },
    /// A setting of one node, or of all nodes that have none of their own; `None` removes it.
    NodeSetting {
        node: Option<i32>,
        key: String,
        value: Option<String>,
    },
}

/// Why stored bytes are no record.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum RecordError {
    #[error("metadata record ends early")]
    Short,
    #[error("metadata record of unknown kind {kind} version {version}; was it written by a newer release?")]
    Unknown { kind: u8, version: u8 },
    #[error("metadata record holds text that is not UTF-8")]
    Text,
}

/// Stored in place of a node for what holds for all of them.
const ALL_NODES: i32 = -1;

const VERSION: u8 = 0;
const BROKER: u8 = 1;
const TOPIC: u8 = 2;
const PARTITION: u8 = 3;
const REMOVE_TOPIC: u8 = 4;
const TOPIC_SETTING: u8 = 5;
const PRODUCER_IDS: u8 = 6;
const FEATURE: u8 = 7;
const NODE_SETTING: u8 = 8;

impl MetadataRecord {
    pub(crate) fn encode(&self, to: &mut BytesMut) {
        let kind = match self {
            Self::Broker { .. } => BROKER,
            Self::Topic { .. } => TOPIC,
            Self::Partition { .. } => PARTITION,
            Self::RemoveTopic { .. } => REMOVE_TOPIC,
            Self::TopicSetting { .. } => TOPIC_SETTING,
            Self::ProducerIds { .. } => PRODUCER_IDS,
            Self::Feature { .. } => FEATURE,
            Self::NodeSetting { .. } => NODE_SETTING,
        };
        to.put_u8(kind);
        to.put_u8(VERSION);
        match self {
            Self::Broker { node_id, rack, endpoints } => {
                to.put_i32(*node_id);
                put_optional(to, rack.as_deref());
                put_count(to, endpoints.len());
                for endpoint in endpoints {
                    put_text(to, &endpoint.listener);
                    put_text(to, &endpoint.host);
                    to.put_u16(endpoint.port);
                }
            }
            Self::Topic { id, name } => {
                to.put_slice(id.as_bytes());
                put_text(to, name);
            }
            Self::Partition { topic, index, state } => {
                to.put_slice(topic.as_bytes());
                to.put_i32(*index);
                to.put_i32(state.leader);
                to.put_i32(state.leader_epoch);
                to.put_i32(state.partition_epoch);
                put_nodes(to, &state.replicas);
                put_nodes(to, &state.isr);
            }
            Self::RemoveTopic { id } => to.put_slice(id.as_bytes()),
            Self::TopicSetting { topic, key, value } => {
                to.put_slice(topic.as_bytes());
                put_text(to, key);
                put_optional(to, value.as_deref());
            }
            Self::ProducerIds { next } => to.put_i64(*next),
            Self::Feature { name, level } => {
                put_text(to, name);
                to.put_i16(*level);
            }
            Self::NodeSetting { node, key, value } => {
                to.put_i32(node.unwrap_or(ALL_NODES));
                put_text(to, key);
                put_optional(to, value.as_deref());
            }
        }
    }

    pub(crate) fn decode(mut from: Bytes) -> Result<Self, RecordError> {
        let from = &mut from;
        let kind = take_u8(from)?;
        let version = take_u8(from)?;
        if version != VERSION {
            return Err(RecordError::Unknown { kind, version });
        }
        match kind {
            BROKER => Ok(Self::Broker {
                node_id: take_i32(from)?,
                rack: take_optional(from)?,
                endpoints: take_list(from, |from| {
                    Ok(Endpoint { listener: take_text(from)?, host: take_text(from)?, port: take_u16(from)? })
                })?,
            }),
            TOPIC => Ok(Self::Topic { id: take_uuid(from)?, name: take_text(from)? }),
            PARTITION => Ok(Self::Partition {
                topic: take_uuid(from)?,
                index: take_i32(from)?,
                state: PartitionImage {
                    leader: take_i32(from)?,
                    leader_epoch: take_i32(from)?,
                    partition_epoch: take_i32(from)?,
                    replicas: take_list(from, take_i32)?,
                    isr: take_list(from, take_i32)?,
                },
            }),
            REMOVE_TOPIC => Ok(Self::RemoveTopic { id: take_uuid(from)? }),
            TOPIC_SETTING => Ok(Self::TopicSetting {
                topic: take_uuid(from)?,
                key: take_text(from)?,
                value: take_optional(from)?,
            }),
            PRODUCER_IDS => Ok(Self::ProducerIds { next: take_i64(from)? }),
            FEATURE => Ok(Self::Feature { name: take_text(from)?, level: take_i16(from)? }),
            NODE_SETTING => Ok(Self::NodeSetting {
                node: Some(take_i32(from)?).filter(|node| *node != ALL_NODES),
                key: take_text(from)?,
                value: take_optional(from)?,
            }),
            _ => Err(RecordError::Unknown { kind, version }),
        }
    }
}

fn put_count(to: &mut BytesMut, count: usize) {
    to.put_u32(u32::try_from(count).expect("metadata lists and texts are far below 4 GiB"));
}

fn put_text(to: &mut BytesMut, text: &str) {
    put_count(to, text.len());
    to.put_slice(text.as_bytes());
}

fn put_optional(to: &mut BytesMut, text: Option<&str>) {
    to.put_u8(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(to, text);
    }
}

fn put_nodes(to: &mut BytesMut, nodes: &[i32]) {
    put_count(to, nodes.len());
    for node in nodes {
        to.put_i32(*node);
    }
}

fn take(from: &mut Bytes, length: usize) -> Result<Bytes, RecordError> {
    if from.len() < length { Err(RecordError::Short) } else { Ok(from.split_to(length)) }
}

fn take_u8(from: &mut Bytes) -> Result<u8, RecordError> {
    take(from, 1).map(|mut bytes| bytes.get_u8())
}

fn take_u16(from: &mut Bytes) -> Result<u16, RecordError> {
    take(from, 2).map(|mut bytes| bytes.get_u16())
}

fn take_i16(from: &mut Bytes) -> Result<i16, RecordError> {
    take(from, 2).map(|mut bytes| bytes.get_i16())
}

fn take_i32(from: &mut Bytes) -> Result<i32, RecordError> {
    take(from, 4).map(|mut bytes| bytes.get_i32())
}

fn take_i64(from: &mut Bytes) -> Result<i64, RecordError> {
    take(from, 8).map(|mut bytes| bytes.get_i64())
}

fn take_count(from: &mut Bytes) -> Result<usize, RecordError> {
    let count = take(from, 4).map(|mut bytes| bytes.get_u32())?;
    usize::try_from(count).map_err(|_| RecordError::Short)
}

fn take_uuid(from: &mut Bytes) -> Result<Uuid, RecordError> {
    let mut id = [0; 16];
    take(from, 16)?.copy_to_slice(&mut id);
    Ok(Uuid::from_bytes(id))
}

fn take_text(from: &mut Bytes) -> Result<String, RecordError> {
    let length = take_count(from)?;
    let bytes = take(from, length)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| RecordError::Text)
}

fn take_optional(from: &mut Bytes) -> Result<Option<String>, RecordError> {
    if take_u8(from)? == 0 { Ok(None) } else { take_text(from).map(Some) }
}

/// Every element has at least four bytes, so a count beyond that is refused before anything is reserved.
fn take_list<T>(
    from: &mut Bytes,
    mut element: impl FnMut(&mut Bytes) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    let count = take_count(from)?;
    if count > from.len() / 4 {
        return Err(RecordError::Short);
    }
    (0..count).map(|_| element(from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<MetadataRecord> {
        let id = Uuid::from_bytes([7; 16]);
        let state = PartitionImage {
            leader: 1,
            leader_epoch: 2,
            partition_epoch: 3,
            replicas: vec![1, 2],
            isr: vec![1],
        };
        let endpoint = Endpoint { listener: "PLAINTEXT".into(), host: "h".into(), port: 9092 };
        vec![
            MetadataRecord::Broker { node_id: 1, rack: Some("r".into()), endpoints: vec![endpoint] },
            MetadataRecord::Topic { id, name: "orders".into() },
            MetadataRecord::Partition { topic: id, index: 4, state },
            MetadataRecord::RemoveTopic { id },
            MetadataRecord::TopicSetting { topic: id, key: "retention.ms".into(), value: None },
            MetadataRecord::ProducerIds { next: 1000 },
            MetadataRecord::Feature { name: "transaction.version".into(), level: 2 },
        ]
    }

    #[test]
    fn round_trip_and_every_prefix_is_refused() {
        for record in samples() {
            let mut bytes = BytesMut::new();
            record.encode(&mut bytes);
            let bytes = bytes.freeze();
            assert_eq!(MetadataRecord::decode(bytes.clone()).unwrap(), record);
            for length in 0..bytes.len() {
                assert!(MetadataRecord::decode(bytes.slice(..length)).is_err(), "{record:?} cut at {length}");
            }
        }
    }

    #[test]
    fn released_form_is_still_read() {
        let stored = Bytes::from_static(
            b"\x02\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\x06orders",
        );
        let topic = MetadataRecord::Topic { id: Uuid::from_bytes([7; 16]), name: "orders".into() };
        assert_eq!(MetadataRecord::decode(stored).unwrap(), topic);
    }

    #[test]
    fn newer_kind_is_named() {
        let error = MetadataRecord::decode(Bytes::from_static(b"\x63\0")).unwrap_err();
        assert_eq!(error, RecordError::Unknown { kind: 99, version: 0 });
    }
}
