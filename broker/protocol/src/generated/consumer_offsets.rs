// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Records of the internal topic __consumer_offsets. The key's leading int16 is the record's type (0 and 1
//! positions, 2 classic groups), the value's is its version.

use bytes::Bytes;

use crate::primitives::{TagWriter, decodable, encodable};
use crate::{DecodeError, Decoder, EncodeError, Encoder, Message, Uuid};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

impl OffsetCommitKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for OffsetCommitKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("OffsetCommitKey", version, 0, 0)?;
        to.at("OffsetCommitKey.group");
        to.string(&self.group, false)?;
        to.at("OffsetCommitKey.topic");
        to.string(&self.topic, false)?;
        to.i32(self.partition);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "OffsetCommitKey", version, 0, 0)?;
        from.at("OffsetCommitKey.group");
        let group = from.string(false)?;
        from.at("OffsetCommitKey.topic");
        let topic = from.string(false)?;
        from.at("OffsetCommitKey.partition");
        let partition = from.i32()?;
        Ok(Self { group, topic, partition })
    }
}

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitValue {
    pub offset: i64,
    /// From version 3.
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_timestamp: i64,
    /// Only in version 1.
    pub expire_timestamp: i64,
    /// From version 4.
    pub topic_id: Uuid,
}

impl OffsetCommitValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 4;
}

impl Default for OffsetCommitValue {
    fn default() -> Self {
        Self {
            offset: 0,
            leader_epoch: -1,
            metadata: String::new(),
            commit_timestamp: 0,
            expire_timestamp: -1,
            topic_id: Uuid::ZERO,
        }
    }
}

impl Message for OffsetCommitValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("OffsetCommitValue", version, 0, 4)?;
        to.i64(self.offset);
        if version >= 3 {
            to.i32(self.leader_epoch);
        }
        to.at("OffsetCommitValue.metadata");
        to.string(&self.metadata, flexible)?;
        to.i64(self.commit_timestamp);
        if version == 1 {
            to.i64(self.expire_timestamp);
        }
        let mut tags = TagWriter::new();
        if version >= 4 && !self.topic_id.is_zero() {
            tags.field(0, |to| {
                to.uuid(self.topic_id);
                Ok(())
            })?;
        }
        if flexible {
            tags.finish(to);
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "OffsetCommitValue", version, 0, 4)?;
        from.at("OffsetCommitValue.offset");
        let offset = from.i64()?;
        let leader_epoch = if version >= 3 {
            from.at("OffsetCommitValue.leader_epoch");
            from.i32()?
        } else {
            -1
        };
        from.at("OffsetCommitValue.metadata");
        let metadata = from.string(flexible)?;
        from.at("OffsetCommitValue.commit_timestamp");
        let commit_timestamp = from.i64()?;
        let expire_timestamp = if version == 1 {
            from.at("OffsetCommitValue.expire_timestamp");
            from.i64()?
        } else {
            -1
        };
        let mut topic_id = Uuid::ZERO;
        if flexible {
            from.tags(|tag, from| {
                match tag {
                    0 => {
                        from.at("OffsetCommitValue.topic_id");
                        topic_id = from.uuid()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(Self { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp, topic_id })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupMetadataKey {
    pub group: String,
}

impl GroupMetadataKey {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for GroupMetadataKey {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("GroupMetadataKey", version, 0, 0)?;
        to.at("GroupMetadataKey.group");
        to.string(&self.group, false)?;
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "GroupMetadataKey", version, 0, 0)?;
        from.at("GroupMetadataKey.group");
        let group = from.string(false)?;
        Ok(Self { group })
    }
}

/// Versions 0 to 4.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMetadataValue {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// From version 2.
    pub current_state_timestamp: i64,
    pub members: Vec<MemberMetadata>,
}

impl GroupMetadataValue {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 4;
}

impl Default for GroupMetadataValue {
    fn default() -> Self {
        Self {
            protocol_type: String::new(),
            generation: 0,
            protocol: None,
            leader: None,
            current_state_timestamp: -1,
            members: Vec::new(),
        }
    }
}

impl Message for GroupMetadataValue {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        encodable("GroupMetadataValue", version, 0, 4)?;
        to.at("GroupMetadataValue.protocol_type");
        to.string(&self.protocol_type, flexible)?;
        to.i32(self.generation);
        to.at("GroupMetadataValue.protocol");
        to.nullable_string(self.protocol.as_deref(), true, flexible)?;
        to.at("GroupMetadataValue.leader");
        to.nullable_string(self.leader.as_deref(), true, flexible)?;
        if version >= 2 {
            to.i64(self.current_state_timestamp);
        }
        to.at("GroupMetadataValue.members");
        to.array(&self.members, flexible, |to, item| item.encode(to, version))?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        decodable(from, "GroupMetadataValue", version, 0, 4)?;
        from.at("GroupMetadataValue.protocol_type");
        let protocol_type = from.string(flexible)?;
        from.at("GroupMetadataValue.generation");
        let generation = from.i32()?;
        from.at("GroupMetadataValue.protocol");
        let protocol = from.nullable_string(true, flexible)?;
        from.at("GroupMetadataValue.leader");
        let leader = from.nullable_string(true, flexible)?;
        let current_state_timestamp = if version >= 2 {
            from.at("GroupMetadataValue.current_state_timestamp");
            from.i64()?
        } else {
            -1
        };
        from.at("GroupMetadataValue.members");
        let members = from.array(flexible, 15, |from| MemberMetadata::decode(from, version))?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self { protocol_type, generation, protocol, leader, current_state_timestamp, members })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MemberMetadata {
    pub member_id: String,
    /// From version 3.
    pub group_instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// From version 1.
    pub rebalance_timeout: i32,
    pub session_timeout: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

impl Default for MemberMetadata {
    fn default() -> Self {
        Self {
            member_id: String::new(),
            group_instance_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout: -1,
            session_timeout: 0,
            subscription: Bytes::new(),
            assignment: Bytes::new(),
        }
    }
}

impl Message for MemberMetadata {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        to.at("MemberMetadata.member_id");
        to.string(&self.member_id, flexible)?;
        if version >= 3 {
            to.at("MemberMetadata.group_instance_id");
            to.nullable_string(self.group_instance_id.as_deref(), true, flexible)?;
        }
        to.at("MemberMetadata.client_id");
        to.string(&self.client_id, flexible)?;
        to.at("MemberMetadata.client_host");
        to.string(&self.client_host, flexible)?;
        if version >= 1 {
            to.i32(self.rebalance_timeout);
        }
        to.i32(self.session_timeout);
        to.at("MemberMetadata.subscription");
        to.bytes(&self.subscription, flexible)?;
        to.at("MemberMetadata.assignment");
        to.bytes(&self.assignment, flexible)?;
        if flexible {
            to.no_tags();
        }
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        from.at("MemberMetadata.member_id");
        let member_id = from.string(flexible)?;
        let group_instance_id = if version >= 3 {
            from.at("MemberMetadata.group_instance_id");
            from.nullable_string(true, flexible)?
        } else {
            None
        };
        from.at("MemberMetadata.client_id");
        let client_id = from.string(flexible)?;
        from.at("MemberMetadata.client_host");
        let client_host = from.string(flexible)?;
        let rebalance_timeout = if version >= 1 {
            from.at("MemberMetadata.rebalance_timeout");
            from.i32()?
        } else {
            -1
        };
        from.at("MemberMetadata.session_timeout");
        let session_timeout = from.i32()?;
        from.at("MemberMetadata.subscription");
        let subscription = from.bytes(flexible)?;
        from.at("MemberMetadata.assignment");
        let assignment = from.bytes(flexible)?;
        if flexible {
            from.skip_tags()?;
        }
        Ok(Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout,
            session_timeout,
            subscription,
            assignment,
        })
    }
}
