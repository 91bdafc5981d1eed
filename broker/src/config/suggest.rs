//! "Did you mean": the closest known name to one that isn't known.

/// The candidate with the smallest edit distance, if it is close enough to be a typing slip.
pub(super) fn closest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let limit = name.len() / 4 + 1;
    candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes; setting names are ASCII.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.bytes().enumerate() {
        let mut diagonal = line;
        let mut previous = line + 1;
        for (slot, to) in row.iter_mut().skip(1).zip(right.bytes()) {
            let cost = (diagonal + usize::from(from != to)).min(previous + 1).min(*slot + 1);
            diagonal = *slot;
            previous = cost;
            *slot = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
