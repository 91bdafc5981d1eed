//! The client's half of an incremental fetch session (KIP-227): only what changed is sent.
//!
//! Pure. One session per node; a failed request or an error about the session starts a new one with a full fetch.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::messages::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};

use crate::topic::TopicPartition;

/// Epoch of a request that asks for a new session.
const FIRST_EPOCH: i32 = 0;

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) bytes_max: i32,
}

#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    session_id: i32,
    next_epoch: i32,
    /// What the node has on its books for this session.
    known: BTreeMap<TopicPartition, Wanted>,
}

impl FetchSession {
    /// Fills the session's part of a request for exactly `wanted`.
    pub(crate) fn fill(&mut self, request: &mut FetchRequest, wanted: BTreeMap<TopicPartition, Wanted>) {
        request.session_id = self.session_id;
        request.session_epoch = self.next_epoch;
        if self.next_epoch == FIRST_EPOCH {
            request.session_id = 0;
            request.topics = topics(wanted.iter());
        } else {
            let is_news = |(place, want): &(&TopicPartition, &Wanted)| self.known.get(place) != Some(*want);
            request.topics = topics(wanted.iter().filter(is_news));
            let gone = self.known.keys().filter(|place| !wanted.contains_key(place));
            request.forgotten_topics_data = forgotten(gone);
        }
        self.known = wanted;
    }

    /// The node answered under this session id; 0 means that it keeps no session.
    pub(crate) fn accept(&mut self, session_id: i32) {
        if session_id == 0 {
            return self.reset();
        }
        self.session_id = session_id;
        self.next_epoch = if self.next_epoch == i32::MAX { 1 } else { self.next_epoch + 1 };
    }

    /// The next request asks for a new session.
    pub(crate) fn reset(&mut self) {
        *self = FetchSession::default();
    }
}

fn topics<'a>(wanted: impl Iterator<Item = (&'a TopicPartition, &'a Wanted)>) -> Vec<FetchTopic> {
    let mut by_topic: BTreeMap<Arc<str>, Vec<FetchPartition>> = BTreeMap::new();
    for (place, want) in wanted {
        by_topic.entry(place.topic.clone()).or_default().push(FetchPartition {
            partition: place.partition,
            current_leader_epoch: want.leader_epoch,
            fetch_offset: want.offset,
            partition_max_bytes: want.bytes_max,
            ..Default::default()
        });
    }
    let topic = |(name, partitions): (Arc<str>, _)| FetchTopic {
        topic: name.to_string(),
        partitions,
        ..Default::default()
    };
    by_topic.into_iter().map(topic).collect()
}

fn forgotten<'a>(gone: impl Iterator<Item = &'a TopicPartition>) -> Vec<ForgottenTopic> {
    let mut by_topic: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
    for place in gone {
        by_topic.entry(place.topic.clone()).or_default().push(place.partition);
    }
    let topic = |(name, partitions): (Arc<str>, _)| ForgottenTopic {
        topic: name.to_string(),
        partitions,
        ..Default::default()
    };
    by_topic.into_iter().map(topic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(offset: i64) -> Wanted {
        Wanted { offset, leader_epoch: 0, bytes_max: 1 }
    }

    fn places(request: &FetchRequest) -> Vec<(i32, i64)> {
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| (partition.partition, partition.fetch_offset)).collect()
    }

    fn filled(session: &mut FetchSession, wanted: &[(i32, i64)]) -> FetchRequest {
        let mut request = FetchRequest::default();
        let wanted = wanted.iter().map(|&(number, offset)| (TopicPartition::new("t", number), want(offset)));
        session.fill(&mut request, wanted.collect());
        request
    }

    #[test]
    fn only_changes_are_sent_once_a_session_stands() {
        let mut session = FetchSession::default();
        let first = filled(&mut session, &[(0, 0), (1, 0)]);
        assert_eq!((first.session_id, first.session_epoch), (0, 0));
        assert_eq!(places(&first), [(0, 0), (1, 0)]);
        session.accept(7);
        let second = filled(&mut session, &[(0, 5), (1, 0), (2, 9)]);
        assert_eq!((second.session_id, second.session_epoch), (7, 1));
        assert_eq!(places(&second), [(0, 5), (2, 9)]);
        session.accept(7);
        let third = filled(&mut session, &[(1, 0)]);
        assert_eq!(third.session_epoch, 2);
        assert_eq!(places(&third), []);
        assert_eq!(third.forgotten_topics_data[0].partitions, [0, 2]);
    }

    #[test]
    fn a_lost_session_starts_anew_with_everything() {
        let mut session = FetchSession::default();
        filled(&mut session, &[(0, 0)]);
        session.accept(7);
        session.reset();
        let request = filled(&mut session, &[(0, 3)]);
        assert_eq!((request.session_id, request.session_epoch), (0, 0));
        assert_eq!(places(&request), [(0, 3)]);
        session.accept(0);
        let again = filled(&mut session, &[(0, 3)]);
        assert_eq!((again.session_epoch, places(&again)), (0, vec![(0, 3)]));
    }
}
