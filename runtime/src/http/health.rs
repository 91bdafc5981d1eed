//! `/health`: 200 as long as the process answers.

use axum::Json;
use serde_json::{Value, json};

pub async fn show() -> Json<Value> {
    Json(json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}
