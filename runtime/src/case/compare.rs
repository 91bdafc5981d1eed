//! What was expected against what came: which records are missing, which are too many, and where the nearest differ.
//!
//! An object that is expected may name some of the fields only, unless the case says `exact`. Order counts only where
//! the case says `ordered`: partitions have none among each other.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

use super::records::Seen;
use crate::config::pipeline::{Case, CaseRecord};

/// Most records of one place that a difference shows.
const SHOWN_MAX: usize = 20;

/// Longest text of one record that is shown.
const TEXT_MAX: usize = 400;

/// One place that holds other records than expected.
#[derive(Debug, PartialEq)]
pub struct Difference {
    place: String,
    expected: usize,
    found: usize,
    lines: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = if self.expected == 1 { "record" } else { "records" };
        writeln!(to, "{}: {} {records} expected, {} found", self.place, self.expected, self.found)?;
        for line in self.lines.iter().take(SHOWN_MAX) {
            writeln!(to, "  {line}")?;
        }
        match self.lines.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
            Some(more) => writeln!(to, "  and {more} more lines"),
            None => Ok(()),
        }
    }
}

/// How expectations are held against what came.
#[derive(Clone, Copy)]
struct Rules {
    exact: bool,
}

/// The difference of one place, if there is any.
pub fn compare(place: &str, expected: &[CaseRecord], mut seen: Vec<Seen>, case: &Case) -> Option<Difference> {
    let rules = Rules { exact: case.exact };
    // A tombstone is only looked at by who expects one.
    if expected.iter().all(|record| !record.value.is_null()) {
        seen.retain(|record| record.value.is_some());
    }
    let (missing, extra) = match case.ordered {
        true => by_place(expected, &seen, rules),
        false => by_match(expected, &seen, rules),
    };
    if missing.is_empty() && extra.is_empty() {
        return None;
    }
    let mut lines = Vec::new();
    let mut extra: Vec<&Seen> = extra.iter().filter_map(|index| seen.get(*index)).collect();
    for record in missing.iter().filter_map(|index| expected.get(*index)) {
        lines.push(format!("- {}", shown_expected(record)));
        let fewest = extra.iter().enumerate().min_by_key(|(_, seen)| differences(record, seen, rules).len());
        if let Some((nearest, _)) = fewest {
            let seen = extra.remove(nearest);
            lines.push(format!("+ {}", shown(seen)));
            lines.extend(differences(record, seen, rules).into_iter().map(|line| format!("    {line}")));
        }
    }
    lines.extend(extra.into_iter().map(|seen| format!("+ {}", shown(seen))));
    Some(Difference { place: place.to_owned(), expected: expected.len(), found: seen.len(), lines })
}

/// Indexes of what is missing and what is too many, record by record.
fn by_place(expected: &[CaseRecord], seen: &[Seen], rules: Rules) -> (Vec<usize>, Vec<usize>) {
    let differs = |index: &usize| match (expected.get(*index), seen.get(*index)) {
        (Some(expected), Some(seen)) => !differences(expected, seen, rules).is_empty(),
        _ => true,
    };
    let missing = (0..expected.len()).filter(differs).collect();
    (missing, (0..seen.len()).filter(differs).collect())
}

/// The same, whatever the order: the largest matching between the two, by augmenting paths. An expectation that names
/// few fields must not take the record that only a more precise one fits.
fn by_match(expected: &[CaseRecord], seen: &[Seen], rules: Rules) -> (Vec<usize>, Vec<usize>) {
    let fits: Vec<Vec<usize>> = expected
        .iter()
        .map(|expected| {
            (0..seen.len()).filter(|index| differences(expected, &seen[*index], rules).is_empty()).collect()
        })
        .collect();
    let mut taken: Vec<Option<usize>> = vec![None; seen.len()];
    let mut missing = Vec::new();
    for index in 0..expected.len() {
        let mut tried = vec![false; seen.len()];
        if !augment(index, &fits, &mut taken, &mut tried) {
            missing.push(index);
        }
    }
    let extra = taken.iter().enumerate().filter(|(_, by)| by.is_none()).map(|(index, _)| index);
    (missing, extra.collect())
}

fn augment(index: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &candidate in &fits[index] {
        if std::mem::replace(&mut tried[candidate], true) {
            continue;
        }
        let free = match taken[candidate] {
            None => true,
            Some(other) => augment(other, fits, taken, tried),
        };
        if free {
            taken[candidate] = Some(index);
            return true;
        }
    }
    false
}

/// What is wrong with a record, one line a part.
fn differences(expected: &CaseRecord, seen: &Seen, rules: Rules) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(key) = &expected.key
        && !same_bytes(key, seen.key.as_ref(), rules)
    {
        found.push(format!("key: expected {key}, found {}", text(seen.key.as_ref())));
    }
    if let Some(timestamp) = expected.timestamp_ms()
        && seen.timestamp_ms != Some(timestamp)
    {
        let at = seen.timestamp_ms.and_then(chrono::DateTime::from_timestamp_millis);
        let at = at.map_or_else(|| "none".to_owned(), |at| at.to_rfc3339());
        let wanted = expected.timestamp.as_ref().map_or("", |text| text.value.as_str());
        found.push(format!("timestamp: expected {wanted}, found {at}"));
    }
    for (name, value) in &expected.headers {
        let header = seen.headers.iter().rev().find(|(found, _)| found == name);
        if header.is_none_or(|(_, found)| found.as_deref() != Some(value.as_bytes())) {
            let there = header.map_or_else(|| "none".to_owned(), |(_, found)| text(found.as_ref()));
            found.push(format!("header {name}: expected {value:?}, found {there}"));
        }
    }
    if !same_bytes(&expected.value, seen.value.as_ref(), rules) {
        match seen.value.as_ref().and_then(|value| serde_json::from_slice(value).ok()) {
            Some(value) => value_differences(&expected.value, &value, "", rules, &mut found),
            None => {
                found.push(format!("value: expected {}, found {}", expected.value, text(seen.value.as_ref())))
            }
        }
    }
    found
}

/// Walks two values side by side and names the paths where they part.
fn value_differences(expected: &Value, seen: &Value, path: &str, rules: Rules, found: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            for (name, value) in expected {
                match seen.get(name) {
                    Some(there) => value_differences(value, there, &at(name), rules, found),
                    None => found.push(format!("{}: expected {value}, found nothing", at(name))),
                }
            }
            let unnamed = seen.iter().filter(|(name, _)| rules.exact && !expected.contains_key(*name));
            found.extend(
                unnamed.map(|(name, value)| format!("{}: found {value}, which is not expected", at(name))),
            );
        }
        (expected, seen) if same(expected, seen, rules) => {}
        (expected, seen) => {
            let name = if path.is_empty() { "value" } else { path };
            found.push(format!("{name}: expected {expected}, found {seen}"));
        }
    }
}

fn same_bytes(expected: &Value, seen: Option<&Bytes>, rules: Rules) -> bool {
    match (expected, seen) {
        (Value::Null, seen) => seen.is_none(),
        (_, None) => false,
        (Value::String(text), Some(seen)) if text.as_bytes() == seen.as_ref() => true,
        (expected, Some(seen)) => {
            serde_json::from_slice(seen).is_ok_and(|seen: Value| same(expected, &seen, rules))
        }
    }
}

/// Numbers are the same by value: 5 and 5.0.
fn same(expected: &Value, seen: &Value, rules: Rules) -> bool {
    match (expected, seen) {
        (Value::Number(expected), Value::Number(seen)) => {
            expected == seen || expected.as_f64().is_some_and(|number| seen.as_f64() == Some(number))
        }
        (Value::Array(expected), Value::Array(seen)) => {
            expected.len() == seen.len()
                && expected.iter().zip(seen).all(|(left, right)| same(left, right, rules))
        }
        (Value::Object(expected), Value::Object(seen)) => {
            (!rules.exact || expected.len() == seen.len())
                && expected
                    .iter()
                    .all(|(name, value)| seen.get(name).is_some_and(|seen| same(value, seen, rules)))
        }
        (expected, seen) => expected == seen,
    }
}

fn shown_expected(record: &CaseRecord) -> String {
    let key = record.key.as_ref().map(|key| format!("{key} → ")).unwrap_or_default();
    clipped(format!("{key}{}", record.value))
}

fn shown(seen: &Seen) -> String {
    let key = seen.key.as_ref().map(|key| format!("{} → ", text(Some(key)))).unwrap_or_default();
    clipped(format!("{key}{}", text(seen.value.as_ref())))
}

fn text(bytes: Option<&Bytes>) -> String {
    bytes.map_or_else(|| "null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn clipped(text: String) -> String {
    match text.len() > TEXT_MAX {
        true => format!("{}…", &text[..text.floor_char_boundary(TEXT_MAX)]),
        false => text,
    }
}
