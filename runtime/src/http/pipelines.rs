//! `/v1/pipelines`: list, show, apply (or plan), delete; pause, resume, stop and restart all of one or one part.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Resources, problem};
use crate::connect::Target;
use crate::pipelines::{BUNDLE_BYTES_MAX, Bundle, Change, Refusal};

pub fn routes() -> Router<Resources> {
    Router::new()
        .route("/v1/pipelines", get(list).post(apply))
        .route("/v1/pipelines/{name}", get(show).delete(delete))
        .route("/v1/pipelines/{name}/{action}", post(act))
        .route("/v1/pipelines/{name}/nodes/{node}/{action}", post(act_on_node))
        .layer(DefaultBodyLimit::max(BUNDLE_BYTES_MAX))
}

async fn list(State(resources): State<Resources>) -> Json<Value> {
    Json(resources.pipelines.status())
}

async fn show(State(resources): State<Resources>, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    resources.pipelines.status_of(&name).map(Json)
}

#[derive(Deserialize)]
struct Apply {
    /// Only say what would change.
    #[serde(default)]
    plan: bool,
}

async fn apply(
    State(resources): State<Resources>,
    Query(options): Query<Apply>,
    Json(bundle): Json<Bundle>,
) -> Result<Json<Value>, Refusal> {
    if options.plan {
        let (name, changes) = resources.pipelines.plan(&bundle)?;
        return Ok(Json(json!({ "name": name, "changes": changes, "text": text_of(&changes) })));
    }
    // On a task of its own: a client that goes away must not leave a change half done.
    let applying = tokio::spawn(async move { resources.pipelines.apply(bundle).await });
    let applied =
        applying.await.map_err(|error| Refusal::Failed(format!("applying the pipeline: {error}")))?;
    let (name, changes, warnings) = applied?;
    Ok(Json(json!({ "name": name, "changes": changes, "text": text_of(&changes), "warnings": warnings })))
}

fn text_of(changes: &[Change]) -> String {
    changes.iter().map(Change::to_string).collect()
}

async fn delete(State(resources): State<Resources>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let deleting = tokio::spawn(async move { resources.pipelines.delete(&name).await });
    deleting.await.map_err(|error| Refusal::Failed(format!("deleting the pipeline: {error}")))??;
    Ok(StatusCode::NO_CONTENT)
}

async fn act(State(resources): State<Resources>, Path((name, action)): Path<(String, String)>) -> Response {
    carry_out(resources, name, None, action).await
}

async fn act_on_node(
    State(resources): State<Resources>,
    Path((name, node, action)): Path<(String, String, String)>,
) -> Response {
    carry_out(resources, name, Some(node), action).await
}

async fn carry_out(resources: Resources, name: String, node: Option<String>, action: String) -> Response {
    let pipelines = resources.pipelines;
    let target = match action.as_str() {
        "pause" => Some(Target::Paused),
        "stop" => Some(Target::Stopped),
        "resume" => Some(Target::Running),
        "restart" => None,
        other => {
            let message = format!("no action \"{other}\": there are pause, stop, resume and restart");
            return problem(StatusCode::NOT_FOUND, &message);
        }
    };
    let done = tokio::spawn(async move {
        match target {
            Some(target) => pipelines.set_target(&name, node.as_deref(), target).await,
            None => pipelines.restart(&name, node.as_deref()).await,
        }
    });
    match done.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
