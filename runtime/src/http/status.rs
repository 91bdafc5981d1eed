//! `/v1/status` and `/v1/pipelines`: what runs here and how it is.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Resources, problem};

pub async fn show(State(resources): State<Resources>) -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "pipelines": (resources.pipelines)() }))
}

pub async fn pipelines(State(resources): State<Resources>) -> Json<Value> {
    Json((resources.pipelines)())
}

pub async fn pipeline(State(resources): State<Resources>, Path(name): Path<String>) -> Response {
    let all = (resources.pipelines)();
    let found = all.as_array().into_iter().flatten().find(|pipeline| pipeline["name"] == name.as_str());
    match found {
        Some(pipeline) => Json(pipeline.clone()).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("no pipeline \"{name}\" runs here")),
    }
}
