//! Before a transaction's first write to a partition, the transaction's coordinator is asked (KIP-890).
//!
//! Versions below 12 only verify that the client has added the partition; from 12 on the write itself adds it.
//! Either way the coordinator knows the partition durably before a record is there, so no transaction is left
//! hanging. The question takes time, so requests of one producer pass a gate in the order in which they came.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use millstream_protocol::messages::ProduceRequest;
use millstream_protocol::record_batch::BatchHeader;
use millstream_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::Topics;
use crate::api::lookup;
use crate::coordinator::transaction::{AddPartitions, VerifyError};
use crate::coordinator::{Producer, TopicPartition};
use crate::limits;
use crate::log::Partition;
use crate::node::Node;

/// First version that adds partitions to the transaction by itself.
const IMPLICIT_FROM: i16 = 12;
/// First version that knows TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;

/// What to append a partition's batch with: the guard of its verification, or why it must not be appended.
pub(super) type Guards = HashMap<(Uuid, i32), Result<u64, ErrorCode>>;

/// The partitions of one request that must be asked about.
pub(super) struct Question {
    transactional_id: String,
    producer: Producer,
    partitions: Vec<(Uuid, TopicPartition, u64)>,
}

/// Keeps the requests of one producer in order while they wait for the coordinator.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    gates: Mutex<HashMap<i64, Arc<tokio::sync::Mutex<()>>>>,
}

/// A place in the queue before a producer's gate, or the gate itself.
pub(super) struct Ticket {
    passing: Pin<Box<dyn Future<Output = OwnedMutexGuard<()>> + Send>>,
    passed: Option<OwnedMutexGuard<()>>,
}

/// The producer of a transactional batch; `None` for any other.
pub(super) fn transactional_producer(records: &[u8]) -> Option<Producer> {
    let header = BatchHeader::parse(records).ok().filter(BatchHeader::is_transactional)?;
    Some(Producer { id: header.producer_id, epoch: header.producer_epoch })
}

/// What must be asked before this request may be appended; `None` if it may be appended at once. A request behind
/// one that waits must wait too, even if it has nothing to ask any more.
pub(super) fn question(
    node: &Node,
    version: i16,
    request: &ProduceRequest,
    topics: &Topics,
) -> Option<Question> {
    let transactional_id = request.transactional_id.as_ref()?;
    if version < IMPLICIT_FROM && !node.config.transaction_verification {
        return None;
    }
    let mut partitions = Vec::new();
    let mut producer = None;
    for (data, topic) in request.topic_data.iter().zip(topics) {
        let Ok(topic) = topic else { continue };
        for partition in &data.partition_data {
            let records = partition.records.as_deref().unwrap_or_default();
            let Some(of_batch) = transactional_producer(records) else { continue };
            producer = Some(of_batch);
            let Ok(log) = lookup::leader(node, topic, partition.index, -1) else { continue };
            let Some(guard) = log.begin_verification(of_batch.id, of_batch.epoch) else { continue };
            partitions.push((topic.id, TopicPartition::new(&*topic.name, partition.index), guard));
        }
    }
    let (transactional_id, producer) = (transactional_id.clone(), producer?);
    let must_wait = !partitions.is_empty() || node.producer_gates.is_taken(producer.id);
    must_wait.then_some(Question { transactional_id, producer, partitions })
}

impl Question {
    /// Takes a place before the gate at once; the place is kept until the ticket is dropped.
    pub(super) fn queue(&self, gates: &Gates) -> Ticket {
        gates.ticket(self.producer.id)
    }

    /// Asks the coordinator. Every partition of the question gets a guard or an error.
    pub(super) async fn ask(mut self, node: &Node, version: i16) -> Guards {
        if self.partitions.is_empty() {
            return Guards::new();
        }
        let places: Vec<TopicPartition> = self.partitions.iter().map(|(_, place, _)| place.clone()).collect();
        let answer = if version >= IMPLICIT_FROM {
            self.add(node, places).await
        } else {
            verify(node, self.transactional_id, self.producer, places).await
        };
        let guards = self.partitions.into_iter().map(|(topic, place, guard)| {
            let result = match &answer {
                Err(code) => Err(*code),
                Ok(refused) => refused.get(&place).map_or(Ok(guard), |code| Err(*code)),
            };
            ((topic, place.partition), result.map_err(|code| for_producer(code, version)))
        });
        guards.collect()
    }

    async fn add(&mut self, node: &Node, partitions: Vec<TopicPartition>) -> Result<Refused, ErrorCode> {
        let transactional_id = self.transactional_id.clone();
        let add = AddPartitions { transactional_id, producer: self.producer, client_version: 2, partitions };
        // The transaction before may still get its markers. Clients send on without waiting for it, so it is waited for
        // here, where the order of their requests is kept.
        let renew = || self.renew_guards(node);
        match node.coordinators.add_partitions_patiently(add, limits::TRANSACTION_PATIENCE, renew).await {
            Ok(Ok(())) => Ok(Refused::new()),
            Ok(Err(error)) => Err(error.code(false)),
            Err(unavailable) => Err(unavailable.code()),
        }
    }

    /// A marker that was waited for took the guards away.
    fn renew_guards(&mut self, node: &Node) {
        for (topic, place, guard) in &mut self.partitions {
            let log = node.hosting().find(*topic, place.partition);
            let begin = |log: Arc<Partition>| log.begin_verification(self.producer.id, self.producer.epoch);
            if let Some(renewed) = log.and_then(begin) {
                *guard = renewed;
            }
        }
    }
}

/// Partitions that were refused, each with its code.
type Refused = HashMap<TopicPartition, ErrorCode>;

async fn verify(
    node: &Node,
    transactional_id: String,
    producer: Producer,
    partitions: Vec<TopicPartition>,
) -> Result<Refused, ErrorCode> {
    match node.coordinators.verify_partitions(transactional_id, producer, partitions).await {
        Ok(Ok(results)) => {
            let refused = |(place, result): (TopicPartition, Result<(), VerifyError>)| {
                Some((place, result.err()?.code(false)))
            };
            Ok(results.into_iter().filter_map(refused).collect())
        }
        Ok(Err(error)) => Err(error.code(false)),
        Err(unavailable) => Err(unavailable.code()),
    }
}

/// Producers don't know a coordinator's codes: what may pass by itself becomes a code that they retry.
fn for_producer(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ConcurrentTransactions
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        ErrorCode::TransactionAbortable if version < ABORTABLE_FROM => ErrorCode::InvalidTxnState,
        other => other,
    }
}

impl Gates {
    /// Whether a request of this producer waits or is being asked about.
    fn is_taken(&self, producer_id: i64) -> bool {
        self.gates.lock().get(&producer_id).is_some_and(|gate| Arc::strong_count(gate) > 1)
    }

    fn ticket(&self, producer_id: i64) -> Ticket {
        let mut gates = self.gates.lock();
        // Gates that nobody holds or waits for go when the next producer comes.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        let gate = gates.entry(producer_id).or_default().clone();
        let mut passing: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(gate.lock_owned());
        // The queue is joined by the first poll, which must happen here and now.
        let passed = match passing.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(passed) => Some(passed),
            Poll::Pending => None,
        };
        Ticket { passing, passed }
    }
}

impl Ticket {
    /// Waits for everybody before.
    pub(super) async fn pass(self) -> OwnedMutexGuard<()> {
        match self.passed {
            Some(passed) => passed,
            None => self.passing.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tickets_pass_in_the_order_they_were_taken() {
        let gates = Gates::default();
        let (first, second, third) = (gates.ticket(1), gates.ticket(1), gates.ticket(1));
        let other = gates.ticket(2);
        assert!(gates.is_taken(1) && gates.is_taken(2) && !gates.is_taken(3));
        assert!(other.passed.is_some() && first.passed.is_some() && second.passed.is_none());
        let order = Mutex::new(Vec::new());
        let run = async |name, ticket: Ticket| {
            let passed = ticket.pass().await;
            order.lock().push(name);
            drop(passed);
        };
        futures_util::join!(run(3, third), run(2, second), run(1, first));
        assert_eq!(order.into_inner(), [1, 2, 3]);
    }
}
