//! `/metrics`: Prometheus text, put together from the parts of the process.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use millstream_streams::{QueryShown, QueryStatus};

use super::{Resources, sql};

pub async fn show(State(resources): State<Resources>) -> impl IntoResponse {
    let mut text: String = resources.metrics.iter().map(|provider| provider()).collect();
    text.push_str(&crate::plugin::metrics::render());
    text.push_str(&queries(&sql::all(&resources)));
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// What is counted of each query: a name, what it says, how it changes.
type Measure = (&'static str, &'static str, &'static str, fn(&QueryStatus) -> i64);

const MEASURES: [Measure; 9] = [
    ("rows_in_total", "Rows read and understood.", "counter", |status| count(status.rows_in)),
    ("rows_out_total", "Rows of the result.", "counter", |status| count(status.rows_out)),
    ("late_rows_total", "Rows that came after their window or bound was closed.", "counter", |status| {
        count(status.late_rows)
    }),
    ("bad_rows_total", "Records that could not be read and were left out.", "counter", |status| {
        count(status.bad_rows)
    }),
    ("commits_total", "Transactions committed.", "counter", |status| count(status.commits)),
    ("restarts_total", "Times the task has failed and started again.", "counter", |status| {
        count(status.restarts)
    }),
    ("lag_records", "Records of the input that are not read yet.", "gauge", |status| status.lag_records),
    ("restore_lag_records", "Records of the changelog that are not read yet.", "gauge", |status| {
        status.restore_lag_records
    }),
    ("watermark_ms", "The watermark that windows were last closed by, since 1970.", "gauge", |status| {
        status.watermark_ms.unwrap_or(-1)
    }),
];

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn queries(queries: &[QueryShown]) -> String {
    let mut text = String::new();
    for (name, help, kind, of) in MEASURES.iter().filter(|_| !queries.is_empty()) {
        text.push_str(&format!(
            "# HELP millstream_query_{name} {help}\n# TYPE millstream_query_{name} {kind}\n"
        ));
        for query in queries {
            let label = query.status.name.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!("millstream_query_{name}{{query=\"{label}\"}} {}\n", of(&query.status)));
        }
    }
    text
}
