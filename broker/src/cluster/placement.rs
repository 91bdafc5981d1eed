//! Which brokers hold the replicas of a new partition.

use std::collections::BTreeMap;

use super::image::BrokerImage;

/// Replicas for `count` partitions from index `first`: with brokers sorted, partition i's replica j goes to
/// broker (i + j) mod n, shifted by `start`, so that leaders and replicas spread evenly. Brokers alternate
/// between racks, so neighbours (and thus replicas) fall into different racks where there are several.
///
/// The caller has checked that there are at least `factor` brokers.
pub(super) fn place(
    brokers: &BTreeMap<i32, BrokerImage>,
    first: usize,
    count: usize,
    factor: usize,
    start: usize,
) -> Vec<Vec<i32>> {
    let ring = alternate_racks(brokers);
    let spread = |partition: usize| {
        let replicas = (0..factor).filter_map(|replica| ring.get((start + partition + replica) % ring.len()));
        replicas.copied().collect()
    };
    (first..first + count).map(spread).collect()
}

fn alternate_racks(brokers: &BTreeMap<i32, BrokerImage>) -> Vec<i32> {
    let mut racks: BTreeMap<Option<&str>, Vec<i32>> = BTreeMap::new();
    for (node_id, broker) in brokers {
        racks.entry(broker.rack.as_deref()).or_default().push(*node_id);
    }
    let longest = racks.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|turn| racks.values().filter_map(move |rack| rack.get(turn).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[(i32, Option<&str>)]) -> BTreeMap<i32, BrokerImage> {
        let broker =
            |rack: Option<&str>| BrokerImage { rack: rack.map(str::to_owned), endpoints: Vec::new() };
        racks.iter().map(|(node_id, rack)| (*node_id, broker(*rack))).collect()
    }

    #[test]
    fn leaders_rotate_from_the_start() {
        let brokers = brokers(&[(1, None), (2, None), (3, None)]);
        assert_eq!(place(&brokers, 0, 4, 2, 1), [[2, 3], [3, 1], [1, 2], [2, 3]]);
        assert_eq!(place(&brokers, 2, 1, 2, 1), [[1, 2]], "added partitions carry on");
    }

    #[test]
    fn replicas_fall_into_different_racks() {
        let brokers = brokers(&[(1, Some("a")), (2, Some("a")), (3, Some("b")), (4, Some("b"))]);
        for replicas in place(&brokers, 0, 8, 2, 0) {
            assert_ne!(replicas[0] <= 2, replicas[1] <= 2, "{replicas:?}");
        }
    }
}
