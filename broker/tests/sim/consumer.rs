//! Next-generation groups: members of both protocols join, pause, crash and leave while topics grow, appends fail and the
//! coordinator dies; and what is promised about them all.
//!
//! No two current members hold one partition, however late answers come; a fenced member cannot commit; left in peace,
//! everything that somebody subscribes to has exactly one owner, and everybody has its target.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use millstream_broker::coordinator::group::{
    Assignment, ConsumerDescription, Effect, GroupConfig, GroupCoordinator, Reply, State, Topic, Topics,
};
use millstream_broker::coordinator::{AppendError, AppendId, LogRecord, RequestId};
use millstream_protocol::Uuid;

use super::consumer_client::Client;
use super::{Random, Trace};

pub const GROUP: &str = "g";
const CLIENTS: usize = 5;
const STEPS: usize = 120;

/// The topics that there are: names, and how many partitions.
#[derive(Debug, Clone)]
pub struct SimulatedTopics {
    version: u64,
    counts: BTreeMap<String, i32>,
}

impl Topics for SimulatedTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<Topic> {
        Some(Topic { id: id_of(name), partition_count: *self.counts.get(name)? })
    }

    fn name(&self, id: Uuid) -> Option<String> {
        self.counts.keys().find(|name| id_of(name) == id).cloned()
    }

    fn for_each_name(&self, visit: &mut dyn FnMut(&str)) {
        self.counts.keys().for_each(|name| visit(name));
    }
}

fn id_of(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

pub struct World {
    pub random: Random,
    pub trace: Trace,
    pub now_ms: i64,
    pub coordinator: GroupCoordinator,
    pub topics: SimulatedTopics,
    log: Vec<LogRecord>,
    in_flight: VecDeque<(AppendId, Vec<LogRecord>)>,
    requests: u64,
    pub replies: BTreeMap<RequestId, Reply>,
    answered: BTreeSet<RequestId>,
    pub calm: bool,
}

/// Runs one seed; the trace tells two runs apart.
pub fn run(seed: u64) -> Trace {
    let mut world = World::new(seed);
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|number| Client::new(number, &mut world.random)).collect();
    for _ in 0..STEPS {
        world.step();
        let acting = world.random.below(CLIENTS);
        clients[acting].act(&mut world);
        if world.random.percent(40) {
            world.check_owners(&clients);
        }
    }
    world.calm = true;
    clients.iter_mut().for_each(Client::recover);
    for round in 0..40 {
        // Sessions of members that are gone end within four rounds; what is settled after that stays so.
        if round > 5 && world.is_settled(&clients) {
            break;
        }
        world.advance(3_000);
        world.settle();
        for client in &mut clients {
            client.act(&mut world);
            world.settle();
        }
    }
    world.check_rest(&clients);
    world.check_replay();
    world.trace
}

impl World {
    fn new(seed: u64) -> World {
        let counts = [("a1", 4), ("a2", 3), ("b", 5)].map(|(name, count)| (name.to_owned(), count));
        World {
            random: Random::new(seed),
            trace: Trace::new(),
            now_ms: 1_000_000,
            coordinator: GroupCoordinator::new(config()),
            topics: SimulatedTopics { version: 1, counts: BTreeMap::from(counts) },
            log: Vec::new(),
            in_flight: VecDeque::new(),
            requests: 0,
            replies: BTreeMap::new(),
            answered: BTreeSet::new(),
            calm: false,
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.finish_append(),
            50..80 => {
                let by_ms = self.random.below(4_000) as i64;
                self.advance(by_ms);
            }
            80..82 => self.crash(),
            82..84 => self.grow_topics(),
            _ => {}
        }
    }

    fn grow_topics(&mut self) {
        self.topics.version += 1;
        if self.random.percent(30) && self.topics.counts.len() < 6 {
            let name = format!("a{}", self.topics.counts.len() + 1);
            self.topics.counts.insert(name, 2);
        } else {
            let chosen = self.random.below(self.topics.counts.len());
            if let Some(count) = self.topics.counts.values_mut().nth(chosen).filter(|count| **count < 8) {
                *count += 1;
            }
        }
    }

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
        self.coordinator = self.replayed();
        let effects = self.coordinator.loaded(self.now_ms);
        self.take(effects);
    }

    fn replayed(&self) -> GroupCoordinator {
        let mut coordinator = GroupCoordinator::new(config());
        for (offset, record) in self.log.iter().enumerate() {
            let (key, value) = (record.key.clone(), record.value.clone());
            coordinator.replay(offset as i64, None, key, value).expect("own records are readable");
        }
        coordinator
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
                    if self.calm || !self.random.percent(5) {
                        self.replies.insert(request, reply);
                    }
                }
            }
        }
    }

    /// Sends a request; its answer is found under the id.
    pub fn ask(
        &mut self,
        work: impl FnOnce(&mut GroupCoordinator, i64, RequestId) -> Vec<Effect>,
    ) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.coordinator.know_topics(Arc::new(self.topics.clone()));
        let effects = work(&mut self.coordinator, self.now_ms, request);
        self.take(effects);
        request
    }

    pub fn describe(&self) -> Option<ConsumerDescription> {
        self.coordinator.describe_consumer(GROUP)
    }

    /// A fresh part of a member id.
    pub fn fresh(&mut self) -> String {
        format!("{}", self.random.below(1 << 30))
    }
}

/// The promises.
impl World {
    /// Two members that both count hold nothing in common, whatever each of them has heard.
    fn check_owners(&self, clients: &[Client]) {
        let Some(group) = self.describe() else { return };
        let mut owners: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for client in clients {
            // A member that was fenced, or replaced, is told so when it asks; what it believes until then does not count.
            let known = group.members.iter().find(|member| member.member_id == client.member_id);
            let Some(member) = known.filter(|member| member.epoch == client.epoch) else { continue };
            if client.is_outside() || client.is_unsure() || member.is_classic != client.is_classic() {
                continue;
            }
            for place in places(&client.owned) {
                if let Some(other) = owners.insert(place, &client.name) {
                    panic!("{other} and {} both own {place:?}: {clients:#?} {group:#?}", client.name);
                }
            }
        }
    }

    /// Whether everybody knows what it has.
    fn is_settled(&self, clients: &[Client]) -> bool {
        let Some(group) = self.describe() else { return false };
        let knows = |client: &Client| {
            let member = group.members.iter().find(|member| member.member_id == client.member_id);
            !client.is_outside() && member.is_some_and(|member| member.assigned == client.owned)
        };
        group.state == State::Stable && group.members.len() == clients.len() && clients.iter().all(knows)
    }

    /// Left in peace, everything has one owner and everybody what it shall have.
    fn check_rest(&self, clients: &[Client]) {
        let inside: Vec<&Client> = clients.iter().filter(|client| !client.is_outside()).collect();
        assert!(!inside.is_empty(), "everybody stays once it is calm: {clients:#?}");
        match self.describe() {
            Some(group) => {
                assert_eq!(group.state, State::Stable, "{clients:#?} {group:#?}");
                for client in &inside {
                    let member = group.members.iter().find(|member| member.member_id == client.member_id);
                    let member = member.unwrap_or_else(|| panic!("{client:#?} {group:#?}"));
                    assert_eq!((&member.assigned, &member.target), (&client.owned, &client.owned));
                }
            }
            None => {
                let group = self.coordinator.describe(GROUP).expect("there are members");
                assert_eq!(group.state, State::Stable, "{clients:#?} {group:#?}");
                return;
            }
        }
        let mut expected: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for (name, count) in &self.topics.counts {
            if inside.iter().any(|client| client.wants(name)) {
                expected.extend((0..*count).map(|partition| (id_of(name), partition)));
            }
        }
        let owned: Vec<(Uuid, i32)> = inside.iter().flat_map(|client| places(&client.owned)).collect();
        assert_eq!(owned.iter().copied().collect::<BTreeSet<_>>(), expected, "{clients:#?}");
        assert_eq!(owned.len(), expected.len(), "{clients:#?}");
    }

    /// What the log tells is what is served.
    fn check_replay(&self) {
        assert_eq!(self.replayed().describe_consumer(GROUP), self.describe());
    }
}

fn places(assignment: &Assignment) -> impl Iterator<Item = (Uuid, i32)> + '_ {
    assignment.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
}

fn config() -> GroupConfig {
    GroupConfig {
        initial_rebalance_delay_ms: 100,
        consumer_session_timeout_ms: 10_000,
        ..GroupConfig::default()
    }
}
