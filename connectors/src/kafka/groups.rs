//! Offsets of consumer groups, translated to the copies of what they read.
//!
//! A group over there is given the place in the copy that stands for its own, as long as nobody consumes with it here. It
//! only ever goes on, as in KIP-545, with one exception: a group that was set back at the source follows, unless somebody
//! else has moved it here since.

use std::collections::{BTreeMap, HashMap, HashSet};

use millstream_client::admin::{GroupListing, OffsetSpec};
use millstream_client::{AdminError, Client, CommittedOffset, ErrorCode, Isolation, TopicPartition};
use millstream_sdk::error::ConnectorError;
use parking_lot::Mutex;

use super::admin_failed;
use super::offset_map::OffsetMap;

/// Groups of tools and of connect workers, which patterns with a wildcard pass over.
const PASSED_OVER: &[&str] = &["__", "console-consumer-", "connect-", "mirror-"];

/// The maps of all partitions that are mirrored now, by partition of the source; `None` until a partition was opened.
#[derive(Default)]
pub struct Maps(Mutex<HashMap<TopicPartition, Option<OffsetMap>>>);

impl Maps {
    /// The partition is going to be mirrored.
    pub fn expect(&self, place: TopicPartition) {
        self.0.lock().entry(place).or_insert(None);
    }

    pub fn set(&self, place: &TopicPartition, map: OffsetMap) {
        self.0.lock().insert(place.clone(), Some(map));
    }

    fn is_expected(&self, place: &TopicPartition) -> bool {
        matches!(self.0.lock().get(place), Some(None))
    }

    fn translate(&self, place: &TopicPartition, offset: i64) -> Option<i64> {
        self.0.lock().get(place)?.as_ref()?.translate(offset)
    }
}

/// What was done last about a group and partition.
#[derive(Debug, Clone, Copy)]
struct Done {
    source: i64,
    target: i64,
    /// What was written here, if anything was.
    written: Option<i64>,
}

/// Translates groups from one cluster to another.
pub struct Groups {
    source: Client,
    target: Client,
    patterns: Vec<glob::Pattern>,
    prefix: String,
    done: Mutex<HashMap<(String, TopicPartition), Done>>,
}

/// An offset over there and what it is here.
struct Translated {
    place: TopicPartition,
    source: i64,
    target: i64,
    /// What is to be written: never what retention has taken here.
    offset: CommittedOffset,
}

impl Groups {
    pub fn new(source: Client, target: Client, patterns: Vec<glob::Pattern>, prefix: String) -> Groups {
        Groups { source, target, patterns, prefix, done: Mutex::default() }
    }

    /// Brings every group up to date. One that fails holds up no other; the first failure is returned.
    pub async fn sync(&self, maps: &Maps) -> Result<(), ConnectorError> {
        let listed = self.source.admin().list_groups(&[]).await;
        let listed = listed.map_err(|error| admin_failed("listing groups", error))?;
        let groups: Vec<_> = listed.into_iter().filter(|group| self.is_wanted(group)).collect();
        let names: HashSet<&str> = groups.iter().map(|group| group.group_id.as_str()).collect();
        self.done.lock().retain(|(group, _), _| names.contains(group.as_str()));
        let here = self.target.admin().list_groups(&[]).await;
        let here = here.map_err(|error| admin_failed("listing groups here", error))?;
        let states: HashMap<_, _> = here.into_iter().map(|group| (group.group_id, group.state)).collect();
        let mut outcome = Ok(());
        for group in &groups {
            let state = states.get(&group.group_id).map(String::as_str);
            let synced = self.sync_group(&group.group_id, state, maps).await;
            outcome = outcome.and(synced.map_err(|error| {
                admin_failed(&format!("translating offsets of group {}", group.group_id), error)
            }));
        }
        outcome
    }

    fn is_wanted(&self, group: &GroupListing) -> bool {
        let keeps_offsets = matches!(group.protocol_type.as_str(), "" | "consumer")
            && !group.group_type.eq_ignore_ascii_case("share");
        let passed_over = PASSED_OVER.iter().any(|prefix| group.group_id.starts_with(prefix));
        let matches = |pattern: &glob::Pattern| match passed_over {
            true => pattern.as_str() == group.group_id,
            false => pattern.matches(&group.group_id),
        };
        keeps_offsets && self.patterns.iter().any(matches)
    }

    /// `state` is the group's here, if it is known here.
    async fn sync_group(&self, group: &str, state: Option<&str>, maps: &Maps) -> Result<(), AdminError> {
        let committed = self.source.admin().group_offsets(group, None).await?;
        // A group that has offsets for some of its partitions only would begin at the end of the others, as its consumers
        // may have it: it waits for all.
        if committed.iter().any(|(place, _)| maps.is_expected(place)) {
            return Ok(());
        }
        let translated = committed.into_iter().filter_map(|(place, offset)| {
            let target = maps.translate(&place, offset.offset)?;
            let copy =
                TopicPartition::new(format!("{}{}", self.prefix, place.topic).as_str(), place.partition);
            let told = CommittedOffset { offset: target, leader_epoch: -1, metadata: offset.metadata };
            Some(Translated { place: copy, source: offset.offset, target, offset: told })
        });
        let mut news: Vec<Translated> = translated.collect();
        news.retain(|one| {
            self.done_for(group, &one.place)
                .is_none_or(|done| (done.source, done.target) != (one.source, one.target))
        });
        if news.is_empty() || self.is_active(group, state).await? {
            return Ok(());
        }
        self.clamp(&mut news).await?;
        let places: Vec<_> = news.iter().map(|one| one.place.clone()).collect();
        let held: HashMap<_, _> =
            self.target.admin().group_offsets(group, Some(&places)).await?.into_iter().collect();
        let moves = news.iter().filter(|one| self.may_move(group, one, held.get(&one.place)));
        let moves: BTreeMap<_, _> = moves.map(|one| (one.place.clone(), one.offset.clone())).collect();
        let moves: Vec<_> = moves.into_iter().collect();
        if !moves.is_empty() {
            match self.target.admin().alter_group_offsets(group, &moves).await {
                // Somebody has joined meanwhile: the group is theirs now.
                Err(error) if error.code().is_some_and(is_members_refusal) => return Ok(()),
                altered => altered?,
            }
            tracing::debug!(group, partitions = moves.len(), "translated a group's offsets");
        }
        let written: HashMap<_, _> = moves.into_iter().collect();
        let mut known = self.done.lock();
        for Translated { place, source, target, .. } in news {
            let written = written.get(&place).map(|offset| offset.offset);
            known.insert((group.to_owned(), place), Done { source, target, written });
        }
        Ok(())
    }

    fn done_for(&self, group: &str, place: &TopicPartition) -> Option<Done> {
        self.done.lock().get(&(group.to_owned(), place.clone())).copied()
    }

    /// Whether somebody consumes with the group here.
    async fn is_active(&self, group: &str, state: Option<&str>) -> Result<bool, AdminError> {
        let state = match state {
            None => return Ok(false),
            // Old brokers do not tell it in the list.
            Some("") => self.target.admin().describe_group(group).await?.state,
            Some(state) => state.to_owned(),
        };
        Ok(!state.eq_ignore_ascii_case("Empty") && !state.eq_ignore_ascii_case("Dead"))
    }

    fn may_move(&self, group: &str, to: &Translated, held: Option<&CommittedOffset>) -> bool {
        let Some(held) = held else { return true };
        if held.offset < to.offset.offset {
            return true;
        }
        let was_set_back = self
            .done_for(group, &to.place)
            .is_some_and(|done| done.written == Some(held.offset) && to.source < done.source);
        was_set_back && held.offset != to.offset.offset
    }

    /// What retention has taken here cannot be read any more, and what is behind the end belongs to another topic of the
    /// name: offsets are raised to the one and dropped at the other.
    async fn clamp(&self, news: &mut Vec<Translated>) -> Result<(), AdminError> {
        let mut limits = Vec::new();
        for spec in [OffsetSpec::Earliest, OffsetSpec::Latest] {
            let asked: Vec<_> = news.iter().map(|one| (one.place.clone(), spec)).collect();
            let found = self.target.admin().list_offsets(&asked, Isolation::ReadUncommitted).await;
            limits.push(found.into_iter().collect::<Result<Vec<_>, _>>()?);
        }
        let [begins, ends] = limits.as_slice() else { return Ok(()) };
        let mut limits = begins.iter().zip(ends);
        news.retain_mut(|one| {
            let Some((begin, end)) = limits.next() else { return false };
            one.offset.offset = one.offset.offset.max(begin.offset);
            one.offset.offset <= end.offset
        });
        Ok(())
    }
}

/// Whether members stand in the way of an offset.
fn is_members_refusal(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::RebalanceInProgress
            | ErrorCode::StaleMemberEpoch
            | ErrorCode::GroupIdNotFound
    )
}
