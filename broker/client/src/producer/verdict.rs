//! What a node's answer about one batch means.

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::PartitionProduceResponse;

use super::ProduceError;
use super::completion::Written;
use crate::topic::TopicPartition;

#[derive(Debug)]
pub(crate) enum Verdict {
    Written(Written),
    /// The producer's last transaction is still ending.
    RetrySoon {
        reason: String,
    },
    Retry {
        is_leader_stale: bool,
        reason: String,
    },
    OutOfOrder(ProduceError),
    IdentityLost(ProduceError),
    Refused(ProduceError),
}

pub(crate) fn verdict(place: &TopicPartition, answer: &PartitionProduceResponse) -> Verdict {
    let code = ErrorCode::from_code(answer.error_code);
    let message = answer
        .error_message
        .clone()
        .or_else(|| answer.record_errors.first().and_then(|error| error.batch_index_error_message.clone()));
    let refused = || ProduceError::Refused { place: place.clone(), code, message };
    match code {
        ErrorCode::None => Verdict::Written(Written {
            base_offset: answer.base_offset,
            log_append_time_ms: answer.log_append_time_ms,
        }),
        // The batch is older than the five that the broker remembers: written, its offset forgotten.
        ErrorCode::DuplicateSequenceNumber => {
            Verdict::Written(Written { base_offset: -1, log_append_time_ms: -1 })
        }
        ErrorCode::OutOfOrderSequenceNumber => Verdict::OutOfOrder(refused()),
        ErrorCode::UnknownProducerId
        | ErrorCode::InvalidProducerEpoch
        | ErrorCode::InvalidProducerIdMapping => Verdict::IdentityLost(refused()),
        ErrorCode::ConcurrentTransactions => Verdict::RetrySoon { reason: code.name().to_owned() },
        code if code.is_retriable() => {
            Verdict::Retry { is_leader_stale: is_leader_stale(code), reason: code.name().to_owned() }
        }
        _ => Verdict::Refused(refused()),
    }
}

fn is_leader_stale(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::KafkaStorageError
            | ErrorCode::NetworkException
    )
}
