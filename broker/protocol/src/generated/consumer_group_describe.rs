// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Describes next-generation consumer groups (KIP-848); member types from 1.

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response, Uuid};

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupDescribeRequest {
    pub group_ids: Vec<String>,
    pub include_authorized_operations: bool,
}

impl Message for ConsumerGroupDescribeRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupDescribeRequest", version, 0, 1)?;
        to.at("ConsumerGroupDescribeRequest.group_ids");
        to.array(&self.group_ids, true, |to, item| to.string(item, true))?;
        to.bool(self.include_authorized_operations);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupDescribeRequest", version, 0, 1)?;
        from.at("ConsumerGroupDescribeRequest.group_ids");
        let group_ids = from.array(true, 1, |from| from.string(true))?;
        from.at("ConsumerGroupDescribeRequest.include_authorized_operations");
        let include_authorized_operations = from.bool()?;
        from.skip_tags()?;
        Ok(Self { group_ids, include_authorized_operations })
    }
}

impl Request for ConsumerGroupDescribeRequest {
    const KEY: ApiKey = ApiKey::ConsumerGroupDescribe;
    const MIN_VERSION: i16 = 0;
    const MAX_VERSION: i16 = 1;
    type Response = crate::messages::ConsumerGroupDescribeResponse;
}

/// Versions 0 to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumerGroupDescribeResponse {
    pub throttle_time_ms: i32,
    pub groups: Vec<ConsumerGroupDescribedGroup>,
}

impl Message for ConsumerGroupDescribeResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ConsumerGroupDescribeResponse", version, 0, 1)?;
        to.i32(self.throttle_time_ms);
        to.at("ConsumerGroupDescribeResponse.groups");
        to.array(&self.groups, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ConsumerGroupDescribeResponse", version, 0, 1)?;
        from.at("ConsumerGroupDescribeResponse.throttle_time_ms");
        let throttle_time_ms = from.i32()?;
        from.at("ConsumerGroupDescribeResponse.groups");
        let groups = from.array(true, 20, |from| ConsumerGroupDescribedGroup::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { throttle_time_ms, groups })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroupDescribedGroup {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub group_id: String,
    pub group_state: String,
    pub group_epoch: i32,
    pub assignment_epoch: i32,
    pub assignor_name: String,
    pub members: Vec<ConsumerGroupDescribedMember>,
    pub authorized_operations: i32,
}

impl Default for ConsumerGroupDescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: String::new(),
            group_state: String::new(),
            group_epoch: 0,
            assignment_epoch: 0,
            assignor_name: String::new(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl Message for ConsumerGroupDescribedGroup {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.at("ConsumerGroupDescribedGroup.error_message");
        to.nullable_string(self.error_message.as_deref(), true, true)?;
        to.at("ConsumerGroupDescribedGroup.group_id");
        to.string(&self.group_id, true)?;
        to.at("ConsumerGroupDescribedGroup.group_state");
        to.string(&self.group_state, true)?;
        to.i32(self.group_epoch);
        to.i32(self.assignment_epoch);
        to.at("ConsumerGroupDescribedGroup.assignor_name");
        to.string(&self.assignor_name, true)?;
        to.at("ConsumerGroupDescribedGroup.members");
        to.array(&self.members, true, |to, item| item.encode(to, version))?;
        to.i32(self.authorized_operations);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ConsumerGroupDescribedGroup.error_code");
        let error_code = from.i16()?;
        from.at("ConsumerGroupDescribedGroup.error_message");
        let error_message = from.nullable_string(true, true)?;
        from.at("ConsumerGroupDescribedGroup.group_id");
        let group_id = from.string(true)?;
        from.at("ConsumerGroupDescribedGroup.group_state");
        let group_state = from.string(true)?;
        from.at("ConsumerGroupDescribedGroup.group_epoch");
        let group_epoch = from.i32()?;
        from.at("ConsumerGroupDescribedGroup.assignment_epoch");
        let assignment_epoch = from.i32()?;
        from.at("ConsumerGroupDescribedGroup.assignor_name");
        let assignor_name = from.string(true)?;
        from.at("ConsumerGroupDescribedGroup.members");
        let members = from.array(true, 16, |from| ConsumerGroupDescribedMember::decode(from, version))?;
        from.at("ConsumerGroupDescribedGroup.authorized_operations");
        let authorized_operations = from.i32()?;
        from.skip_tags()?;
        Ok(Self {
            error_code,
            error_message,
            group_id,
            group_state,
            group_epoch,
            assignment_epoch,
            assignor_name,
            members,
            authorized_operations,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroupDescribedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub rack_id: Option<String>,
    pub member_epoch: i32,
    pub client_id: String,
    pub client_host: String,
    pub subscribed_topic_names: Vec<String>,
    pub subscribed_topic_regex: Option<String>,
    pub assignment: DescribedAssignment,
    pub target_assignment: DescribedAssignment,
    /// From version 1.
    pub member_type: i8,
}

impl Default for ConsumerGroupDescribedMember {
    fn default() -> Self {
        Self {
            member_id: String::new(),
            instance_id: None,
            rack_id: None,
            member_epoch: 0,
            client_id: String::new(),
            client_host: String::new(),
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: None,
            assignment: DescribedAssignment::default(),
            target_assignment: DescribedAssignment::default(),
            member_type: -1,
        }
    }
}

impl Message for ConsumerGroupDescribedMember {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("ConsumerGroupDescribedMember.member_id");
        to.string(&self.member_id, true)?;
        to.at("ConsumerGroupDescribedMember.instance_id");
        to.nullable_string(self.instance_id.as_deref(), true, true)?;
        to.at("ConsumerGroupDescribedMember.rack_id");
        to.nullable_string(self.rack_id.as_deref(), true, true)?;
        to.i32(self.member_epoch);
        to.at("ConsumerGroupDescribedMember.client_id");
        to.string(&self.client_id, true)?;
        to.at("ConsumerGroupDescribedMember.client_host");
        to.string(&self.client_host, true)?;
        to.at("ConsumerGroupDescribedMember.subscribed_topic_names");
        to.array(&self.subscribed_topic_names, true, |to, item| to.string(item, true))?;
        to.at("ConsumerGroupDescribedMember.subscribed_topic_regex");
        to.nullable_string(self.subscribed_topic_regex.as_deref(), true, true)?;
        self.assignment.encode(to, version)?;
        self.target_assignment.encode(to, version)?;
        if version >= 1 {
            to.i8(self.member_type);
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("ConsumerGroupDescribedMember.member_id");
        let member_id = from.string(true)?;
        from.at("ConsumerGroupDescribedMember.instance_id");
        let instance_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupDescribedMember.rack_id");
        let rack_id = from.nullable_string(true, true)?;
        from.at("ConsumerGroupDescribedMember.member_epoch");
        let member_epoch = from.i32()?;
        from.at("ConsumerGroupDescribedMember.client_id");
        let client_id = from.string(true)?;
        from.at("ConsumerGroupDescribedMember.client_host");
        let client_host = from.string(true)?;
        from.at("ConsumerGroupDescribedMember.subscribed_topic_names");
        let subscribed_topic_names = from.array(true, 1, |from| from.string(true))?;
        from.at("ConsumerGroupDescribedMember.subscribed_topic_regex");
        let subscribed_topic_regex = from.nullable_string(true, true)?;
        from.at("ConsumerGroupDescribedMember.assignment");
        let assignment = DescribedAssignment::decode(from, version)?;
        from.at("ConsumerGroupDescribedMember.target_assignment");
        let target_assignment = DescribedAssignment::decode(from, version)?;
        let member_type = if version >= 1 {
            from.at("ConsumerGroupDescribedMember.member_type");
            from.i8()?
        } else {
            -1
        };
        from.skip_tags()?;
        Ok(Self {
            member_id,
            instance_id,
            rack_id,
            member_epoch,
            client_id,
            client_host,
            subscribed_topic_names,
            subscribed_topic_regex,
            assignment,
            target_assignment,
            member_type,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedTopicPartitions {
    pub topic_id: Uuid,
    pub topic_name: String,
    pub partitions: Vec<i32>,
}

impl Message for DescribedTopicPartitions {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.at("DescribedTopicPartitions.topic_name");
        to.string(&self.topic_name, true)?;
        to.at("DescribedTopicPartitions.partitions");
        to.array(&self.partitions, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("DescribedTopicPartitions.topic_id");
        let topic_id = from.uuid()?;
        from.at("DescribedTopicPartitions.topic_name");
        let topic_name = from.string(true)?;
        from.at("DescribedTopicPartitions.partitions");
        let partitions = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { topic_id, topic_name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedAssignment {
    pub topic_partitions: Vec<DescribedTopicPartitions>,
}

impl Message for DescribedAssignment {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("DescribedAssignment.topic_partitions");
        to.array(&self.topic_partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("DescribedAssignment.topic_partitions");
        let topic_partitions =
            from.array(true, 19, |from| DescribedTopicPartitions::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { topic_partitions })
    }
}

impl Response for ConsumerGroupDescribeResponse {
    const KEY: ApiKey = ApiKey::ConsumerGroupDescribe;
}
