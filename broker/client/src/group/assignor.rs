//! Sharing partitions out among the members of a group. Pure: members and partition counts in, assignments out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Assignor;
use super::blobs::Subscription;
use crate::topic::TopicPartition;

/// A member as the leader sees it.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: Subscription,
}

/// Partitions by member id; every member has an entry.
pub(crate) type Assignment = BTreeMap<String, Vec<TopicPartition>>;

impl Assignor {
    /// The name that members agree by; other clients use the same.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// Whether members keep their partitions while they rejoin.
    pub(crate) fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }

    pub(crate) fn assign(self, members: &[Candidate], partitions: &BTreeMap<String, usize>) -> Assignment {
        match self {
            Assignor::Range => range(members, partitions),
            Assignor::CooperativeSticky => cooperative_sticky(members, partitions),
        }
    }
}

/// Each topic's partitions in consecutive runs, members in the order of their instance id or member id; the first members
/// get one more when it does not divide evenly.
fn range(members: &[Candidate], partitions: &BTreeMap<String, usize>) -> Assignment {
    let mut ordered: Vec<&Candidate> = members.iter().collect();
    ordered.sort_by(|left, right| match (&left.instance_id, &right.instance_id) {
        (Some(left_id), Some(right_id)) => left_id.cmp(right_id),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => left.member_id.cmp(&right.member_id),
    });
    let mut assignment: Assignment =
        members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
    for (topic, &count) in partitions {
        let name: Arc<str> = topic.as_str().into();
        let subscribed: Vec<&&Candidate> =
            ordered.iter().filter(|member| member.subscription.topics.contains(topic)).collect();
        if subscribed.is_empty() {
            continue;
        }
        let (each, extra) = (count / subscribed.len(), count % subscribed.len());
        let mut next = 0;
        for (position, member) in subscribed.iter().enumerate() {
            let run = each + usize::from(position < extra);
            let places = (next..next + run).map(|number| TopicPartition::new(name.clone(), number as i32));
            assignment.entry(member.member_id.clone()).or_default().extend(places);
            next += run;
        }
    }
    assignment
}

/// Balances with as few moves as it takes, then leaves out every partition that another member still holds: that member
/// gives it up first and everybody joins once more (KIP-429).
fn cooperative_sticky(members: &[Candidate], partitions: &BTreeMap<String, usize>) -> Assignment {
    let mut table = Table::new(members, partitions);
    let holders = table.claims(members);
    for (place, holder) in &holders {
        table.give(place, *holder);
    }
    table.hand_out_rest();
    table.balance();
    let mut assignment: Assignment =
        members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
    for (place, owner) in &table.owners {
        let is_held_elsewhere = holders.get(place).is_some_and(|holder| holder != owner);
        if let Some(member) = members.get(*owner).filter(|_| !is_held_elsewhere) {
            assignment.entry(member.member_id.clone()).or_default().push(place.clone());
        }
    }
    assignment
}

/// Who could have, and who gets, each partition. Members are positions in the leader's list.
struct Table {
    candidates: BTreeMap<TopicPartition, Vec<usize>>,
    owners: BTreeMap<TopicPartition, usize>,
    loads: Vec<usize>,
}

impl Table {
    fn new(members: &[Candidate], partitions: &BTreeMap<String, usize>) -> Table {
        let mut candidates = BTreeMap::new();
        for (topic, &count) in partitions {
            let name: Arc<str> = topic.as_str().into();
            let subscribes = |(_, member): &(usize, &Candidate)| member.subscription.topics.contains(topic);
            let subscribed: Vec<usize> =
                members.iter().enumerate().filter(subscribes).map(|(position, _)| position).collect();
            for number in 0..count {
                candidates.insert(TopicPartition::new(name.clone(), number as i32), subscribed.clone());
            }
        }
        Table { candidates, owners: BTreeMap::new(), loads: vec![0; members.len()] }
    }

    /// Who really holds what: a claim of a later generation beats an earlier one, and two of the same cancel out.
    fn claims(&self, members: &[Candidate]) -> BTreeMap<TopicPartition, usize> {
        let mut best: HashMap<&TopicPartition, (i32, Option<usize>)> = HashMap::new();
        for (position, member) in members.iter().enumerate() {
            let generation = member.subscription.generation;
            for place in &member.subscription.owned {
                let is_possible =
                    self.candidates.get(place).is_some_and(|candidates| candidates.contains(&position));
                if !is_possible {
                    continue;
                }
                let claim = best.entry(place).or_insert((generation, Some(position)));
                if generation > claim.0 {
                    *claim = (generation, Some(position));
                } else if generation == claim.0 && claim.1 != Some(position) {
                    claim.1 = None;
                }
            }
        }
        best.into_iter().filter_map(|(place, (_, holder))| Some((place.clone(), holder?))).collect()
    }

    fn give(&mut self, place: &TopicPartition, member: usize) {
        if let Some(former) = self.owners.insert(place.clone(), member) {
            self.loads[former] -= 1;
        }
        self.loads[member] += 1;
    }

    fn least_loaded(&self, place: &TopicPartition) -> Option<usize> {
        self.candidates.get(place)?.iter().copied().min_by_key(|&member| (self.loads[member], member))
    }

    /// Free partitions go to whoever has least, those with the fewest candidates first.
    fn hand_out_rest(&mut self) {
        let mut free: Vec<(usize, TopicPartition)> = self
            .candidates
            .iter()
            .filter(|(place, _)| !self.owners.contains_key(*place))
            .map(|(place, candidates)| (candidates.len(), place.clone()))
            .collect();
        free.sort();
        for (_, place) in free {
            if let Some(member) = self.least_loaded(&place) {
                self.give(&place, member);
            }
        }
    }

    /// Moves partitions from the fuller to the emptier until no single move helps. Each move lowers the sum of squared
    /// loads, so this ends.
    fn balance(&mut self) {
        let places: BTreeSet<TopicPartition> = self.owners.keys().cloned().collect();
        loop {
            let mut has_moved = false;
            for place in &places {
                let (Some(&owner), Some(emptiest)) = (self.owners.get(place), self.least_loaded(place))
                else {
                    continue;
                };
                if self.loads[owner] > self.loads[emptiest] + 1 {
                    self.give(place, emptiest);
                    has_moved = true;
                }
            }
            if !has_moved {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
