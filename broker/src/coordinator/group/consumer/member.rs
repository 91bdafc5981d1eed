//! One member of a next-generation group, and how it gets from what it has to what it shall have.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::Uuid;

use super::super::Protocol;
use super::assignor::Assignment;

/// The epoch of a static member that went away for a while.
pub(super) const AWAY_EPOCH: i32 = -2;

/// Where a member stands between its target and what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reconciliation {
    /// It has its target of its epoch.
    #[default]
    Stable,
    /// It has been told to give partitions back, and has not said yet that it did.
    Revoking,
    /// It waits for partitions that others still have.
    Waiting,
}

impl Reconciliation {
    pub(crate) fn id(self) -> i8 {
        match self {
            Reconciliation::Stable => 0,
            Reconciliation::Revoking => 1,
            Reconciliation::Waiting => 2,
        }
    }

    pub(crate) fn from_id(id: i8) -> Option<Reconciliation> {
        [Reconciliation::Stable, Reconciliation::Revoking, Reconciliation::Waiting]
            .into_iter()
            .find(|state| state.id() == id)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: Reconciliation,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    pub(crate) rebalance_timeout_ms: i32,
    /// What it may read.
    pub(crate) assigned: Assignment,
    /// What it may still be reading, and shall give back.
    pub(crate) revoking: Assignment,
    /// Set if it speaks the classic protocol.
    pub(crate) classic: Option<ClassicMember>,
}

/// What only a member of the classic protocol has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClassicMember {
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
}

/// What a member is led towards.
pub(super) struct Goal<'a> {
    pub(super) epoch: i32,
    pub(super) target: &'a Assignment,
    /// Partitions that anybody has, the member itself included.
    pub(super) taken: &'a BTreeSet<(Uuid, i32)>,
}

impl Member {
    /// One step of reconciliation. `owned` is what the member says that it owns; `None` if it says nothing new.
    ///
    /// Revoking comes before assigning: a member stays in its epoch until it has given back what it must, and gets
    /// what others have given back.
    pub(super) fn reconcile(&mut self, goal: &Goal<'_>, owned: Option<&Assignment>) {
        match self.state {
            Reconciliation::Stable if self.epoch == goal.epoch => {}
            Reconciliation::Revoking if owned.is_none_or(|owned| overlaps(owned, &self.revoking)) => {}
            _ => self.next_assignment(goal, owned),
        }
    }

    fn next_assignment(&mut self, goal: &Goal<'_>, owned: Option<&Assignment>) {
        let keeps = intersection(&self.assigned, goal.target);
        let revokes = difference(&self.assigned, &keeps);
        let wanted = difference(goal.target, &keeps);
        let own = |topic: &Uuid, partition: &i32| {
            let has =
                |assignment: &Assignment| assignment.get(topic).is_some_and(|own| own.contains(partition));
            has(&self.assigned) || has(&self.revoking)
        };
        let is_free = |topic: &Uuid, partition: &i32| {
            own(topic, partition) || !goal.taken.contains(&(*topic, *partition))
        };
        let free = filter(&wanted, is_free);
        let must_wait = free != wanted;
        let has_them = owned.is_none_or(|owned| overlaps(owned, &revokes));
        if !revokes.is_empty() && has_them {
            (self.assigned, self.revoking) = (keeps, revokes);
            self.state = Reconciliation::Revoking;
            return;
        }
        self.state = if must_wait { Reconciliation::Waiting } else { Reconciliation::Stable };
        self.assigned = union(keeps, free);
        self.revoking.clear();
        if self.epoch != goal.epoch {
            self.previous_epoch = self.epoch;
            self.epoch = goal.epoch;
        }
    }

    /// Everything that nobody else may get yet.
    pub(super) fn holds(&self) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        self.assigned
            .iter()
            .chain(&self.revoking)
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
    }

    pub(super) fn held(&self) -> Assignment {
        union(self.assigned.clone(), self.revoking.clone())
    }

    pub(super) fn is_settled_in(&self, epoch: i32) -> bool {
        self.state == Reconciliation::Stable && self.epoch == epoch
    }
}

pub(super) fn is_subset(part: &Assignment, whole: &Assignment) -> bool {
    part.iter().all(|(topic, partitions)| {
        partitions.is_empty() || whole.get(topic).is_some_and(|own| partitions.is_subset(own))
    })
}

fn overlaps(left: &Assignment, right: &Assignment) -> bool {
    left.iter().any(|(topic, partitions)| right.get(topic).is_some_and(|own| !partitions.is_disjoint(own)))
}

fn filter(assignment: &Assignment, keep: impl Fn(&Uuid, &i32) -> bool) -> Assignment {
    let mut kept = BTreeMap::new();
    for (topic, partitions) in assignment {
        let partitions: BTreeSet<i32> =
            partitions.iter().copied().filter(|partition| keep(topic, partition)).collect();
        if !partitions.is_empty() {
            kept.insert(*topic, partitions);
        }
    }
    kept
}

fn contains(assignment: &Assignment, topic: &Uuid, partition: &i32) -> bool {
    assignment.get(topic).is_some_and(|own| own.contains(partition))
}

fn intersection(left: &Assignment, right: &Assignment) -> Assignment {
    filter(left, |topic, partition| contains(right, topic, partition))
}

fn difference(left: &Assignment, right: &Assignment) -> Assignment {
    filter(left, |topic, partition| !contains(right, topic, partition))
}

fn union(mut left: Assignment, right: Assignment) -> Assignment {
    for (topic, partitions) in right {
        left.entry(topic).or_default().extend(partitions);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partitions: &[i32]) -> Assignment {
        if partitions.is_empty() {
            return Assignment::new();
        }
        Assignment::from([(Uuid::from_bytes([1; 16]), partitions.iter().copied().collect())])
    }

    fn taken(partitions: &[i32]) -> BTreeSet<(Uuid, i32)> {
        partitions.iter().map(|partition| (Uuid::from_bytes([1; 16]), *partition)).collect()
    }

    #[test]
    fn a_member_gives_back_before_it_moves_on() {
        let mut member = Member { epoch: 1, assigned: of(&[0, 1, 2]), ..Member::default() };
        let (target, others) = (of(&[0, 3]), taken(&[0, 1, 2, 3]));
        let goal = Goal { epoch: 2, target: &target, taken: &others };
        member.reconcile(&goal, None);
        assert_eq!((member.state, member.epoch), (Reconciliation::Revoking, 1));
        assert_eq!((&member.assigned, &member.revoking), (&of(&[0]), &of(&[1, 2])));
        member.reconcile(&goal, Some(&of(&[0, 1])));
        assert_eq!(member.state, Reconciliation::Revoking, "it still has one of them");
        member.reconcile(&goal, Some(&of(&[0])));
        assert_eq!((member.state, member.epoch), (Reconciliation::Waiting, 2), "somebody else has 3");
        let others = taken(&[0]);
        member.reconcile(&Goal { epoch: 2, target: &target, taken: &others }, None);
        assert_eq!((member.state, &member.assigned), (Reconciliation::Stable, &of(&[0, 3])));
    }
}
