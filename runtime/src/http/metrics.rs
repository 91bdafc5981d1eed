//! `/metrics`: Prometheus text, put together from the parts of the process.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Resources;

pub async fn show(State(resources): State<Resources>) -> impl IntoResponse {
    let mut text: String = resources.metrics.iter().map(|provider| provider()).collect();
    text.push_str(&crate::plugin::metrics::render());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
