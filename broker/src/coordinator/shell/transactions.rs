//! The transaction coordinators as the API layer asks them: one method per operation.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::shard::{Core, Replayed, Step};
use super::{Coordinators, Unavailable};
use crate::coordinator::log_record::RecordError;
use crate::coordinator::transaction::{
    AddPartitions, AddPartitionsError, Effect, EndError, EndTransaction, InitProducerId, InitProducerIdError,
    Reply, TransactionCoordinator, TransactionListing, TransactionMetadata, Verified,
};
use crate::coordinator::{AppendError, AppendId, Outcome, Producer, TopicPartition};

/// After which pause to look whether the transaction before is complete, though no marker was reported.
const COMPLETION_LOOK: Duration = Duration::from_millis(5);

impl Coordinators {
    pub(crate) async fn init_producer_id(
        &self,
        init: InitProducerId,
    ) -> Result<Result<Producer, InitProducerIdError>, Unavailable> {
        self.refill_producer_ids().await;
        let shard = self.transactions.owner_of(&init.transactional_id)?;
        let ids = self.producer_ids.clone();
        let work = move |core: &mut TransactionCoordinator, now_ms, request| {
            core.init_producer_id(now_ms, request, &init, &mut ids.lock())
        };
        match shard.ask(work).await? {
            Reply::InitProducerId(result) => Ok(result),
            other => unreachable!("the coordinator answers in kind, got {other:?}"),
        }
    }

    pub(crate) async fn add_partitions(
        &self,
        add: AddPartitions,
    ) -> Result<Result<(), AddPartitionsError>, Unavailable> {
        let shard = self.transactions.owner_of(&add.transactional_id)?;
        match shard.ask(move |core, now_ms, request| core.add_partitions(now_ms, request, add)).await? {
            Reply::AddPartitions(result) => Ok(result),
            other => unreachable!("the coordinator answers in kind, got {other:?}"),
        }
    }

    /// Like [`Self::add_partitions`], but waits a little for the transaction before to complete: producers that end one
    /// transaction begin the next at once, and would otherwise have to come back after a back-off of their own.
    /// Asks again whenever a marker is reported; `again` is called before that.
    pub(crate) async fn add_partitions_patiently(
        &self,
        add: AddPartitions,
        patience: Duration,
        mut again: impl FnMut(),
    ) -> Result<Result<(), AddPartitionsError>, Unavailable> {
        let shard = self.transactions.owner_of(&add.transactional_id)?;
        let deadline = Instant::now() + patience;
        loop {
            let told = shard.told();
            let result = self.add_partitions(add.clone()).await?;
            if result != Err(AddPartitionsError::Concurrent) || Instant::now() >= deadline {
                return Ok(result);
            }
            // Not only markers are waited for; the rest is seldom and short.
            drop(timeout(COMPLETION_LOOK, told).await);
            again();
        }
    }

    pub(crate) async fn verify_partitions(
        &self,
        transactional_id: String,
        producer: Producer,
        partitions: Vec<TopicPartition>,
    ) -> Result<Verified, Unavailable> {
        let shard = self.transactions.owner_of(&transactional_id)?;
        shard.look(move |core, _| core.verify_partitions(&transactional_id, producer, &partitions)).await
    }

    pub(crate) async fn end_transaction(
        &self,
        end: EndTransaction,
    ) -> Result<Result<Producer, EndError>, Unavailable> {
        self.refill_producer_ids().await;
        let shard = self.transactions.owner_of(&end.transactional_id)?;
        let ids = self.producer_ids.clone();
        let work = move |core: &mut TransactionCoordinator, now_ms, request| {
            core.end(now_ms, request, &end, &mut ids.lock())
        };
        match shard.ask(work).await? {
            Reply::End(result) => Ok(result),
            other => unreachable!("the coordinator answers in kind, got {other:?}"),
        }
    }

    pub(crate) async fn describe_transaction(
        &self,
        transactional_id: String,
    ) -> Result<Option<TransactionMetadata>, Unavailable> {
        let shard = self.transactions.owner_of(&transactional_id)?;
        shard.look(move |core, _| core.describe(&transactional_id).cloned()).await
    }

    /// Every transactional id on this node.
    pub(crate) async fn list_transactions(&self) -> Result<Vec<TransactionListing>, Unavailable> {
        let shards = self.transactions.all();
        let look = |core: &TransactionCoordinator, now_ms| core.list(now_ms).collect::<Vec<_>>();
        let lists = join_all(shards.iter().map(|shard| shard.look(look)));
        lists.await.into_iter().try_fold(Vec::new(), |mut all, list| {
            all.extend(list?);
            Ok(all)
        })
    }
}

impl Core for TransactionCoordinator {
    type Effect = Effect;
    type Reply = Reply;

    fn step(effect: Effect) -> Step<Reply> {
        match effect {
            Effect::Reply { request, reply } => Step::Reply(request, reply),
            Effect::Append { append, records } => Step::Append { append, producer: None, records },
            Effect::WriteMarkers(markers) => Step::WriteMarkers(markers),
        }
    }

    fn replay(&mut self, replayed: Replayed) -> Result<(), RecordError> {
        match replayed {
            Replayed::Record { key, value, .. } => TransactionCoordinator::replay(self, key, value),
            // Nobody writes transactionally to this topic.
            Replayed::Marker { .. } => Ok(()),
        }
    }

    fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        TransactionCoordinator::loaded(self, now_ms)
    }

    fn next_deadline_ms(&self) -> Option<i64> {
        TransactionCoordinator::next_deadline_ms(self)
    }

    fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        TransactionCoordinator::tick(self, now_ms)
    }

    fn sweep(&mut self, now_ms: i64) -> Vec<Effect> {
        self.expire_ids(now_ms)
    }

    fn appended(&mut self, now_ms: i64, append: AppendId, outcome: Result<i64, AppendError>) -> Vec<Effect> {
        TransactionCoordinator::appended(self, now_ms, append, outcome.map(|_| ()))
    }

    fn transaction_ended(&mut self, _: i64, _: Outcome) {
        // Nobody writes transactionally to this topic.
    }

    fn marker_reported(
        &mut self,
        now_ms: i64,
        transactional_id: &str,
        producer: Producer,
        place: &TopicPartition,
        written: bool,
    ) -> Vec<Effect> {
        if written {
            self.marker_written(now_ms, transactional_id, producer, place)
        } else {
            self.marker_failed(now_ms, transactional_id, producer, place)
        }
    }
}
