//! Joining a group: JoinGroup, the assignment if this member leads, SyncGroup; again from the start whenever the
//! coordinator says that the group has moved on meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, SyncGroupRequest,
    SyncGroupRequestAssignment,
};
use tokio::time::Instant;

use super::assignor::Candidate;
use super::blobs::{Subscription, assignment_partitions, encode_assignment};
use super::{Assignor, GroupConfig, GroupError};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::connection::{CallError, Lane};
use crate::coordinator::{CoordinatorKind, is_coordinator_trouble};
use crate::metadata::MetadataError;
use crate::topic::TopicPartition;

const PROTOCOL_TYPE: &str = "consumer";
const ATTEMPT: &str = "joining";

/// What a member brings along.
pub(super) struct Applicant {
    /// A join waits for the whole group: it must not hold up anybody else's requests.
    pub(super) lane: Arc<Lane>,
    pub(super) config: GroupConfig,
    pub(super) topics: Vec<String>,
    /// Empty for a member that the coordinator does not know yet.
    pub(super) member_id: String,
    /// What it still reads, and since which generation.
    pub(super) owned: Vec<TopicPartition>,
    pub(super) generation: i32,
}

/// A member of one generation.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) partitions: Vec<TopicPartition>,
    /// The topics' partition counts that the assignment was made from; empty unless this member leads.
    pub(super) watched: BTreeMap<String, usize>,
    /// All topics that members subscribe to; empty unless this member leads.
    pub(super) topics: Vec<String>,
    /// The coordinator had forgotten the member: what it owned may be somebody else's.
    pub(super) was_forgotten: bool,
}

/// What one attempt came to.
enum Attempt<T> {
    Done(T),
    /// Start over at once.
    Again,
    /// Start over after a wait; this is why.
    Later(GroupError),
}

/// Joins, however many rebalances that takes. Fails on refusals, and when for `operation_timeout` nothing answered.
pub(super) async fn join(client: Client, mut applicant: Applicant) -> Result<Joined, GroupError> {
    let mut was_forgotten = false;
    let mut backoff: Backoff = client.retry_backoff();
    let mut failing_since: Option<Instant> = None;
    loop {
        let attempt = match join_once(&client, &mut applicant, &mut was_forgotten).await? {
            Attempt::Done(response) => {
                sync_once(&client, &mut applicant, &mut was_forgotten, response).await?
            }
            Attempt::Again => Attempt::Again,
            Attempt::Later(error) => Attempt::Later(error),
        };
        match attempt {
            Attempt::Done(joined) => return Ok(Joined { was_forgotten, ..joined }),
            Attempt::Again => failing_since = None,
            Attempt::Later(error) => {
                let since = *failing_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= client.shared.config.operation_timeout {
                    return Err(error);
                }
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}

async fn join_once(
    client: &Client,
    applicant: &mut Applicant,
    was_forgotten: &mut bool,
) -> Result<Attempt<JoinGroupResponse>, GroupError> {
    let request = join_request(applicant)?;
    let response = match call(client, &applicant.lane, &applicant.config.group_id, request).await {
        Ok(response) => response,
        Err(error) => return unanswered(client, applicant, error).map(Attempt::Later),
    };
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => {
            applicant.member_id = response.member_id.clone();
            Ok(Attempt::Done(response))
        }
        // The id is handed out first, so that a lost answer leaves no ghost member behind (KIP-394).
        ErrorCode::MemberIdRequired => {
            applicant.member_id = response.member_id;
            Ok(Attempt::Again)
        }
        code => refused(client, applicant, was_forgotten, code),
    }
}

async fn sync_once(
    client: &Client,
    applicant: &mut Applicant,
    was_forgotten: &mut bool,
    response: JoinGroupResponse,
) -> Result<Attempt<Joined>, GroupError> {
    let mut joined = Joined {
        member_id: response.member_id.clone(),
        generation: response.generation_id,
        partitions: Vec::new(),
        watched: BTreeMap::new(),
        topics: Vec::new(),
        was_forgotten: false,
    };
    let mut request = SyncGroupRequest {
        group_id: applicant.config.group_id.clone(),
        generation_id: response.generation_id,
        member_id: response.member_id.clone(),
        group_instance_id: applicant.config.instance_id.clone(),
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol_name: response.protocol_name.clone(),
        assignments: Vec::new(),
    };
    if response.leader == response.member_id {
        match lead(client, applicant, &response, &mut joined).await? {
            Attempt::Done(assignments) if !response.skip_assignment => request.assignments = assignments,
            Attempt::Done(_) => {}
            Attempt::Again => return Ok(Attempt::Again),
            Attempt::Later(error) => return Ok(Attempt::Later(error)),
        }
    }
    let response = match call(client, &applicant.lane, &applicant.config.group_id, request).await {
        Ok(response) => response,
        Err(error) => return unanswered(client, applicant, error).map(Attempt::Later),
    };
    match ErrorCode::from_code(response.error_code) {
        ErrorCode::None => {
            joined.partitions = assignment_partitions(response.assignment).map_err(|reason| {
                GroupError::BadAssignment { group_id: applicant.config.group_id.clone(), reason }
            })?;
            Ok(Attempt::Done(joined))
        }
        code => refused(client, applicant, was_forgotten, code),
    }
}

/// Shares the partitions out, as the member that the coordinator chose for it.
async fn lead(
    client: &Client,
    applicant: &Applicant,
    response: &JoinGroupResponse,
    joined: &mut Joined,
) -> Result<Attempt<Vec<SyncGroupRequestAssignment>>, GroupError> {
    let group_id = || applicant.config.group_id.clone();
    let bad = |reason: String| GroupError::BadAssignment { group_id: group_id(), reason };
    let chosen = response.protocol_name.as_deref().unwrap_or_default();
    let assignor = applicant.config.assignors.iter().find(|assignor| assignor.name() == chosen);
    let assignor: Assignor =
        *assignor.ok_or_else(|| bad(format!("assignor \"{chosen}\" was not offered")))?;
    let mut members = Vec::new();
    for member in &response.members {
        let subscription = Subscription::decode(member.metadata.clone()).map_err(bad)?;
        joined.topics.extend(subscription.topics.iter().cloned());
        members.push(Candidate {
            member_id: member.member_id.clone(),
            instance_id: member.group_instance_id.clone(),
            subscription,
        });
    }
    joined.topics.sort();
    joined.topics.dedup();
    joined.watched = match partition_counts(client, &joined.topics).await {
        Ok(counts) => counts,
        Err(source) => return Ok(Attempt::Later(GroupError::Topics { group_id: group_id(), source })),
    };
    let mut assignments = Vec::new();
    for (member_id, places) in assignor.assign(&members, &joined.watched) {
        let assignment = encode_assignment(&places).map_err(bad)?;
        assignments.push(SyncGroupRequestAssignment { member_id, assignment });
    }
    Ok(Attempt::Done(assignments))
}

/// How many partitions each topic has; topics that do not exist are left out.
pub(super) async fn partition_counts(
    client: &Client,
    topics: &[String],
) -> Result<BTreeMap<String, usize>, MetadataError> {
    let mut counts = BTreeMap::new();
    for topic in topics {
        match client.topic_layout(topic, false).await {
            Ok(layout) => {
                counts.insert(topic.clone(), layout.partitions.len());
            }
            Err(MetadataError::UnknownTopic { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(counts)
}

fn join_request(applicant: &Applicant) -> Result<JoinGroupRequest, GroupError> {
    let config = &applicant.config;
    let subscription = Subscription {
        topics: applicant.topics.clone(),
        owned: applicant.owned.clone(),
        generation: applicant.generation,
    };
    let metadata: Bytes = subscription
        .encode()
        .map_err(|reason| GroupError::BadAssignment { group_id: config.group_id.clone(), reason })?;
    let protocol = |assignor: &Assignor| JoinGroupRequestProtocol {
        name: assignor.name().to_owned(),
        metadata: metadata.clone(),
    };
    let clamped_ms = |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    Ok(JoinGroupRequest {
        group_id: config.group_id.clone(),
        session_timeout_ms: clamped_ms(config.session_timeout),
        rebalance_timeout_ms: clamped_ms(config.rebalance_timeout),
        member_id: applicant.member_id.clone(),
        group_instance_id: config.instance_id.clone(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocols: config.assignors.iter().map(protocol).collect(),
        reason: None,
    })
}

/// Asks the group's coordinator.
pub(super) async fn call<R: millstream_protocol::Request>(
    client: &Client,
    lane: &Lane,
    group_id: &str,
    request: R,
) -> Result<R::Response, CallError> {
    let connection = client.coordinator_on(lane.number(), CoordinatorKind::Group, group_id).await?;
    connection.call(request).await
}

/// What no answer means: the reason to give up with, if it goes on for too long.
fn unanswered(client: &Client, applicant: &Applicant, source: CallError) -> Result<GroupError, GroupError> {
    let group_id = applicant.config.group_id.clone();
    client.forget_coordinator(CoordinatorKind::Group, &group_id);
    let is_retriable = source.is_retriable();
    let error = GroupError::Call { attempt: ATTEMPT, group_id, source };
    if is_retriable { Ok(error) } else { Err(error) }
}

/// What a code means for the next attempt.
fn refused<T>(
    client: &Client,
    applicant: &mut Applicant,
    was_forgotten: &mut bool,
    code: ErrorCode,
) -> Result<Attempt<T>, GroupError> {
    let group_id = applicant.config.group_id.clone();
    match code {
        ErrorCode::UnknownMemberId => {
            applicant.member_id.clear();
            applicant.owned.clear();
            applicant.generation = -1;
            *was_forgotten = true;
            Ok(Attempt::Again)
        }
        ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Ok(Attempt::Again),
        ErrorCode::FencedInstanceId => Err(GroupError::Fenced {
            group_id,
            instance_id: applicant.config.instance_id.clone().unwrap_or_default(),
        }),
        code if is_coordinator_trouble(code) => {
            if code != ErrorCode::CoordinatorLoadInProgress {
                client.forget_coordinator(CoordinatorKind::Group, &group_id);
            }
            Ok(Attempt::Later(GroupError::Refused { attempt: ATTEMPT, group_id, code }))
        }
        code => Err(GroupError::Refused { attempt: ATTEMPT, group_id, code }),
    }
}
