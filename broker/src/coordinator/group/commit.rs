//! OffsetCommit, TxnOffsetCommit and OffsetFetch: who may commit, and what a reader sees.

use millstream_protocol::Uuid;

use super::offsets::{CommittedOffset, Stored};
use super::state::{Group, State};
use super::{CommitError, Effect, FetchOffsetError, FetchedOffsets, GroupCoordinator, Pending, Reply};
use crate::coordinator::log_record::MAX_ID_BYTES;
use crate::coordinator::{AppendError, Outcome, Producer, RequestId, TopicPartition, log_record};

/// One OffsetCommit request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub group_id: String,
    /// Empty for a consumer that assigns itself.
    pub member_id: String,
    pub instance_id: Option<String>,
    /// -1 for a consumer that assigns itself.
    pub generation: i32,
    pub items: Vec<CommitItem>,
}

/// One partition's position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitItem {
    pub partition: TopicPartition,
    /// The topic's id; zero when not known.
    pub topic_id: Uuid,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
    /// Request versions 2 to 4: how long to keep it instead of `offsets.retention.minutes`.
    pub retention_ms: Option<i64>,
}

/// One TxnOffsetCommit request: the offsets hold when the producer's transaction commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionalCommit {
    pub producer: Producer,
    pub commit: Commit,
}

/// A commit whose records are on their way.
#[derive(Debug)]
pub(super) struct PendingCommit {
    request: RequestId,
    group_id: String,
    producer: Option<Producer>,
    items: Vec<(TopicPartition, Result<CommittedOffset, CommitError>)>,
}

impl GroupCoordinator {
    /// Commits offsets; answered once they are durable.
    pub fn commit(&mut self, now_ms: i64, request: RequestId, commit: Commit) -> Vec<Effect> {
        self.commit_as(now_ms, request, commit, None)
    }

    /// Commits offsets as part of a transaction (KIP-98), fenced by member and generation (KIP-447). Answered once
    /// they are durable; they hold after [`Self::transaction_ended`]. The caller has checked with the transaction
    /// coordinator that this group's partition is part of the transaction.
    pub fn commit_in_transaction(
        &mut self,
        now_ms: i64,
        request: RequestId,
        transactional: TransactionalCommit,
    ) -> Vec<Effect> {
        self.commit_as(now_ms, request, transactional.commit, Some(transactional.producer))
    }

    fn commit_as(
        &mut self,
        now_ms: i64,
        request: RequestId,
        commit: Commit,
        producer: Option<Producer>,
    ) -> Vec<Effect> {
        if let Err(error) = self.check_commit(now_ms, &commit, producer.is_some()) {
            let refused = commit.items.into_iter().map(|item| (item.partition, Err(error))).collect();
            self.outbox.reply(request, Reply::Commit(refused));
            return self.outbox.drain();
        }
        // Beyond MAX_ID_BYTES the record's layout ends.
        let limit_bytes = self.config.offset_metadata_max_bytes.min(MAX_ID_BYTES);
        let items: Vec<_> = commit
            .items
            .into_iter()
            .map(|item| {
                let partition = item.partition.clone();
                let result = if partition.topic.len() > MAX_ID_BYTES {
                    Err(CommitError::UnknownTopic)
                } else if item.metadata.len() > limit_bytes {
                    Err(CommitError::MetadataTooLarge)
                } else {
                    Ok(item.committed(now_ms))
                };
                (partition, result)
            })
            .collect();
        let Some(group) = self.groups.get_mut(&commit.group_id) else { return self.outbox.drain() };
        let mut records = Vec::new();
        for (partition, result) in &items {
            if let Ok(committed) = result {
                records.push(log_record::offset_record(&commit.group_id, partition, committed));
                group.offsets.begin(partition, producer.is_some());
            }
        }
        if records.is_empty() {
            let refused =
                items.into_iter().map(|(partition, result)| (partition, result.map(|_| ()))).collect();
            self.outbox.reply(request, Reply::Commit(refused));
        } else {
            let pending = PendingCommit { request, group_id: commit.group_id, producer, items };
            self.outbox.append(producer, records, Pending::Commit(pending));
        }
        self.outbox.drain()
    }

    /// Refuses what must not commit; makes the group of a consumer that assigns itself.
    fn check_commit(&mut self, now_ms: i64, commit: &Commit, transactional: bool) -> Result<(), CommitError> {
        if commit.group_id.is_empty() || commit.group_id.len() > MAX_ID_BYTES {
            return Err(CommitError::InvalidGroupId);
        }
        if !self.groups.contains_key(&commit.group_id) {
            if commit.generation >= 0 {
                return Err(CommitError::IllegalGeneration);
            }
            let mut group = Group::new(&commit.group_id);
            group.state_since_ms = Some(now_ms);
            self.groups.insert(commit.group_id.clone(), group);
        }
        let Some((group, mut context)) = self.open(now_ms, &commit.group_id) else { return Ok(()) };
        group.check_commit(commit, transactional)?;
        if matches!(group.state, State::Stable | State::PreparingRebalance) {
            group.renew_session(&mut context, &commit.member_id);
        }
        Ok(())
    }

    pub(super) fn commit_appended(&mut self, pending: PendingCommit, outcome: Result<i64, AppendError>) {
        let PendingCommit { request, group_id, producer, items } = pending;
        // The group may be gone: a delete that was appended after this commit can't be, as outcomes come in order.
        let group = self.groups.entry(group_id.clone()).or_insert_with(|| Group::new(&group_id));
        let mut results = Vec::with_capacity(items.len());
        let mut record_offset = outcome;
        for (partition, result) in items {
            let result = result.and_then(|committed| {
                group.offsets.finish(&partition, producer.is_some());
                let stored = Stored { committed, record_offset: record_offset? };
                record_offset = record_offset.map(|offset| offset + 1);
                match producer {
                    Some(producer) => group.offsets.hold(producer.id, partition.clone(), stored),
                    None => group.offsets.store(partition.clone(), stored),
                }
                Ok(())
            });
            results.push((partition, result));
        }
        if let Some(producer) = producer
            && group.offsets.pending.contains_key(&producer.id)
        {
            self.groups_by_producer.entry(producer.id).or_default().insert(group_id);
        }
        self.outbox.reply(request, Reply::Commit(results));
    }

    /// A transaction's marker was appended to (or read from) this coordinator's partition.
    pub fn transaction_ended(&mut self, producer_id: i64, outcome: Outcome) {
        for group_id in self.groups_by_producer.remove(&producer_id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&group_id) {
                group.offsets.end_transaction(producer_id, outcome);
            }
        }
    }

    /// The committed offset of each partition asked for, or of all that have one. `require_stable` refuses those
    /// that an open transaction may still change (KIP-447). `Ok(None)`: nothing is committed.
    pub fn fetch_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> FetchedOffsets {
        let group = self.groups.get(group_id);
        let read = |partition: &TopicPartition| {
            let Some(group) = group else { return (partition.clone(), Ok(None)) };
            if require_stable && group.offsets.is_unstable(partition) {
                return (partition.clone(), Err(FetchOffsetError::Unstable));
            }
            let stored = group.offsets.stored.get(partition);
            (partition.clone(), Ok(stored.map(|stored| stored.committed.clone())))
        };
        match (partitions, group) {
            (Some(partitions), _) => partitions.iter().map(read).collect(),
            (None, Some(group)) => group.offsets.stored.keys().map(read).collect(),
            (None, None) => Vec::new(),
        }
    }
}

impl CommitItem {
    fn committed(self, now_ms: i64) -> CommittedOffset {
        CommittedOffset {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata,
            topic_id: self.topic_id,
            committed_ms: now_ms,
            expires_ms: self.retention_ms.map(|retention_ms| now_ms.saturating_add(retention_ms)),
        }
    }
}

impl Group {
    fn check_commit(&self, commit: &Commit, transactional: bool) -> Result<(), CommitError> {
        if let Some(consumer) = &self.consumer {
            return consumer.current.check_commit(commit, transactional);
        }
        if commit.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let as_member =
            commit.generation >= 0 || !commit.member_id.is_empty() || commit.instance_id.is_some();
        if as_member {
            self.check_member(&commit.member_id, commit.instance_id.as_deref())?;
            if commit.generation != self.generation {
                return Err(CommitError::IllegalGeneration);
            }
        } else if !transactional {
            // Old versions of the transactional request name no member, so only this one can be refused.
            return Err(CommitError::UnknownMember);
        }
        // The member is valid but acts on an assignment that it does not have yet.
        if !transactional && self.state == State::CompletingRebalance {
            return Err(CommitError::Rebalance);
        }
        Ok(())
    }
}
