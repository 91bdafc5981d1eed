//! The published `kafka-protocol` crate as a second opinion: what one side writes, the other reads and writes
//! back the same, for every message and version that both know.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};

use super::messages::{Sample, for_each_sample};
use crate::codegen::definition::Role;

const ROUNDS: u64 = 10;

/// Fewest messages that both sides must know, so that the test cannot become empty unnoticed.
const MESSAGES_MIN: usize = 100;

#[test]
fn both_codecs_agree_on_every_message() {
    let mut compared = BTreeSet::new();
    for_each_sample(ROUNDS, |sample| {
        let mut bytes = sample.bytes.clone();
        let Some(result) = their_round_trip(sample, &mut bytes) else { return };
        // Their table of keys names some versions that their messages do not have yet.
        if result.as_ref().is_err_and(|error| error.contains("specified version not supported")) {
            return;
        }
        let place = format!("{} v{}", sample.name, sample.version);
        // Our codec is held to the same bytes by `messages`, so equality here is equality of both.
        let encoded = result.unwrap_or_else(|error| panic!("{place}: {error:#}"));
        assert!(bytes.is_empty(), "{place} is read to its end");
        assert_eq!(encoded, sample.bytes, "{place}");
        compared.insert(sample.name.clone());
    });
    assert!(compared.len() >= MESSAGES_MIN, "only {} messages are compared", compared.len());
}

/// None for a message or version that only we know.
fn their_round_trip(sample: &Sample, from: &mut Bytes) -> Option<Result<Bytes, String>> {
    let version = sample.version;
    let mut to = BytesMut::new();
    let result = match sample.role {
        Role::Data => match sample.name.as_str() {
            "ConsumerProtocolAssignment" => {
                again::<theirs::ConsumerProtocolAssignment>(from, &mut to, version)
            }
            "ConsumerProtocolSubscription" => {
                again::<theirs::ConsumerProtocolSubscription>(from, &mut to, version)
            }
            "EndTxnMarker" => again::<theirs::EndTxnMarker>(from, &mut to, version),
            _ => return None,
        },
        Role::Request | Role::Response => {
            let key = theirs::ApiKey::try_from(sample.key?.code()).ok()?;
            let known = key.valid_versions();
            if !(known.min..=known.max).contains(&version) {
                return None;
            }
            if sample.role == Role::Request {
                theirs::RequestKind::decode(key, from, version).and_then(|kind| kind.encode(&mut to, version))
            } else {
                theirs::ResponseKind::decode(key, from, version)
                    .and_then(|kind| kind.encode(&mut to, version))
            }
            .map_err(|error| format!("{error:#}"))
        }
    };
    Some(result.map(|()| to.freeze()))
}

fn again<T: Decodable + Encodable>(from: &mut Bytes, to: &mut BytesMut, version: i16) -> Result<(), String> {
    let message = T::decode(from, version).map_err(|error| format!("{error:#}"))?;
    message.encode(to, version).map_err(|error| format!("{error:#}"))
}
