//! Transactions: the coordinator, its log, the partitions that records and markers go to, and what is promised.

use std::collections::{BTreeMap, VecDeque};

use millstream_broker::coordinator::producer_ids::ProducerIds;
use millstream_broker::coordinator::transaction::{
    AddPartitions, Effect, EndTransaction, InitProducerId, Markers, Reply, TransactionConfig,
    TransactionCoordinator, VerifyError,
};
use millstream_broker::coordinator::{
    AppendError, AppendId, LogRecord, Outcome, Producer, RequestId, TopicPartition,
};

use super::transaction_client::Instance;
use super::{Random, Trace};

pub const PARTITIONS: usize = 3;
const IDS: usize = 2;
const STEPS: usize = 300;

/// One transaction of one instance, however its records were numbered.
pub type Tag = (usize, usize);

pub struct World {
    pub random: Random,
    pub trace: Trace,
    pub now_ms: i64,
    coordinator: TransactionCoordinator,
    epoch: i32,
    ids: ProducerIds,
    log: Vec<LogRecord>,
    in_flight: VecDeque<(AppendId, Vec<LogRecord>)>,
    /// Markers on their way; those of a dead coordinator arrive all the same, in any order.
    markers: Vec<(Markers, TopicPartition, i32)>,
    partitions: Vec<Partition>,
    requests: u64,
    pub replies: BTreeMap<RequestId, Reply>,
    /// What clients were told about their transactions.
    pub told: BTreeMap<Tag, Outcome>,
    /// Transactions whose end was refused at the first try.
    pub refused: Vec<Tag>,
    pub calm: bool,
}

/// A partition as far as transactions matter: epochs fence, markers decide.
#[derive(Debug, Default)]
struct Partition {
    entries: Vec<Entry>,
    /// Producer and coordinator epoch by producer id.
    epochs: BTreeMap<i64, (i16, i32)>,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Record { producer_id: i64, tag: Tag },
    Marker { producer_id: i64, outcome: Outcome },
}

pub fn run(seed: u64) -> Trace {
    let mut world = World::new(seed);
    let mut instances: Vec<Instance> =
        (0..IDS).map(|id| Instance::new(id, id, world.random.percent(50))).collect();
    for _ in 0..STEPS {
        world.step();
        if world.random.percent(1) && instances.len() < 12 {
            // Another instance takes over, of either protocol version; the old one does not know.
            let (id, version_two) = (world.random.below(IDS), world.random.percent(50));
            instances.push(Instance::new(instances.len(), id, version_two));
        }
        let acting = world.random.below(instances.len());
        instances[acting].act(&mut world);
    }
    world.calm = true;
    for _ in 0..400 {
        world.advance(1_000);
        world.settle();
    }
    world.check();
    world.trace
}

impl World {
    fn new(seed: u64) -> World {
        let mut ids = ProducerIds::default();
        ids.add_block(0, 1_000_000);
        World {
            random: Random::new(seed),
            trace: Trace::new(),
            now_ms: 1_000_000,
            coordinator: TransactionCoordinator::new(TransactionConfig::default(), 0),
            epoch: 0,
            ids,
            log: Vec::new(),
            in_flight: VecDeque::new(),
            markers: Vec::new(),
            partitions: (0..PARTITIONS).map(|_| Partition::default()).collect(),
            requests: 0,
            replies: BTreeMap::new(),
            told: BTreeMap::new(),
            refused: Vec::new(),
            calm: false,
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..45 => self.finish_append(),
            45..75 => self.deliver_marker(),
            75..85 => {
                let by_ms = self.random.below(4_000) as i64;
                self.advance(by_ms);
            }
            85..87 => self.crash(),
            _ => {}
        }
    }

    fn advance(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
        let effects = self.coordinator.tick(self.now_ms);
        self.take(effects);
    }

    fn settle(&mut self) {
        while !self.in_flight.is_empty() || !self.markers.is_empty() {
            self.finish_append();
            self.deliver_marker();
        }
    }

    fn finish_append(&mut self) {
        let Some((append, records)) = self.in_flight.pop_front() else { return };
        let outcome = if !self.calm && self.random.percent(4) {
            Err(AppendError::NotEnoughReplicas)
        } else {
            self.log.extend(records);
            Ok(())
        };
        let effects = self.coordinator.appended(self.now_ms, append, outcome);
        self.take(effects);
    }

    fn crash(&mut self) {
        let kept = self.random.below(self.in_flight.len() + 1);
        let in_flight = std::mem::take(&mut self.in_flight);
        self.log.extend(in_flight.into_iter().take(kept).flat_map(|(_, records)| records));
        self.trace.note(&("crash", kept));
        self.epoch += 1;
        self.coordinator = TransactionCoordinator::new(TransactionConfig::default(), self.epoch);
        for record in &self.log {
            let (key, value) = (record.key.clone(), record.value.clone());
            self.coordinator.replay(key, value).expect("own records are readable");
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.take(effects);
    }

    /// Any marker on its way arrives, or (rarely) fails.
    fn deliver_marker(&mut self) {
        if self.markers.is_empty() {
            return;
        }
        let chosen = self.random.below(self.markers.len());
        let (markers, place, epoch) = self.markers.swap_remove(chosen);
        let (id, producer) = (markers.transactional_id.as_str(), markers.producer);
        let written = (self.calm || !self.random.percent(10)) && self.write_marker(&markers, &place);
        // A dead coordinator hears of nothing any more.
        if epoch != self.epoch {
            return;
        }
        let effects = if written {
            self.coordinator.marker_written(self.now_ms, id, producer, &place)
        } else {
            self.coordinator.marker_failed(self.now_ms, id, producer, &place)
        };
        self.take(effects);
    }

    /// False if the partition refuses it: a newer coordinator was there.
    fn write_marker(&mut self, markers: &Markers, place: &TopicPartition) -> bool {
        let partition = &mut self.partitions[place.partition as usize];
        let Producer { id: producer_id, epoch } = markers.producer;
        let known = partition.epochs.entry(producer_id).or_insert((epoch, markers.coordinator_epoch));
        if epoch < known.0 || markers.coordinator_epoch < known.1 {
            return false;
        }
        *known = (epoch, markers.coordinator_epoch);
        partition.entries.push(Entry::Marker { producer_id, outcome: markers.outcome });
        true
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append { append, records } => {
                    self.trace.note_records(append.0, &records);
                    self.in_flight.push_back((append, records));
                }
                Effect::WriteMarkers(markers) => {
                    self.trace.note(&markers);
                    for place in markers.partitions.clone() {
                        self.markers.push((markers.clone(), place, self.epoch));
                    }
                }
                Effect::Reply { request, reply } => {
                    self.trace.note(&(request, &reply));
                    if self.calm || !self.random.percent(5) {
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

/// What producers ask for.
impl World {
    pub fn init(&mut self, instance: &Instance) -> RequestId {
        let request = self.request();
        let init = InitProducerId {
            transactional_id: instance.transactional_id.clone(),
            timeout_ms: 60_000,
            producer: None,
        };
        let effects = self.coordinator.init_producer_id(self.now_ms, request, &init, &mut self.ids);
        self.take(effects);
        request
    }

    pub fn add(&mut self, instance: &Instance, partitions: &[usize]) -> RequestId {
        let request = self.request();
        let add = AddPartitions {
            transactional_id: instance.transactional_id.clone(),
            producer: instance.producer,
            client_version: instance.client_version(),
            partitions: partitions.iter().map(|index| place(*index)).collect(),
        };
        let effects = self.coordinator.add_partitions(self.now_ms, request, add);
        self.take(effects);
        request
    }

    /// What a partition's leader asks before the first record of a transaction of an old client.
    pub fn verify(&mut self, instance: &Instance, partition: usize) -> Result<(), VerifyError> {
        let places = [place(partition)];
        let results =
            self.coordinator.verify_partitions(&instance.transactional_id, instance.producer, &places)?;
        results[0].1
    }

    /// A record reaches its partition; false if the partition has heard of a newer epoch.
    pub fn produce(&mut self, instance: &Instance, partition: usize, tag: Tag) -> bool {
        let Producer { id: producer_id, epoch } = instance.producer;
        let partition = &mut self.partitions[partition];
        let known = partition.epochs.entry(producer_id).or_insert((epoch, -1));
        if epoch < known.0 {
            return false;
        }
        known.0 = epoch;
        partition.entries.push(Entry::Record { producer_id, tag });
        true
    }

    pub fn end(&mut self, instance: &Instance, outcome: Outcome) -> RequestId {
        let request = self.request();
        let end = EndTransaction {
            transactional_id: instance.transactional_id.clone(),
            producer: instance.producer,
            outcome,
            client_version: instance.client_version(),
        };
        let effects = self.coordinator.end(self.now_ms, request, &end, &mut self.ids);
        self.take(effects);
        request
    }
}

/// The promises, once everything has come to rest.
impl World {
    fn check(&self) {
        let outcomes = self.outcomes();
        for (tag, outcome) in &self.told {
            // A transaction may have ended without any record.
            if let Some(found) = outcomes.get(tag) {
                assert_eq!(found, outcome, "{tag:?} was told {outcome:?}");
            }
        }
        for tag in &self.refused {
            assert_ne!(outcomes.get(tag), Some(&Outcome::Commit), "{tag:?} was refused and yet committed");
        }
        let open = self.coordinator.list(self.now_ms).filter(|listed| listed.open_ms.is_some()).count();
        assert_eq!(open, 0, "timeouts end what nobody ends");
    }

    /// The one outcome of each transaction, the same on every partition.
    fn outcomes(&self) -> BTreeMap<Tag, Outcome> {
        let mut outcomes: BTreeMap<Tag, Outcome> = BTreeMap::new();
        for (number, partition) in self.partitions.iter().enumerate() {
            for (at, entry) in partition.entries.iter().enumerate() {
                let Entry::Record { producer_id, tag } = *entry else { continue };
                let decided = partition.entries[at..].iter().find_map(|entry| match entry {
                    Entry::Marker { producer_id: of, outcome } if *of == producer_id => Some(*outcome),
                    _ => None,
                });
                let outcome = decided.unwrap_or_else(|| panic!("{tag:?} hangs on partition {number}"));
                let before = *outcomes.entry(tag).or_insert(outcome);
                assert_eq!(before, outcome, "{tag:?} ended in two ways");
            }
        }
        outcomes
    }
}

fn place(index: usize) -> TopicPartition {
    TopicPartition::new("topic", index as i32)
}
