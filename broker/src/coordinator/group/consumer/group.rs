//! The state of one next-generation group (KIP-848), and what follows from it. A value: changes are made on a copy,
//! which takes the original's place once the records that tell them apart are durable.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use millstream_protocol::Uuid;
use regex::Regex;

use super::super::state::State;
use super::super::topics::Topics;
use super::assignor::{Assignment, Assignor, Subscriber};
use super::member::{Goal, Member};

/// How large a pattern may get when compiled; what needs more is refused.
const REGEX_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConsumerGroup {
    /// Grows with every change of members, subscriptions or topics.
    pub(crate) epoch: i32,
    /// Tells one state of the subscribed topics from another.
    pub(crate) metadata_hash: i64,
    pub(crate) members: BTreeMap<String, Member>,
    /// The epoch that the target was made for.
    pub(crate) target_epoch: i32,
    pub(crate) target: BTreeMap<String, Assignment>,
    /// Topics by pattern, as the topics at `topics_version` give them.
    pub(super) matches: BTreeMap<String, BTreeSet<String>>,
    pub(super) topics_version: Option<u64>,
}

impl ConsumerGroup {
    pub(super) fn static_member(&self, instance_id: &str) -> Option<&String> {
        let owns = |member: &Member| member.instance_id.as_deref() == Some(instance_id);
        self.members.iter().find(|(_, member)| owns(member)).map(|(id, _)| id)
    }

    pub(crate) fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.target_epoch {
            State::Assigning
        } else if self.members.values().all(|member| member.is_settled_in(self.target_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    /// Whether nothing happened to the topics since the group last looked at them.
    pub(super) fn has_seen(&self, topics: &dyn Topics) -> bool {
        self.topics_version == Some(topics.version())
    }

    /// Every topic that a member subscribes to, by name or by a pattern.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<String> {
        self.members.values().flat_map(|member| self.topics_of(member)).cloned().collect()
    }

    fn topics_of<'a>(&'a self, member: &'a Member) -> impl Iterator<Item = &'a String> {
        let matched = member.regex.as_ref().and_then(|regex| self.matches.get(regex));
        member.topics.iter().chain(matched.into_iter().flatten())
    }

    /// Looks at the topics: true if anything changed about those that members subscribe to.
    pub(super) fn look_at(&mut self, topics: &dyn Topics) -> bool {
        let wanted: BTreeSet<&String> =
            self.members.values().filter_map(|member| member.regex.as_ref()).collect();
        let known = self.has_seen(topics);
        let matches = wanted
            .into_iter()
            .map(|regex| {
                let before = self.matches.get(regex).filter(|_| known).cloned();
                (regex.clone(), before.unwrap_or_else(|| matching(regex, topics)))
            })
            .collect();
        self.matches = matches;
        self.topics_version = Some(topics.version());
        let hash = self.hash_of_topics(topics);
        std::mem::replace(&mut self.metadata_hash, hash) != hash
    }

    /// Zero without any topic; the same for the same topics in every process of this build.
    fn hash_of_topics(&self, topics: &dyn Topics) -> i64 {
        let mut hasher = DefaultHasher::new();
        let mut any = false;
        for name in self.subscribed_topics() {
            if let Some(topic) = topics.find(&name) {
                (name, topic.id.as_bytes(), topic.partition_count).hash(&mut hasher);
                any = true;
            }
        }
        if any { hasher.finish().cast_signed() } else { 0 }
    }

    /// Makes the target for the group's epoch, if it has none yet.
    pub(super) fn assign(&mut self, topics: &dyn Topics, allowed: &[Assignor]) {
        if self.epoch <= self.target_epoch {
            return;
        }
        let mut counts: BTreeMap<Uuid, i32> = BTreeMap::new();
        let subscribers: Vec<Subscriber> = self
            .members
            .iter()
            .map(|(id, member)| {
                let found = self.topics_of(member).filter_map(|name| topics.find(name));
                let subscribed: BTreeSet<Uuid> = found
                    .map(|topic| {
                        counts.insert(topic.id, topic.partition_count);
                        topic.id
                    })
                    .collect();
                let place = member.instance_id.clone().unwrap_or_else(|| id.clone());
                Subscriber {
                    place,
                    topics: subscribed,
                    has: self.target.get(id).cloned().unwrap_or_default(),
                }
            })
            .collect();
        let given = self.assignor(allowed).assign(&subscribers, &counts);
        self.target = self.members.keys().cloned().zip(given).collect();
        self.target_epoch = self.epoch;
    }

    /// The one that most members ask for; without any wish the first that is allowed.
    pub(crate) fn assignor(&self, allowed: &[Assignor]) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for wish in self.members.values().filter_map(|member| Assignor::find(member.assignor.as_deref()?)) {
            *votes.entry(wish).or_default() += 1;
        }
        let most = votes.into_iter().max_by_key(|(_, count)| *count).map(|(assignor, _)| assignor);
        most.or_else(|| allowed.first().copied()).unwrap_or(Assignor::Uniform)
    }

    /// One step of a member towards its target.
    pub(super) fn reconcile(&mut self, member_id: &str, owned: Option<&Assignment>) {
        let none = Assignment::new();
        let target = self.target.get(member_id).unwrap_or(&none);
        let Some(member) = self.members.get(member_id) else { return };
        if member.is_settled_in(self.target_epoch) {
            return;
        }
        let taken: BTreeSet<(Uuid, i32)> = self.members.values().flat_map(Member::holds).collect();
        let mut member = member.clone();
        member.reconcile(&Goal { epoch: self.target_epoch, target, taken: &taken }, owned);
        self.members.insert(member_id.to_owned(), member);
    }

    /// Takes a member out; the others share what it had.
    pub(super) fn remove(&mut self, member_id: &str) -> bool {
        let removed = self.members.remove(member_id).is_some();
        if removed {
            self.target.remove(member_id);
            self.epoch += 1;
        }
        removed
    }

    /// A static member is back under a new id: everything of the old one is its.
    pub(super) fn replace(&mut self, old_id: &str, new_id: &str) {
        if old_id == new_id {
            return;
        }
        if let Some(mut member) = self.members.remove(old_id) {
            member.epoch = 0;
            member.previous_epoch = 0;
            self.members.insert(new_id.to_owned(), member);
        }
        if let Some(target) = self.target.remove(old_id) {
            self.target.insert(new_id.to_owned(), target);
        }
    }

    /// Whether a partition of its target that the member lacks is still somebody else's.
    pub(super) fn must_wait(&self, member_id: &str) -> bool {
        let (Some(member), Some(target)) = (self.members.get(member_id), self.target.get(member_id)) else {
            return false;
        };
        let others: BTreeSet<(Uuid, i32)> = self
            .members
            .iter()
            .filter(|(id, _)| *id != member_id)
            .flat_map(|(_, member)| member.holds())
            .collect();
        let own: BTreeSet<(Uuid, i32)> = member.holds().collect();
        let mut wanted = target
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
        wanted.any(|place| !own.contains(&place) && others.contains(&place))
    }
}

/// Whether a pattern is one (RE2's syntax, as the `regex` crate has it) and not too large.
pub(super) fn check_pattern(pattern: &str) -> Result<(), regex::Error> {
    // By itself, so that an unbalanced bracket can't escape from the group that is put around it.
    compile(pattern)?;
    whole(pattern).map(drop)
}

/// The pattern for a topic's whole name.
fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    compile(&format!("^(?:{pattern})$"))
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build()
}

fn matching(pattern: &str, topics: &dyn Topics) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Checked when the member asked for it.
    if let Ok(regex) = whole(pattern) {
        topics.for_each_name(&mut |name| {
            if regex.is_match(name) {
                found.insert(name.to_owned());
            }
        });
    }
    found
}
