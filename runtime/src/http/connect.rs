//! Kafka Connect's REST interface, at its own paths: connectors, their configuration, state, offsets and topics, and the
//! plugins there are. What a connector is here, `pipelines::connector` says.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Resources;
use crate::connect::Target;
use crate::pipelines::{Connector, Pipelines, Refusal, plugin_config, plugins, validate};

/// Which Kafka Connect the interface is that of.
const CONNECT_VERSION: &str = "4.3.0";

type Answer<T> = Result<T, Refusal>;

pub fn routes() -> Router<Resources> {
    Router::new()
        .route("/", get(root))
        .route("/connectors", get(list).post(create))
        .route("/connectors/{name}", get(show).delete(delete))
        .route("/connectors/{name}/config", get(config).put(put_config).patch(patch_config))
        .route("/connectors/{name}/status", get(status))
        .route("/connectors/{name}/tasks", get(tasks))
        .route("/connectors/{name}/tasks-config", get(tasks_config))
        .route("/connectors/{name}/tasks/{task}/status", get(task_status))
        .route("/connectors/{name}/tasks/{task}/restart", post(restart_task))
        .route("/connectors/{name}/restart", post(restart))
        .route("/connectors/{name}/pause", put(pause))
        .route("/connectors/{name}/resume", put(resume))
        .route("/connectors/{name}/stop", put(stop))
        .route("/connectors/{name}/offsets", get(offsets).patch(alter_offsets).delete(reset_offsets))
        .route("/connectors/{name}/topics", get(topics))
        .route("/connectors/{name}/topics/reset", put(reset_topics))
        .route("/connector-plugins", get(list_plugins))
        .route("/connector-plugins/{class}/config", get(show_plugin))
        .route("/connector-plugins/{class}/config/validate", put(validate_config))
}

async fn root(State(resources): State<Resources>) -> Json<Value> {
    Json(json!({
        "version": CONNECT_VERSION,
        "commit": env!("CARGO_PKG_VERSION"),
        "kafka_cluster_id": &*resources.cluster_id,
    }))
}

async fn list(State(resources): State<Resources>, RawQuery(query): RawQuery) -> Json<Value> {
    let connectors = resources.pipelines.connectors();
    let query = query.unwrap_or_default();
    let expanded: Vec<&str> = query.split('&').filter_map(|part| part.strip_prefix("expand=")).collect();
    if expanded.is_empty() {
        return Json(connectors.into_keys().collect());
    }
    let mut shown = Map::new();
    for (name, connector) in connectors {
        let mut parts = Map::new();
        for part in &expanded {
            match *part {
                "info" => drop(parts.insert("info".to_owned(), connector.info())),
                "status" => {
                    drop(parts.insert("status".to_owned(), connector.status_json(&resources.worker_id)))
                }
                _ => {}
            }
        }
        shown.insert(name, Value::Object(parts));
    }
    Json(Value::Object(shown))
}

#[derive(Deserialize)]
struct NewConnector {
    name: String,
    config: BTreeMap<String, Option<String>>,
    initial_state: Option<String>,
}

async fn create(State(resources): State<Resources>, Json(new): Json<NewConnector>) -> Answer<Response> {
    let target = match new.initial_state.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("RUNNING") => Target::Running,
        Some("PAUSED") => Target::Paused,
        Some("STOPPED") => Target::Stopped,
        Some(other) => {
            return Err(Refusal::BadRequest(format!(
                "initial_state is RUNNING, PAUSED or STOPPED, not {other}"
            )));
        }
    };
    let config = without_nulls(new.config);
    if config.get("name").is_some_and(|name| *name != new.name) {
        return Err(Refusal::BadRequest(format!(
            "the configuration names another connector than {}",
            new.name
        )));
    }
    put_connector(resources, new.name, config, Some(target), true).await
}

fn without_nulls(config: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    config.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
}

/// On a task of its own: a client that goes away must not leave a change half done.
async fn put_connector(
    resources: Resources,
    name: String,
    config: BTreeMap<String, String>,
    initial: Option<Target>,
    must_be_new: bool,
) -> Answer<Response> {
    detached(resources.pipelines, async move |pipelines| {
        let is_new = pipelines.put_connector(&name, &config, initial, must_be_new).await?;
        let info = pipelines.connector(&name)?.info();
        Ok(match is_new {
            true => {
                (StatusCode::CREATED, [(LOCATION, format!("/connectors/{name}"))], Json(info)).into_response()
            }
            false => Json(info).into_response(),
        })
    })
    .await
}

async fn detached<T: Send + 'static, Work, Done>(pipelines: Pipelines, work: Work) -> Answer<T>
where
    Work: FnOnce(Pipelines) -> Done,
    Done: Future<Output = Answer<T>> + Send + 'static,
{
    let done = tokio::spawn(work(pipelines)).await;
    done.map_err(|error| Refusal::Failed(format!("the change did not come to its end: {error}")))?
}

async fn show(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(resources.pipelines.connector(&name)?.info()))
}

async fn delete(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<StatusCode> {
    detached(resources.pipelines, async move |pipelines| pipelines.delete_connector(&name).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn config(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(json!(resources.pipelines.connector(&name)?.config)))
}

async fn put_config(
    State(resources): State<Resources>,
    Path(name): Path<String>,
    Json(config): Json<BTreeMap<String, Option<String>>>,
) -> Answer<Response> {
    put_connector(resources, name, without_nulls(config), None, false).await
}

async fn patch_config(
    State(resources): State<Resources>,
    Path(name): Path<String>,
    Json(changes): Json<BTreeMap<String, Option<String>>>,
) -> Answer<Response> {
    let mut config = resources.pipelines.connector(&name)?.config;
    for (key, change) in changes {
        match change {
            Some(text) => drop(config.insert(key, text)),
            None => drop(config.remove(&key)),
        }
    }
    put_connector(resources, name, config, None, false).await
}

async fn status(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(resources.pipelines.connector(&name)?.status_json(&resources.worker_id)))
}

async fn tasks(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let connector = resources.pipelines.connector(&name)?;
    let config = &connector.config;
    let task = json!({ "id": { "connector": name, "task": 0 }, "config": config });
    Ok(Json(if connector.target == Target::Stopped { json!([]) } else { json!([task]) }))
}

async fn tasks_config(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let connector = resources.pipelines.connector(&name)?;
    Ok(Json(json!({ format!("{name}-0"): connector.config })))
}

fn task(connector: &Connector, task: &str, worker: &str) -> Answer<Value> {
    let status = connector.status_json(worker);
    let found = status["tasks"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| task.parse::<u64>().is_ok_and(|task| one["id"] == task));
    found
        .cloned()
        .ok_or_else(|| Refusal::NotFound(format!("No status found for task {}-{task}", connector.name)))
}

async fn task_status(
    State(resources): State<Resources>,
    Path((name, number)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    task(&resources.pipelines.connector(&name)?, &number, &resources.worker_id).map(Json)
}

async fn restart_task(
    State(resources): State<Resources>,
    Path((name, number)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let connector = resources.pipelines.connector(&name)?;
    task(&connector, &number, &resources.worker_id)?;
    restart_connector(&resources, connector).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(
    State(resources): State<Resources>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let connector = resources.pipelines.connector(&name)?;
    let query = query.unwrap_or_default();
    let asked = |option: &str| query.split('&').any(|part| part == format!("{option}=true"));
    let is_failed = matches!(connector.state(), "FAILED" | "RESTARTING");
    if !asked("onlyFailed") || is_failed {
        restart_connector(&resources, connector).await?;
    }
    if !asked("includeTasks") {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let status = resources.pipelines.connector(&name)?.status_json(&resources.worker_id);
    Ok((StatusCode::ACCEPTED, Json(status)).into_response())
}

async fn restart_connector(resources: &Resources, connector: Connector) -> Answer<()> {
    if connector.target != Target::Running {
        return Err(Refusal::Conflict(format!(
            "connector {} is {}; resume it first",
            connector.name,
            connector.state()
        )));
    }
    detached(resources.pipelines.clone(), async move |pipelines| {
        pipelines.restart(&connector.pipeline, Some(&connector.node)).await
    })
    .await
}

async fn pause(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<StatusCode> {
    aim(resources, name, Target::Paused).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn resume(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<StatusCode> {
    aim(resources, name, Target::Running).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn stop(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<StatusCode> {
    aim(resources, name, Target::Stopped).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn aim(resources: Resources, name: String, target: Target) -> Answer<()> {
    let connector = resources.pipelines.connector(&name)?;
    detached(resources.pipelines, async move |pipelines| {
        pipelines.set_target(&connector.pipeline, Some(&connector.node), target).await
    })
    .await
}

async fn offsets(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    resources.pipelines.connector_offsets(&name).await.map(Json)
}

async fn alter_offsets(
    State(resources): State<Resources>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Answer<Json<Value>> {
    resources.pipelines.alter_connector_offsets(&name, &body).await?;
    Ok(Json(json!({ "message": "The offsets for this connector have been altered successfully" })))
}

async fn reset_offsets(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    resources.pipelines.reset_connector_offsets(&name).await?;
    Ok(Json(json!({ "message": "The offsets for this connector have been reset successfully" })))
}

async fn topics(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<Json<Value>> {
    let connector = resources.pipelines.connector(&name)?;
    Ok(Json(json!({ name: { "topics": connector.topics } })))
}

/// There is no history of topics to forget: those that are declared are those that are shown.
async fn reset_topics(State(resources): State<Resources>, Path(name): Path<String>) -> Answer<StatusCode> {
    resources.pipelines.connector(&name)?;
    Ok(StatusCode::OK)
}

async fn list_plugins() -> Json<Value> {
    let listed = plugins().into_iter();
    Json(
        listed
            .map(|(class, role, version)| json!({ "class": class, "type": role.name(), "version": version }))
            .collect(),
    )
}

async fn show_plugin(Path(class): Path<String>) -> Answer<Json<Value>> {
    plugin_config(&class).map(|options| Json(Value::Array(options)))
}

async fn validate_config(
    Path(class): Path<String>,
    Json(config): Json<BTreeMap<String, Option<String>>>,
) -> Answer<Response> {
    let config = without_nulls(config);
    validate(&class, &config).map(|found| Json(found).into_response())
}
