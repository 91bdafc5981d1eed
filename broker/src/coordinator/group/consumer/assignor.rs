//! The server-side assignors: who of the subscribers gets which partition.
//!
//! `uniform` keeps what members have as far as balance allows, and balances over all topics. `range` gives each topic's
//! subscribers consecutive ranges, so that partitions of the same number meet in one member; it only keeps as much as
//! the ranges do.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::Uuid;

/// Partitions by topic. No topic stands here without any.
pub type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// A way to assign, by the name that members ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assignor {
    Uniform,
    Range,
}

impl Assignor {
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// By its name, or by the class that Kafka's settings name.
    pub fn find(name: &str) -> Option<Assignor> {
        let class = |assignor: Assignor| match assignor {
            Assignor::Uniform => "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
            Assignor::Range => "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        };
        Assignor::ALL.into_iter().find(|assignor| assignor.name() == name || class(*assignor) == name)
    }

    pub(super) fn assign(self, subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
        match self {
            Assignor::Uniform => uniform(subscribers, topics),
            Assignor::Range => range(subscribers, topics),
        }
    }
}

/// What an assignor sees of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscriber {
    /// The instance id of a static member, so that its place survives a new member id.
    pub(super) place: String,
    pub(super) topics: BTreeSet<Uuid>,
    pub(super) has: Assignment,
}

fn range(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    let mut given = vec![Assignment::new(); subscribers.len()];
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by(|left, right| subscribers[*left].place.cmp(&subscribers[*right].place));
    for (topic, count) in topics {
        let takers: Vec<usize> =
            order.iter().copied().filter(|at| subscribers[*at].topics.contains(topic)).collect();
        let Ok(taker_count) = i32::try_from(takers.len()) else { continue };
        if taker_count == 0 {
            continue;
        }
        let (each, extra) = (count / taker_count, count % taker_count);
        let mut next = 0;
        for (number, at) in (0..).zip(takers) {
            let share = each + i32::from(number < extra);
            if share > 0 {
                given[at].insert(*topic, (next..next + share).collect());
            }
            next += share;
        }
    }
    given
}

fn uniform(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    let mut shares = Shares::kept(subscribers, topics);
    shares.give_away_the_rest(subscribers, topics);
    shares.balance(subscribers);
    shares.given
}

/// An assignment in the making.
struct Shares {
    given: Vec<Assignment>,
    sizes: Vec<usize>,
    owners: BTreeMap<(Uuid, i32), usize>,
    /// Subscribers by topic.
    takers: BTreeMap<Uuid, Vec<usize>>,
}

impl Shares {
    /// What members may keep: it exists, they subscribe to it, and nobody else keeps it.
    fn kept(subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Shares {
        let count = subscribers.len();
        let mut takers: BTreeMap<Uuid, Vec<usize>> = BTreeMap::new();
        for (at, subscriber) in subscribers.iter().enumerate() {
            for topic in subscriber.topics.iter().filter(|topic| topics.contains_key(topic)) {
                takers.entry(*topic).or_default().push(at);
            }
        }
        let mut shares = Shares {
            given: vec![Assignment::new(); count],
            sizes: vec![0; count],
            owners: BTreeMap::new(),
            takers,
        };
        for (at, subscriber) in subscribers.iter().enumerate() {
            for (topic, partitions) in &subscriber.has {
                let Some(partition_count) = topics.get(topic).filter(|_| subscriber.topics.contains(topic))
                else {
                    continue;
                };
                for partition in partitions.iter().filter(|partition| *partition < partition_count) {
                    if !shares.owners.contains_key(&(*topic, *partition)) {
                        shares.give(at, (*topic, *partition));
                    }
                }
            }
        }
        shares
    }

    /// Partitions without an owner go to the subscriber that has the fewest, those that few can take first.
    fn give_away_the_rest(&mut self, subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) {
        let mut order: Vec<(&Uuid, &i32)> = topics.iter().collect();
        order.sort_by_key(|(topic, _)| self.takers.get(topic).map_or(0, Vec::len));
        for (topic, count) in order {
            let Some(takers) = self.takers.get(topic).cloned() else { continue };
            let mut queue: BTreeSet<(usize, &str, usize)> =
                takers.iter().map(|at| (self.sizes[*at], subscribers[*at].place.as_str(), *at)).collect();
            for partition in 0..*count {
                if self.owners.contains_key(&(*topic, partition)) {
                    continue;
                }
                let Some((size, place, at)) = queue.pop_first() else { break };
                self.give(at, (*topic, partition));
                queue.insert((size + 1, place, at));
            }
        }
    }

    /// Moves partitions from members that have more to subscribers that have at least two fewer, until there are none.
    /// Each move makes the sum of the squares smaller, so this ends.
    fn balance(&mut self, subscribers: &[Subscriber]) {
        loop {
            let mut moved = false;
            let topics: Vec<(Uuid, Vec<usize>)> =
                self.takers.iter().map(|(topic, takers)| (*topic, takers.clone())).collect();
            for (topic, takers) in topics {
                let mut queue: BTreeSet<(usize, &str, usize)> =
                    takers.iter().map(|at| (self.sizes[*at], subscribers[*at].place.as_str(), *at)).collect();
                while let Some((from, to)) = self.uneven_pair(&topic, &queue) {
                    let Some(partition) = self.given[from].get(&topic).and_then(|own| own.last()).copied()
                    else {
                        break;
                    };
                    for at in [from, to] {
                        queue.remove(&(self.sizes[at], subscribers[at].place.as_str(), at));
                    }
                    self.take(from, (topic, partition));
                    self.give(to, (topic, partition));
                    for at in [from, to] {
                        queue.insert((self.sizes[at], subscribers[at].place.as_str(), at));
                    }
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// The fullest subscriber that has some of the topic, and the emptiest one, if a move makes them more even.
    fn uneven_pair(&self, topic: &Uuid, queue: &BTreeSet<(usize, &str, usize)>) -> Option<(usize, usize)> {
        let (least, _, to) = queue.first()?;
        let fullest = queue.iter().rev().take_while(|(size, _, _)| *size >= least + 2);
        let (_, _, from) = fullest.into_iter().find(|(_, _, at)| self.given[*at].contains_key(topic))?;
        Some((*from, *to))
    }

    fn give(&mut self, at: usize, (topic, partition): (Uuid, i32)) {
        self.given[at].entry(topic).or_default().insert(partition);
        self.sizes[at] += 1;
        self.owners.insert((topic, partition), at);
    }

    fn take(&mut self, at: usize, (topic, partition): (Uuid, i32)) {
        if let Some(own) = self.given[at].get_mut(&topic) {
            own.remove(&partition);
            if own.is_empty() {
                self.given[at].remove(&topic);
            }
            self.sizes[at] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn subscriber(place: &str, topics: &[u8]) -> Subscriber {
        let topics = topics.iter().map(|number| topic(*number)).collect();
        Subscriber { place: place.to_owned(), topics, has: Assignment::new() }
    }

    fn sizes(given: &[Assignment]) -> Vec<usize> {
        given.iter().map(|own| own.values().map(BTreeSet::len).sum()).collect()
    }

    #[test]
    fn range_gives_the_same_numbers_of_all_topics_to_one_member() {
        let topics = BTreeMap::from([(topic(1), 3), (topic(2), 3)]);
        let given = Assignor::Range.assign(&[subscriber("b", &[1, 2]), subscriber("a", &[1, 2])], &topics);
        let both = |partitions: &[i32]| {
            let partitions: BTreeSet<i32> = partitions.iter().copied().collect();
            Assignment::from([(topic(1), partitions.clone()), (topic(2), partitions)])
        };
        assert_eq!(given, [both(&[2]), both(&[0, 1])]);
    }

    #[test]
    fn uniform_balances_over_topics_and_keeps_what_it_can() {
        let topics = BTreeMap::from([(topic(1), 3), (topic(2), 3)]);
        let mut members = vec![subscriber("a", &[1, 2]), subscriber("b", &[1, 2])];
        let first = Assignor::Uniform.assign(&members, &topics);
        assert_eq!(sizes(&first), [3, 3]);
        for (member, has) in members.iter_mut().zip(&first) {
            member.has = has.clone();
        }
        members.push(subscriber("c", &[1, 2]));
        let second = Assignor::Uniform.assign(&members, &topics);
        assert_eq!(sizes(&second), [2, 2, 2]);
        for (before, after) in first.iter().zip(&second) {
            for (topic, partitions) in after {
                assert!(partitions.is_subset(&before[topic]), "nothing moved between members that stayed");
            }
        }
    }

    #[test]
    fn uniform_respects_who_subscribes_to_what() {
        let topics = BTreeMap::from([(topic(1), 4), (topic(2), 2)]);
        let members = [subscriber("a", &[1]), subscriber("b", &[1, 2]), subscriber("c", &[2])];
        let given = Assignor::Uniform.assign(&members, &topics);
        assert_eq!(sizes(&given).iter().sum::<usize>(), 6);
        assert!(!given[0].contains_key(&topic(2)) && !given[2].contains_key(&topic(1)));
        let mut sorted = sizes(&given);
        sorted.sort_unstable();
        assert_eq!(sorted, [2, 2, 2], "{given:?}");
    }
}
