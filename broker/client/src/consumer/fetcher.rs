//! The fetching task of a consumer: looks up starts, keeps one fetch in flight per node, hands pieces over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{FetchPartitionData, FetchRequest, FetchResponse};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::assigned::{Shared, Task, Want};
use super::session::{FetchSession, Wanted};
use super::visible::visible;
use super::{ConsumeError, ConsumerConfig, Fetched, OffsetReset, Start};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::connection::{CallError, Connection, Lane};
use crate::offsets::{self, ListOffsetsError, ListedOffset};
use crate::topic::TopicPartition;

/// How long a node may hold a fetch that leaves out partitions whose buffer is full: they want to be asked for soon.
const SHORT_WAIT: Duration = Duration::from_millis(10);
/// A partition that refuses us (no permission, say) is asked again this much later.
const REFUSED_WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Fetcher {
    client: Client,
    lane: Arc<Lane>,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    nodes: HashMap<i32, NodeState>,
    is_resolving: bool,
    is_refreshing: bool,
    backoff: Backoff,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
}

#[derive(Default)]
struct NodeState {
    session: FetchSession,
    /// A fetch or a connection attempt is under way.
    is_busy: bool,
}

enum Event {
    Resolved { asked: Vec<Task>, found: Vec<Result<ListedOffset, ListOffsetsError>> },
    Connected { node_id: i32, result: Result<Arc<Connection>, CallError> },
    Fetched { node_id: i32, asked: HashMap<TopicPartition, Task>, result: Result<FetchResponse, CallError> },
    Refreshed,
}

impl Fetcher {
    pub(crate) fn new(client: Client, config: Arc<ConsumerConfig>, shared: Arc<Shared>) -> Fetcher {
        let backoff = client.retry_backoff();
        Fetcher {
            lane: Arc::new(Lane::new(client.clone())),
            client,
            config,
            shared,
            nodes: HashMap::new(),
            is_resolving: false,
            is_refreshing: false,
            backoff,
            events: FuturesUnordered::new(),
        }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let shared = self.shared.clone();
        loop {
            // A broker in this process may answer before anything was awaited: others must get their turn still.
            tokio::task::consume_budget().await;
            let (tasks, retry_at) = shared.tasks(Instant::now(), self.config.prefetch_bytes);
            self.resolve(&tasks);
            self.fetch(&tasks);
            tokio::select! {
                Some(event) = self.events.next(), if !self.events.is_empty() => self.handle(event),
                () = shared.work.notified() => {}
                () = sleep_until(retry_at), if retry_at.is_some() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn resolve(&mut self, tasks: &[Task]) {
        if self.is_resolving {
            return;
        }
        let asked: Vec<Task> =
            tasks.iter().filter(|task| matches!(task.want, Want::Resolve(_))).cloned().collect();
        if asked.is_empty() {
            return;
        }
        self.is_resolving = true;
        let questions: Vec<(TopicPartition, i64)> =
            asked.iter().map(|task| (task.place.clone(), lookup_timestamp(task.want))).collect();
        let client = self.client.clone();
        let isolation = self.config.isolation;
        self.events.push(
            async move {
                let found = client.list_offsets(&questions, isolation).await;
                Event::Resolved { asked, found }
            }
            .boxed(),
        );
    }

    fn fetch(&mut self, tasks: &[Task]) {
        let cluster = self.client.cluster();
        let mut by_leader: BTreeMap<i32, Vec<&Task>> = BTreeMap::new();
        for task in tasks.iter().filter(|task| !matches!(task.want, Want::Resolve(_))) {
            match cluster.leader(&task.place.topic, task.place.partition) {
                Some(leader) => by_leader.entry(leader).or_default().push(task),
                None => {
                    let wait = self.backoff.next_wait();
                    self.shared.retry_later(&task.place, task.epoch, wait);
                    self.refresh();
                }
            }
        }
        for (leader, tasks) in by_leader {
            self.fetch_from(leader, &tasks);
        }
    }

    fn fetch_from(&mut self, node_id: i32, tasks: &[&Task]) {
        let has_work = tasks.iter().any(|task| matches!(task.want, Want::Fetch { .. }));
        let node = self.nodes.entry(node_id).or_default();
        if node.is_busy || !has_work {
            return;
        }
        node.is_busy = true;
        let Some(connection) = self.lane.open_node(node_id) else {
            let lane = self.lane.clone();
            self.events
                .push(async move { Event::Connected { node_id, result: lane.node(node_id).await } }.boxed());
            return;
        };
        let cluster = self.client.cluster();
        let mut asked = HashMap::new();
        let mut wanted = BTreeMap::new();
        for &task in tasks {
            let Want::Fetch { offset } = task.want else { continue };
            let leader_epoch = cluster.leader_epoch(&task.place.topic, task.place.partition);
            let bytes_max = clamped(self.config.partition_bytes_max);
            wanted.insert(task.place.clone(), Wanted { offset, leader_epoch, bytes_max });
            asked.insert(task.place.clone(), task.clone());
        }
        let leaves_out = asked.len() < tasks.len();
        let wait = if leaves_out { SHORT_WAIT } else { self.config.fetch_wait_max };
        let mut request = FetchRequest {
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: clamped(self.config.fetch_bytes_min),
            max_bytes: clamped(self.config.fetch_bytes_max),
            isolation_level: self.config.isolation.level(),
            replica_id: -1,
            ..Default::default()
        };
        node.session.fill(&mut request, wanted);
        let response = connection.call(request);
        self.events.push(response.map(move |result| Event::Fetched { node_id, asked, result }).boxed());
    }

    fn refresh(&mut self) {
        if self.is_refreshing {
            return;
        }
        self.is_refreshing = true;
        let client = self.client.clone();
        self.events.push(
            async move {
                if let Err(error) = client.refresh_metadata().await {
                    tracing::debug!(%error, "metadata refresh failed");
                }
                Event::Refreshed
            }
            .boxed(),
        );
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Resolved { asked, found } => {
                self.is_resolving = false;
                for (task, found) in asked.into_iter().zip(found) {
                    self.take_start(&task, found);
                }
            }
            Event::Connected { node_id, result } => {
                self.nodes.entry(node_id).or_default().is_busy = false;
                if let Err(error) = result {
                    self.note_unreachable(node_id, &error);
                }
            }
            Event::Fetched { node_id, asked, result } => {
                self.nodes.entry(node_id).or_default().is_busy = false;
                match result {
                    Ok(response) => self.take_response(node_id, asked, response),
                    Err(error) => {
                        self.nodes.entry(node_id).or_default().session.reset();
                        self.note_unreachable(node_id, &error);
                    }
                }
            }
            Event::Refreshed => self.is_refreshing = false,
        }
    }

    fn take_start(&mut self, task: &Task, found: Result<ListedOffset, ListOffsetsError>) {
        match found {
            Ok(listed) if listed.offset >= 0 => self.shared.resolve(&task.place, task.epoch, listed.offset),
            // No record that late: read on from the end.
            Ok(_) => self.shared.unresolve(&task.place, task.epoch, Start::Latest),
            Err(ListOffsetsError::Refused { place, code }) if !code.is_retriable() => {
                let error = ConsumeError::Refused { place, code };
                self.shared.fail(&task.place, task.epoch, error);
            }
            Err(error) => {
                tracing::debug!(place = %task.place, %error, "start offset not found yet");
                self.shared.retry_later(&task.place, task.epoch, REFUSED_WAIT);
            }
        }
    }

    /// Leaves all partitions of a node alone for a moment.
    fn note_unreachable(&mut self, node_id: i32, error: &CallError) {
        tracing::debug!(node_id, %error, "fetching failed");
        let wait = self.backoff.next_wait();
        let cluster = self.client.cluster();
        let (tasks, _) = self.shared.tasks(Instant::now(), usize::MAX);
        for task in tasks {
            if cluster.leader(&task.place.topic, task.place.partition) == Some(node_id) {
                self.shared.retry_later(&task.place, task.epoch, wait);
            }
        }
        self.refresh();
    }

    fn take_response(&mut self, node_id: i32, asked: HashMap<TopicPartition, Task>, response: FetchResponse) {
        let session = &mut self.nodes.entry(node_id).or_default().session;
        let code = ErrorCode::from_code(response.error_code);
        if code != ErrorCode::None {
            // The session is gone, or the node is in trouble: begin a new one.
            session.reset();
            let is_session_trouble = matches!(
                code,
                ErrorCode::FetchSessionIdNotFound
                    | ErrorCode::InvalidFetchSessionEpoch
                    | ErrorCode::FetchSessionTopicIdError
            );
            if !is_session_trouble {
                for task in asked.values() {
                    self.take_code(task, code);
                }
            }
            return;
        }
        session.accept(response.session_id);
        for topic in response.responses {
            for partition in topic.partitions {
                let place = TopicPartition::new(topic.topic.as_str(), partition.partition_index);
                if let Some(task) = asked.get(&place) {
                    self.take_partition(task, partition);
                }
            }
        }
    }

    fn take_partition(&mut self, task: &Task, partition: FetchPartitionData) {
        let Want::Fetch { offset } = task.want else { return };
        let code = ErrorCode::from_code(partition.error_code);
        if code != ErrorCode::None {
            return self.take_code(task, code);
        }
        self.backoff.reset();
        let aborted = partition.aborted_transactions.unwrap_or_default();
        let records = partition.records.unwrap_or_default();
        let has_records = !records.is_empty();
        let found = match visible(records, offset, self.config.isolation, aborted) {
            Ok(found) => found,
            Err(error) => return self.fail_corrupt(task, offset, error.to_string()),
        };
        if has_records && found.next_offset.is_none() {
            return self.fail_corrupt(task, offset, "the first batch is cut off".to_owned());
        }
        let fetched = Fetched {
            place: task.place.clone(),
            start_offset: offset,
            next_offset: found.next_offset.unwrap_or(offset),
            batches: found.batches,
            high_watermark: partition.high_watermark,
            last_stable_offset: partition.last_stable_offset,
            log_start_offset: partition.log_start_offset,
            decompressed_bytes_max: self.config.decompressed_bytes_max,
        };
        self.shared.deliver(task.epoch, offset, self.config.isolation, fetched);
    }

    fn fail_corrupt(&self, task: &Task, offset: i64, reason: String) {
        let error = ConsumeError::Corrupt { place: task.place.clone(), offset, reason };
        self.shared.fail(&task.place, task.epoch, error);
    }

    fn take_code(&mut self, task: &Task, code: ErrorCode) {
        let Want::Fetch { offset } = task.want else { return };
        let place = task.place.clone();
        match (code, self.config.offset_reset) {
            (ErrorCode::OffsetOutOfRange, OffsetReset::None) => {
                self.shared.fail(&task.place, task.epoch, ConsumeError::OutOfRange { place, offset });
            }
            (ErrorCode::OffsetOutOfRange, OffsetReset::Earliest) => {
                self.shared.unresolve(&task.place, task.epoch, Start::Earliest);
            }
            (ErrorCode::OffsetOutOfRange, OffsetReset::Latest) => {
                self.shared.unresolve(&task.place, task.epoch, Start::Latest);
            }
            (code, _) if code.is_retriable() || code == ErrorCode::UnknownServerError => {
                tracing::debug!(%place, %code, "fetch will be tried again");
                let wait = self.backoff.next_wait();
                self.shared.retry_later(&task.place, task.epoch, wait);
                self.refresh();
            }
            (code, _) => self.shared.fail(&task.place, task.epoch, ConsumeError::Refused { place, code }),
        }
    }
}

/// The timestamp that ListOffsets wants for a start.
fn lookup_timestamp(want: Want) -> i64 {
    match want {
        Want::Resolve(Start::Latest) => offsets::LATEST,
        Want::Resolve(Start::Timestamp(timestamp_ms)) => timestamp_ms,
        _ => offsets::EARLIEST,
    }
}

fn clamped(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
