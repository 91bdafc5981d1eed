//! A cluster of one node in memory, behind the transport trait. Faults come from a seed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use millstream_client::transport::{Transport, TransportError};
use millstream_protocol::messages::*;
use millstream_protocol::record_batch::{BatchHeader, batches};
use millstream_protocol::{ApiKey, ErrorCode, RequestKind, ResponseKind};

/// Batches of one producer that a broker remembers.
const REMEMBERED_MAX: usize = 5;

pub struct ModelBroker {
    state: Mutex<State>,
    partitions: i32,
    /// Of 100 requests, how many meet a fault.
    fault_percent: u64,
}

struct State {
    random: u64,
    next_producer_id: i64,
    partitions: HashMap<i32, Partition>,
    faults: usize,
}

#[derive(Default)]
struct Partition {
    values: Vec<Bytes>,
    producers: HashMap<i64, ProducerState>,
}

#[derive(Default)]
struct ProducerState {
    next_sequence: i32,
    /// Base sequence and base offset.
    remembered: VecDeque<(i32, i64)>,
}

enum Fault {
    RequestLost,
    ResponseLost,
    Refused(ErrorCode),
    RefusedAfterAppend(ErrorCode),
}

impl ModelBroker {
    pub fn new(partitions: i32, seed: u64, fault_percent: u64) -> Arc<ModelBroker> {
        let state = State {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            next_producer_id: 1,
            partitions: HashMap::new(),
            faults: 0,
        };
        Arc::new(ModelBroker { state: Mutex::new(state), partitions, fault_percent })
    }

    /// What a reader of the partition finds, in order.
    pub fn values(&self, partition: i32) -> Vec<Bytes> {
        let state = self.state.lock().unwrap();
        state.partitions.get(&partition).map(|partition| partition.values.clone()).unwrap_or_default()
    }

    pub fn faults(&self) -> usize {
        self.state.lock().unwrap().faults
    }
}

impl Transport for ModelBroker {
    fn call(
        &self,
        request: RequestKind,
        _version: i16,
    ) -> BoxFuture<'static, Result<ResponseKind, TransportError>> {
        let mut state = self.state.lock().unwrap();
        let delay = Duration::from_micros(200 + state.below(2000));
        let response = match request {
            RequestKind::ApiVersions(_) => Ok(api_versions().into()),
            RequestKind::Metadata(request) => Ok(metadata(request, self.partitions).into()),
            RequestKind::InitProducerId(_) => {
                state.next_producer_id += 1;
                let producer_id = state.next_producer_id;
                Ok(InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() }.into())
            }
            RequestKind::Produce(request) => {
                let fault = state.fault(self.fault_percent);
                state.produce(request, fault)
            }
            other => panic!("the model does not know {:?}", other.key()),
        };
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            response
        })
    }
}

impl State {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn fault(&mut self, percent: u64) -> Option<Fault> {
        if self.below(100) >= percent {
            return None;
        }
        self.faults += 1;
        Some(match self.below(4) {
            0 => Fault::RequestLost,
            1 => Fault::ResponseLost,
            2 => Fault::Refused(ErrorCode::NotLeaderOrFollower),
            _ => Fault::RefusedAfterAppend(ErrorCode::NotEnoughReplicasAfterAppend),
        })
    }

    fn produce(
        &mut self,
        request: ProduceRequest,
        fault: Option<Fault>,
    ) -> Result<ResponseKind, TransportError> {
        let lost = || TransportError::Closed { address: "model".to_owned(), reason: "fault".to_owned() };
        if matches!(fault, Some(Fault::RequestLost)) {
            return Err(lost());
        }
        let mut response = ProduceResponse::default();
        for topic in request.topic_data {
            let mut answers = Vec::new();
            for data in topic.partition_data {
                let (mut code, mut base_offset) = match &fault {
                    Some(Fault::Refused(code)) => (*code, -1),
                    _ => self.append(data.index, data.records.unwrap()),
                };
                if let (Some(Fault::RefusedAfterAppend(refusal)), ErrorCode::None) = (&fault, code) {
                    (code, base_offset) = (*refusal, -1);
                }
                answers.push(PartitionProduceResponse {
                    index: data.index,
                    error_code: code.code(),
                    base_offset,
                    ..Default::default()
                });
            }
            response.responses.push(TopicProduceResponse {
                name: topic.name,
                partition_responses: answers,
                ..Default::default()
            });
        }
        if matches!(fault, Some(Fault::ResponseLost)) { Err(lost()) } else { Ok(response.into()) }
    }

    fn append(&mut self, index: i32, records: Bytes) -> (ErrorCode, i64) {
        let partition = self.partitions.entry(index).or_default();
        let batch = batches(records).next().unwrap().unwrap();
        batch.verify_crc().unwrap();
        let header: BatchHeader = *batch.header();
        if header.has_producer() {
            // Like Kafka's, a leader that has never seen a producer takes any number for its first.
            let unknown = || ProducerState { next_sequence: header.base_sequence, ..Default::default() };
            let producer = partition.producers.entry(header.producer_id).or_insert_with(unknown);
            if let Some(&(_, offset)) =
                producer.remembered.iter().find(|(sequence, _)| *sequence == header.base_sequence)
            {
                return (ErrorCode::None, offset);
            }
            if header.base_sequence != producer.next_sequence {
                return (ErrorCode::OutOfOrderSequenceNumber, -1);
            }
            producer.next_sequence = header.last_sequence() + 1;
            producer.remembered.push_back((header.base_sequence, partition.values.len() as i64));
            if producer.remembered.len() > REMEMBERED_MAX {
                producer.remembered.pop_front();
            }
        }
        let base_offset = partition.values.len() as i64;
        let set = batch.records(1 << 20).unwrap();
        for record in &set {
            partition.values.push(Bytes::copy_from_slice(record.unwrap().value.unwrap()));
        }
        (ErrorCode::None, base_offset)
    }
}

fn api_versions() -> ApiVersionsResponse {
    let range =
        |api: ApiKey, min_version, max_version| ApiVersion { api_key: api.code(), min_version, max_version };
    ApiVersionsResponse {
        api_keys: vec![
            range(ApiKey::Produce, 0, 13),
            range(ApiKey::Metadata, 0, 13),
            range(ApiKey::ApiVersions, 0, 4),
            range(ApiKey::InitProducerId, 0, 5),
        ],
        ..Default::default()
    }
}

fn metadata(request: MetadataRequest, partitions: i32) -> MetadataResponse {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        leader_epoch: 0,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let topic = |asked: MetadataRequestTopic| MetadataResponseTopic {
        name: asked.name,
        partitions: (0..partitions).map(partition).collect(),
        ..Default::default()
    };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: 1, host: "model".to_owned(), ..Default::default() }],
        controller_id: 1,
        topics: request.topics.unwrap_or_default().into_iter().map(topic).collect(),
        ..Default::default()
    }
}
