//! Produce (key 0), versions 3–13 (advertised from 0): record batches into partitions.
//!
//! The append happens before this returns, so requests of one connection keep their order; only the wait for
//! durability is left to the future. acks=1 waits like acks=all, because what is acknowledged must be visible, and
//! on one node only what is flushed is. acks=0 gets no response, and an error closes the connection. A duplicate of an idempotent producer succeeds with its first offset. An unknown topic is
//! created in the background while the client is told to retry. A transaction's first write to a partition asks the
//! coordinator first (`transactional`). KIPs: 98, 467, 516, 890, 951.

pub(crate) mod transactional;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use millstream_protocol::messages::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse,
};
use millstream_protocol::{ErrorCode, Uuid};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Call, Reply, create_topics, lookup};
use crate::cluster::{MetadataImage, TopicImage};
use crate::log::{AppendError, Durability};
use crate::node::Node;
use crate::partition::append::{AppendRefusal, Origin};
use transactional::Guards;

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

const ACKS_NONE: i16 = 0;
const ACKS_LEADER: i16 = 1;
const ACKS_ALL: i16 = -1;

pub(super) fn begin(node: &Arc<Node>, call: Call, request: ProduceRequest) -> Answer {
    let image = node.cluster.image();
    let topics: Topics = request
        .topic_data
        .iter()
        .map(|data| find_topic(node, &image, call.version, &data.name, data.topic_id))
        .collect();
    if let Some(question) = transactional::question(node, call.version, &request, &topics) {
        let ticket = question.queue(&node.producer_gates);
        let node = node.clone();
        return Box::pin(async move {
            let passed = ticket.pass().await;
            let guards = question.ask(&node, call.version).await;
            let answer = append(&node, request, &topics, &guards);
            drop(passed);
            answer.await
        });
    }
    append(node, request, &topics, &Guards::new())
}

/// The topic of each entry of a request, in order.
type Topics = Vec<Result<Arc<TopicImage>, ErrorCode>>;

/// An append whose durability is still out, by its place in the response.
struct Pending {
    topic: usize,
    partition: usize,
    durability: Durability,
}

/// Appends everything, now; the answer waits for durability where `acks` asks for it.
fn append(node: &Node, request: ProduceRequest, topics: &Topics, guards: &Guards) -> Answer {
    let acks = request.acks;
    let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let (response, pending) = append_all(node, request, topics, guards);
    if acks == ACKS_NONE {
        return Box::pin(std::future::ready(unacknowledged(&response)));
    }
    if pending.iter().all(|pending| pending.durability.is_reached()) {
        return Box::pin(std::future::ready(Reply::Response(response.into())));
    }
    Box::pin(async move { Reply::Response(settle(response, pending, patience).await.into()) })
}

/// Errors and offsets are in the response already.
fn append_all(
    node: &Node,
    request: ProduceRequest,
    topics: &Topics,
    guards: &Guards,
) -> (ProduceResponse, Vec<Pending>) {
    let mut response = ProduceResponse::default();
    let mut pending = Vec::new();
    let in_transaction = request.transactional_id.is_some();
    for (topic_slot, (data, topic)) in request.topic_data.into_iter().zip(topics).enumerate() {
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for (partition_slot, partition) in data.partition_data.into_iter().enumerate() {
            let index = partition.index;
            let appended = match (request.acks, topic) {
                (ACKS_NONE | ACKS_LEADER | ACKS_ALL, Ok(topic)) => {
                    append_one(node, topic, partition, guards, in_transaction)
                }
                (ACKS_NONE | ACKS_LEADER | ACKS_ALL, Err(code)) => Err((*code).into()),
                _ => Err(ErrorCode::InvalidRequiredAcks.into()),
            };
            partitions.push(match appended {
                Ok((response, durability)) => {
                    if request.acks != ACKS_NONE {
                        pending.push(Pending { topic: topic_slot, partition: partition_slot, durability });
                    }
                    response
                }
                Err(refused) => refused.response(node, index),
            });
        }
        response.responses.push(TopicProduceResponse {
            name: data.name,
            topic_id: data.topic_id,
            partition_responses: partitions,
        });
    }
    (response, pending)
}

fn find_topic(
    node: &Arc<Node>,
    image: &MetadataImage,
    version: i16,
    name: &str,
    id: Uuid,
) -> Result<Arc<TopicImage>, ErrorCode> {
    if version >= TOPIC_IDS_FROM {
        return lookup::topic_by_id(image, id).cloned();
    }
    if let Ok(topic) = lookup::topic(image, name) {
        return Ok(topic.clone());
    }
    // A busy metadata writer is not queued up for: the client asks again anyway.
    if node.config.auto_create_topics && node.cluster.is_idle() && create_topics::is_valid_name(name) {
        let (node, name) = (node.clone(), name.to_owned());
        tokio::spawn(
            async move { create_topics::create_missing(&node, std::iter::once(name.as_str())).await },
        );
    }
    Err(ErrorCode::UnknownTopicOrPartition)
}

/// Why a partition took nothing of a request.
struct Refused {
    code: ErrorCode,
    message: Option<String>,
    /// Places in the batch of the records that are to blame.
    records: Vec<i32>,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new() }
    }
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Self {
        let records = match &error {
            AppendError::Refused {
                refusal:
                    AppendRefusal::KeylessRecords { indexes } | AppendRefusal::InvalidTimestamp { indexes, .. },
                ..
            } => indexes.clone(),
            _ => Vec::new(),
        };
        Self { code: append_code(&error), message: Some(error.to_string()), records }
    }
}

fn append_one(
    node: &Node,
    topic: &TopicImage,
    data: PartitionProduceData,
    guards: &Guards,
    in_transaction: bool,
) -> Result<(PartitionProduceResponse, Durability), Refused> {
    let partition = lookup::leader(node, topic, data.index, -1)?;
    let records = data.records.unwrap_or_default();
    if !in_transaction && transactional::transactional_producer(&records).is_some() {
        let message = "transactional records need a transactional id";
        let code = ErrorCode::TransactionalIdAuthorizationFailed;
        return Err(Refused { code, message: Some(message.to_owned()), records: Vec::new() });
    }
    let guard = guards.get(&(topic.id, data.index)).copied().transpose()?;
    let bytes = records.len() as u64;
    let appended = partition.append(records, Origin::Client, guard).map_err(|error| {
        if append_code(&error) == ErrorCode::KafkaStorageError {
            tracing::error!(%error, "cannot append");
        }
        Refused::from(error)
    })?;
    node.metrics.produced_bytes.fetch_add(bytes, Relaxed);
    node.metrics.produced_batches.fetch_add(1, Relaxed);
    let response = PartitionProduceResponse {
        index: data.index,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: appended.log_start_offset,
        ..Default::default()
    };
    Ok((response, appended.durability))
}

/// Waits until every append is durable; what is not in time is told so, though it may still become durable.
async fn settle(mut response: ProduceResponse, pending: Vec<Pending>, patience: Duration) -> ProduceResponse {
    let deadline = Instant::now() + patience;
    for Pending { topic, partition, durability } in pending {
        let code = match timeout_at(deadline, durability.wait()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => ErrorCode::KafkaStorageError,
            Err(_) => ErrorCode::RequestTimedOut,
        };
        let slot =
            response.responses.get_mut(topic).and_then(|topic| topic.partition_responses.get_mut(partition));
        if let Some(slot) = slot {
            *slot = PartitionProduceResponse {
                index: slot.index,
                error_code: code.code(),
                base_offset: -1,
                ..Default::default()
            };
        }
    }
    response
}

fn unacknowledged(response: &ProduceResponse) -> Reply {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.map(|partition| ErrorCode::from_code(partition.error_code)).find(|code| !code.is_none())
    {
        None => Reply::Nothing,
        Some(code) => Reply::Close(code.name()),
    }
}

impl Refused {
    fn response(self, node: &Node, index: i32) -> PartitionProduceResponse {
        node.metrics.count_error(self.code);
        let message = self.message.clone();
        let record_errors = self.records.into_iter().map(|batch_index| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: message.clone(),
        });
        PartitionProduceResponse {
            index,
            error_code: self.code.code(),
            base_offset: -1,
            record_errors: record_errors.collect(),
            error_message: self.message,
            ..Default::default()
        }
    }
}

/// The one map from failed appends to Kafka's codes.
pub(super) fn append_code(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Refused { refusal, .. } => match refusal {
            AppendRefusal::CorruptBatch { .. } => ErrorCode::CorruptMessage,
            AppendRefusal::InvalidRecord { .. } | AppendRefusal::KeylessRecords { .. } => {
                ErrorCode::InvalidRecord
            }
            AppendRefusal::UnsupportedFormat { .. } => ErrorCode::UnsupportedForMessageFormat,
            AppendRefusal::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendRefusal::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendRefusal::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
            AppendRefusal::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            AppendRefusal::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            AppendRefusal::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
            AppendRefusal::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
            AppendRefusal::OffsetsOutOfOrder { .. } => ErrorCode::UnknownServerError,
        },
        AppendError::DiskFull { .. } | AppendError::Storage { .. } | AppendError::FolderFailed { .. } => {
            ErrorCode::KafkaStorageError
        }
        AppendError::Marker { .. } => ErrorCode::UnknownServerError,
        AppendError::Closed { .. } => ErrorCode::NotLeaderOrFollower,
    }
}
