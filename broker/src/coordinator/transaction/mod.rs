//! Transactions: one [`TransactionCoordinator`] per partition of `__transaction_state`.
//!
//! Follows KIP-98, KIP-360 (an epoch bump that the producer asks for), KIP-447, KIP-664 (list and describe) and
//! KIP-890 (verification for old clients; an epoch bump at each end for new ones). A transaction ends in two steps:
//! the decision is made durable (`PrepareCommit`, `PrepareAbort`), then every partition gets a marker, and only then
//! is it complete. Between the steps nothing can change the decision, a new coordinator included.
//!
//! Memory follows the log: a change counts from when the owner reports its append with
//! [`TransactionCoordinator::appended`]; until then the transactional id refuses other changes. The one exception is
//! completion, which decides nothing: it counts at once, and whatever comes next is behind it in the log. Should it be
//! lost, a start finds the decision and writes the markers again. Left out: writing markers (the owner's), two-phase
//! commit with outside coordinators (KIP-939).

mod add;
mod admin;
mod end;
mod error;
mod init;
mod markers;
mod metadata;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::log_record::{self, MAX_ID_BYTES, RecordError};
use super::timers::Timers;
use super::{AppendError, AppendId, LogRecord, Producer, RequestId, TopicPartition};

pub use add::{AddPartitions, Verified};
pub use admin::TransactionListing;
pub use end::EndTransaction;
pub use error::{AddPartitionsError, EndError, InitProducerIdError, VerifyError};
pub use init::InitProducerId;
pub use markers::Markers;
pub use metadata::{State, TransactionMetadata};

/// Bounds and delays of every transaction on this node, named after Kafka's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i64,
    /// How long to wait before a marker or a record that failed is tried again.
    pub retry_backoff_ms: i64,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        TransactionConfig {
            max_timeout_ms: 900_000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            retry_backoff_ms: 100,
        }
    }
}

/// What the owner of a coordinator has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request that is waiting.
    Reply { request: RequestId, reply: Reply },
    /// Append to the coordinator's partition as one batch, then report it.
    Append { append: AppendId, records: Vec<LogRecord> },
    /// Write a marker to each partition, then report each.
    WriteMarkers(Markers),
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    InitProducerId(Result<Producer, InitProducerIdError>),
    AddPartitions(Result<(), AddPartitionsError>),
    /// The producer as it goes on: with version 2, under a new epoch or even a new id.
    End(Result<Producer, EndError>),
}

/// The transactional ids of one partition of `__transaction_state`: rebuilt by `replay`, opened by `loaded`, then
/// served.
#[derive(Debug)]
pub struct TransactionCoordinator {
    config: TransactionConfig,
    /// The leader epoch of the coordinator's partition: a marker from an older one is refused.
    coordinator_epoch: i32,
    transactions: BTreeMap<String, Transaction>,
    /// By transactional id: the timeout of an open transaction, or the next try to finish a decided one.
    timers: Timers<String>,
    outbox: Outbox,
}

/// One transactional id.
#[derive(Debug, Default)]
struct Transaction {
    /// What the log holds or, once all markers are there, will hold; nothing until the first record is durable.
    metadata: Option<TransactionMetadata>,
    /// The change that is on its way to the log. Only one at a time.
    pending: Option<Pending>,
    /// Partitions without a marker yet, in a decided transaction.
    unmarked: BTreeSet<TopicPartition>,
    /// Those of them whose last try failed.
    failed: BTreeSet<TopicPartition>,
}

/// A change and what follows once it is durable.
#[derive(Debug)]
enum Pending {
    Init { request: RequestId, next: TransactionMetadata },
    Add { request: RequestId, next: TransactionMetadata },
    Prepare { requester: Requester, next: TransactionMetadata },
    Expire,
}

/// Who ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requester {
    Client {
        request: RequestId,
        continues_as: Producer,
    },
    /// A new instance of the producer: it has to ask again once the old transaction is aborted.
    Init {
        request: RequestId,
    },
    Timeout,
}

impl TransactionCoordinator {
    pub fn new(config: TransactionConfig, coordinator_epoch: i32) -> TransactionCoordinator {
        TransactionCoordinator {
            config,
            coordinator_epoch,
            transactions: BTreeMap::new(),
            timers: Timers::default(),
            outbox: Outbox::default(),
        }
    }

    /// Takes in one record, oldest first.
    pub fn replay(&mut self, key: Bytes, value: Option<Bytes>) -> Result<(), RecordError> {
        let transactional_id = log_record::read_transaction_key(key)?;
        match value {
            Some(value) => {
                let metadata = Some(log_record::read_transaction(value)?);
                self.transactions
                    .insert(transactional_id, Transaction { metadata, ..Transaction::default() });
            }
            None => {
                self.transactions.remove(&transactional_id);
            }
        }
        Ok(())
    }

    /// Everything was replayed: open transactions can time out from now on, decided ones are finished.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        let ids: Vec<String> = self.transactions.keys().cloned().collect();
        for transactional_id in ids {
            if let Some((transaction, mut context)) = self.open(now_ms, &transactional_id) {
                transaction.resume(&mut context);
            }
        }
        self.outbox.drain()
    }

    /// When `tick` has something to do next.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.timers.next_deadline_ms()
    }

    /// Aborts transactions that were open for too long, and goes on with those that wait for a retry.
    pub fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        while let Some(transactional_id) = self.timers.pop_due(now_ms) {
            if let Some((transaction, mut context)) = self.open(now_ms, &transactional_id) {
                transaction.deadline(&mut context);
            }
        }
        self.outbox.drain()
    }

    /// Reports an append; outcomes come in the order of the `Append` effects.
    pub fn appended(
        &mut self,
        now_ms: i64,
        append: AppendId,
        outcome: Result<(), AppendError>,
    ) -> Vec<Effect> {
        let Some(transactional_id) = self.outbox.waiting.remove(&append) else { return Vec::new() };
        let mut unused = false;
        if let Some((transaction, mut context)) = self.open(now_ms, &transactional_id) {
            transaction.appended(&mut context, outcome);
            unused = transaction.metadata.is_none() && transaction.pending.is_none();
        }
        if unused {
            self.transactions.remove(&transactional_id);
            self.timers.cancel(&transactional_id);
        }
        self.outbox.drain()
    }

    fn open<'a>(
        &'a mut self,
        now_ms: i64,
        transactional_id: &'a str,
    ) -> Option<(&'a mut Transaction, Context<'a>)> {
        let transaction = self.transactions.get_mut(transactional_id)?;
        let context = Context {
            now_ms,
            transactional_id,
            coordinator_epoch: self.coordinator_epoch,
            config: &self.config,
            timers: &mut self.timers,
            outbox: &mut self.outbox,
        };
        Some((transaction, context))
    }
}

impl Transaction {
    /// Sends a change to the log. It counts from when its append is reported.
    fn append(&mut self, context: &mut Context<'_>, pending: Pending) {
        let id = context.transactional_id;
        let record = match &pending {
            Pending::Init { next, .. } | Pending::Add { next, .. } | Pending::Prepare { next, .. } => {
                log_record::transaction_record(id, next)
            }
            Pending::Expire => log_record::transaction_tombstone(id),
        };
        self.pending = Some(pending);
        let append = context.outbox.append(record);
        context.outbox.waiting.insert(append, id.to_owned());
    }

    fn appended(&mut self, context: &mut Context<'_>, outcome: Result<(), AppendError>) {
        match self.pending.take() {
            Some(Pending::Init { request, next }) => {
                let producer = next.producer();
                let result = outcome.map(|()| self.metadata = Some(next));
                let reply = result.map(|()| producer).map_err(InitProducerIdError::from);
                context.reply(request, Reply::InitProducerId(reply));
            }
            Some(Pending::Add { request, next }) => {
                let result = outcome.map(|()| self.metadata = Some(next));
                self.schedule_timeout(context);
                context.reply(request, Reply::AddPartitions(result.map_err(AddPartitionsError::from)));
            }
            Some(Pending::Prepare { requester, next }) => self.prepared(context, requester, next, outcome),
            Some(Pending::Expire) if outcome.is_ok() => self.metadata = None,
            Some(Pending::Expire) | None => {}
        }
    }

    fn deadline(&mut self, context: &mut Context<'_>) {
        let Some(metadata) = &self.metadata else { return };
        if self.pending.is_some() {
            context.retry_later();
        } else if metadata.state == State::Ongoing {
            self.abort_fenced(context, Requester::Timeout);
        } else if metadata.state.outcome().is_some() {
            self.retry_markers(context);
        }
    }

    fn resume(&mut self, context: &mut Context<'_>) {
        match self.metadata.as_ref().map(|metadata| metadata.state) {
            Some(State::Ongoing) => self.schedule_timeout(context),
            Some(State::PrepareCommit | State::PrepareAbort) => self.write_markers(context),
            _ => {}
        }
    }

    fn schedule_timeout(&self, context: &mut Context<'_>) {
        if let Some(metadata) = &self.metadata
            && metadata.state == State::Ongoing
        {
            let started_ms = metadata.started_ms.unwrap_or(context.now_ms);
            let at_ms = started_ms.saturating_add(i64::from(metadata.timeout_ms));
            context.timers.set(context.transactional_id.to_owned(), at_ms);
        }
    }
}

/// What a transaction needs while it handles one event.
struct Context<'a> {
    now_ms: i64,
    transactional_id: &'a str,
    coordinator_epoch: i32,
    config: &'a TransactionConfig,
    timers: &'a mut Timers<String>,
    outbox: &'a mut Outbox,
}

impl Context<'_> {
    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.outbox.reply(request, reply);
    }

    fn retry_later(&mut self) {
        let at_ms = self.now_ms + self.config.retry_backoff_ms;
        self.timers.set(self.transactional_id.to_owned(), at_ms);
    }
}

/// Effects not handed out yet, and whose appends are on their way.
#[derive(Debug, Default)]
struct Outbox {
    effects: Vec<Effect>,
    /// Completions are not among them: nothing waits for those.
    waiting: BTreeMap<AppendId, String>,
    appends: u64,
}

impl Outbox {
    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.effects.push(Effect::Reply { request, reply });
    }

    fn append(&mut self, record: LogRecord) -> AppendId {
        self.appends += 1;
        let append = AppendId(self.appends);
        self.effects.push(Effect::Append { append, records: vec![record] });
        append
    }

    fn drain(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

/// Ids become record keys, whose strings are bounded.
fn is_valid_id(transactional_id: &str) -> bool {
    !transactional_id.is_empty() && transactional_id.len() <= MAX_ID_BYTES
}
