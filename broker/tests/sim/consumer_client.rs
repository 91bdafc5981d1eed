//! A member of the simulated next-generation group. Odd restarts of some clients speak the classic protocol, so that
//! the group migrates back and forth under them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_broker::coordinator::group::Topics;
use millstream_broker::coordinator::group::{
    Assignment, Commit, CommitItem, ConsumerHeartbeat, ConsumerHeartbeatError as Error, Heartbeat,
    HeartbeatError, Join, JoinError, LeavingMember, Protocol, Reply, Sync, SyncError,
};
use millstream_broker::coordinator::{RequestId, TopicPartition};
use millstream_protocol::messages::{
    AssignedTopicPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription, OwnedTopicPartition,
};
use millstream_protocol::{Decoder, Encoder, Message, Uuid};

use super::Random;
use super::consumer::{GROUP, World};

#[derive(Debug)]
pub struct Client {
    pub name: String,
    pub member_id: String,
    instance_id: Option<String>,
    topics: BTreeSet<String>,
    regex: Option<String>,
    assignor: Option<String>,
    pub epoch: i32,
    pub owned: Assignment,
    /// What it was told to have; it gives back first, then takes.
    target: Assignment,
    doing: Doing,
    patience_ms: i64,
    /// Everything is said again after an answer got lost.
    says_all: bool,
    /// Speaks the classic protocol in this life.
    classic: bool,
    may_be_classic: bool,
    generation_only: bool,
    unsure: bool,
}

#[derive(Debug)]
enum Doing {
    Outside,
    Between {
        next_ms: i64,
    },
    Waiting(RequestId),
    /// Classic: the join is answered, the assignment is not.
    Syncing(RequestId),
    Paused {
        until_ms: i64,
    },
}

impl Client {
    pub fn new(number: usize, random: &mut Random) -> Client {
        let by_pattern = random.percent(20);
        let names: &[&str] = if random.percent(50) { &["a1", "a2", "b"] } else { &["a1", "b"] };
        Client {
            name: format!("c{number}"),
            member_id: String::new(),
            instance_id: (number == 1).then(|| format!("i{number}")),
            topics: if by_pattern {
                BTreeSet::new()
            } else {
                names.iter().map(|name| (*name).to_owned()).collect()
            },
            regex: by_pattern.then(|| "a[0-9]+".to_owned()),
            assignor: random.percent(30).then(|| "range".to_owned()),
            epoch: 0,
            owned: Assignment::new(),
            target: Assignment::new(),
            doing: Doing::Outside,
            patience_ms: 0,
            says_all: true,
            classic: false,
            may_be_classic: number >= 3 && !by_pattern,
            generation_only: false,
            unsure: false,
        }
    }

    pub fn is_outside(&self) -> bool {
        matches!(self.doing, Doing::Outside) || self.epoch <= 0
    }

    /// A classic member that waits for its assignment: the group may have changed its protocol meanwhile.
    pub fn is_unsure(&self) -> bool {
        self.unsure || self.generation_only
    }

    pub fn is_classic(&self) -> bool {
        self.classic
    }

    pub fn wants(&self, topic: &str) -> bool {
        self.topics.contains(topic) || (self.regex.is_some() && topic.starts_with('a'))
    }

    pub fn recover(&mut self) {
        if matches!(self.doing, Doing::Paused { .. }) {
            self.doing = Doing::Between { next_ms: 0 };
        }
    }

    pub fn act(&mut self, world: &mut World) {
        if !world.calm && self.has_accident(world) {
            return;
        }
        match std::mem::replace(&mut self.doing, Doing::Outside) {
            Doing::Outside => self.begin(world),
            Doing::Between { next_ms } if world.now_ms < next_ms => self.doing = Doing::Between { next_ms },
            Doing::Between { .. } => self.next(world),
            Doing::Waiting(request) => self.hear(world, request),
            Doing::Syncing(request) => self.hear_sync(world, request),
            Doing::Paused { until_ms } if world.now_ms < until_ms => self.doing = Doing::Paused { until_ms },
            Doing::Paused { .. } => self.doing = Doing::Between { next_ms: 0 },
        }
    }

    fn has_accident(&mut self, world: &mut World) -> bool {
        match world.random.below(150) {
            0 => self.forget(),
            1 if self.epoch > 0 => {
                self.leave(world);
                self.forget();
            }
            2 if self.epoch > 0 => {
                // The answer that it waits for comes too late for it.
                self.says_all = true;
                self.doing = Doing::Paused { until_ms: world.now_ms + 15_000 };
            }
            3 if self.regex.is_none() && !self.classic => {
                if !self.topics.remove("a2") {
                    self.topics.insert("a2".to_owned());
                }
                self.says_all = true;
            }
            4..8 if self.epoch > 0 => self.commit(world),
            _ => return false,
        }
        true
    }

    fn forget(&mut self) {
        self.member_id.clear();
        self.epoch = 0;
        self.owned.clear();
        self.target.clear();
        self.unsure = false;
        self.doing = Doing::Outside;
    }

    /// Whoever the group does not know (any more) may not change its offsets.
    fn commit(&self, world: &mut World) {
        let item = CommitItem {
            topic_id: Uuid::ZERO,
            partition: TopicPartition::new("a1", 0),
            offset: 1,
            leader_epoch: -1,
            metadata: String::new(),
            retention_ms: None,
        };
        let commit = Commit {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            instance_id: None,
            generation: self.epoch,
            items: vec![item],
        };
        let group = world.describe();
        let may = group.is_none_or(|group| {
            group
                .members
                .iter()
                .any(|member| (&member.member_id, member.epoch) == (&self.member_id, self.epoch))
        });
        let request = world.ask(|core, now_ms, request| core.commit(now_ms, request, commit));
        if !may {
            let refused =
                matches!(world.replies.get(&request), Some(Reply::Commit(results)) if results[0].1.is_err());
            assert!(
                refused || !world.replies.contains_key(&request),
                "{} committed in {}",
                self.name,
                self.epoch
            );
        }
    }

    fn leave(&mut self, world: &mut World) {
        if self.classic {
            let leaving = LeavingMember { member_id: self.member_id.clone(), instance_id: None };
            world.ask(|core, now_ms, request| core.leave(now_ms, request, GROUP, &[leaving]));
            return;
        }
        // A static member goes away for a while, or for good.
        let epoch = if self.instance_id.is_some() && world.random.percent(70) { -2 } else { -1 };
        let heartbeat = ConsumerHeartbeat { epoch, ..self.plain() };
        world.ask(|core, now_ms, request| core.consumer_heartbeat(now_ms, request, heartbeat));
    }

    fn begin(&mut self, world: &mut World) {
        self.classic = self.may_be_classic && world.random.percent(50);
        self.epoch = 0;
        self.owned.clear();
        self.target.clear();
        if self.classic {
            self.member_id.clear();
        } else if self.member_id.is_empty() {
            self.member_id = format!("{}-{}", self.name, world.fresh());
        }
        self.next(world);
    }

    fn next(&mut self, world: &mut World) {
        self.patience_ms = world.now_ms + 6_000;
        let request = if !self.classic {
            self.heartbeat(world)
        } else if self.epoch > 0 && !self.generation_only {
            let heartbeat = Heartbeat {
                group_id: GROUP.into(),
                member_id: self.member_id.clone(),
                instance_id: None,
                generation: self.epoch,
            };
            world.ask(|core, now_ms, request| core.heartbeat(now_ms, request, &heartbeat))
        } else {
            self.patience_ms = world.now_ms + 45_000;
            self.join(world)
        };
        self.doing = Doing::Waiting(request);
    }

    fn plain(&self) -> ConsumerHeartbeat {
        ConsumerHeartbeat {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            epoch: self.epoch,
            instance_id: self.instance_id.clone(),
            client_id: self.name.clone(),
            client_host: "/simulated".into(),
            ..ConsumerHeartbeat::default()
        }
    }

    fn heartbeat(&mut self, world: &mut World) -> RequestId {
        let mut heartbeat = self.plain();
        if self.epoch == 0 || self.says_all {
            heartbeat.rebalance_timeout_ms = Some(20_000);
            heartbeat.topics = Some(self.topics.clone());
            heartbeat.regex = self.regex.clone();
            heartbeat.assignor = self.assignor.clone();
        }
        if self.epoch == 0 {
            heartbeat.owned = Some(Assignment::new());
        } else if self.says_all || self.owned != self.target {
            self.owned = common(&self.owned, &self.target);
            heartbeat.owned = Some(self.owned.clone());
        }
        self.says_all = false;
        world.ask(|core, now_ms, request| core.consumer_heartbeat(now_ms, request, heartbeat))
    }

    fn join(&self, world: &mut World) -> RequestId {
        let owned = self.owned.iter().filter_map(|(topic, partitions)| {
            let topic = world.topics.name(*topic)?;
            Some(OwnedTopicPartition { topic, partitions: partitions.iter().copied().collect() })
        });
        let subscription = ConsumerProtocolSubscription {
            topics: self.topics.iter().cloned().collect(),
            owned_partitions: owned.collect(),
            ..Default::default()
        };
        let join = Join {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            instance_id: None,
            client_id: self.name.clone(),
            client_host: "/simulated".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 20_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol {
                name: "cooperative-sticky".into(),
                metadata: versioned(1, &subscription),
            }],
            requires_member_id: true,
            supports_skipping_assignment: false,
            fresh_id: world.fresh(),
        };
        world.ask(|core, now_ms, request| core.join(now_ms, request, &join))
    }

    fn hear(&mut self, world: &mut World, request: RequestId) {
        let pause_ms = world.now_ms + 1_000;
        let Some(reply) = world.replies.remove(&request) else {
            if world.now_ms < self.patience_ms {
                self.doing = Doing::Waiting(request);
            } else {
                self.says_all = true;
                self.doing = Doing::Between { next_ms: 0 };
            }
            return;
        };
        self.doing = Doing::Between { next_ms: pause_ms };
        match reply {
            Reply::ConsumerHeartbeat(Ok(answer)) => {
                assert_eq!(answer.member_id, self.member_id);
                assert!(answer.epoch >= self.epoch, "epochs only grow");
                self.epoch = answer.epoch;
                if let Some(assignment) = answer.assignment {
                    // What it must give back it says with its next heartbeat; the rest is its own at once.
                    let gives_back = difference(&self.owned, &assignment);
                    self.target = assignment.clone();
                    self.owned = assignment;
                    if !gives_back.is_empty() {
                        self.owned = merge(&self.owned, gives_back);
                        self.doing = Doing::Between { next_ms: 0 };
                    }
                }
            }
            Reply::ConsumerHeartbeat(Err(
                Error::UnknownMember | Error::FencedEpoch | Error::FencedInstance | Error::ClassicGroup,
            )) => self.forget(),
            Reply::ConsumerHeartbeat(Err(Error::UnreleasedInstance)) => self.forget(),
            Reply::ConsumerHeartbeat(Err(_)) => self.says_all = true,
            Reply::Heartbeat(Ok(())) => {}
            Reply::Heartbeat(Err(HeartbeatError::UnknownMember)) => self.forget(),
            Reply::Heartbeat(Err(HeartbeatError::Rebalance)) => self.generation_only = true,
            Reply::Heartbeat(Err(_)) => self.lose(),
            Reply::Join(Ok(joined)) => {
                self.member_id.clone_from(&joined.member_id);
                self.epoch = joined.generation;
                self.generation_only = false;
                self.unsure = true;
                let leads = joined.leader == joined.member_id;
                let members: Vec<String> =
                    joined.members.iter().map(|member| member.member_id.clone()).collect();
                let request = self.sync(world, leads.then_some(members));
                self.doing = Doing::Syncing(request);
            }
            Reply::Join(Err(refused)) => match refused.error {
                JoinError::MemberIdRequired => self.member_id = refused.member_id,
                JoinError::UnknownMember => self.forget(),
                _ => {}
            },
            other => panic!("{} was answered with {other:?}", self.name),
        }
    }

    /// Another generation than its own: what it had is lost, and it joins anew under its id.
    fn lose(&mut self) {
        self.owned.clear();
        self.target.clear();
        self.generation_only = true;
    }

    /// A leader of a classic group gives everything to the first member: who gets what is not what is tested here.
    fn sync(&self, world: &mut World, leads: Option<Vec<String>>) -> RequestId {
        let assignments = leads.unwrap_or_default().into_iter().enumerate().map(|(number, member_id)| {
            let mut value = ConsumerProtocolAssignment::default();
            if number == 0 {
                let partitions = (0..3).collect();
                value.assigned_partitions.push(AssignedTopicPartition { topic: "a1".into(), partitions });
            }
            (member_id, versioned(1, &value))
        });
        let sync = Sync {
            group_id: GROUP.into(),
            member_id: self.member_id.clone(),
            instance_id: None,
            generation: self.epoch,
            protocol_type: Some("consumer".into()),
            protocol: Some("cooperative-sticky".into()),
            assignments: assignments.collect(),
        };
        world.ask(|core, now_ms, request| core.sync(now_ms, request, sync))
    }

    fn hear_sync(&mut self, world: &mut World, request: RequestId) {
        match world.replies.remove(&request) {
            Some(Reply::Sync(Ok(synced))) => {
                self.unsure = false;
                let before = std::mem::take(&mut self.owned);
                self.owned = read(&synced.assignment, world);
                self.target = self.owned.clone();
                // Cooperative: whoever gave something back rejoins.
                self.generation_only = !difference(&before, &self.owned).is_empty();
                self.doing = Doing::Between { next_ms: world.now_ms + 500 };
            }
            Some(Reply::Sync(Err(SyncError::UnknownMember))) => self.forget(),
            Some(Reply::Sync(Err(error))) => {
                if error != SyncError::Rebalance {
                    self.lose();
                }
                self.generation_only = true;
                self.doing = Doing::Between { next_ms: 0 };
            }
            Some(other) => panic!("a sync was answered with {other:?}"),
            None if world.now_ms < self.patience_ms => self.doing = Doing::Syncing(request),
            None => {
                self.generation_only = true;
                self.doing = Doing::Between { next_ms: 0 };
            }
        }
    }
}

fn versioned(version: i16, message: &impl Message) -> Bytes {
    let mut to = Encoder::new();
    to.i16(version);
    message.encode(&mut to, version).unwrap();
    to.into_bytes()
}

fn read(assignment: &Bytes, world: &World) -> Assignment {
    let mut owned = Assignment::new();
    if assignment.is_empty() {
        return owned;
    }
    let mut from = Decoder::new(assignment.clone());
    let version = from.i16().unwrap();
    for topic in ConsumerProtocolAssignment::decode(&mut from, version).unwrap().assigned_partitions {
        if let Some(found) = world.topics.find(&topic.topic) {
            owned.insert(found.id, topic.partitions.into_iter().collect());
        }
    }
    owned
}

fn filtered(left: &Assignment, keep: impl Fn(&Uuid, &i32) -> bool) -> Assignment {
    let mut kept: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
    for (topic, partitions) in left {
        for partition in partitions.iter().filter(|partition| keep(topic, partition)) {
            kept.entry(*topic).or_default().insert(*partition);
        }
    }
    kept
}

fn has(assignment: &Assignment, topic: &Uuid, partition: &i32) -> bool {
    assignment.get(topic).is_some_and(|own| own.contains(partition))
}

fn common(left: &Assignment, right: &Assignment) -> Assignment {
    filtered(left, |topic, partition| has(right, topic, partition))
}

fn difference(left: &Assignment, right: &Assignment) -> Assignment {
    filtered(left, |topic, partition| !has(right, topic, partition))
}

fn merge(left: &Assignment, right: Assignment) -> Assignment {
    let mut all = left.clone();
    for (topic, partitions) in right {
        all.entry(topic).or_default().extend(partitions);
    }
    all
}
