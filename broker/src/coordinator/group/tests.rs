//! Scenarios of the group coordinator, over a log that remembers every record.

mod consumer;
mod membership;
mod offsets;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::coordinator::{LogRecord, Outcome};

/// A coordinator, its log, and the answers that came out.
struct Scene {
    coordinator: GroupCoordinator,
    config: GroupConfig,
    now_ms: i64,
    log: Vec<(Option<i64>, LogRecord)>,
    markers: Vec<(usize, i64, Outcome)>,
    replies: BTreeMap<u64, Reply>,
    requests: u64,
    /// Appends are held back until `flush` while set.
    hold: bool,
    held: Vec<(AppendId, Option<Producer>, Vec<LogRecord>)>,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() })
    }

    fn with(config: GroupConfig) -> Scene {
        Scene {
            coordinator: GroupCoordinator::new(config.clone()),
            config,
            now_ms: 1_000,
            log: Vec::new(),
            markers: Vec::new(),
            replies: BTreeMap::new(),
            requests: 0,
            hold: false,
            held: Vec::new(),
        }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { request, reply } => {
                    let again = self.replies.insert(request.0, reply);
                    assert!(again.is_none(), "a request is answered once");
                }
                Effect::Append { append, producer, records } => self.held.push((append, producer, records)),
            }
        }
        if !self.hold {
            self.flush(Ok(()));
        }
    }

    fn flush(&mut self, outcome: Result<(), AppendError>) {
        while !self.held.is_empty() {
            let (append, producer, records) = self.held.remove(0);
            let base = self.log.len() as i64;
            if outcome.is_ok() {
                let producer_id = producer.map(|producer| producer.id);
                self.log.extend(records.into_iter().map(|record| (producer_id, record)));
            }
            let effects = self.coordinator.appended(self.now_ms, append, outcome.map(|()| base));
            self.apply(effects);
        }
    }

    fn advance(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while let Some(at_ms) = self.coordinator.next_deadline_ms().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = at_ms.max(self.now_ms);
            let effects = self.coordinator.tick(self.now_ms);
            self.apply(effects);
        }
        self.now_ms = until_ms;
    }

    /// A new coordinator that knows only the log.
    fn restart(&mut self) {
        self.held.clear();
        self.coordinator = GroupCoordinator::new(self.config.clone());
        for (at, (producer_id, record)) in self.log.iter().enumerate() {
            for (_, producer_id, outcome) in self.markers.iter().filter(|(before, ..)| *before == at) {
                self.coordinator.transaction_ended(*producer_id, *outcome);
            }
            let (key, value) = (record.key.clone(), record.value.clone());
            self.coordinator.replay(at as i64, *producer_id, key, value).expect("own records are readable");
        }
        for (_, producer_id, outcome) in self.markers.iter().filter(|(before, ..)| *before >= self.log.len())
        {
            self.coordinator.transaction_ended(*producer_id, *outcome);
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.apply(effects);
    }

    fn marker(&mut self, producer_id: i64, outcome: Outcome) {
        self.markers.push((self.log.len(), producer_id, outcome));
        self.coordinator.transaction_ended(producer_id, outcome);
    }

    fn join(&mut self, join: Join) -> u64 {
        let request = self.next_request();
        let effects = self.coordinator.join(self.now_ms, request, &join);
        self.apply(effects);
        request.0
    }

    fn joined(&self, request: u64) -> &Joined {
        match self.replies.get(&request) {
            Some(Reply::Join(Ok(joined))) => joined,
            other => panic!("expected a join, found {other:?}"),
        }
    }

    fn join_error(&self, request: u64) -> (JoinError, &str) {
        match self.replies.get(&request) {
            Some(Reply::Join(Err(refused))) => (refused.error, &refused.member_id),
            other => panic!("expected a refused join, found {other:?}"),
        }
    }

    fn sync(&mut self, member: &Joined, assignments: &[(&str, &str)]) -> u64 {
        let request = self.next_request();
        let sync = Sync {
            group_id: "g".into(),
            member_id: member.member_id.clone(),
            instance_id: None,
            generation: member.generation,
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(id, part)| ((*id).to_owned(), Bytes::copy_from_slice(part.as_bytes())))
                .collect(),
        };
        let effects = self.coordinator.sync(self.now_ms, request, sync);
        self.apply(effects);
        request.0
    }

    fn synced(&self, request: u64) -> Result<String, SyncError> {
        match self.replies.get(&request) {
            Some(Reply::Sync(result)) => {
                result.clone().map(|synced| String::from_utf8_lossy(&synced.assignment).into_owned())
            }
            other => panic!("expected a sync, found {other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &Joined) -> Result<(), HeartbeatError> {
        let request = self.next_request();
        let heartbeat = Heartbeat {
            group_id: "g".into(),
            member_id: member.member_id.clone(),
            instance_id: None,
            generation: member.generation,
        };
        let effects = self.coordinator.heartbeat(self.now_ms, request, &heartbeat);
        self.apply(effects);
        match self.replies.get(&request.0) {
            Some(Reply::Heartbeat(result)) => *result,
            other => panic!("expected a heartbeat, found {other:?}"),
        }
    }

    fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> Result<(), LeaveError> {
        let request = self.next_request();
        let leaving =
            LeavingMember { member_id: member_id.into(), instance_id: instance_id.map(str::to_owned) };
        let effects = self.coordinator.leave(self.now_ms, request, "g", &[leaving]);
        self.apply(effects);
        match self.replies.get(&request.0) {
            Some(Reply::Leave(Ok(results))) => results[0],
            other => panic!("expected a leave, found {other:?}"),
        }
    }

    fn commit(&mut self, commit: Commit) -> u64 {
        let request = self.next_request();
        let effects = self.coordinator.commit(self.now_ms, request, commit);
        self.apply(effects);
        request.0
    }

    fn committed(&self, request: u64) -> Result<(), CommitError> {
        match self.replies.get(&request) {
            Some(Reply::Commit(results)) => results[0].1,
            other => panic!("expected a commit, found {other:?}"),
        }
    }

    fn offset(&self, topic: &str) -> Option<i64> {
        let partition = [TopicPartition::new(topic, 0)];
        let fetched = self.coordinator.fetch_offsets("g", Some(&partition), false);
        fetched[0].1.as_ref().ok()?.as_ref().map(|committed| committed.offset)
    }

    fn state(&self) -> State {
        self.coordinator.describe("g").map_or(State::Dead, |group| group.state)
    }

    /// Two members, stable; the first leads.
    fn stable_pair(&mut self) -> (Joined, Joined) {
        let a = self.join(join("a"));
        let a = self.joined(a).clone();
        let b = self.join(join("b"));
        let again = self.join(rejoin(&a));
        let (a, b) = (self.joined(again).clone(), self.joined(b).clone());
        let sync_b = self.sync(&b, &[]);
        let sync_a = self.sync(&a, &[(&a.member_id, "p0"), (&b.member_id, "p1")]);
        assert_eq!(self.synced(sync_a).as_deref(), Ok("p0"));
        assert_eq!(self.synced(sync_b).as_deref(), Ok("p1"));
        assert_eq!(self.state(), State::Stable);
        (a, b)
    }
}

fn join(client_id: &str) -> Join {
    Join {
        group_id: "g".into(),
        member_id: String::new(),
        instance_id: None,
        client_id: client_id.into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", &["t"])],
        requires_member_id: false,
        supports_skipping_assignment: false,
        fresh_id: "1".into(),
    }
}

fn rejoin(member: &Joined) -> Join {
    Join { member_id: member.member_id.clone(), ..join("rejoining") }
}

fn static_join(instance: &str, fresh_id: &str) -> Join {
    Join { instance_id: Some(instance.into()), fresh_id: fresh_id.into(), ..join(instance) }
}

/// A consumer's subscription of version 0: topics and no user data.
fn protocol(name: &str, topics: &[&str]) -> Protocol {
    let mut metadata = BytesMut::new();
    metadata.extend_from_slice(&0i16.to_be_bytes());
    metadata.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for topic in topics {
        metadata.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        metadata.extend_from_slice(topic.as_bytes());
    }
    metadata.extend_from_slice(&(-1i32).to_be_bytes());
    Protocol { name: name.into(), metadata: metadata.freeze() }
}

fn commit(member: Option<&Joined>, topic: &str, offset: i64) -> Commit {
    Commit {
        group_id: "g".into(),
        member_id: member.map(|member| member.member_id.clone()).unwrap_or_default(),
        instance_id: None,
        generation: member.map_or(-1, |member| member.generation),
        items: vec![CommitItem {
            topic_id: millstream_protocol::Uuid::ZERO,
            partition: TopicPartition::new(topic, 0),
            offset,
            leader_epoch: -1,
            metadata: String::new(),
            retention_ms: None,
        }],
    }
}
