//! `/v1/status`: what runs here and how it is.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Resources;

pub async fn show(State(resources): State<Resources>) -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "pipelines": resources.pipelines.status() }))
}
