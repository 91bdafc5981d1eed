//! One of several candidates holds a seat: leader election over the classic group protocol, with a protocol type of its own.
//!
//! The group's leader gives the seat to the member that says it holds it, else to the one that stands the longest. Members
//! are static (KIP-345): one that starts again under its instance id is back at once, one that is gone loses the seat when
//! its session times out. A holder knows from its own clock until when nobody else can have been elected: the [`Lease`].
//! A cluster makes the first member of a group wait for others (`group.initial.rebalance.delay.ms`); a candidate that sees
//! only itself among the members takes the seat meanwhile, since any other would see both.

mod ballot;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream_protocol::messages::{HeartbeatRequest, JoinGroupResponse, SyncGroupRequest};
use millstream_protocol::{ErrorCode, Request};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::GroupMetadata;
use super::heartbeat::leave;
use super::join::call;
use crate::client::Client;
use crate::connection::{CallError, Lane};
use crate::coordinator::{CoordinatorKind, is_coordinator_trouble};
use ballot::{Assigned, Ballot, PROTOCOL_TYPE};

/// After a failure the next request comes this much later.
const RETRY_WAIT: Duration = Duration::from_millis(200);
/// How long a candidate that leaves waits for the answer.
const LEAVE_WAIT: Duration = Duration::from_secs(2);
/// Before the coordinator may give the seat to somebody else, the holder's lease is over by this much.
const LEASE_MARGIN: Duration = Duration::from_millis(500);
/// How often, and how many times, a candidate looks whether it is the only one.
const ALONE_LOOK: Duration = Duration::from_millis(50);
const ALONE_LOOKS: usize = 40;

/// Settings of a candidate.
#[derive(Debug, Clone)]
pub struct ElectionConfig {
    pub group_id: String,
    /// The same after a restart, and nobody else's: letters, digits, `.`, `_` and `-`.
    pub instance_id: String,
    /// What the others are told when this candidate holds the seat; on one line.
    pub name: String,
    /// A holder that is not heard of for this long loses the seat. Clusters demand 6 s by default.
    pub session_timeout: Duration,
    pub heartbeat_interval: Duration,
}

impl ElectionConfig {
    pub fn new(group_id: String, instance_id: String, name: String) -> ElectionConfig {
        let (session_timeout, heartbeat_interval) = (Duration::from_secs(6), Duration::from_secs(1));
        ElectionConfig { group_id, instance_id, name, session_timeout, heartbeat_interval }
    }

    /// Shorter than a lease: a holder has the outcome before its lease is over, whoever the others wait for.
    fn rebalance_timeout(&self) -> Duration {
        self.session_timeout / 2
    }
}

/// Where a candidate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seat {
    /// Not known yet, or lost: somebody else may hold it.
    Unknown,
    /// Without a break since this term began; another may have held it between two terms.
    Held { term: u64 },
    /// Another candidate holds it, and calls itself so.
    Taken { by: String },
    /// The cluster does not let this candidate take part.
    Refused { group_id: String, code: ErrorCode },
}

/// Says until when nobody else can hold the seat. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lease {
    until: watch::Receiver<Option<Instant>>,
}

/// A candidate at work. Dropped, it stops to be one: the seat falls vacant when the session times out.
pub struct Election {
    client: Client,
    group_id: String,
    instance_id: Arc<Mutex<String>>,
    seat: watch::Receiver<Seat>,
    lease: Lease,
    task: AbortOnDropHandle<()>,
}

/// The state of a candidate's task.
struct Campaign {
    client: Client,
    /// A join waits for the whole group: it must not hold up anybody else's requests.
    lane: Arc<Lane>,
    config: ElectionConfig,
    /// That of the settings, until another process has it.
    instance_id: Arc<Mutex<String>>,
    /// Empty until the coordinator has given one.
    member_id: String,
    generation: i32,
    since_ms: u64,
    terms: u64,
    seat: watch::Sender<Seat>,
    until: watch::Sender<Option<Instant>>,
}

/// What to do next.
enum Next {
    Rejoin,
    /// The coordinator does not know the member any more.
    StartOver,
    /// Another process took over the instance id.
    Replaced,
    Retry,
}

impl Client {
    /// Stands for the seat of a group. Must be called within a tokio runtime.
    pub fn stand(&self, config: ElectionConfig) -> Election {
        let (seat, seen) = watch::channel(Seat::Unknown);
        let (until, lease) = watch::channel(None);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let instance_id = Arc::new(Mutex::new(config.instance_id.clone()));
        let group_id = config.group_id.clone();
        let campaign = Campaign {
            client: self.clone(),
            lane: Arc::new(Lane::new(self.clone())),
            config,
            instance_id: Arc::clone(&instance_id),
            member_id: String::new(),
            generation: -1,
            since_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            terms: 0,
            seat,
            until,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(campaign.run()));
        Election {
            client: self.clone(),
            group_id,
            instance_id,
            seat: seen,
            lease: Lease { until: lease },
            task,
        }
    }
}

impl Election {
    pub fn seat(&self) -> Seat {
        self.seat.borrow().clone()
    }

    /// Waits for the next change of the seat.
    pub async fn changed(&mut self) -> Seat {
        if self.seat.changed().await.is_err() {
            // The task does not end by itself.
            std::future::pending::<()>().await;
        }
        self.seat.borrow_and_update().clone()
    }

    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Gives the seat up: others need not wait for the session to time out.
    pub async fn leave(self) {
        drop(self.task);
        let instance_id = Some(self.instance_id.lock().clone());
        let member = GroupMetadata { instance_id, ..GroupMetadata::simple(self.group_id) };
        match timeout(LEAVE_WAIT, leave(&self.client, &member)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "leaving failed; the session will time out"),
            Err(_) => tracing::debug!("leaving got no answer; the session will time out"),
        }
    }
}

impl Lease {
    pub fn is_held(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Ready once the lease is held; at once if it is.
    pub async fn held(&self) {
        let mut until = self.until.clone();
        while !self.is_held() {
            if until.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Campaign {
    async fn run(mut self) {
        loop {
            let next = match self.join().await {
                Ok(()) => self.stay().await,
                Err(next) => next,
            };
            match next {
                Next::Rejoin => {}
                Next::StartOver => self.start_over(),
                Next::Replaced => {
                    tracing::warn!(group = %self.config.group_id, "another process has this candidate's instance id");
                    *self.instance_id.lock() = format!("{}-{}", self.config.instance_id, self.since_ms);
                    self.start_over();
                }
                Next::Retry => sleep(RETRY_WAIT).await,
            }
        }
    }

    fn instance_id(&self) -> String {
        self.instance_id.lock().clone()
    }

    fn start_over(&mut self) {
        self.member_id.clear();
        self.generation = -1;
        self.show(Seat::Unknown);
    }

    fn show(&self, seat: Seat) {
        self.until.send_replace(None);
        self.seat.send_if_modified(|shown| std::mem::replace(shown, seat.clone()) != seat);
    }

    /// Something sent at `sent` was answered as to the holder of the seat: the session lasts from then on at least.
    fn hold(&mut self, sent: Instant) {
        self.until.send_replace(Some(sent + self.config.session_timeout.saturating_sub(LEASE_MARGIN)));
        if !self.holds() {
            self.terms += 1;
            self.seat.send_replace(Seat::Held { term: self.terms });
        }
    }

    fn holds(&self) -> bool {
        matches!(*self.seat.borrow(), Seat::Held { .. })
    }

    /// One generation: JoinGroup, the vote if this member leads, SyncGroup.
    async fn join(&mut self) -> Result<(), Next> {
        let ballot = Ballot {
            claim: if self.holds() { self.generation } else { -1 },
            since_ms: self.since_ms,
            name: self.config.name.clone(),
        };
        let request = ballot::join_request(&self.config, &self.instance_id(), &self.member_id, &ballot);
        let (client, lane, group_id) = (self.client.clone(), self.lane.clone(), self.config.group_id.clone());
        let joining = call(&client, &lane, &group_id, request);
        let alone = is_alone(&client, &group_id, self.instance_id());
        tokio::pin!(joining, alone);
        let mut looks = self.generation < 0;
        let answer: Result<JoinGroupResponse, _> = loop {
            tokio::select! {
                answer = &mut joining => break answer,
                () = &mut alone, if looks => {
                    looks = false;
                    self.hold(Instant::now());
                }
            }
        };
        let response = answer.map_err(|error| self.unanswered(&error))?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.member_id = response.member_id;
                return Err(Next::Rejoin);
            }
            code => return Err(self.refused(code)),
        }
        self.member_id.clone_from(&response.member_id);
        self.generation = response.generation_id;
        self.sync(response).await
    }

    async fn sync(&mut self, joined: JoinGroupResponse) -> Result<(), Next> {
        let leads = joined.leader == joined.member_id && !joined.skip_assignment;
        let request = SyncGroupRequest {
            group_id: self.config.group_id.clone(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            group_instance_id: Some(self.instance_id()),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: joined.protocol_name.clone(),
            assignments: if leads { ballot::vote(&joined.members) } else { Vec::new() },
        };
        let sent = Instant::now();
        let response = self.send(request).await?;
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => {}
            code => return Err(self.refused(code)),
        }
        match Assigned::decode(&response.assignment) {
            Some(assigned) if assigned.instance_id == self.instance_id() => self.hold(sent),
            Some(assigned) => self.show(Seat::Taken { by: assigned.name }),
            // Nobody has voted for this generation.
            None => return Err(Next::Retry),
        }
        Ok(())
    }

    /// Heartbeats until something else is due.
    async fn stay(&mut self) -> Next {
        let mut wait = self.config.heartbeat_interval;
        loop {
            sleep(wait).await;
            let request = HeartbeatRequest {
                group_id: self.config.group_id.clone(),
                generation_id: self.generation,
                member_id: self.member_id.clone(),
                group_instance_id: Some(self.instance_id()),
            };
            let sent = Instant::now();
            // The next one must not wait for a connection that hangs.
            let answer = timeout(self.config.heartbeat_interval * 2, self.send(request)).await;
            wait = match answer {
                Ok(Ok(response)) => match ErrorCode::from_code(response.error_code) {
                    ErrorCode::None => {
                        if self.holds() {
                            self.hold(sent);
                        }
                        self.config.heartbeat_interval
                    }
                    code => match self.refused(code) {
                        Next::Retry => RETRY_WAIT,
                        next => return next,
                    },
                },
                Ok(Err(_)) | Err(_) => RETRY_WAIT,
            };
        }
    }

    async fn send<R: Request>(&self, request: R) -> Result<R::Response, Next> {
        let answer = call(&self.client, &self.lane, &self.config.group_id, request).await;
        answer.map_err(|error| self.unanswered(&error))
    }

    fn unanswered(&self, error: &CallError) -> Next {
        tracing::debug!(group = %self.config.group_id, %error, "election got no answer");
        self.client.forget_coordinator(CoordinatorKind::Group, &self.config.group_id);
        Next::Retry
    }

    /// What a code means for the next step.
    fn refused(&self, code: ErrorCode) -> Next {
        match code {
            ErrorCode::RebalanceInProgress => Next::Rejoin,
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => Next::StartOver,
            ErrorCode::FencedInstanceId => Next::Replaced,
            code if is_coordinator_trouble(code) => {
                if code != ErrorCode::CoordinatorLoadInProgress {
                    self.client.forget_coordinator(CoordinatorKind::Group, &self.config.group_id);
                }
                Next::Retry
            }
            ErrorCode::GroupAuthorizationFailed
            | ErrorCode::InvalidGroupId
            | ErrorCode::InvalidSessionTimeout
            | ErrorCode::InconsistentGroupProtocol => {
                self.show(Seat::Refused { group_id: self.config.group_id.clone(), code });
                Next::Retry
            }
            code => {
                tracing::debug!(group = %self.config.group_id, %code, "election was refused");
                Next::Retry
            }
        }
    }
}

/// Ready if the candidate is seen to be the only member of its group; otherwise never.
async fn is_alone(client: &Client, group_id: &str, instance_id: String) {
    for _ in 0..ALONE_LOOKS {
        sleep(ALONE_LOOK).await;
        let Ok(group) = client.admin().describe_classic_group(group_id).await else { continue };
        let (mine, others): (Vec<_>, Vec<_>) =
            group.members.iter().partition(|member| member.instance_id.as_deref() == Some(&instance_id));
        if !others.is_empty() {
            break;
        }
        if !mine.is_empty() {
            return;
        }
    }
    std::future::pending().await
}
