//! `POST /v1/sql`: statements in, answers out.
//!
//! The body is JSON, `{"sql": "…"}`, or the statements themselves. The answer is JSON, `{"results": [{"statement",
//! "message", "columns", "rows"}, …]}`, or with `Accept: application/x-ndjson` one row a line. A refused text gives 400
//! with every finding and its place; nothing of it was carried out then. A `SELECT` alone is in `select`.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use millstream_streams::{Answer, Diagnostic, QueryShown, SelectFrom, SessionError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Resources, problem, select};
use crate::pipeline::query_json;

/// Longest body that is read: the text of statements and its JSON.
const BODY_BYTES_MAX: usize = 8 << 20;

pub(super) const NDJSON: &str = "application/x-ndjson";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    sql: String,
    /// Where a SELECT begins to read.
    #[serde(default)]
    from: From,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum From {
    #[default]
    Earliest,
    Latest,
}

pub async fn execute(State(resources): State<Resources>, headers: HeaderMap, body: Body) -> Response {
    if is_from_another_site(&headers) {
        return problem(StatusCode::FORBIDDEN, "statements are not taken from pages of other sites");
    }
    let Request { sql: text, from } = match read(body).await {
        Ok(request) => request,
        Err((status, reason)) => return problem(status, &reason),
    };
    let Some(session) = resources.pipelines.session() else { return starting() };
    let from = match from {
        From::Earliest => SelectFrom::Earliest,
        From::Latest => SelectFrom::Latest,
    };
    match session.select(&text, from).await {
        Ok(Some(selection)) if selection.is_bounded() && !wants_lines(&headers) => {
            return select::table(&text, selection).await;
        }
        Ok(Some(selection)) => return select::lines(selection, resources.stopping.clone()),
        Ok(None) => {}
        Err(error) => return failed(&error),
    }
    match session.execute(&text).await {
        Ok(answers) if wants_lines(&headers) => ([(CONTENT_TYPE, NDJSON)], lines(&answers)).into_response(),
        Ok(answers) => {
            let results: Vec<Value> = answers.iter().map(answer_json).collect();
            Json(json!({ "results": results })).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &SessionError) -> Response {
    match error {
        SessionError::Refused(findings) => refused(findings),
        error => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// `/v1/queries`: every query with what it does and how it is, those of pipelines too.
pub async fn queries(State(resources): State<Resources>) -> Json<Vec<Value>> {
    Json(all(&resources).iter().map(shown).collect())
}

pub async fn query(State(resources): State<Resources>, Path(name): Path<String>) -> Response {
    match all(&resources).into_iter().find(|query| query.status.name == name) {
        Some(query) => Json(shown(&query)).into_response(),
        None => problem(StatusCode::NOT_FOUND, &format!("no query \"{name}\" runs here")),
    }
}

pub(super) fn all(resources: &Resources) -> Vec<QueryShown> {
    resources.pipelines.sessions().iter().flat_map(|session| session.queries()).collect()
}

fn shown(query: &QueryShown) -> Value {
    let mut value = query_json(&query.status);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("reads".to_owned(), json!(query.reads));
        fields.insert("writes".to_owned(), json!(query.writes));
        fields.insert("statement".to_owned(), json!(query.statement.as_ref()));
    }
    value
}

fn starting() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the queries are not started yet: try again in a moment")
}

async fn read(body: Body) -> Result<Request, (StatusCode, String)> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
        let reason = format!("reading the statements, at most {BODY_BYTES_MAX} bytes: {error}");
        (StatusCode::PAYLOAD_TOO_LARGE, reason)
    })?;
    let bad = |reason: String| (StatusCode::BAD_REQUEST, reason);
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|error| bad(format!("reading the statements: they are not UTF-8: {error}")))?;
    if !text.trim_start().starts_with('{') {
        return Ok(Request { sql: text, from: From::Earliest });
    }
    serde_json::from_str(&text).map_err(|error| bad(format!("reading the body, {{\"sql\": \"…\"}}: {error}")))
}

/// Browsers name the page a request comes from; a page of another site must not be able to run statements here.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (headers.get(ORIGIN), text(ORIGIN), text(HOST)) {
        (None, ..) => false,
        (Some(_), Some(origin), Some(host)) => {
            origin.split_once("://").is_none_or(|(_, origin_host)| origin_host != host)
        }
        _ => true,
    }
}

fn wants_lines(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(NDJSON)))
}

fn answer_json(answer: &Answer) -> Value {
    let mut value = Map::new();
    value.insert("statement".to_owned(), json!(answer.statement.as_ref()));
    if !answer.message.is_empty() {
        value.insert("message".to_owned(), json!(answer.message));
    }
    if let Some(table) = &answer.table {
        value.insert("columns".to_owned(), json!(table.columns));
        value.insert("rows".to_owned(), json!(table.rows));
    }
    Value::Object(value)
}

/// One JSON object a line: each row of a table, or what was done.
fn lines(answers: &[Answer]) -> String {
    let mut text = String::new();
    for answer in answers {
        match &answer.table {
            Some(table) => {
                for row in &table.rows {
                    let cells = table.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned());
                    text.push_str(&Value::Object(cells.collect()).to_string());
                    text.push('\n');
                }
            }
            None => {
                text.push_str(&answer_json(answer).to_string());
                text.push('\n');
            }
        }
    }
    text
}

fn refused(findings: &[Diagnostic]) -> Response {
    let errors: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "line": finding.at.line,
                "column": finding.at.column,
                "message": finding.message,
                "hint": finding.hint,
            })
        })
        .collect();
    let message: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let body = json!({
        "error_code": StatusCode::BAD_REQUEST.as_u16(),
        "message": message.join("\n"),
        "errors": errors,
    });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let headers = |pairs: &[(axum::http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, value.parse().unwrap());
            }
            headers
        };
        let own = (HOST, "127.0.0.1:8083");
        assert!(!is_from_another_site(&headers(std::slice::from_ref(&own))));
        assert!(!is_from_another_site(&headers(&[own.clone(), (ORIGIN, "http://127.0.0.1:8083")])));
        assert!(is_from_another_site(&headers(&[own.clone(), (ORIGIN, "https://example.com")])));
        assert!(is_from_another_site(&headers(&[own, (ORIGIN, "null")])));
    }
}
