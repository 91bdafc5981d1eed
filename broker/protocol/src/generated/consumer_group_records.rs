// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Records of next-generation consumer groups (KIP-848) in the internal topic __consumer_offsets. The key's
//! leading int16 is the record's type: 3 group, 5 member, 6 target epoch, 7 target of a member, 8 current
//! assignment.

use bytes::Bytes;

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{DecodeError, Decoder, EncodeError, Encoder, Message, Uuid};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupMetadataKey {
    pub group_id: String,
}

impl ConsumerGroupMetadataKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupMetadataKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupMetadataKey", version, 0, 0)?;
        to.at("ConsumerGroupMetadataKey.group_id");
        to.string(&self.group_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupMetadataKey", version, 0, 0)?;
        from.at("ConsumerGroupMetadataKey.group_id");
        let group_id = from.string(false)?;
        Ok(Self { group_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupMetadataValue {
    pub epoch: i32,
    pub metadata_hash: i64,
}

impl ConsumerGroupMetadataValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupMetadataValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupMetadataValue", version, 0, 0)?;
        to.i32(self.epoch);
        let mut tags = TagWriter::new();
        if self.metadata_hash != 0 {
            tags.field(0, |to| {
                to.i64(self.metadata_hash);
                Ok(())
            })?;
        }
        tags.finish(to);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupMetadataValue", version, 0, 0)?;
        from.at("ConsumerGroupMetadataValue.epoch");
        let epoch = from.i32()?;
        let mut metadata_hash = 0;
        from.tags(|tag, from| {
            match tag {
                0 => {
                    from.at("ConsumerGroupMetadataValue.metadata_hash");
                    metadata_hash = from.i64()?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { epoch, metadata_hash })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupMemberMetadataKey {
    pub group_id: String,
    pub member_id: String,
}

impl ConsumerGroupMemberMetadataKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupMemberMetadataKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupMemberMetadataKey", version, 0, 0)?;
        to.at("ConsumerGroupMemberMetadataKey.group_id");
        to.string(&self.group_id, false)?;
        to.at("ConsumerGroupMemberMetadataKey.member_id");
        to.string(&self.member_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupMemberMetadataKey", version, 0, 0)?;
        from.at("ConsumerGroupMemberMetadataKey.group_id");
        let group_id = from.string(false)?;
        from.at("ConsumerGroupMemberMetadataKey.member_id");
        let member_id = from.string(false)?;
        Ok(Self { group_id, member_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroupMemberMetadataValue {
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub subscribed_topic_names: Vec<String>,
    pub subscribed_topic_regex: Option<String>,
    pub rebalance_timeout_ms: i32,
    pub server_assignor: Option<String>,
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

impl ConsumerGroupMemberMetadataValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Default for ConsumerGroupMemberMetadataValue {
    fn default() -> Self {
        Self {
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: None,
            rebalance_timeout_ms: -1,
            server_assignor: None,
            classic_member_metadata: None,
        }
    }
}

impl Message for ConsumerGroupMemberMetadataValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupMemberMetadataValue", version, 0, 0)?;
        to.at("ConsumerGroupMemberMetadataValue.instance_id");
        to.nullable_string(self.instance_id.as_deref(), true, true)?;
        to.at("ConsumerGroupMemberMetadataValue.rack_id");
        to.nullable_string(self.rack_id.as_deref(), true, true)?;
        to.at("ConsumerGroupMemberMetadataValue.client_id");
        to.string(&self.client_id, true)?;
        to.at("ConsumerGroupMemberMetadataValue.client_host");
        to.string(&self.client_host, true)?;
        to.at("ConsumerGroupMemberMetadataValue.subscribed_topic_names");
        to.array(&self.subscribed_topic_names, true, |to, item| to.string(item, true))?;
        to.at("ConsumerGroupMemberMetadataValue.subscribed_topic_regex");
        to.nullable_string(self.subscribed_topic_regex.as_deref(), true, true)?;
        to.i32(self.rebalance_timeout_ms);
        to.at("ConsumerGroupMemberMetadataValue.server_assignor");
        to.nullable_string(self.server_assignor.as_deref(), true, true)?;
        let mut tags = TagWriter::new();
        if self.classic_member_metadata.is_some() {
            tags.field(0, |to| {
                to.nullable_struct(self.classic_member_metadata.as_ref(), version)?;
                Ok(())
            })?;
        }
        tags.finish(to);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupMemberMetadataValue", version, 0, 0)?;
        from.at("ConsumerGroupMemberMetadataValue.instance_id");
        let instance_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupMemberMetadataValue.rack_id");
        let rack_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupMemberMetadataValue.client_id");
        let client_id = from.string(true)?;
        from.at("ConsumerGroupMemberMetadataValue.client_host");
        let client_host = from.string(true)?;
        from.at("ConsumerGroupMemberMetadataValue.subscribed_topic_names");
        let subscribed_topic_names = from.array(true, 1, |from| from.string(true))?;
        from.at("ConsumerGroupMemberMetadataValue.subscribed_topic_regex");
        let subscribed_topic_regex = from.nullable_string(true, true)?;
        from.at("ConsumerGroupMemberMetadataValue.rebalance_timeout_ms");
        let rebalance_timeout_ms = from.i32()?;
        from.at("ConsumerGroupMemberMetadataValue.server_assignor");
        let server_assignor = from.nullable_string(true, true)?;
        let mut classic_member_metadata = None;
        from.tags(|tag, from| {
            match tag {
                0 => {
                    from.at("ConsumerGroupMemberMetadataValue.classic_member_metadata");
                    classic_member_metadata = from.nullable_struct(version)?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self {
            instance_id,
            rack_id,
            client_id,
            client_host,
            subscribed_topic_names,
            subscribed_topic_regex,
            rebalance_timeout_ms,
            server_assignor,
            classic_member_metadata,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassicMemberMetadata {
    pub session_timeout_ms: i32,
    pub supported_protocols: Vec<ClassicProtocol>,
}

impl Message for ClassicMemberMetadata {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i32(self.session_timeout_ms);
        to.at("ClassicMemberMetadata.supported_protocols");
        to.array(&self.supported_protocols, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ClassicMemberMetadata.session_timeout_ms");
        let session_timeout_ms = from.i32()?;
        from.at("ClassicMemberMetadata.supported_protocols");
        let supported_protocols = from.array(true, 3, |from| ClassicProtocol::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { session_timeout_ms, supported_protocols })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassicProtocol {
    pub name: String,
    pub metadata: Bytes,
}

impl Message for ClassicProtocol {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("ClassicProtocol.name");
        to.string(&self.name, true)?;
        to.at("ClassicProtocol.metadata");
        to.bytes(&self.metadata, true)?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ClassicProtocol.name");
        let name = from.string(true)?;
        from.at("ClassicProtocol.metadata");
        let metadata = from.bytes(true)?;
        from.skip_tags()?;
        Ok(Self { name, metadata })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupTargetAssignmentMetadataKey {
    pub group_id: String,
}

impl ConsumerGroupTargetAssignmentMetadataKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupTargetAssignmentMetadataKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupTargetAssignmentMetadataKey", version, 0, 0)?;
        to.at("ConsumerGroupTargetAssignmentMetadataKey.group_id");
        to.string(&self.group_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupTargetAssignmentMetadataKey", version, 0, 0)?;
        from.at("ConsumerGroupTargetAssignmentMetadataKey.group_id");
        let group_id = from.string(false)?;
        Ok(Self { group_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupTargetAssignmentMetadataValue {
    pub assignment_epoch: i32,
    pub assignment_timestamp: i64,
}

impl ConsumerGroupTargetAssignmentMetadataValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupTargetAssignmentMetadataValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupTargetAssignmentMetadataValue", version, 0, 0)?;
        to.i32(self.assignment_epoch);
        let mut tags = TagWriter::new();
        if self.assignment_timestamp != 0 {
            tags.field(0, |to| {
                to.i64(self.assignment_timestamp);
                Ok(())
            })?;
        }
        tags.finish(to);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupTargetAssignmentMetadataValue", version, 0, 0)?;
        from.at("ConsumerGroupTargetAssignmentMetadataValue.assignment_epoch");
        let assignment_epoch = from.i32()?;
        let mut assignment_timestamp = 0;
        from.tags(|tag, from| {
            match tag {
                0 => {
                    from.at("ConsumerGroupTargetAssignmentMetadataValue.assignment_timestamp");
                    assignment_timestamp = from.i64()?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { assignment_epoch, assignment_timestamp })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupTargetAssignmentMemberKey {
    pub group_id: String,
    pub member_id: String,
}

impl ConsumerGroupTargetAssignmentMemberKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupTargetAssignmentMemberKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupTargetAssignmentMemberKey", version, 0, 0)?;
        to.at("ConsumerGroupTargetAssignmentMemberKey.group_id");
        to.string(&self.group_id, false)?;
        to.at("ConsumerGroupTargetAssignmentMemberKey.member_id");
        to.string(&self.member_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupTargetAssignmentMemberKey", version, 0, 0)?;
        from.at("ConsumerGroupTargetAssignmentMemberKey.group_id");
        let group_id = from.string(false)?;
        from.at("ConsumerGroupTargetAssignmentMemberKey.member_id");
        let member_id = from.string(false)?;
        Ok(Self { group_id, member_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupTargetAssignmentMemberValue {
    pub topic_partitions: Vec<ConsumerGroupTargetAssignmentMemberTopicPartition>,
}

impl ConsumerGroupTargetAssignmentMemberValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupTargetAssignmentMemberValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupTargetAssignmentMemberValue", version, 0, 0)?;
        to.at("ConsumerGroupTargetAssignmentMemberValue.topic_partitions");
        to.array(&self.topic_partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupTargetAssignmentMemberValue", version, 0, 0)?;
        from.at("ConsumerGroupTargetAssignmentMemberValue.topic_partitions");
        let topic_partitions = from.array(true, 18, |from| {
            ConsumerGroupTargetAssignmentMemberTopicPartition::decode(from, version)
        })?;
        from.skip_tags()?;
        Ok(Self { topic_partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupTargetAssignmentMemberTopicPartition {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
}

impl Message for ConsumerGroupTargetAssignmentMemberTopicPartition {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.at("ConsumerGroupTargetAssignmentMemberTopicPartition.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ConsumerGroupTargetAssignmentMemberTopicPartition.topic_id");
        let topic_id = from.uuid()?;
        from.at("ConsumerGroupTargetAssignmentMemberTopicPartition.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { topic_id, partitions })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupCurrentMemberAssignmentKey {
    pub group_id: String,
    pub member_id: String,
}

impl ConsumerGroupCurrentMemberAssignmentKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupCurrentMemberAssignmentKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupCurrentMemberAssignmentKey", version, 0, 0)?;
        to.at("ConsumerGroupCurrentMemberAssignmentKey.group_id");
        to.string(&self.group_id, false)?;
        to.at("ConsumerGroupCurrentMemberAssignmentKey.member_id");
        to.string(&self.member_id, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupCurrentMemberAssignmentKey", version, 0, 0)?;
        from.at("ConsumerGroupCurrentMemberAssignmentKey.group_id");
        let group_id = from.string(false)?;
        from.at("ConsumerGroupCurrentMemberAssignmentKey.member_id");
        let member_id = from.string(false)?;
        Ok(Self { group_id, member_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupCurrentMemberAssignmentValue {
    pub member_epoch: i32,
    pub previous_member_epoch: i32,
    pub state: i8,
    pub assigned_partitions: Vec<ConsumerGroupCurrentMemberAssignmentTopicPartitions>,
    pub partitions_pending_revocation: Vec<ConsumerGroupCurrentMemberAssignmentTopicPartitions>,
}

impl ConsumerGroupCurrentMemberAssignmentValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ConsumerGroupCurrentMemberAssignmentValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupCurrentMemberAssignmentValue", version, 0, 0)?;
        to.i32(self.member_epoch);
        to.i32(self.previous_member_epoch);
        to.i8(self.state);
        to.at("ConsumerGroupCurrentMemberAssignmentValue.assigned_partitions");
        to.array(&self.assigned_partitions, true, |to, item| item.encode(to, version))?;
        to.at("ConsumerGroupCurrentMemberAssignmentValue.partitions_pending_revocation");
        to.array(&self.partitions_pending_revocation, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupCurrentMemberAssignmentValue", version, 0, 0)?;
        from.at("ConsumerGroupCurrentMemberAssignmentValue.member_epoch");
        let member_epoch = from.i32()?;
        from.at("ConsumerGroupCurrentMemberAssignmentValue.previous_member_epoch");
        let previous_member_epoch = from.i32()?;
        from.at("ConsumerGroupCurrentMemberAssignmentValue.state");
        let state = from.i8()?;
        from.at("ConsumerGroupCurrentMemberAssignmentValue.assigned_partitions");
        let assigned_partitions = from.array(true, 18, |from| {
            ConsumerGroupCurrentMemberAssignmentTopicPartitions::decode(from, version)
        })?;
        from.at("ConsumerGroupCurrentMemberAssignmentValue.partitions_pending_revocation");
        let partitions_pending_revocation = from.array(true, 18, |from| {
            ConsumerGroupCurrentMemberAssignmentTopicPartitions::decode(from, version)
        })?;
        from.skip_tags()?;
        Ok(Self {
            member_epoch,
            previous_member_epoch,
            state,
            assigned_partitions,
            partitions_pending_revocation,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupCurrentMemberAssignmentTopicPartitions {
    pub topic_id: Uuid,
    pub partitions: Vec<i32>,
    pub assignment_epochs: Option<Vec<i32>>,
}

impl Message for ConsumerGroupCurrentMemberAssignmentTopicPartitions {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.at("ConsumerGroupCurrentMemberAssignmentTopicPartitions.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        let mut tags = TagWriter::new();
        if self.assignment_epochs.as_ref().is_some_and(|items| !items.is_empty()) {
            tags.field(0, |to| {
                to.at("ConsumerGroupCurrentMemberAssignmentTopicPartitions.assignment_epochs");
                to.nullable_array(self.assignment_epochs.as_deref(), true, true, |to, item| {
                    to.i32(*item);
                    Ok(())
                })?;
                Ok(())
            })?;
        }
        tags.finish(to);
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("ConsumerGroupCurrentMemberAssignmentTopicPartitions.topic_id");
        let topic_id = from.uuid()?;
        from.at("ConsumerGroupCurrentMemberAssignmentTopicPartitions.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        let mut assignment_epochs = None;
        from.tags(|tag, from| {
            match tag {
                0 => {
                    from.at("ConsumerGroupCurrentMemberAssignmentTopicPartitions.assignment_epochs");
                    assignment_epochs = from.nullable_array(true, true, 4, Decoder::i32)?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Self { topic_id, partitions, assignment_epochs })
    }
}
