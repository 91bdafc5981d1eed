//! Every message in every version: arbitrary bytes decode and encode to the same bytes again.

use bytes::Bytes;
use millstream_protocol::messages::*;
use millstream_protocol::{
    ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, RequestKind, ResponseKind, Uuid,
};

use super::random::Random;
use super::wire;
use crate::codegen::definition::{self, Role};

const ROUNDS: u64 = 40;

/// What a message is called, which half of which API it is, and some bytes of one version of it.
pub struct Sample {
    pub name: String,
    pub role: Role,
    pub key: Option<ApiKey>,
    pub version: i16,
    pub bytes: Bytes,
}

/// Calls `check` with `rounds` random values of every message in every version.
pub fn for_each_sample(rounds: u64, mut check: impl FnMut(&Sample)) {
    for definition in definition::read_all() {
        let key = definition.api.as_ref().map(|api| ApiKey::try_from(api.key).unwrap());
        for message in &definition.messages {
            let (low, high) = message.versions;
            for version in low..=high {
                let mut random = Random::new(u64::from(version as u16));
                for _ in 0..rounds {
                    let bytes = Bytes::from(wire::arbitrary(message, version, &mut random));
                    let (name, role) = (message.name().to_owned(), message.role);
                    check(&Sample { name, role, key, version, bytes });
                }
            }
        }
    }
}

/// Decodes a message and encodes it again.
pub fn round_trip(sample: &Sample, from: &mut Decoder) -> Result<Result<Bytes, EncodeError>, DecodeError> {
    let mut to = Encoder::new();
    let (key, version) = (sample.key.unwrap_or(ApiKey::Produce), sample.version);
    let encoded = match sample.role {
        Role::Request => RequestKind::decode(key, version, from)?.encode(&mut to, version),
        Role::Response => ResponseKind::decode(key, version, from)?.encode(&mut to, version),
        Role::Data => round_trip_data(&sample.name, version, from, &mut to)?,
    };
    Ok(encoded.map(|()| to.into_bytes()))
}

fn round_trip_data(
    name: &str,
    version: i16,
    from: &mut Decoder,
    to: &mut Encoder,
) -> Result<Result<(), EncodeError>, DecodeError> {
    macro_rules! one_of {
        ($($message:ident),* $(,)?) => {
            match name {
                $(stringify!($message) => Ok($message::decode(from, version)?.encode(to, version)),)*
                other => panic!("{other} is not tested"),
            }
        };
    }
    one_of!(
        ConsumerGroupCurrentMemberAssignmentKey,
        ConsumerGroupCurrentMemberAssignmentValue,
        ConsumerGroupMemberMetadataKey,
        ConsumerGroupMemberMetadataValue,
        ConsumerGroupMetadataKey,
        ConsumerGroupMetadataValue,
        ConsumerGroupTargetAssignmentMemberKey,
        ConsumerGroupTargetAssignmentMemberValue,
        ConsumerGroupTargetAssignmentMetadataKey,
        ConsumerGroupTargetAssignmentMetadataValue,
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
        ControlRecordTypeSchema,
        EndTxnMarker,
        GroupMetadataKey,
        GroupMetadataValue,
        OffsetCommitKey,
        OffsetCommitValue,
        TransactionLogKey,
        TransactionLogValue,
    )
}

#[test]
fn every_message_reads_back_in_every_version() {
    let mut samples = 0;
    for_each_sample(ROUNDS, |sample| {
        let mut from = Decoder::new(sample.bytes.clone());
        let encoded = round_trip(sample, &mut from)
            .unwrap_or_else(|error| panic!("{} v{}: {error}", sample.name, sample.version));
        let encoded = encoded.unwrap_or_else(|error| panic!("{} v{}: {error}", sample.name, sample.version));
        assert_eq!(from.remaining(), 0, "{} v{} is read to its end", sample.name, sample.version);
        assert_eq!(encoded, sample.bytes, "{} v{}", sample.name, sample.version);
        samples += 1;
    });
    assert!(samples > 10_000, "only {samples} samples");
}

#[test]
fn unknown_tags_are_skipped() {
    let mut to = Encoder::new();
    let request = ConsumerGroupDescribeRequest { group_ids: vec!["g".to_owned()], ..Default::default() };
    request.encode(&mut to, 1).unwrap();
    let mut bytes = to.into_bytes().to_vec();
    assert_eq!(bytes.pop(), Some(0), "no tags");
    bytes.extend([2, 5, 1, 0xaa, 200, 1, 3, 1, 2, 3]);
    let mut from = Decoder::new(bytes.into());
    assert_eq!(ConsumerGroupDescribeRequest::decode(&mut from, 1), Ok(request));
    assert_eq!(from.remaining(), 0);
}

#[test]
fn a_field_that_the_version_lacks_is_refused_unless_ignorable() {
    let request = HeartbeatRequest { group_instance_id: Some("static".to_owned()), ..Default::default() };
    let error = request.encode(&mut Encoder::new(), 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "encode HeartbeatRequest.group_instance_id: it is set, but version 2 cannot carry it"
    );
    request.encode(&mut Encoder::new(), 3).unwrap();

    let request = JoinGroupRequest { reason: Some("bored".to_owned()), ..Default::default() };
    request.encode(&mut Encoder::new(), 0).unwrap();
}

#[test]
fn null_is_refused_where_the_version_demands_a_value() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    request.encode(&mut Encoder::new(), 1).unwrap();
    let error = request.encode(&mut Encoder::new(), 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "encode MetadataRequest.topics: it is null, but this version demands a value"
    );
}

#[test]
fn versions_that_do_not_exist_are_refused() {
    let error = ProduceRequest::default().encode(&mut Encoder::new(), 2).unwrap_err();
    assert_eq!(error.to_string(), "encode ProduceRequest: version 2 is outside 3-13");
    let error = ProduceRequest::decode(&mut Decoder::new(Bytes::new()), 14).unwrap_err();
    assert_eq!(error.to_string(), "decode ProduceRequest at byte 0: version 14 is outside 3-13");
}

#[test]
fn strings_longer_than_their_length_field_are_refused() {
    let request = HeartbeatRequest { group_id: "x".repeat(40_000), ..Default::default() };
    let error = request.encode(&mut Encoder::new(), 0).unwrap_err();
    assert_eq!(error.to_string(), "encode HeartbeatRequest.group_id: a length of 40000 does not fit");
    request.encode(&mut Encoder::new(), 4).unwrap();
}

#[test]
fn defaults_are_those_of_the_definitions() {
    let request = FetchRequest::default();
    assert_eq!((request.replica_id, request.max_bytes, request.session_epoch), (-1, i32::MAX, -1));
    assert_eq!(request.replica_state.replica_epoch, -1);
    assert!(MetadataRequest::default().allow_auto_topic_creation);
    assert_eq!(MetadataResponse::default().cluster_authorized_operations, i32::MIN);
    assert_eq!(FetchTopic::default().topic_id, Uuid::ZERO);
}

#[test]
fn kinds_convert_to_and_from_their_messages() {
    let kind = RequestKind::from(HeartbeatRequest::default());
    assert_eq!(kind.key(), ApiKey::Heartbeat);
    assert_eq!(HeartbeatRequest::KEY.name(), "Heartbeat");
    assert_eq!(HeartbeatRequest::try_from(kind.clone()), Ok(HeartbeatRequest::default()));
    let error = FetchRequest::try_from(kind).unwrap_err();
    assert_eq!(error.to_string(), "expected a message of Fetch, found one of Heartbeat");
}

#[test]
fn keys_and_header_versions_are_kafkas() {
    assert_eq!(ApiKey::try_from(18), Ok(ApiKey::ApiVersions));
    assert!(ApiKey::try_from(4).is_err(), "gone from the protocol");
    assert!(ApiKey::ALL.is_sorted());
    assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
    assert_eq!(ApiKey::ApiVersions.response_header_version(3), 0);
    assert_eq!((ApiKey::Fetch.request_header_version(11), ApiKey::Fetch.response_header_version(11)), (1, 0));
    assert_eq!((ApiKey::Fetch.request_header_version(12), ApiKey::Fetch.response_header_version(12)), (2, 1));
    assert!(!ApiKey::SaslHandshake.is_flexible(1));
}
