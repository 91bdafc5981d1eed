//! Groups: the coordinator, its log, a network that loses answers, and what is promised about all of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use millstream_broker::coordinator::group::{
    Commit, CommitItem, Effect, GroupConfig, GroupCoordinator, Heartbeat, Join, Joined, LeavingMember,
    Protocol, Reply, State, Sync,
};
use millstream_broker::coordinator::{AppendError, AppendId, LogRecord, RequestId, TopicPartition};

use super::group_client::Client;
use super::{Random, Trace};

pub const GROUP: &str = "g";
pub const TOPIC: &str = "t";
pub const PARTITIONS: i32 = 12;
const CLIENTS: usize = 5;
const STEPS: usize = 250;

/// Everything outside the clients.
pub struct World {
    pub random: Random,
    pub trace: Trace,
    pub now_ms: i64,
    coordinator: GroupCoordinator,
    log: Vec<LogRecord>,
    /// Appends whose outcome is not told yet, in order.
    in_flight: VecDeque<(AppendId, Vec<LogRecord>)>,
    requests: u64,
    /// Answers that wait for their client; a request of a crashed coordinator never gets one.
    pub replies: BTreeMap<RequestId, Reply>,
    answered: BTreeSet<RequestId>,
    pub promises: Promises,
    /// No more trouble: everything succeeds at once.
    pub calm: bool,
}

/// What was promised, and must hold from then on.
#[derive(Debug, Default)]
pub struct Promises {
    /// By generation, what its leaders have asked to be stored, by member.
    given: BTreeMap<i32, Vec<BTreeMap<String, Bytes>>>,
    /// By generation, the partitions that each client was told to own.
    owned: BTreeMap<i32, BTreeMap<String, BTreeSet<i32>>>,
    /// The last acknowledged offset per partition. Offsets only grow, in the order of their requests.
    committed: BTreeMap<i32, i64>,
    next_offset: i64,
}

/// Runs one seed; the trace tells two runs apart.
pub fn run(seed: u64) -> Trace {
    let mut world = World::new(seed);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, number % 2 == 1)).collect();
    for _ in 0..STEPS {
        world.step();
        let client = world.random.below(CLIENTS);
        clients[client].act(&mut world);
    }
    world.calm = true;
    clients.iter_mut().for_each(Client::recover);
    for _ in 0..150 {
        world.advance(1_000);
        world.settle();
        clients.iter_mut().for_each(|client| client.act(&mut world));
        world.settle();
    }
    world.check_rest(&clients);
    world.trace
}

impl World {
    fn new(seed: u64) -> World {
        World {
            random: Random::new(seed),
            trace: Trace::new(),
            now_ms: 1_000_000,
            coordinator: GroupCoordinator::new(config()),
            log: Vec::new(),
            in_flight: VecDeque::new(),
            requests: 0,
            replies: BTreeMap::new(),
            answered: BTreeSet::new(),
            promises: Promises::default(),
            calm: false,
        }
    }

    /// Something happens that no client does.
    fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.finish_append(),
            50..85 => {
                let by_ms = self.random.below(2_500) as i64;
                self.advance(by_ms);
            }
            85..87 => self.crash(),
            _ => {}
        }
    }

    /// Time passes, and what falls due on the way happens.
    fn advance(&mut self, by_ms: i64) {
        let until_ms = self.now_ms + by_ms;
        while let Some(at_ms) = self.coordinator.next_deadline_ms().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            let effects = self.coordinator.tick(self.now_ms);
            self.take(effects);
        }
        self.now_ms = until_ms;
    }

    fn settle(&mut self) {
        while !self.in_flight.is_empty() {
            self.finish_append();
        }
    }

    /// The oldest append ends: durable, or (rarely) failed.
    fn finish_append(&mut self) {
        let Some((append, records)) = self.in_flight.pop_front() else { return };
        let outcome = if !self.calm && self.random.percent(4) {
            Err(AppendError::NotEnoughReplicas)
        } else {
            let base_offset = self.log.len() as i64;
            self.log.extend(records);
            Ok(base_offset)
        };
        let effects = self.coordinator.appended(self.now_ms, append, outcome);
        self.take(effects);
    }

    /// The coordinator dies. Of what it had not heard of, any first part may be in the log all the same.
    fn crash(&mut self) {
        let kept = self.random.below(self.in_flight.len() + 1);
        let in_flight = std::mem::take(&mut self.in_flight);
        self.log.extend(in_flight.into_iter().take(kept).flat_map(|(_, records)| records));
        self.trace.note(&("crash", kept));
        self.coordinator = GroupCoordinator::new(config());
        for (offset, record) in self.log.iter().enumerate() {
            let (key, value) = (record.key.clone(), record.value.clone());
            self.coordinator.replay(offset as i64, None, key, value).expect("own records are readable");
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.take(effects);
        self.check_offsets();
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append { append, records, .. } => {
                    self.trace.note_records(append.0, &records);
                    self.in_flight.push_back((append, records));
                }
                Effect::Reply { request, reply } => {
                    self.trace.note(&(request, &reply));
                    assert!(self.answered.insert(request), "a request is answered once");
                    let lost = !self.calm && self.random.percent(5);
                    if !lost {
                        self.replies.insert(request, reply);
                    }
                }
            }
        }
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

/// What clients ask for.
impl World {
    pub fn join(&mut self, client: &Client) -> RequestId {
        let request = self.request();
        let join = Join {
            group_id: GROUP.into(),
            member_id: client.member_id.clone(),
            instance_id: client.instance_id.clone(),
            client_id: client.name.clone(),
            client_host: "/simulated".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 20_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"s") }],
            requires_member_id: client.instance_id.is_none(),
            supports_skipping_assignment: client.skips_assignment,
            fresh_id: format!("{}", request.0),
        };
        let effects = self.coordinator.join(self.now_ms, request, &join);
        self.take(effects);
        request
    }

    /// The leader shares all partitions out; others ask for theirs.
    pub fn sync(&mut self, client: &Client, joined: &Joined) -> RequestId {
        let request = self.request();
        let mut shares: Vec<(String, Vec<i32>)> =
            joined.members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
        if !shares.is_empty() && !joined.skip_assignment {
            let start = self.random.below(shares.len());
            for partition in 0..PARTITIONS {
                let owner = (start + partition as usize) % shares.len();
                shares[owner].1.push(partition);
            }
        } else {
            shares.clear();
        }
        let assignments: Vec<(String, Bytes)> =
            shares.into_iter().map(|(member_id, owned)| (member_id, encode(&owned))).collect();
        if !assignments.is_empty() {
            let given = self.promises.given.entry(joined.generation).or_default();
            given.push(assignments.iter().cloned().collect());
        }
        let sync = Sync {
            group_id: GROUP.into(),
            member_id: joined.member_id.clone(),
            instance_id: client.instance_id.clone(),
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments,
        };
        let effects = self.coordinator.sync(self.now_ms, request, sync);
        self.take(effects);
        request
    }

    pub fn heartbeat(&mut self, client: &Client) -> RequestId {
        let request = self.request();
        let heartbeat = Heartbeat {
            group_id: GROUP.into(),
            member_id: client.member_id.clone(),
            instance_id: client.instance_id.clone(),
            generation: client.generation,
        };
        let effects = self.coordinator.heartbeat(self.now_ms, request, &heartbeat);
        self.take(effects);
        request
    }

    pub fn leave(&mut self, client: &Client) {
        let request = self.request();
        let leaving =
            LeavingMember { member_id: client.member_id.clone(), instance_id: client.instance_id.clone() };
        let effects = self.coordinator.leave(self.now_ms, request, GROUP, &[leaving]);
        self.take(effects);
    }

    /// Commits the next offset for one partition, as a member of a generation. The request, and what it commits.
    pub fn commit(
        &mut self,
        client: &Client,
        (member_id, generation): (&str, i32),
        partition: i32,
    ) -> (RequestId, i64) {
        let request = self.request();
        self.promises.next_offset += 1;
        let offset = self.promises.next_offset;
        let item = CommitItem {
            topic_id: millstream_protocol::Uuid::ZERO,
            partition: TopicPartition::new(TOPIC, partition),
            offset,
            leader_epoch: -1,
            metadata: String::new(),
            retention_ms: None,
        };
        let commit = Commit {
            group_id: GROUP.into(),
            member_id: member_id.to_owned(),
            instance_id: client.instance_id.clone(),
            generation,
            items: vec![item],
        };
        let effects = self.coordinator.commit(self.now_ms, request, commit);
        let accepted = effects.iter().any(|effect| matches!(effect, Effect::Append { .. }));
        let newest = self.promises.owned.keys().next_back().copied().unwrap_or(0);
        assert!(!accepted || generation >= newest, "an older generation's commit was taken in");
        self.take(effects);
        (request, offset)
    }
}

/// The promises.
impl World {
    /// A client was told what it owns.
    pub fn check_assignment(&mut self, client: &Client, generation: i32, assignment: &Bytes) {
        let given = self.promises.given.get(&generation).map(Vec::as_slice).unwrap_or_default();
        let of_leader = given.iter().flat_map(BTreeMap::values).any(|part| part == assignment);
        assert!(of_leader, "{} got {assignment:?} in {generation}, which no leader gave", client.name);
        let mine = decode(assignment);
        assert!(!mine.is_empty(), "a member that the leader knew got nothing");
        let owned = self.promises.owned.entry(generation).or_default();
        for (name, others) in owned.iter().filter(|(name, _)| **name != client.name) {
            let shared: Vec<_> = mine.intersection(others).collect();
            assert!(shared.is_empty(), "{name} and {} share {shared:?} in {generation}", client.name);
        }
        let before = owned.insert(client.name.clone(), mine.clone());
        assert!(before.is_none_or(|before| before == mine), "one member, one generation, two assignments");
    }

    pub fn acknowledged(&mut self, partition: i32, offset: i64) {
        let committed = self.promises.committed.entry(partition).or_insert(offset);
        *committed = (*committed).max(offset);
    }

    fn check_offsets(&self) {
        for (partition, acknowledged) in &self.promises.committed {
            let place = [TopicPartition::new(TOPIC, *partition)];
            let fetched = self.coordinator.fetch_offsets(GROUP, Some(&place), true);
            let found = fetched[0].1.as_ref().ok().and_then(Option::as_ref).map(|committed| committed.offset);
            assert!(
                found.is_some_and(|found| found >= *acknowledged),
                "partition {partition}: {acknowledged} was acknowledged, {found:?} is there"
            );
        }
    }

    /// Left in peace, the group is stable, and every partition has exactly one owner.
    fn check_rest(&self, clients: &[Client]) {
        self.check_offsets();
        let group = self.coordinator.describe(GROUP).expect("there were members");
        assert_eq!(group.state, State::Stable, "{clients:#?}");
        let owned: Vec<i32> = clients.iter().flat_map(|client| client.owned.iter().copied()).collect();
        let distinct: BTreeSet<i32> = owned.iter().copied().collect();
        assert_eq!((owned.len(), distinct.len()), (PARTITIONS as usize, PARTITIONS as usize), "{clients:#?}");
    }
}

fn config() -> GroupConfig {
    GroupConfig { initial_rebalance_delay_ms: 100, ..GroupConfig::default() }
}

fn encode(partitions: &[i32]) -> Bytes {
    partitions.iter().map(|partition| *partition as u8).collect::<Vec<_>>().into()
}

pub fn decode(assignment: &Bytes) -> BTreeSet<i32> {
    assignment.iter().map(|partition| i32::from(*partition)).collect()
}
