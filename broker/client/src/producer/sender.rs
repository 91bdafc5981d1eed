//! The sending task: batches out of the queues, into lines, onto the wire, and their fates back.
//!
//! One task per producer owns all lines. It never blocks on anything but its own select: connecting, metadata, producer
//! ids and responses all come back as events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use millstream_protocol::messages::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::accumulator::{Accumulator, PartitionQueue, PendingBatch};
use super::completion::Written;
use super::identity::request_identity;
use super::line::{Line, Outcome, ProducerIdentity};
use super::transactional::{TransactionCell, enlist};
use super::verdict::{Verdict, verdict};
use super::{Acks, ProduceError, ProducerConfig};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::connection::{CallError, Connection, Lane};
use crate::coordinator::ENDING_WAIT;
use crate::topic::TopicPartition;

/// Batches of one partition that may be in flight: brokers remember the last five of a producer.
const BATCHES_IN_FLIGHT_MAX: usize = 5;
/// The last version that speaks version 1 of transactions.
const LAST_V1_PRODUCE: i16 = 11;
/// Produce requests to one node that may be in flight.
const REQUESTS_IN_FLIGHT_MAX: usize = 5;

pub(crate) struct Sender {
    client: Client,
    lane: Arc<Lane>,
    config: Arc<ProducerConfig>,
    accumulator: Arc<Accumulator>,
    transaction: Option<Arc<TransactionCell>>,
    is_idempotent: bool,
    lines: HashMap<TopicPartition, PartitionLine>,
    /// Places with anything to do, in turns.
    active: Vec<TopicPartition>,
    nodes: HashMap<i32, NodeState>,
    /// The producer id that lines share until one of them breaks.
    identity: Option<ProducerIdentity>,
    is_identifying: bool,
    is_enlisting: bool,
    is_refreshing: bool,
    refresh_not_before: Option<Instant>,
    refresh_backoff: Backoff,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
    stop: CancellationToken,
}

struct PartitionLine {
    queue: Arc<PartitionQueue>,
    line: Line<PendingBatch>,
    backoff: Backoff,
    last_failure: Option<String>,
    is_identifying: bool,
}

#[derive(Default)]
struct NodeState {
    in_flight: usize,
    is_connecting: bool,
}

enum Event {
    Produced {
        node_id: i32,
        sent: Vec<Sent>,
        result: Result<ProduceResponse, CallError>,
    },
    Connected {
        node_id: i32,
        result: Result<Arc<Connection>, CallError>,
    },
    Refreshed {
        is_ok: bool,
    },
    /// `place` is set for a line that broke and gets an id of its own.
    Identified {
        place: Option<TopicPartition>,
        result: Result<ProducerIdentity, String>,
    },
    Enlisted {
        result: Result<Vec<TopicPartition>, ProduceError>,
    },
}

struct Sent {
    place: TopicPartition,
    ticket: u64,
}

impl Sender {
    pub(crate) fn new(
        client: Client,
        config: Arc<ProducerConfig>,
        accumulator: Arc<Accumulator>,
        transaction: Option<Arc<TransactionCell>>,
        stop: CancellationToken,
    ) -> Sender {
        let is_idempotent = config.idempotence && config.acks == Acks::All;
        Sender {
            refresh_backoff: client.retry_backoff(),
            lane: Arc::new(Lane::new(client.clone())),
            client,
            config,
            accumulator,
            transaction,
            is_idempotent,
            lines: HashMap::new(),
            active: Vec::new(),
            nodes: HashMap::new(),
            identity: None,
            is_identifying: false,
            is_enlisting: false,
            is_refreshing: false,
            refresh_not_before: None,
            events: FuturesUnordered::new(),
            stop,
        }
    }

    pub(crate) async fn run(mut self) {
        let accumulator = self.accumulator.clone();
        let stop = self.stop.clone();
        loop {
            // A broker in this process may answer before anything was awaited: others must get their turn still.
            tokio::task::consume_budget().await;
            let now = Instant::now();
            self.collect(now);
            self.dispatch(now);
            self.forget_idle();
            if self.active.is_empty() && self.events.is_empty() && self.accumulator.is_closed() {
                return;
            }
            let wakes_at = self.wakes_at(now);
            tokio::select! {
                Some(event) = self.events.next(), if !self.events.is_empty() => self.handle(event),
                () = accumulator.work.notified() => {}
                () = sleep_until(wakes_at), if wakes_at.is_some() => {}
                () = stop.cancelled() => break,
            }
            while let Some(Some(event)) = self.events.next().now_or_never() {
                self.handle(event);
            }
        }
        self.fail_everything(&ProduceError::Closed);
    }

    /// Right after a transaction, while its markers are being written, brokers refuse the next one's first batches as if
    /// replicas were missing: worth asking again sooner than in other trouble.
    fn retry_backoff(&self) -> Backoff {
        match &self.transaction {
            Some(_) => Backoff::new(ENDING_WAIT, self.client.shared.config.retry_backoff_max, 1),
            None => self.client.retry_backoff(),
        }
    }

    /// Moves batches that are due from the queues into the lines; drops those whose time is over.
    fn collect(&mut self, now: Instant) {
        for queue in self.accumulator.take_arrivals() {
            let place = queue.place.clone();
            if !self.lines.contains_key(&place) {
                let line = PartitionLine::new(queue, self.is_idempotent, self.retry_backoff());
                self.lines.insert(place.clone(), line);
            }
            self.active.push(place);
        }
        let is_hurried = self.accumulator.is_hurried() || self.accumulator.is_closed();
        if let Some(failure) = self.transaction.as_ref().and_then(|cell| cell.failure()) {
            return self.fail_waiting(&failure);
        }
        for place in &self.active {
            let Some(partition) = self.lines.get_mut(place) else { continue };
            let has_room =
                !partition.line.has_waiting() && partition.line.in_flight() < BATCHES_IN_FLIGHT_MAX;
            let due = |pending: &PendingBatch| {
                has_room && (is_hurried || pending.opened_at + self.config.linger <= now)
            };
            for pending in partition.queue.take_ready(due) {
                let expires_at = pending.opened_at + self.config.delivery_timeout;
                let records = pending.batch.records();
                partition.line.push(pending, records, expires_at);
            }
            for pending in partition.line.expire(now) {
                let error = ProduceError::DeliveryTimeout {
                    place: place.clone(),
                    waited_ms: pending.opened_at.elapsed().as_millis() as u64,
                    last_failure: partition.last_failure.clone().unwrap_or_else(|| "none".to_owned()),
                };
                if let Some(cell) = &self.transaction {
                    cell.fail(&error, true);
                }
                self.accumulator.settle(pending, Err(error));
            }
        }
    }

    /// Starts whatever can be started: ids, enlistments, connections, produce requests.
    fn dispatch(&mut self, now: Instant) {
        let cluster = self.client.cluster();
        let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        let mut is_leader_missing = false;
        let mut to_enlist = Vec::new();
        if !self.active.is_empty() {
            self.active.rotate_left(1);
        }
        for place in self.active.clone() {
            self.identify(&place);
            let Some(partition) = self.lines.get(&place) else { continue };
            if !partition.line.is_sendable(now, BATCHES_IN_FLIGHT_MAX) {
                continue;
            }
            if self.transaction.as_ref().is_some_and(|cell| !cell.is_enlisted(&place)) {
                to_enlist.push(place);
                continue;
            }
            match cluster.leader(&place.topic, place.partition) {
                Some(leader) => by_leader.entry(leader).or_default().push(place),
                None => is_leader_missing = true,
            }
        }
        if is_leader_missing || (!self.active.is_empty() && self.client.is_metadata_old()) {
            self.refresh(now);
        }
        if !to_enlist.is_empty() {
            self.enlist(to_enlist);
        }
        for (leader, places) in by_leader {
            self.send_to(leader, &places, now);
        }
    }

    /// Gives a line the identity that its next batch needs, or starts getting one.
    fn identify(&mut self, place: &TopicPartition) {
        let Some(partition) = self.lines.get_mut(place) else { return };
        if let Some(cell) = &self.transaction {
            let identity = cell.identity();
            if !partition.line.has_identity(identity)
                && partition.line.has_waiting()
                && partition.line.in_flight() == 0
            {
                partition.line.identify(identity);
            }
            return;
        }
        if !partition.line.needs_identity() {
            return;
        }
        if !partition.line.is_broken() {
            if let Some(identity) = self.identity {
                partition.line.identify(identity);
            } else if !self.is_identifying {
                self.is_identifying = true;
                self.events.push(identified(self.client.clone(), None));
            }
        } else if !partition.is_identifying {
            partition.is_identifying = true;
            self.events.push(identified(self.client.clone(), Some(place.clone())));
        }
    }

    fn enlist(&mut self, places: Vec<TopicPartition>) {
        let Some(cell) = self.transaction.clone().filter(|_| !self.is_enlisting) else { return };
        self.is_enlisting = true;
        // Even if the answer is lost, the coordinator may have opened the transaction.
        cell.note_sent();
        let client = self.client.clone();
        self.events.push(
            async move {
                let result = enlist(&client, &cell, &places).await.map(|()| places);
                Event::Enlisted { result }
            }
            .boxed(),
        );
    }

    fn refresh(&mut self, now: Instant) {
        if self.is_refreshing || self.refresh_not_before.is_some_and(|at| now < at) {
            return;
        }
        self.is_refreshing = true;
        let client = self.client.clone();
        self.events
            .push(async move { Event::Refreshed { is_ok: client.refresh_metadata().await.is_ok() } }.boxed());
    }

    /// Sends one request to a node: the next batch of each place, as many as fit.
    fn send_to(&mut self, node_id: i32, places: &[TopicPartition], now: Instant) {
        let node = self.nodes.entry(node_id).or_default();
        if node.in_flight >= REQUESTS_IN_FLIGHT_MAX || node.is_connecting {
            return;
        }
        let Some(connection) = self.lane.open_node(node_id) else {
            node.is_connecting = true;
            let lane = self.lane.clone();
            self.events
                .push(async move { Event::Connected { node_id, result: lane.node(node_id).await } }.boxed());
            return;
        };
        let (request, sent) = self.next_request(places, now);
        if sent.is_empty() {
            return;
        }
        self.nodes.entry(node_id).or_default().in_flight += 1;
        // The request takes its place in the node's order here; only the waiting is left to the event.
        let response = connection.call_up_to(request, self.produce_version_max());
        self.events.push(response.map(move |result| Event::Produced { node_id, sent, result }).boxed());
    }

    /// A newer produce request enlists its partitions by itself; a transaction of version 1 must not say that (KIP-890).
    fn produce_version_max(&self) -> i16 {
        let is_version_1 = self.transaction.as_ref().is_some_and(|cell| !cell.is_version_2());
        if is_version_1 { LAST_V1_PRODUCE } else { i16::MAX }
    }

    fn next_request(&mut self, places: &[TopicPartition], now: Instant) -> (ProduceRequest, Vec<Sent>) {
        let transactional_id = self.transaction.as_ref().map(|cell| cell.transactional_id().to_owned());
        let mut sent = Vec::new();
        let mut bytes_left = self.config.request_bytes_max;
        let mut topics: BTreeMap<Arc<str>, Vec<PartitionProduceData>> = BTreeMap::new();
        for place in places {
            let Some(partition) = self.lines.get_mut(place) else { continue };
            let Some(next) = partition.line.send_next(now, BATCHES_IN_FLIGHT_MAX) else { continue };
            let ticket = next.ticket;
            match next.batch.batch.encode(next.numbering, transactional_id.is_some()) {
                Ok(records) => {
                    bytes_left = bytes_left.saturating_sub(records.len());
                    topics.entry(place.topic.clone()).or_default().push(partition_data(place, records));
                    sent.push(Sent { place: place.clone(), ticket });
                }
                Err(reason) => {
                    let error = ProduceError::Build { place: place.clone(), reason };
                    self.settle(place, ticket, Outcome::Refused, Err(error), now);
                }
            }
            if bytes_left == 0 {
                break;
            }
        }
        if let (Some(cell), false) = (&self.transaction, sent.is_empty()) {
            cell.note_sent();
        }
        let request = ProduceRequest {
            transactional_id,
            acks: self.config.acks.number(),
            timeout_ms: i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX),
            topic_data: topics.into_iter().map(topic_data).collect(),
        };
        (request, sent)
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Produced { node_id, sent, result } => {
                if let Some(node) = self.nodes.get_mut(&node_id) {
                    node.in_flight = node.in_flight.saturating_sub(1);
                }
                match result {
                    Ok(response) => self.take_response(sent, &response, now),
                    Err(error) => self.take_failure(sent, &error, now),
                }
            }
            Event::Connected { node_id, result } => {
                if let Some(node) = self.nodes.get_mut(&node_id) {
                    node.is_connecting = false;
                }
                if let Err(error) = result {
                    tracing::debug!(node_id, %error, "leader cannot be reached");
                    self.note_unreachable(node_id, &error.to_string());
                    self.refresh(now);
                }
            }
            Event::Refreshed { is_ok } => {
                self.is_refreshing = false;
                self.refresh_not_before = Some(now + self.refresh_backoff.next_wait());
                if is_ok {
                    self.refresh_backoff.reset();
                }
            }
            Event::Identified { place, result } => self.take_identity(place, result),
            Event::Enlisted { result } => {
                self.is_enlisting = false;
                let Some(cell) = &self.transaction else { return };
                match result {
                    Ok(places) => cell.note_enlisted(places),
                    // Whether the coordinator opened a transaction is unknown; a new epoch settles that.
                    Err(error) => cell.fail(&error, true),
                }
            }
        }
    }

    fn take_response(&mut self, sent: Vec<Sent>, response: &ProduceResponse, now: Instant) {
        if self.config.acks == Acks::None {
            for Sent { place, ticket } in sent {
                let written = Written { base_offset: -1, log_append_time_ms: -1 };
                self.settle(&place, ticket, Outcome::Written, Ok(written), now);
            }
            return;
        }
        for Sent { place, ticket } in sent {
            let topic = response.responses.iter().find(|topic| *topic.name == *place.topic);
            let answer = topic.and_then(|topic| {
                topic.partition_responses.iter().find(|answer| answer.index == place.partition)
            });
            let verdict = match answer {
                Some(answer) => verdict(&place, answer),
                None => Verdict::Retry {
                    is_leader_stale: false,
                    reason: "node left it out of its answer".to_owned(),
                },
            };
            self.take_verdict(&place, ticket, verdict, now);
        }
    }

    fn take_verdict(&mut self, place: &TopicPartition, ticket: u64, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Written(written) => {
                if let Some(partition) = self.lines.get_mut(place) {
                    partition.backoff.reset();
                }
                self.settle(place, ticket, Outcome::Written, Ok(written), now);
            }
            Verdict::RetrySoon { reason } => self.retry_after(place, ticket, reason, ENDING_WAIT, now),
            Verdict::Retry { is_leader_stale, reason } => {
                self.retry(place, ticket, reason, now);
                if is_leader_stale {
                    self.refresh(now);
                }
            }
            Verdict::OutOfOrder(error) => self.renumber(place, ticket, Outcome::OutOfOrder, error, now),
            Verdict::IdentityLost(error) => self.renumber(place, ticket, Outcome::IdentityLost, error, now),
            Verdict::Refused(error) => self.settle(place, ticket, Outcome::Refused, Err(error), now),
        }
    }

    /// A batch that must be numbered anew. Inside a transaction that is not allowed: earlier batches of it may be lost.
    fn renumber(
        &mut self,
        place: &TopicPartition,
        ticket: u64,
        outcome: Outcome,
        error: ProduceError,
        now: Instant,
    ) {
        let Some(partition) = self.lines.get_mut(place) else { return };
        partition.last_failure = Some(error.to_string());
        if !self.is_idempotent {
            return self.settle(place, ticket, Outcome::Refused, Err(error), now);
        }
        let settled = partition.line.settle(ticket, outcome, now);
        debug_assert!(settled.is_none(), "a renumbered batch stays in its line");
        if let Some(cell) = self.transaction.as_ref().filter(|_| partition.line.is_broken()) {
            cell.fail(&error, true);
        }
    }

    fn take_failure(&mut self, sent: Vec<Sent>, error: &CallError, now: Instant) {
        let is_final = !error.is_retriable() || self.config.acks == Acks::None;
        for Sent { place, ticket } in sent {
            if is_final {
                let error = ProduceError::Call { place: place.clone(), source: error.clone() };
                self.settle(&place, ticket, Outcome::Refused, Err(error), now);
            } else {
                self.retry(&place, ticket, error.to_string(), now);
            }
        }
        self.refresh(now);
    }

    fn retry(&mut self, place: &TopicPartition, ticket: u64, reason: String, now: Instant) {
        if let Some(wait) = self.lines.get_mut(place).map(|partition| partition.backoff.next_wait()) {
            self.retry_after(place, ticket, reason, wait, now);
        }
    }

    fn retry_after(
        &mut self,
        place: &TopicPartition,
        ticket: u64,
        reason: String,
        wait: Duration,
        now: Instant,
    ) {
        let Some(partition) = self.lines.get_mut(place) else { return };
        partition.last_failure = Some(reason);
        let settled = partition.line.settle(ticket, Outcome::Retry { wait }, now);
        debug_assert!(settled.is_none(), "a retried batch stays in its line");
    }

    fn settle(
        &mut self,
        place: &TopicPartition,
        ticket: u64,
        outcome: Outcome,
        result: Result<Written, ProduceError>,
        now: Instant,
    ) {
        if let (Err(error), Some(cell)) = (&result, &self.transaction) {
            cell.fail(error, true);
        }
        let settled =
            self.lines.get_mut(place).and_then(|partition| partition.line.settle(ticket, outcome, now));
        if let Some(pending) = settled {
            self.accumulator.settle(pending, result);
        }
    }

    fn take_identity(&mut self, place: Option<TopicPartition>, result: Result<ProducerIdentity, String>) {
        match &place {
            None => self.is_identifying = false,
            Some(place) => {
                if let Some(partition) = self.lines.get_mut(place) {
                    partition.is_identifying = false;
                }
            }
        }
        match (place, result) {
            (None, Ok(identity)) => self.identity = Some(identity),
            (Some(place), Ok(identity)) => {
                if let Some(partition) = self.lines.get_mut(&place)
                    && partition.line.needs_identity()
                {
                    partition.line.identify(identity);
                }
            }
            (None, Err(reason)) => {
                let waiting: Vec<TopicPartition> = self.active.clone();
                for place in waiting {
                    self.fail_unidentified(&place, &reason);
                }
            }
            (Some(place), Err(reason)) => self.fail_unidentified(&place, &reason),
        }
    }

    fn fail_unidentified(&mut self, place: &TopicPartition, reason: &str) {
        let Some(partition) = self.lines.get_mut(place) else { return };
        if partition.line.needs_identity() {
            for pending in partition.line.drop_waiting() {
                let error = ProduceError::NoProducerId { reason: reason.to_owned() };
                self.accumulator.settle(pending, Err(error));
            }
        }
    }

    /// Remembers why a node's partitions make no progress, for the error when their time is over.
    fn note_unreachable(&mut self, node_id: i32, reason: &str) {
        let cluster = self.client.cluster();
        for place in &self.active {
            if cluster.leader(&place.topic, place.partition) == Some(node_id)
                && let Some(partition) = self.lines.get_mut(place)
            {
                partition.last_failure = Some(reason.to_owned());
            }
        }
    }

    /// Drops what is not in flight; what is in flight settles by itself.
    fn fail_waiting(&mut self, error: &ProduceError) {
        for place in &self.active {
            let Some(partition) = self.lines.get_mut(place) else { continue };
            let waiting = partition.line.drop_waiting().into_iter().chain(partition.queue.take_all());
            for pending in waiting {
                self.accumulator.settle(pending, Err(error.clone()));
            }
            if let Some(cell) = self.transaction.as_ref().filter(|_| partition.line.is_broken()) {
                cell.fail(error, true);
            }
        }
    }

    fn fail_everything(&mut self, error: &ProduceError) {
        self.accumulator.close();
        for queue in self.accumulator.take_arrivals() {
            for pending in queue.take_all() {
                self.accumulator.settle(pending, Err(error.clone()));
            }
        }
        for partition in self.lines.values_mut() {
            let unsettled = partition.line.drop_all().into_iter().chain(partition.queue.take_all());
            for pending in unsettled {
                self.accumulator.settle(pending, Err(error.clone()));
            }
        }
    }

    fn forget_idle(&mut self) {
        let lines = &self.lines;
        self.active.retain(|place| {
            lines
                .get(place)
                .is_some_and(|partition| !partition.line.is_empty() || !partition.queue.forget_if_idle())
        });
    }

    /// When to look again though nothing happened: lingering batches, retries, expiries.
    fn wakes_at(&self, now: Instant) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        let mut consider = |at: Instant| earliest = Some(earliest.map_or(at, |known| known.min(at)));
        for place in &self.active {
            let Some(partition) = self.lines.get(place) else { continue };
            if let Some(at) = partition.line.wakes_at() {
                consider(at);
            }
            let has_room =
                !partition.line.has_waiting() && partition.line.in_flight() < BATCHES_IN_FLIGHT_MAX;
            if let Some(opened_at) = partition.queue.opened_at().filter(|_| has_room) {
                consider(opened_at + self.config.linger);
            }
        }
        if let Some(at) = self.refresh_not_before.filter(|at| *at > now && !self.active.is_empty()) {
            consider(at);
        }
        earliest
    }
}

impl PartitionLine {
    fn new(queue: Arc<PartitionQueue>, is_idempotent: bool, backoff: Backoff) -> PartitionLine {
        PartitionLine {
            queue,
            line: Line::new(is_idempotent),
            backoff,
            last_failure: None,
            is_identifying: false,
        }
    }
}

fn identified(client: Client, place: Option<TopicPartition>) -> BoxFuture<'static, Event> {
    async move { Event::Identified { place, result: request_identity(&client).await } }.boxed()
}

fn partition_data(place: &TopicPartition, records: Bytes) -> PartitionProduceData {
    PartitionProduceData { index: place.partition, records: Some(records) }
}

fn topic_data((name, partition_data): (Arc<str>, Vec<PartitionProduceData>)) -> TopicProduceData {
    TopicProduceData { name: name.to_string(), partition_data, ..Default::default() }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
