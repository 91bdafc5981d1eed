//! The group consumer: a small state machine that polls drive.
//!
//! Unjoined → Joining → Starting → Stable, and back to Unjoined on a rebalance. Partitions that are given up pass through
//! Revoking: the caller sees `Revoked`, may commit, and the poll after that lets go of them.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::ErrorCode;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::heartbeat::{Heartbeat, Standing, leave};
use super::join::{Applicant, Joined, join};
use super::{Assignor, GroupConfig, GroupError, GroupMetadata, GroupPoll, fetch_committed, store_committed};
use crate::client::Client;
use crate::connection::Lane;
use crate::consumer::{Consumer, OffsetReset, Start, StartAt};
use crate::topic::{CommittedOffset, TopicPartition};

/// A member of a consumer group. Dropping it without [`GroupConsumer::close`] leaves its partitions unread until the
/// session times out.
pub struct GroupConsumer {
    client: Client,
    lane: Arc<Lane>,
    consumer: Consumer,
    config: GroupConfig,
    topics: Vec<String>,
    stage: Stage,
    member: GroupMetadata,
    heartbeat: Option<Heartbeat>,
    committed: HashMap<TopicPartition, i64>,
    committed_at: Instant,
}

enum Stage {
    Unjoined,
    Joining(JoinTask),
    /// Joined; where to start in `added` is not known yet.
    Starting {
        added: Vec<TopicPartition>,
        revoked: Vec<TopicPartition>,
    },
    Stable,
    /// `Revoked` has to be told for these.
    TellRevoked(Vec<TopicPartition>),
    /// The caller knows; the next poll lets go of them.
    Revoking(Vec<TopicPartition>),
    Failed(GroupError),
}

struct JoinTask(JoinHandle<Result<Joined, GroupError>>);

impl Drop for JoinTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl GroupConsumer {
    pub(crate) fn new(client: Client, config: GroupConfig) -> GroupConsumer {
        let member = GroupMetadata {
            instance_id: config.instance_id.clone(),
            ..GroupMetadata::simple(config.group_id.clone())
        };
        GroupConsumer {
            lane: Arc::new(Lane::new(client.clone())),
            consumer: Consumer::new(client.clone(), config.consumer.clone()),
            client,
            config,
            topics: Vec::new(),
            stage: Stage::Unjoined,
            member,
            heartbeat: None,
            committed: HashMap::new(),
            committed_at: Instant::now(),
        }
    }

    /// Sets the topics to share out; takes effect at the next poll. Topics that do not exist yet are picked up later.
    pub fn subscribe(&mut self, topics: &[&str]) {
        self.topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        if matches!(self.stage, Stage::Stable | Stage::Joining(_)) {
            self.rejoin();
        }
    }

    /// Joins the group if need be, then the next records or change of assignment. Cancel-safe. May take longer than
    /// `wait` while start offsets are looked up or an automatic commit is under way.
    pub async fn poll(&mut self, wait: Duration) -> Result<GroupPoll, GroupError> {
        let deadline = Instant::now() + wait;
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.note_poll();
        }
        loop {
            if let Some(news) = self.step(deadline).await? {
                return Ok(news);
            }
            if Instant::now() >= deadline {
                return Ok(GroupPoll::Idle);
            }
        }
    }

    /// One move of the state machine; `None` when the next one can follow at once or time is up.
    async fn step(&mut self, deadline: Instant) -> Result<Option<GroupPoll>, GroupError> {
        match &mut self.stage {
            Stage::Failed(error) => Err(error.clone()),
            Stage::Unjoined if self.topics.is_empty() => {
                tokio::time::sleep_until(deadline).await;
                Ok(None)
            }
            Stage::Unjoined => {
                self.start_joining();
                Ok(None)
            }
            Stage::Joining(task) => {
                tokio::select! {
                    joined = &mut task.0 => self.take_joined(joined.unwrap_or_else(|error| {
                        Err(GroupError::Interrupted { group_id: self.config.group_id.clone(), reason: error.to_string() })
                    })),
                    fetched = self.consumer.poll(deadline.saturating_duration_since(Instant::now())) => {
                        Ok(fetched?.map(GroupPoll::Records))
                    }
                }
            }
            Stage::Starting { added, revoked } => {
                let (added, revoked) = (added.clone(), revoked.clone());
                self.start_reading(&added).await?;
                self.stage = if revoked.is_empty() { Stage::Stable } else { Stage::TellRevoked(revoked) };
                Ok(Some(GroupPoll::Assigned(added)))
            }
            Stage::TellRevoked(places) => {
                let places = places.clone();
                self.auto_commit(true).await;
                self.stage = Stage::Revoking(places.clone());
                Ok(Some(GroupPoll::Revoked(places)))
            }
            Stage::Revoking(places) => {
                let places = std::mem::take(places);
                self.consumer.remove(&places);
                self.stage = Stage::Unjoined;
                Ok(None)
            }
            Stage::Stable => self.read(deadline).await,
        }
    }

    async fn read(&mut self, deadline: Instant) -> Result<Option<GroupPoll>, GroupError> {
        let Some(heartbeat) = &mut self.heartbeat else {
            self.rejoin();
            return Ok(None);
        };
        let standing = *heartbeat.standing.borrow_and_update();
        if standing != Standing::Good {
            return self.take_standing(standing);
        }
        self.auto_commit(false).await;
        let Some(heartbeat) = &mut self.heartbeat else { return Ok(None) };
        tokio::select! {
            biased;
            changed = heartbeat.standing.changed() => {
                if changed.is_err() {
                    self.rejoin();
                }
                Ok(None)
            }
            fetched = self.consumer.poll(deadline.saturating_duration_since(Instant::now())) => {
                Ok(fetched?.map(GroupPoll::Records))
            }
        }
    }

    fn take_standing(&mut self, standing: Standing) -> Result<Option<GroupPoll>, GroupError> {
        match standing {
            Standing::Good => Ok(None),
            Standing::Rebalance => {
                self.rejoin();
                Ok(None)
            }
            Standing::Lost | Standing::Forgotten => {
                if standing == Standing::Forgotten {
                    self.member.member_id.clear();
                }
                Ok(Some(self.lose_everything()))
            }
            Standing::Fenced => {
                let error = GroupError::Fenced {
                    group_id: self.config.group_id.clone(),
                    instance_id: self.config.instance_id.clone().unwrap_or_default(),
                };
                self.lose_everything();
                self.stage = Stage::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn lose_everything(&mut self) -> GroupPoll {
        let places = self.consumer.assignment();
        self.consumer.remove(&places);
        self.heartbeat = None;
        self.member.generation = -1;
        self.stage = Stage::Unjoined;
        GroupPoll::Lost(places)
    }

    /// Joins again: at once when partitions may be kept meanwhile, else after giving them up.
    fn rejoin(&mut self) {
        let places = self.consumer.assignment();
        let keeps = self.config.assignors.iter().all(|assignor: &Assignor| assignor.is_cooperative());
        self.stage = if keeps || places.is_empty() { Stage::Unjoined } else { Stage::TellRevoked(places) };
    }

    fn start_joining(&mut self) {
        // A heartbeat of the old generation would only be refused; the join itself keeps the session alive.
        self.heartbeat = None;
        let applicant = Applicant {
            lane: self.lane.clone(),
            config: self.config.clone(),
            topics: self.topics.clone(),
            member_id: self.member.member_id.clone(),
            owned: self.consumer.assignment(),
            generation: self.member.generation,
        };
        let task = tokio::spawn(join(self.client.clone(), applicant));
        self.stage = Stage::Joining(JoinTask(task));
    }

    fn take_joined(&mut self, joined: Result<Joined, GroupError>) -> Result<Option<GroupPoll>, GroupError> {
        let joined = match joined {
            Ok(joined) => joined,
            Err(error) => {
                self.stage = match &error {
                    GroupError::Call { .. } | GroupError::Topics { .. } | GroupError::Interrupted { .. } => {
                        Stage::Unjoined
                    }
                    _ => Stage::Failed(error.clone()),
                };
                return Err(error);
            }
        };
        self.member.member_id = joined.member_id.clone();
        self.member.generation = joined.generation;
        self.heartbeat = Some(Heartbeat::start(
            self.client.clone(),
            self.lane.clone(),
            self.member.clone(),
            &joined,
            self.config.heartbeat_interval,
            self.config.rebalance_timeout,
        ));
        let held = self.consumer.assignment();
        let lost = if joined.was_forgotten { held.clone() } else { Vec::new() };
        self.consumer.remove(&lost);
        let held: BTreeSet<TopicPartition> = held.into_iter().filter(|place| !lost.contains(place)).collect();
        let given: BTreeSet<TopicPartition> = joined.partitions.into_iter().collect();
        self.stage = Stage::Starting {
            added: given.difference(&held).cloned().collect(),
            revoked: held.difference(&given).cloned().collect(),
        };
        Ok((!lost.is_empty()).then_some(GroupPoll::Lost(lost)))
    }

    /// Starts new partitions where the group left off.
    async fn start_reading(&mut self, added: &[TopicPartition]) -> Result<(), GroupError> {
        if added.is_empty() {
            return Ok(());
        }
        let committed = self.committed(added).await?;
        let reset = match self.config.consumer.offset_reset {
            OffsetReset::Earliest => Some(Start::Earliest),
            OffsetReset::Latest => Some(Start::Latest),
            OffsetReset::None => None,
        };
        let mut starts = Vec::new();
        for (place, committed) in added.iter().zip(committed) {
            let start = committed.map(|committed| Start::Offset(committed.offset)).or(reset);
            let start = start.ok_or_else(|| GroupError::NoOffset {
                group_id: self.config.group_id.clone(),
                place: place.clone(),
            })?;
            self.committed.remove(place);
            starts.push(StartAt { place: place.clone(), start });
        }
        self.consumer.add(starts).await?;
        Ok(())
    }

    /// Commits the positions of everything polled so far.
    pub async fn commit(&mut self) -> Result<(), GroupError> {
        let mut offsets = Vec::new();
        for place in self.consumer.assignment() {
            let Some(position) = self.consumer.position(&place) else { continue };
            if self.committed.get(&place) != Some(&position) {
                offsets.push((place, CommittedOffset::at(position)));
            }
        }
        self.committed_at = Instant::now();
        if offsets.is_empty() {
            return Ok(());
        }
        self.commit_offsets(&offsets).await?;
        self.committed.extend(offsets.into_iter().map(|(place, committed)| (place, committed.offset)));
        Ok(())
    }

    /// Commits exactly these offsets. The future stands on its own: await it, or spawn it to commit in the background.
    pub fn commit_offsets(
        &self,
        offsets: &[(TopicPartition, CommittedOffset)],
    ) -> impl Future<Output = Result<(), GroupError>> + Send + use<> {
        let (client, member, offsets) = (self.client.clone(), self.member.clone(), offsets.to_vec());
        async move {
            const ATTEMPT: &str = "committing offsets";
            let group_id = member.group_id.clone();
            match store_committed(&client, &member, &offsets).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(
                    ErrorCode::IllegalGeneration
                    | ErrorCode::UnknownMemberId
                    | ErrorCode::RebalanceInProgress,
                )) => Err(GroupError::Rebalanced { group_id }),
                Ok(Err(ErrorCode::FencedInstanceId)) => {
                    Err(GroupError::Fenced { group_id, instance_id: member.instance_id.unwrap_or_default() })
                }
                Ok(Err(code)) => Err(GroupError::Refused { attempt: ATTEMPT, group_id, code }),
                Err(source) => Err(GroupError::Call { attempt: ATTEMPT, group_id, source }),
            }
        }
    }

    /// What the group has committed for these partitions, in the order asked.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>, GroupError> {
        const ATTEMPT: &str = "fetching committed offsets";
        let group_id = self.config.group_id.clone();
        let found = fetch_committed(&self.client, &group_id, Some(partitions))
            .await
            .map_err(|source| GroupError::Call { attempt: ATTEMPT, group_id: group_id.clone(), source })?
            .map_err(|code| GroupError::Refused { attempt: ATTEMPT, group_id, code })?;
        let mut found: HashMap<TopicPartition, CommittedOffset> = found.into_iter().collect();
        Ok(partitions.iter().map(|place| found.remove(place)).collect())
    }

    /// The reader underneath: positions, pause and resume, end offsets. Its assignment is the group's to change.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Who this member is right now, for [`crate::TransactionalProducer::send_offsets`].
    pub fn metadata(&self) -> GroupMetadata {
        self.member.clone()
    }

    /// Commits if automatic commits are on, and leaves the group (a static member stays on its books).
    pub async fn close(mut self) -> Result<(), GroupError> {
        self.auto_commit(true).await;
        self.heartbeat = None;
        if self.config.instance_id.is_some() || self.member.member_id.is_empty() {
            return Ok(());
        }
        leave(&self.client, &self.member).await.map_err(|source| GroupError::Call {
            attempt: "leaving",
            group_id: self.config.group_id.clone(),
            source,
        })
    }

    /// Commits when it is time to. A failure is not the end: the positions stay, and the next commit carries them.
    async fn auto_commit(&mut self, is_due: bool) {
        let Some(interval) = self.config.auto_commit else { return };
        if !is_due && self.committed_at.elapsed() < interval {
            return;
        }
        if let Err(error) = self.commit().await {
            tracing::warn!(group = %self.config.group_id, %error, "automatic commit failed");
        }
    }
}
