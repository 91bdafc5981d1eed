//! Scenarios of the transaction coordinator, over a log that remembers every record.

mod lifecycle;
mod version_two;

use std::collections::BTreeMap;

use super::*;
use crate::coordinator::Outcome;
use crate::coordinator::producer_ids::ProducerIds;

/// A coordinator, its log, the markers that it asked for and the answers that came out.
struct Scene {
    coordinator: TransactionCoordinator,
    ids: ProducerIds,
    now_ms: i64,
    log: Vec<LogRecord>,
    markers: Vec<Markers>,
    replies: BTreeMap<u64, Reply>,
    requests: u64,
    /// Appends are held back until `flush` while set.
    hold: bool,
    held: Vec<(AppendId, Vec<LogRecord>)>,
}

impl Scene {
    fn new() -> Scene {
        let mut ids = ProducerIds::default();
        ids.add_block(1_000, 1_000);
        Scene {
            coordinator: TransactionCoordinator::new(TransactionConfig::default(), 5),
            ids,
            now_ms: 1_000,
            log: Vec::new(),
            markers: Vec::new(),
            replies: BTreeMap::new(),
            requests: 0,
            hold: false,
            held: Vec::new(),
        }
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { request, reply } => {
                    let again = self.replies.insert(request.0, reply);
                    assert!(again.is_none(), "a request is answered once");
                }
                Effect::Append { append, records } => self.held.push((append, records)),
                Effect::WriteMarkers(markers) => self.markers.push(markers),
            }
        }
        if !self.hold {
            self.flush(Ok(()));
        }
    }

    fn flush(&mut self, outcome: Result<(), AppendError>) {
        while !self.held.is_empty() {
            let (append, records) = self.held.remove(0);
            if outcome.is_ok() {
                self.log.extend(records);
            }
            let effects = self.coordinator.appended(self.now_ms, append, outcome);
            self.apply(effects);
        }
    }

    /// A new coordinator, a leader epoch later, that knows only the log.
    fn restart(&mut self) {
        self.held.clear();
        self.markers.clear();
        self.coordinator = TransactionCoordinator::new(TransactionConfig::default(), 6);
        for record in &self.log {
            self.coordinator
                .replay(record.key.clone(), record.value.clone())
                .expect("own records are readable");
        }
        let effects = self.coordinator.loaded(self.now_ms);
        self.apply(effects);
    }

    fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
        let effects = self.coordinator.tick(self.now_ms);
        self.apply(effects);
    }

    /// Every marker asked for is written.
    fn write_markers(&mut self) {
        for markers in std::mem::take(&mut self.markers) {
            for partition in &markers.partitions {
                let id = &markers.transactional_id;
                let effects = self.coordinator.marker_written(self.now_ms, id, markers.producer, partition);
                self.apply(effects);
            }
        }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn take_reply(&mut self, request: RequestId) -> Reply {
        self.replies.remove(&request.0).expect("the request was answered")
    }

    fn init_as(&mut self, producer: Option<Producer>) -> Result<Producer, InitProducerIdError> {
        let request = self.next_request();
        let init = InitProducerId { transactional_id: "t".into(), timeout_ms: 60_000, producer };
        let effects = self.coordinator.init_producer_id(self.now_ms, request, &init, &mut self.ids);
        self.apply(effects);
        match self.take_reply(request) {
            Reply::InitProducerId(result) => result,
            other => panic!("expected a producer id, found {other:?}"),
        }
    }

    fn init(&mut self) -> Producer {
        self.init_as(None).expect("a fresh instance gets an id")
    }

    fn send_add(&mut self, producer: Producer, partitions: &[i32]) -> RequestId {
        let request = self.next_request();
        let add = AddPartitions {
            transactional_id: "t".into(),
            producer,
            client_version: 0,
            partitions: partitions.iter().map(|partition| TopicPartition::new("topic", *partition)).collect(),
        };
        let effects = self.coordinator.add_partitions(self.now_ms, request, add);
        self.apply(effects);
        request
    }

    fn add(&mut self, producer: Producer, partitions: &[i32]) -> Result<(), AddPartitionsError> {
        let request = self.send_add(producer, partitions);
        match self.take_reply(request) {
            Reply::AddPartitions(result) => result,
            other => panic!("expected added partitions, found {other:?}"),
        }
    }

    fn send_end(&mut self, producer: Producer, outcome: Outcome, client_version: i16) -> RequestId {
        let request = self.next_request();
        let end = EndTransaction { transactional_id: "t".into(), producer, outcome, client_version };
        let effects = self.coordinator.end(self.now_ms, request, &end, &mut self.ids);
        self.apply(effects);
        request
    }

    fn end(
        &mut self,
        producer: Producer,
        outcome: Outcome,
        client_version: i16,
    ) -> Result<Producer, EndError> {
        let request = self.send_end(producer, outcome, client_version);
        match self.take_reply(request) {
            Reply::End(result) => result,
            other => panic!("expected an end, found {other:?}"),
        }
    }

    fn state(&self) -> State {
        self.coordinator.describe("t").map_or(State::Dead, |metadata| metadata.state)
    }
}
