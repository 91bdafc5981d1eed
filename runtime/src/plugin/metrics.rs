//! Numbers that components report, for the metrics page.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use parking_lot::Mutex;

/// Most different numbers of all components of a process.
const SERIES_MAX: usize = 10_000;

/// Longest name of a number.
const NAME_BYTES_MAX: usize = 64;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    pipeline: String,
    node: String,
}

enum Number {
    Counter(u64),
    Gauge(f64),
}

static NUMBERS: LazyLock<Mutex<BTreeMap<Series, Number>>> = LazyLock::new(Mutex::default);

/// Adds to a counter. The error is a name or a kind that cannot be.
pub fn count(pipeline: &str, node: &str, name: &str, amount: u64) -> Result<(), String> {
    update(pipeline, node, name, Number::Counter(0), |number| match number {
        Number::Counter(total) => {
            *total = total.wrapping_add(amount);
            true
        }
        Number::Gauge(_) => false,
    })
}

/// Sets a gauge.
pub fn gauge(pipeline: &str, node: &str, name: &str, value: f64) -> Result<(), String> {
    update(pipeline, node, name, Number::Gauge(value), |number| match number {
        Number::Gauge(last) => {
            *last = value;
            true
        }
        Number::Counter(_) => false,
    })
}

fn update(
    pipeline: &str,
    node: &str,
    name: &str,
    first: Number,
    change: impl FnOnce(&mut Number) -> bool,
) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(legal) {
        return Err(format!("a metric's name is 1 to {NAME_BYTES_MAX} letters, digits or '_', not {name:?}"));
    }
    let series = Series { name: name.to_owned(), pipeline: pipeline.to_owned(), node: node.to_owned() };
    let mut numbers = NUMBERS.lock();
    if numbers.len() >= SERIES_MAX && !numbers.contains_key(&series) {
        return Err(format!("more than {SERIES_MAX} different metrics"));
    }
    match change(numbers.entry(series).or_insert(first)) {
        true => Ok(()),
        false => Err(format!("metric {name} is both a counter and a gauge")),
    }
}

/// Everything as Prometheus text.
pub fn render() -> String {
    let mut text = String::new();
    let mut last = "";
    let numbers = NUMBERS.lock();
    for (series, number) in numbers.iter() {
        let Series { name, pipeline, node } = series;
        let (kind, value) = match number {
            Number::Counter(total) => ("counter", total.to_string()),
            Number::Gauge(value) => ("gauge", value.to_string()),
        };
        let mut line = || -> std::fmt::Result {
            if last != name {
                writeln!(text, "# TYPE millstream_plugin_{name} {kind}")?;
            }
            writeln!(text, "millstream_plugin_{name}{{pipeline=\"{pipeline}\",node=\"{node}\"}} {value}")
        };
        if line().is_err() {
            unreachable!("writing to a string does not fail");
        }
        last = name;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_up_and_shown_by_pipeline_and_node() {
        count("p", "n", "lookups_in_test", 2).unwrap();
        count("p", "n", "lookups_in_test", 3).unwrap();
        gauge("p", "n", "depth_in_test", 1.5).unwrap();
        let text = render();
        assert!(text.contains("# TYPE millstream_plugin_lookups_in_test counter"), "{text}");
        assert!(text.contains("millstream_plugin_lookups_in_test{pipeline=\"p\",node=\"n\"} 5\n"), "{text}");
        assert!(text.contains("millstream_plugin_depth_in_test{pipeline=\"p\",node=\"n\"} 1.5\n"), "{text}");
        assert!(gauge("p", "n", "lookups_in_test", 1.0).is_err());
        assert!(count("p", "n", "no good", 1).is_err());
    }
}
