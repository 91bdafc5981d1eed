//! The result of a run, as a table or JSON.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::histogram::Histogram;
use super::limit::Moved;
use super::measured_node::MeasuredNode;
use super::process::{Usage, usage_of};
use crate::cli::Failure;
use crate::cli::output::{Output, grouped_with};

const BYTES_PER_GIB: f64 = 1024.0 * 1024.0 * 1024.0;

const BYTES_PER_MB: f64 = 1_000_000.0;

/// Collects labelled figures: each is a line of the table and a field of the JSON.
pub struct Report {
    title: String,
    lines: Vec<(String, String)>,
    fields: Map<String, Value>,
}

impl Report {
    pub fn new(title: String) -> Self {
        let mut fields = Map::new();
        fields.insert("title".to_owned(), Value::from(title.as_str()));
        Self { title, lines: Vec::new(), fields }
    }

    pub fn figure(&mut self, field: &str, label: &str, number: f64, digits: usize) {
        self.lines.push((label.to_owned(), grouped_with(number, digits)));
        self.fields.insert(field.to_owned(), json!(number));
    }

    pub fn rate(&mut self, records: u64, bytes: u64, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        self.figure("records", "records", records as f64, 0);
        self.figure("seconds", "seconds", seconds, 2);
        self.figure("records_per_second", "records/s", records as f64 / seconds, 0);
        self.figure("mb_per_second", "MB/s", bytes as f64 / BYTES_PER_MB / seconds, 1);
    }

    pub fn latency(&mut self, histogram: &Histogram) {
        self.figure("latency_samples", "latency samples", histogram.count() as f64, 0);
        for (field, label, percent) in [
            ("latency_p50_ms", "latency p50 ms", 50.0),
            ("latency_p95_ms", "latency p95 ms", 95.0),
            ("latency_p99_ms", "latency p99 ms", 99.0),
            ("latency_p999_ms", "latency p99.9 ms", 99.9),
        ] {
            self.figure(field, label, histogram.percentile_ms(percent), 2);
        }
        self.figure("latency_max_ms", "latency max ms", histogram.largest_ms(), 2);
    }

    /// CPU and memory since `before`; nothing about a broker that is no child of ours.
    pub fn usage(&mut self, node: &MeasuredNode, before: &Before, bytes: u64) {
        let gib = (bytes as f64 / BYTES_PER_GIB).max(f64::MIN_POSITIVE);
        if let (Some(now), Some(then)) = (usage_of(std::process::id()), before.client) {
            let seconds = now.cpu_seconds - then.cpu_seconds;
            self.figure("client_cpu_seconds", "client CPU s", seconds, 2);
            self.figure("client_cpu_seconds_per_gib", "client CPU s/GiB", seconds / gib, 2);
        }
        if let (Some(now), Some(then)) = (node.usage(), before.broker) {
            let seconds = now.cpu_seconds - then.cpu_seconds;
            self.figure("broker_cpu_seconds", "broker CPU s", seconds, 2);
            self.figure("broker_cpu_seconds_per_gib", "broker CPU s/GiB", seconds / gib, 2);
            self.figure("broker_peak_mb", "broker peak MB", now.resident_peak_bytes as f64 / BYTES_PER_MB, 1);
            self.figure("broker_now_mb", "broker now MB", now.resident_bytes as f64 / BYTES_PER_MB, 1);
        }
        if let Some(at_rest) = node.at_rest {
            let bytes = at_rest.resident_bytes as f64;
            self.figure("broker_at_rest_mb", "broker at rest MB", bytes / BYTES_PER_MB, 1);
        }
    }

    /// The machine's own limit, and what part of it was reached.
    pub fn limit(&mut self, what: &str, limit: Moved, bytes: u64, elapsed: Duration) {
        let reached = bytes as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let label = format!("limit MB/s ({what})");
        self.figure("limit_mb_per_second", &label, limit.bytes_per_second() / BYTES_PER_MB, 1);
        if let Some(cpu_seconds) = limit.cpu_seconds {
            let gib = (limit.bytes as f64 / BYTES_PER_GIB).max(f64::MIN_POSITIVE);
            self.figure("limit_cpu_seconds_per_gib", "limit CPU s/GiB", cpu_seconds / gib, 2);
        }
        self.figure("ratio_to_limit", "ratio to limit", reached / limit.bytes_per_second(), 2);
    }

    pub fn print(self, output: Output) -> Result<(), Failure> {
        if output.json {
            return output.value(&Value::Object(self.fields));
        }
        output.line(&self.title)?;
        let width = self.lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, number) in &self.lines {
            output.line(&format!("  {label:<width$}  {number:>14}"))?;
        }
        Ok(())
    }
}

/// What client and broker had used when the measured part began.
pub struct Before {
    client: Option<Usage>,
    broker: Option<Usage>,
}

impl Before {
    pub fn now(node: &MeasuredNode) -> Self {
        Self { client: usage_of(std::process::id()), broker: node.usage() }
    }
}
