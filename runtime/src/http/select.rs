//! A `SELECT` alone at `/v1/sql`: with `EMIT` rows as they come, one JSON object a line, until the client goes; without it
//! what there is now, as lines or as one table.
//!
//! A row that is gone is the line `{"_gone": KEY}`; what ends the query before its time is the line `{"error": REASON}`.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use millstream_streams::{QueryError, SelectedRow, Selection};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::problem;
use super::sql::NDJSON;

/// Most bytes of rows that one table may have; lines have no such bound.
const TABLE_BYTES_MAX: usize = 64 << 20;

/// Rows as they come. Ends with the client, or with the server.
pub fn lines(selection: Selection, stopping: CancellationToken) -> Response {
    let lines = stream::unfold(Some(selection), move |selection| {
        let stopping = stopping.clone();
        async move {
            let mut selection = selection?;
            let next = tokio::select! {
                next = selection.next() => next?,
                () = stopping.cancelled() => return None,
            };
            let goes_on = next.is_ok();
            Some((Ok::<Bytes, Infallible>(line(next)), goes_on.then_some(selection)))
        }
    });
    ([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response()
}

fn line(next: Result<SelectedRow, QueryError>) -> Bytes {
    let mut line = match next {
        Ok(SelectedRow::Row(row)) => row,
        Ok(SelectedRow::Gone(key)) => {
            json!({ "_gone": String::from_utf8_lossy(&key) }).to_string().into_bytes()
        }
        Err(error) => json!({ "error": error.to_string() }).to_string().into_bytes(),
    };
    line.push(b'\n');
    line.into()
}

/// All rows, as statements are answered.
pub async fn table(statement: &str, mut selection: Selection) -> Response {
    let columns = selection.columns().to_vec();
    let (mut rows, mut bytes): (Vec<Vec<Value>>, usize) = (Vec::new(), 0);
    while let Some(next) = selection.next().await {
        let row = match next {
            Ok(SelectedRow::Row(row)) => row,
            Ok(SelectedRow::Gone(_)) => continue,
            Err(error) => return problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        };
        bytes += row.len();
        if bytes > TABLE_BYTES_MAX {
            let reason = format!(
                "the rows are more than {TABLE_BYTES_MAX} bytes: ask for {NDJSON}, or for fewer with LIMIT"
            );
            return problem(StatusCode::PAYLOAD_TOO_LARGE, &reason);
        }
        match serde_json::from_slice::<Map<String, Value>>(&row) {
            Ok(mut cells) => {
                rows.push(columns.iter().map(|name| cells.remove(name).unwrap_or(Value::Null)).collect());
            }
            Err(error) => {
                return problem(StatusCode::INTERNAL_SERVER_ERROR, &format!("reading a row: {error}"));
            }
        }
    }
    let result = BTreeMap::from([
        ("statement", json!(statement.trim().trim_end_matches(';'))),
        ("columns", json!(columns)),
        ("rows", json!(rows)),
    ]);
    Json(json!({ "results": [result] })).into_response()
}
