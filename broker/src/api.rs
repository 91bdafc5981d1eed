//! Every Kafka API that the broker serves: one table drives dispatch and ApiVersions, one file per API.
//!
//! Handlers take typed requests and return typed responses; only the connection (or a direct caller) sees the
//! wire. Requests and responses are known nowhere else in the broker, and error codes are chosen here.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_partition_reassignments;
pub(crate) mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod deferred;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_handshake;
mod sync_group;
mod txn_offset_commit;
mod update_features;
mod write_txn_markers;

pub(crate) mod clock;
pub(crate) mod fetch_session;
mod lookup;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use millstream_protocol::{ApiKey, DecodeError, Decoder, ErrorCode, frame};
use millstream_protocol::{RequestKind, ResponseKind};

pub(crate) use self::deferred::Deferred;
pub(crate) use self::produce::transactional::Gates;
use crate::cluster::ClusterError;
use crate::node::Node;

/// One API at the versions served.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min_version: i16,
    pub(crate) max_version: i16,
    begin: fn(&Arc<Node>, Call, RequestKind) -> Answer,
}

/// The far end of a connection, or a direct caller.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Name of the listener that it came in by: it is told the endpoints of that listener.
    pub(crate) listener: Arc<str>,
    pub(crate) host: String,
    /// The address under which it reached this node.
    pub(crate) local: SocketAddr,
}

/// What a handler knows about its request besides the request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) peer: Arc<Peer>,
    pub(crate) client_id: String,
    pub(crate) version: i16,
    /// Where a fetch may leave records that are read while the response is sent; `None` asks for all bytes.
    pub(crate) deferred: Option<Deferred>,
}

/// What becomes of a request.
pub(crate) enum Reply {
    Response(ResponseKind),
    /// Produce with acks=0 gets no response.
    Nothing,
    /// There is an error and no response to put it in: only closing the connection tells the client.
    Close(&'static str),
}

pub(crate) type Answer = BoxFuture<'static, Reply>;

/// A request that cannot even be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this broker does not serve {} at version {version}", key.name())]
    Unsupported { key: ApiKey, version: i16 },
}

/// A frame's content.
pub(crate) enum Decoded {
    Request(frame::RequestHeader, RequestKind),
    /// An ApiVersions request of a version that we don't know: answered in version 0.
    UnknownApiVersions(frame::RequestHeader),
}

/// Why a frame is no request that we serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

macro_rules! api {
    ($key:ident $min:literal..=$max:literal => $handler:path) => {
        Api {
            key: ApiKey::$key,
            min_version: $min,
            max_version: $max,
            begin: |node, call, request| match request {
                RequestKind::$key(request) => respond($handler(node.clone(), call, request)),
                other => unreachable!("dispatch matched the key, got {}", other.key().name()),
            },
        }
    };
}

/// The table, by key. A version stands here only when it does what Kafka does.
static APIS: &[Api] = &[
    Api {
        key: ApiKey::Produce,
        min_version: 3,
        max_version: 13,
        begin: |node, call, request| match request {
            RequestKind::Produce(request) => produce::begin(node, call, request),
            other => unreachable!("dispatch matched the key, got {}", other.key().name()),
        },
    },
    api!(Fetch 4..=18 => fetch::handle),
    api!(ListOffsets 1..=11 => list_offsets::handle),
    api!(Metadata 0..=13 => metadata::handle),
    api!(OffsetCommit 2..=10 => offset_commit::handle),
    api!(OffsetFetch 1..=10 => offset_fetch::handle),
    api!(FindCoordinator 0..=6 => find_coordinator::handle),
    api!(JoinGroup 0..=9 => join_group::handle),
    api!(Heartbeat 0..=4 => heartbeat::handle),
    api!(LeaveGroup 0..=5 => leave_group::handle),
    api!(SyncGroup 0..=5 => sync_group::handle),
    api!(DescribeGroups 0..=6 => describe_groups::handle),
    api!(ListGroups 0..=5 => list_groups::handle),
    api!(SaslHandshake 0..=1 => sasl_handshake::handle),
    api!(ApiVersions 0..=5 => api_versions::handle),
    api!(CreateTopics 2..=7 => create_topics::handle),
    api!(DeleteTopics 1..=6 => delete_topics::handle),
    api!(DeleteRecords 0..=2 => delete_records::handle),
    api!(InitProducerId 0..=5 => init_producer_id::handle),
    api!(OffsetForLeaderEpoch 2..=4 => offset_for_leader_epoch::handle),
    api!(AddPartitionsToTxn 0..=5 => add_partitions_to_txn::handle),
    api!(AddOffsetsToTxn 0..=4 => add_offsets_to_txn::handle),
    api!(EndTxn 0..=5 => end_txn::handle),
    api!(WriteTxnMarkers 1..=2 => write_txn_markers::handle),
    api!(TxnOffsetCommit 0..=5 => txn_offset_commit::handle),
    api!(DescribeConfigs 1..=4 => describe_configs::handle),
    api!(AlterConfigs 0..=2 => alter_configs::handle),
    api!(DescribeLogDirs 1..=5 => describe_log_dirs::handle),
    api!(CreatePartitions 0..=3 => create_partitions::handle),
    api!(DeleteGroups 0..=3 => delete_groups::handle),
    api!(ElectLeaders 0..=2 => elect_leaders::handle),
    api!(IncrementalAlterConfigs 0..=1 => incremental_alter_configs::handle),
    api!(AlterPartitionReassignments 0..=1 => alter_partition_reassignments::handle),
    api!(ListPartitionReassignments 0..=0 => list_partition_reassignments::handle),
    api!(OffsetDelete 0..=0 => offset_delete::handle),
    api!(DescribeClientQuotas 0..=1 => describe_client_quotas::handle),
    api!(DescribeUserScramCredentials 0..=0 => describe_user_scram_credentials::handle),
    api!(DescribeQuorum 0..=2 => describe_quorum::handle),
    api!(UpdateFeatures 0..=2 => update_features::handle),
    api!(DescribeCluster 0..=2 => describe_cluster::handle),
    api!(DescribeProducers 0..=0 => describe_producers::handle),
    api!(DescribeTransactions 0..=0 => describe_transactions::handle),
    api!(ListTransactions 0..=2 => list_transactions::handle),
    api!(ConsumerGroupHeartbeat 0..=1 => consumer_group_heartbeat::handle),
    api!(ConsumerGroupDescribe 0..=1 => consumer_group_describe::handle),
    api!(ListConfigResources 0..=1 => list_config_resources::handle),
    api!(DescribeTopicPartitions 0..=0 => describe_topic_partitions::handle),
];

/// The API of a key, if we serve it.
pub(crate) fn find(key: ApiKey) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// All APIs served, by key.
pub(crate) fn all() -> &'static [Api] {
    APIS
}

/// The API that a frame says it is for, without decoding it.
pub(crate) fn peek_key(frame: &Bytes) -> Option<ApiKey> {
    let key: [u8; 2] = frame.get(..2)?.try_into().ok()?;
    ApiKey::try_from(i16::from_be_bytes(key)).ok()
}

/// Header and body of a frame, if it is a request that we serve.
pub(crate) fn decode(frame: Bytes) -> Result<Decoded, FrameError> {
    let mut decoder = Decoder::new(frame);
    let header = frame::decode_request_header(&mut decoder)?;
    let (key, version) = (header.api_key, header.api_version);
    if !serves(key, version) {
        if key == ApiKey::ApiVersions {
            return Ok(Decoded::UnknownApiVersions(header));
        }
        return Err(Refusal::Unsupported { key, version }.into());
    }
    let request = RequestKind::decode(key, version, &mut decoder)?;
    Ok(Decoded::Request(header, request))
}

/// Whether we serve an API at a version.
pub(crate) fn serves(key: ApiKey, version: i16) -> bool {
    find(key).is_some_and(|api| (api.min_version..=api.max_version).contains(&version))
}

/// Starts a request. On return it has taken its place in the order (a produce has been appended); the answer
/// only waits. The caller has checked with [`serves`].
pub(crate) fn begin(node: &Arc<Node>, call: Call, request: RequestKind) -> Answer {
    let key = request.key();
    let Some(api) = find(key) else {
        return Box::pin(async { Reply::Close("request for an API that is not served") });
    };
    let started = Instant::now();
    let metrics = node.metrics.clone();
    let answer = (api.begin)(node, call, request);
    Box::pin(async move {
        let reply = answer.await;
        metrics.count_request(key, started.elapsed());
        reply
    })
}

/// The code for a metadata command that failed for no fault of the caller's.
fn failure_code<E: std::error::Error>(error: &ClusterError<E>) -> ErrorCode {
    match error {
        ClusterError::Journal(_) | ClusterError::Hosting(_) => ErrorCode::KafkaStorageError,
        ClusterError::Refused(_) | ClusterError::Apply(_) | ClusterError::Stopped => {
            ErrorCode::UnknownServerError
        }
    }
}

fn respond<R: Into<ResponseKind>>(answer: impl Future<Output = R> + Send + 'static) -> Answer {
    Box::pin(async move { Reply::Response(answer.await.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_by_key_without_repeats() {
        assert!(APIS.windows(2).all(|pair| pair[0].key < pair[1].key));
    }

    #[test]
    fn every_served_version_exists_in_the_protocol() {
        for api in APIS {
            assert!(api.min_version <= api.max_version, "{}", api.key.name());
        }
    }
}
