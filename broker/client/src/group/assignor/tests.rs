use super::*;

fn member(id: &str, topics: &[&str], owned: &[(&str, i32)], generation: i32) -> Candidate {
    Candidate {
        member_id: id.to_owned(),
        instance_id: None,
        subscription: Subscription {
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            owned: owned.iter().map(|&(topic, number)| TopicPartition::new(topic, number)).collect(),
            generation,
        },
    }
}

fn counts(partitions: &[(&str, usize)]) -> BTreeMap<String, usize> {
    partitions.iter().map(|&(topic, count)| (topic.to_owned(), count)).collect()
}

fn shown(assignment: &Assignment) -> Vec<String> {
    let one = |(member, places): (&String, &Vec<TopicPartition>)| {
        let places: Vec<String> = places.iter().map(ToString::to_string).collect();
        format!("{member}: {}", places.join(" "))
    };
    assignment.iter().map(one).collect()
}

#[test]
fn range_gives_runs_per_topic_and_the_rest_to_the_first() {
    let members = [member("b", &["t", "u"], &[], -1), member("a", &["t"], &[], -1)];
    let assignment = Assignor::Range.assign(&members, &counts(&[("t", 3), ("u", 2)]));
    assert_eq!(shown(&assignment), ["a: t-0 t-1", "b: t-2 u-0 u-1"]);
}

#[test]
fn a_newcomer_gets_its_share_only_after_it_was_given_up() {
    let owned = [("t", 0), ("t", 1), ("t", 2), ("t", 3)];
    let members = [member("a", &["t"], &owned, 3), member("b", &["t"], &[], -1)];
    let first = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 4)]));
    assert_eq!(first["a"].len(), 2);
    assert_eq!(first["b"], []);
    let kept: Vec<(&str, i32)> = first["a"].iter().map(|place| ("t", place.partition)).collect();
    let members = [member("a", &["t"], &kept, 4), member("b", &["t"], &[], 4)];
    let second = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 4)]));
    assert_eq!(second["a"], first["a"]);
    assert_eq!(second["b"].len(), 2);
}

#[test]
fn nothing_moves_when_everything_is_balanced() {
    let members =
        [member("a", &["t"], &[("t", 2), ("t", 0)], 5), member("b", &["t"], &[("t", 1), ("t", 3)], 5)];
    let assignment = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 4)]));
    assert_eq!(shown(&assignment), ["a: t-0 t-2", "b: t-1 t-3"]);
}

#[test]
fn the_claim_of_a_later_generation_wins_and_equal_ones_cancel() {
    let members = [member("a", &["t"], &[("t", 0), ("t", 1)], 2), member("b", &["t"], &[("t", 0)], 3)];
    let assignment = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 2)]));
    assert_eq!(shown(&assignment), ["a: t-1", "b: t-0"]);
    let members = [member("a", &["t"], &[("t", 0)], 3), member("b", &["t"], &[("t", 0)], 3)];
    let assignment = Assignor::CooperativeSticky.assign(&members, &counts(&[("t", 1)]));
    assert_eq!(shown(&assignment), ["a: t-0", "b: "]);
}

/// Random groups: after at most two rounds every partition with a subscriber has exactly one owner, loads differ by at
/// most one where subscriptions are equal, and a third round changes nothing.
#[test]
fn rounds_settle_into_a_complete_balanced_assignment() {
    for seed in 1..200_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let partitions = counts(&[("t", next(12) as usize), ("u", next(12) as usize)]);
        let mut owned: Vec<Vec<TopicPartition>> = vec![Vec::new(); 1 + next(5) as usize];
        for (topic, &count) in &partitions {
            for number in 0..count {
                let holder = next(owned.len() as u64 + 1) as usize;
                if let Some(places) = owned.get_mut(holder) {
                    places.push(TopicPartition::new(topic.as_str(), number as i32));
                }
            }
        }
        let mut previous: Option<Assignment> = None;
        for generation in 1..=3 {
            let members: Vec<Candidate> = owned
                .iter()
                .enumerate()
                .map(|(position, places)| {
                    let mut candidate = member(&format!("m{position}"), &["t", "u"], &[], generation);
                    candidate.subscription.owned = places.clone();
                    candidate
                })
                .collect();
            let assignment = Assignor::CooperativeSticky.assign(&members, &partitions);
            for (position, places) in owned.iter_mut().enumerate() {
                *places = assignment[&format!("m{position}")].clone();
            }
            if generation == 3 {
                assert_eq!(previous.as_ref(), Some(&assignment), "seed {seed}");
            }
            previous = Some(assignment);
        }
        let all: Vec<&TopicPartition> = owned.iter().flatten().collect();
        let distinct: BTreeSet<&&TopicPartition> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "seed {seed}");
        assert_eq!(all.len(), partitions.values().sum::<usize>(), "seed {seed}");
        let loads: Vec<usize> = owned.iter().map(Vec::len).collect();
        assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "seed {seed}: {loads:?}");
    }
}
