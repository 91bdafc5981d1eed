//! Keeping a membership alive between polls, and noticing when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{HeartbeatRequest, LeaveGroupRequest, MemberIdentity};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::GroupMetadata;
use super::join::{Joined, partition_counts};
use crate::client::Client;
use crate::connection::{CallError, Lane};
use crate::coordinator::{CoordinatorKind, is_coordinator_trouble};

/// LeaveGroup names members in a list from this version on (KIP-345).
const FIRST_BATCHED_LEAVE: i16 = 3;
/// After a failure the next heartbeat comes sooner than usual.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// How the membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// The group rebalances, or should: join again.
    Rebalance,
    /// The generation is over; partitions may be somebody else's.
    Lost,
    /// So is the member id.
    Forgotten,
    /// Another member took over the instance id.
    Fenced,
}

/// The running task; it ends when this is dropped.
pub(super) struct Heartbeat {
    pub(super) standing: watch::Receiver<Standing>,
    last_poll: Arc<Mutex<Instant>>,
    task: AbortHandle,
}

struct Beat {
    client: Client,
    lane: Arc<Lane>,
    member: GroupMetadata,
    interval: Duration,
    /// Without a poll for this long, the member leaves by itself.
    poll_interval_max: Duration,
    last_poll: Arc<Mutex<Instant>>,
    topics: Vec<String>,
    watched: BTreeMap<String, usize>,
    standing: watch::Sender<Standing>,
}

impl Heartbeat {
    pub(super) fn start(
        client: Client,
        lane: Arc<Lane>,
        member: GroupMetadata,
        joined: &Joined,
        interval: Duration,
        poll_interval_max: Duration,
    ) -> Heartbeat {
        let (sender, standing) = watch::channel(Standing::Good);
        let last_poll = Arc::new(Mutex::new(Instant::now()));
        let beat = Beat {
            client,
            lane,
            member,
            interval,
            poll_interval_max,
            last_poll: last_poll.clone(),
            topics: joined.topics.clone(),
            watched: joined.watched.clone(),
            standing: sender,
        };
        let task = tokio::spawn(beat.run()).abort_handle();
        Heartbeat { standing, last_poll, task }
    }

    /// The application is alive.
    pub(super) fn note_poll(&self) {
        *self.last_poll.lock() = Instant::now();
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Beat {
    async fn run(self) {
        let mut wait = self.interval;
        loop {
            tokio::time::sleep(wait).await;
            let idle = self.last_poll.lock().elapsed();
            if idle >= self.poll_interval_max {
                tracing::warn!(group = %self.member.group_id, "no poll for too long: leaving the group");
                if let Err(error) = leave(&self.client, &self.member).await {
                    tracing::debug!(%error, "leaving failed; the session will time out");
                }
                return self.tell(Standing::Forgotten);
            }
            wait = self.interval;
            match self.beat().await {
                Ok(ErrorCode::None) => {}
                Ok(ErrorCode::RebalanceInProgress) => self.tell(Standing::Rebalance),
                Ok(ErrorCode::UnknownMemberId) => return self.tell(Standing::Forgotten),
                Ok(ErrorCode::IllegalGeneration) => return self.tell(Standing::Lost),
                Ok(ErrorCode::FencedInstanceId) => return self.tell(Standing::Fenced),
                Ok(code) => {
                    tracing::debug!(%code, "heartbeat was refused");
                    wait = RETRY_WAIT;
                    if is_coordinator_trouble(code) {
                        self.client.forget_coordinator(CoordinatorKind::Group, &self.member.group_id);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "heartbeat got no answer");
                    wait = RETRY_WAIT;
                    self.client.forget_coordinator(CoordinatorKind::Group, &self.member.group_id);
                }
            }
            if self.have_topics_changed().await {
                self.tell(Standing::Rebalance);
            }
        }
    }

    async fn beat(&self) -> Result<ErrorCode, CallError> {
        let request = HeartbeatRequest {
            group_id: self.member.group_id.clone(),
            generation_id: self.member.generation,
            member_id: self.member.member_id.clone(),
            group_instance_id: self.member.instance_id.clone(),
        };
        let connection = self
            .client
            .coordinator_on(self.lane.number(), CoordinatorKind::Group, &self.member.group_id)
            .await?;
        Ok(ErrorCode::from_code(connection.call(request).await?.error_code))
    }

    /// Only the leader watches topics: it made the assignment.
    async fn have_topics_changed(&self) -> bool {
        if self.topics.is_empty() {
            return false;
        }
        if let Err(error) = self.client.refresh_if_old().await {
            tracing::debug!(%error, "metadata refresh failed");
            return false;
        }
        partition_counts(&self.client, &self.topics).await.is_ok_and(|counts| counts != self.watched)
    }

    fn tell(&self, standing: Standing) {
        self.standing.send_if_modified(|current| {
            let is_news = *current != standing;
            *current = standing;
            is_news
        });
    }
}

/// Tells the coordinator that the member is gone, so that nobody waits for its session to time out.
pub(super) async fn leave(client: &Client, member: &GroupMetadata) -> Result<(), CallError> {
    let connection = client.coordinator(CoordinatorKind::Group, &member.group_id).await?;
    let version = connection.version::<LeaveGroupRequest>()?;
    let mut request = LeaveGroupRequest { group_id: member.group_id.clone(), ..Default::default() };
    if version >= FIRST_BATCHED_LEAVE {
        request.members = vec![MemberIdentity {
            member_id: member.member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            reason: None,
        }];
    } else {
        request.member_id = member.member_id.clone();
    }
    connection.call_version(request, version).await?;
    Ok(())
}
