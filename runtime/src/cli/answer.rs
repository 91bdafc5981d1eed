//! How the answers to statements are shown: tables for people, one JSON object a line for scripts.

use millstream_streams::Answer;
use serde_json::{Map, Value, json};

use super::Failure;
use super::output::Output;

/// The answer to one statement, as a session or the HTTP interface gives it.
#[derive(Debug, Default)]
pub struct Shown {
    pub statement: String,
    pub message: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

pub fn show(answer: &Answer, output: Output) -> Result<(), Failure> {
    let table = answer.table.as_ref();
    print(
        &Shown {
            statement: answer.statement.to_string(),
            message: answer.message.clone(),
            columns: table
                .map(|table| table.columns.iter().map(|name| (*name).to_owned()).collect())
                .unwrap_or_default(),
            rows: table.map(|table| table.rows.clone()).unwrap_or_default(),
        },
        output,
    )
}

pub fn print(answer: &Shown, output: Output) -> Result<(), Failure> {
    if output.json {
        return print_json(answer, output);
    }
    if !answer.message.is_empty() {
        output.line(&answer.message)?;
    }
    match answer.columns.as_slice() {
        [] => Ok(()),
        // A text, line by line: what EXPLAIN gives.
        [_] => answer.rows.iter().flatten().try_for_each(|cell| output.line(&plain(cell))),
        columns => {
            let header: Vec<&str> = columns.iter().map(String::as_str).collect();
            let rows: Vec<Vec<String>> =
                answer.rows.iter().map(|row| row.iter().map(plain).collect()).collect();
            output.table(&header, &rows)
        }
    }
}

fn print_json(answer: &Shown, output: Output) -> Result<(), Failure> {
    if answer.columns.is_empty() {
        return output.value(&json!({ "statement": answer.statement, "message": answer.message }));
    }
    answer.rows.iter().try_for_each(|row| {
        let cells: Map<String, Value> = answer.columns.iter().cloned().zip(row.iter().cloned()).collect();
        output.value(&Value::Object(cells))
    })
}

/// A cell for people: on one line.
fn plain(cell: &Value) -> String {
    match cell {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.trim_start().len() < text.len() => text.clone(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(cells) if cells.is_empty() => "-".to_owned(),
        Value::Array(cells) => cells.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
