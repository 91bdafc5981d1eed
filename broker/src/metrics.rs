//! Counters of one node, kept in atomics and rendered as Prometheus text.
//!
//! Left out: serving them (the runtime does), and gauges that others own; those come in when rendering.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use millstream_protocol::{ApiKey, ErrorCode};

/// Upper bounds of the latency buckets in microseconds; the last bucket is open.
const LATENCY_BOUNDS_US: [u64; 10] =
    [100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// Codes from −1 on have a slot; later ones share the last.
const ERROR_SLOTS: usize = 140;

/// What a node counts.
#[derive(Debug)]
pub struct Metrics {
    pub(crate) produced_bytes: AtomicU64,
    pub(crate) produced_batches: AtomicU64,
    pub(crate) fetched_bytes: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) connections: AtomicI64,
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    apis: Vec<ApiMetrics>,
    errors: Vec<AtomicU64>,
}

#[derive(Debug, Default)]
struct ApiMetrics {
    latency_us: AtomicU64,
    buckets: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
}

/// Numbers that other parts know, asked for when rendering.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gauges {
    pub(crate) topics: usize,
    pub(crate) partitions: usize,
    pub(crate) log_bytes: u64,
    pub(crate) fetch_sessions: usize,
    pub(crate) flushes: u64,
    pub(crate) flush_time: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            produced_bytes: AtomicU64::new(0),
            produced_batches: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            connections_accepted: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
            apis: ApiKey::ALL.iter().map(|_| ApiMetrics::default()).collect(),
            errors: (0..ERROR_SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Metrics {
    pub(crate) fn count_request(&self, key: ApiKey, latency: Duration) {
        let Some(api) = ApiKey::ALL.binary_search(&key).ok().and_then(|slot| self.apis.get(slot)) else {
            return;
        };
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        api.latency_us.fetch_add(latency_us, Relaxed);
        let bucket = LATENCY_BOUNDS_US
            .iter()
            .position(|bound| latency_us <= *bound)
            .unwrap_or(LATENCY_BOUNDS_US.len());
        if let Some(bucket) = api.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Counts an answer that carries an error.
    pub(crate) fn count_error(&self, error: ErrorCode) {
        let slot = usize::try_from(error.code() + 1).unwrap_or(0).min(ERROR_SLOTS - 1);
        if let Some(count) = self.errors.get(slot) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Prometheus text exposition, version 0.0.4.
    pub(crate) fn render(&self, gauges: Gauges) -> String {
        let mut text = String::with_capacity(4096);
        let connections = self.connections.load(Relaxed).max(0).unsigned_abs();
        for (name, kind, value) in [
            ("produced_bytes_total", "counter", self.produced_bytes.load(Relaxed)),
            ("produced_batches_total", "counter", self.produced_batches.load(Relaxed)),
            ("fetched_bytes_total", "counter", self.fetched_bytes.load(Relaxed)),
            ("received_bytes_total", "counter", self.received_bytes.load(Relaxed)),
            ("sent_bytes_total", "counter", self.sent_bytes.load(Relaxed)),
            ("connections", "gauge", connections),
            ("connections_accepted_total", "counter", self.connections_accepted.load(Relaxed)),
            ("connections_refused_total", "counter", self.connections_refused.load(Relaxed)),
            ("topics", "gauge", gauges.topics as u64),
            ("partitions", "gauge", gauges.partitions as u64),
            ("log_bytes", "gauge", gauges.log_bytes),
            ("fetch_sessions", "gauge", gauges.fetch_sessions as u64),
        ] {
            line(&mut text, format_args!("# TYPE millstream_broker_{name} {kind}"));
            line(&mut text, format_args!("millstream_broker_{name} {value}"));
        }
        line(&mut text, format_args!("# TYPE millstream_broker_flush_seconds summary"));
        for (name, value) in [
            ("flush_seconds_sum", gauges.flush_time.as_secs_f64().to_string()),
            ("flush_seconds_count", gauges.flushes.to_string()),
        ] {
            line(&mut text, format_args!("millstream_broker_{name} {value}"));
        }
        self.render_requests(&mut text);
        line(&mut text, format_args!("# TYPE millstream_broker_errors_total counter"));
        for (code, count) in (-1_i16..).zip(&self.errors) {
            let count = count.load(Relaxed);
            if count > 0 {
                let name = ErrorCode::from_code(code).name();
                line(&mut text, format_args!("millstream_broker_errors_total{{error=\"{name}\"}} {count}"));
            }
        }
        text
    }

    fn render_requests(&self, text: &mut String) {
        const NAME: &str = "millstream_broker_request_seconds";
        line(text, format_args!("# TYPE {NAME} histogram"));
        for (key, api) in ApiKey::ALL.iter().zip(&self.apis) {
            let counts: Vec<u64> = api.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
            let total: u64 = counts.iter().sum();
            if total == 0 {
                continue;
            }
            let name = key.name();
            let mut below = 0;
            for (bound, count) in LATENCY_BOUNDS_US.iter().zip(&counts) {
                below += count;
                let seconds = Duration::from_micros(*bound).as_secs_f64();
                line(text, format_args!("{NAME}_bucket{{api=\"{name}\",le=\"{seconds}\"}} {below}"));
            }
            line(text, format_args!("{NAME}_bucket{{api=\"{name}\",le=\"+Inf\"}} {total}"));
            let sum = Duration::from_micros(api.latency_us.load(Relaxed)).as_secs_f64();
            line(text, format_args!("{NAME}_sum{{api=\"{name}\"}} {sum}"));
            line(text, format_args!("{NAME}_count{{api=\"{name}\"}} {total}"));
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_errors_are_rendered() {
        let metrics = Metrics::default();
        metrics.count_request(ApiKey::Metadata, Duration::from_micros(300));
        metrics.count_error(ErrorCode::NotCoordinator);
        let text = metrics.render(Gauges { topics: 3, ..Gauges::default() });
        for expected in [
            "millstream_broker_topics 3\n",
            "millstream_broker_request_seconds_bucket{api=\"Metadata\",le=\"0.00025\"} 0\n",
            "millstream_broker_request_seconds_bucket{api=\"Metadata\",le=\"0.0005\"} 1\n",
            "millstream_broker_request_seconds_count{api=\"Metadata\"} 1\n",
            "millstream_broker_errors_total{error=\"NOT_COORDINATOR\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }
}
