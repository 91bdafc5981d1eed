//! Fetch sessions (KIP-227): a client names its partitions once, later only what changes, and is answered only
//! with partitions that changed.
//!
//! A session belongs to one client; its epoch orders the requests, so a lost response is noticed. Sessions are
//! few (`max.incremental.fetch.session.cache.slots`); when all slots are taken the longest idle session makes
//! room if it has been idle for `min.incremental.fetch.session.eviction.ms`, otherwise the newcomer fetches
//! without one. Time comes in as a parameter. Left out: the privilege of followers, which one node doesn't have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use millstream_protocol::messages::{
    FetchPartition, FetchPartitionData, FetchRequest, FetchResponse, FetchableTopicResponse,
};
use millstream_protocol::{ErrorCode, Uuid};
use parking_lot::Mutex;

/// Epoch of a request that wants a new session, and of one that wants none.
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// First version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// All sessions of a node.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    min_eviction_ms: i64,
    sessions: Mutex<HashMap<i32, Arc<Mutex<Session>>>>,
}

/// A topic as its client names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum TopicName {
    Name(Arc<str>),
    Id(Uuid),
}

/// One partition to fetch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) topic: TopicName,
    pub(super) partition: FetchPartition,
}

/// What one request comes to: the partitions to read, and how to answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Sessionless,
    /// A session is made when the answer goes out.
    New,
    Incremental {
        id: i32,
        session: Arc<Mutex<Session>>,
    },
}

#[derive(Debug)]
struct Session {
    /// The epoch that the next request must carry.
    next_epoch: i32,
    last_used_ms: i64,
    uses_ids: bool,
    /// In the order in which they are read; a partition that returned records goes to the end, so that a full
    /// response doesn't starve the others.
    order: BTreeMap<u64, Cached>,
    positions: HashMap<(TopicName, i32), u64>,
    next_position: u64,
}

/// A partition and what its client knows about it.
#[derive(Debug, Clone)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    last_stable_offset: i64,
    log_start_offset: i64,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize, min_eviction_ms: u64) -> Self {
        let min_eviction_ms = i64::try_from(min_eviction_ms).unwrap_or(i64::MAX);
        Self { slots, min_eviction_ms, sessions: Mutex::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.lock().len()
    }

    /// Finds out what a request wants.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH and FETCH_SESSION_TOPIC_ID_ERROR make a client
    /// start over with a full request.
    pub(super) fn open(&self, request: FetchRequest, version: i16, now_ms: i64) -> Result<Plan, ErrorCode> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        let uses_ids = version >= TOPIC_IDS_FROM;
        if epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH {
            if id != 0 {
                self.sessions.lock().remove(&id);
            }
            let answer =
                if epoch == INITIAL_EPOCH && version >= 7 { Answer::New } else { Answer::Sessionless };
            return Ok(Plan { wanted: wanted(request, uses_ids).collect(), answer });
        }
        let session = self.sessions.lock().get(&id).cloned().ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut state = session.lock();
        if state.uses_ids != uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if state.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        state.last_used_ms = now_ms;
        state.next_epoch = following(epoch);
        for forgotten in &request.forgotten_topics_data {
            let topic = topic_name(&forgotten.topic, forgotten.topic_id, uses_ids);
            for partition in &forgotten.partitions {
                state.forget(&topic, *partition);
            }
        }
        for wanted in wanted(request, uses_ids) {
            state.add(wanted);
        }
        let wanted: Vec<Wanted> = state.order.values().map(|cached| cached.wanted.clone()).collect();
        drop(state);
        if wanted.is_empty() {
            self.sessions.lock().remove(&id);
            return Ok(Plan { wanted, answer: Answer::Sessionless });
        }
        Ok(Plan { wanted, answer: Answer::Incremental { id, session } })
    }

    /// The response to a plan whose partitions have been read, in the plan's order. `fresh_id` is random and
    /// becomes the id of a new session.
    pub(super) fn answer(
        &self,
        plan: Plan,
        read: Vec<FetchPartitionData>,
        version: i16,
        now_ms: i64,
        fresh_id: i32,
    ) -> FetchResponse {
        let read = plan.wanted.into_iter().zip(read);
        match plan.answer {
            Answer::Sessionless => response(0, read),
            Answer::New => {
                let read: Vec<_> = read.collect();
                let session_id = self.create(&read, version >= TOPIC_IDS_FROM, now_ms, fresh_id);
                response(session_id, read.into_iter())
            }
            Answer::Incremental { id, session } => {
                let mut session = session.lock();
                response(id, read.filter(|(wanted, data)| session.is_news(wanted, data)))
            }
        }
    }

    /// The id of a new session over these partitions; 0 when there is nothing to keep or no slot free.
    fn create(
        &self,
        read: &[(Wanted, FetchPartitionData)],
        uses_ids: bool,
        now_ms: i64,
        fresh_id: i32,
    ) -> i32 {
        let mut sessions = self.sessions.lock();
        if read.is_empty() || (sessions.len() >= self.slots && !self.evict_idle(&mut sessions, now_ms)) {
            return 0;
        }
        let mut id = fresh_id.checked_abs().unwrap_or(1).max(1);
        while sessions.contains_key(&id) {
            id = following(id);
        }
        let mut session = Session {
            next_epoch: following(INITIAL_EPOCH),
            last_used_ms: now_ms,
            uses_ids,
            order: BTreeMap::new(),
            positions: HashMap::new(),
            next_position: 0,
        };
        for (wanted, data) in read {
            session.add(wanted.clone());
            session.is_news(wanted, data);
        }
        sessions.insert(id, Arc::new(Mutex::new(session)));
        id
    }

    fn evict_idle(&self, sessions: &mut HashMap<i32, Arc<Mutex<Session>>>, now_ms: i64) -> bool {
        let last_used = sessions.iter().map(|(id, session)| (session.lock().last_used_ms, *id));
        match last_used.min() {
            Some((last_used_ms, id)) if now_ms - last_used_ms >= self.min_eviction_ms => {
                sessions.remove(&id);
                true
            }
            _ => false,
        }
    }
}

impl Session {
    /// Adds a partition or changes what is asked of it.
    fn add(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition.partition);
        if let Some(position) = self.positions.get(&key)
            && let Some(cached) = self.order.get_mut(position)
        {
            cached.wanted = wanted;
            return;
        }
        self.positions.insert(key, self.next_position);
        let cached = Cached { wanted, high_watermark: -1, last_stable_offset: -1, log_start_offset: -1 };
        self.order.insert(self.next_position, cached);
        self.next_position += 1;
    }

    fn forget(&mut self, topic: &TopicName, partition: i32) {
        if let Some(position) = self.positions.remove(&(topic.clone(), partition)) {
            self.order.remove(&position);
        }
    }

    /// Whether the client must hear of this result; remembers what it is told.
    fn is_news(&mut self, wanted: &Wanted, data: &FetchPartitionData) -> bool {
        let key = (wanted.topic.clone(), wanted.partition.partition);
        let Some(position) = self.positions.get_mut(&key) else { return true };
        let Some(mut cached) = self.order.remove(position) else { return true };
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        let failed = data.error_code != ErrorCode::None.code();
        let news = has_records
            || failed
            || cached.high_watermark != data.high_watermark
            || cached.last_stable_offset != data.last_stable_offset
            || cached.log_start_offset != data.log_start_offset
            || data.diverging_epoch.epoch != -1;
        // After an error the next success must be told even if nothing else changed.
        cached.high_watermark = if failed { -1 } else { data.high_watermark };
        cached.last_stable_offset = data.last_stable_offset;
        cached.log_start_offset = data.log_start_offset;
        if has_records {
            *position = self.next_position;
            self.next_position += 1;
        }
        self.order.insert(*position, cached);
        news
    }
}

/// Epochs and ids count up and wrap to 1.
fn following(number: i32) -> i32 {
    number.checked_add(1).unwrap_or(1)
}

fn topic_name(name: &str, id: Uuid, uses_ids: bool) -> TopicName {
    if uses_ids { TopicName::Id(id) } else { TopicName::Name(name.into()) }
}

fn wanted(request: FetchRequest, uses_ids: bool) -> impl Iterator<Item = Wanted> {
    request.topics.into_iter().flat_map(move |topic| {
        let name = topic_name(&topic.topic, topic.topic_id, uses_ids);
        topic.partitions.into_iter().map(move |partition| Wanted { topic: name.clone(), partition })
    })
}

/// Groups results by topic, keeping the order in which the topics first appear.
fn response(session_id: i32, read: impl Iterator<Item = (Wanted, FetchPartitionData)>) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut slots: HashMap<TopicName, usize> = HashMap::new();
    for (wanted, data) in read {
        let slot = *slots.entry(wanted.topic.clone()).or_insert_with(|| {
            let (topic, topic_id) = match wanted.topic {
                TopicName::Name(name) => (name.to_string(), Uuid::ZERO),
                TopicName::Id(id) => (String::new(), id),
            };
            responses.push(FetchableTopicResponse { topic, topic_id, ..Default::default() });
            responses.len() - 1
        });
        if let Some(topic) = responses.get_mut(slot) {
            topic.partitions.push(data);
        }
    }
    FetchResponse { session_id, responses, ..Default::default() }
}

#[cfg(test)]
mod tests;
