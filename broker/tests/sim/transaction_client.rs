//! A transactional producer of the simulation, of either protocol version. It repeats what got lost, stops when it is
//! fenced, and may sleep between any two steps while another instance takes over.

use millstream_broker::coordinator::transaction::{
    AddPartitionsError, EndError, InitProducerIdError, Reply, VerifyError,
};
use millstream_broker::coordinator::{Outcome, Producer, RequestId};

use super::transaction::{PARTITIONS, Tag, World};

#[derive(Debug)]
pub struct Instance {
    number: usize,
    pub transactional_id: String,
    version_two: bool,
    pub producer: Producer,
    transactions: usize,
    /// Partitions of the open transaction that were added.
    added: Vec<usize>,
    doing: Doing,
    patience_ms: i64,
}

#[derive(Debug)]
enum Doing {
    Starting(Option<RequestId>),
    Idle,
    Adding(RequestId, Vec<usize>),
    /// A leader has verified the partition; the record is on its way.
    Producing(usize),
    Writing,
    Ending {
        request: RequestId,
        outcome: Outcome,
        first_try: bool,
    },
    Stopped,
}

impl Instance {
    pub fn new(number: usize, id: usize, version_two: bool) -> Instance {
        Instance {
            number,
            transactional_id: format!("id{id}"),
            version_two,
            producer: Producer { id: -1, epoch: -1 },
            transactions: 0,
            added: Vec::new(),
            doing: Doing::Starting(None),
            patience_ms: 0,
        }
    }

    pub fn client_version(&self) -> i16 {
        if self.version_two { 2 } else { 0 }
    }

    fn tag(&self) -> Tag {
        (self.number, self.transactions)
    }

    pub fn act(&mut self, world: &mut World) {
        match std::mem::replace(&mut self.doing, Doing::Stopped) {
            Doing::Starting(None) => {
                let request = world.init(self);
                self.waits(world);
                self.doing = Doing::Starting(Some(request));
            }
            Doing::Starting(Some(request)) => self.await_init(world, request),
            Doing::Idle => self.begin(world),
            Doing::Adding(request, partitions) => self.await_added(world, request, partitions),
            Doing::Producing(partition) => {
                if world.produce(self, partition, self.tag()) {
                    self.doing = Doing::Writing;
                }
            }
            Doing::Writing => self.write_or_end(world),
            Doing::Ending { request, outcome, first_try } => {
                self.await_end(world, request, outcome, first_try)
            }
            Doing::Stopped => {}
        }
    }

    fn waits(&mut self, world: &World) {
        self.patience_ms = world.now_ms + 8_000;
    }

    fn await_init(&mut self, world: &mut World, request: RequestId) {
        self.doing = match world.replies.remove(&request) {
            Some(Reply::InitProducerId(Ok(producer))) => {
                self.producer = producer;
                Doing::Idle
            }
            Some(Reply::InitProducerId(Err(InitProducerIdError::Fenced))) => Doing::Stopped,
            Some(Reply::InitProducerId(Err(_))) => Doing::Starting(None),
            Some(other) => panic!("an init was answered with {other:?}"),
            None if world.now_ms < self.patience_ms => Doing::Starting(Some(request)),
            None => Doing::Starting(None),
        };
    }

    fn begin(&mut self, world: &mut World) {
        self.transactions += 1;
        self.added.clear();
        let first = world.random.below(PARTITIONS);
        self.add(world, first);
    }

    fn add(&mut self, world: &mut World, partition: usize) {
        let partitions = vec![partition];
        let request = world.add(self, &partitions);
        self.waits(world);
        self.doing = Doing::Adding(request, partitions);
    }

    fn await_added(&mut self, world: &mut World, request: RequestId, partitions: Vec<usize>) {
        match world.replies.remove(&request) {
            Some(Reply::AddPartitions(Ok(()))) => {
                self.added.extend(partitions);
                self.doing = Doing::Writing;
            }
            Some(Reply::AddPartitions(Err(
                AddPartitionsError::Fenced | AddPartitionsError::UnknownProducer,
            ))) => {}
            Some(Reply::AddPartitions(Err(_))) => self.add(world, partitions[0]),
            Some(other) => panic!("added partitions were answered with {other:?}"),
            None if world.now_ms < self.patience_ms => self.doing = Doing::Adding(request, partitions),
            None => self.add(world, partitions[0]),
        }
    }

    fn write_or_end(&mut self, world: &mut World) {
        match world.random.below(4) {
            0 => {
                let outcome = if world.random.percent(70) { Outcome::Commit } else { Outcome::Abort };
                self.end(world, outcome, true);
            }
            1 => {
                let partition = world.random.below(PARTITIONS);
                self.add(world, partition);
            }
            _ => {
                let partition = self.added[world.random.below(self.added.len())];
                self.doing = if self.version_two {
                    Doing::Producing(partition)
                } else {
                    match world.verify(self, partition) {
                        Ok(()) => Doing::Producing(partition),
                        Err(VerifyError::Concurrent) => Doing::Writing,
                        Err(_) => Doing::Stopped,
                    }
                };
            }
        }
    }

    fn end(&mut self, world: &mut World, outcome: Outcome, first_try: bool) {
        let request = world.end(self, outcome);
        self.waits(world);
        self.doing = Doing::Ending { request, outcome, first_try };
    }

    fn await_end(&mut self, world: &mut World, request: RequestId, outcome: Outcome, first_try: bool) {
        match world.replies.remove(&request) {
            Some(Reply::End(Ok(producer))) => {
                world.told.insert(self.tag(), outcome);
                self.producer = producer;
                self.doing = Doing::Idle;
            }
            Some(Reply::End(Err(EndError::Concurrent | EndError::Append(_) | EndError::NoProducerId))) => {
                self.end(world, outcome, first_try);
            }
            Some(Reply::End(Err(_))) => {
                if first_try {
                    world.refused.push(self.tag());
                }
            }
            Some(other) => panic!("an end was answered with {other:?}"),
            None if world.now_ms < self.patience_ms => {
                self.doing = Doing::Ending { request, outcome, first_try };
            }
            None => self.end(world, outcome, false),
        }
    }
}
