//! The statement parser: what standard SQL has no words for (`CREATE STREAM`, `WATERMARK FOR`, `EMIT`, ksqlDB's
//! `WINDOW` clause), around `sqlparser`, which reads the expressions, types and queries inside.
//!
//! Nothing here knows which relations exist; names are resolved when the program is planned.

mod as_of;
mod clause;
mod control;
mod create;
mod cursor;
mod depth;
mod insert;
mod places;
mod statement;
mod window_table;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub(crate) use as_of::AS_OF;
use clause::parse_select;
use cursor::{Cursor, position};
use places::Places;
pub use statement::RelationKind;
pub(crate) use statement::{
    Body, Column, CreateAs, Declare, Drop, Dropped, Emit, Explained, Insert, InsertValues, Name, Queries,
    Select, Show, Statement, Watermark, WindowClause, WindowClauseKind, WithOption,
};
pub(crate) use window_table::PARTITION_BY;

use crate::diagnostic::{Finding, Position, did_you_mean};

pub(crate) static DIALECT: GenericDialect = GenericDialect {};

/// Most statements one text may hold.
const MAX_STATEMENTS: usize = 10_000;

/// Most tokens of one statement: what is read and planned recurses over them.
const MAX_TOKENS: usize = 20_000;

/// Longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 4 * 1024 * 1024;

/// Reads every statement of `text`; all statements that fail are reported, not only the first.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, Vec<Finding>> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the text has {} bytes, more than the {MAX_TEXT_BYTES} allowed", text.len());
        return Err(vec![Finding::new(Position::START, message)]);
    }
    let tokens = tokenize(text).map_err(|finding| vec![finding])?;
    let mut places = Places::new(text);
    let mut statements = Vec::new();
    let mut findings = Vec::new();
    for piece in tokens.split(|token| token.token == Token::SemiColon) {
        let significant = piece.iter().any(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        if !significant {
            continue;
        }
        if statements.len() == MAX_STATEMENTS {
            findings.push(Finding::new(position(piece), format!("more than {MAX_STATEMENTS} statements")));
            break;
        }
        if piece.len() > MAX_TOKENS {
            findings.push(Finding::new(
                position(piece),
                format!("the statement has more than {MAX_TOKENS} words and signs"),
            ));
            continue;
        }
        match parse_statement(Cursor::new(piece), &places.text_of(piece)) {
            Ok(statement) => statements.push(statement),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() { Ok(statements) } else { Err(findings) }
}

fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, Finding> {
    Tokenizer::new(&DIALECT, text).tokenize_with_location().map(as_of::rewrite).map_err(|error| {
        let at = Position { line: error.location.line as usize, column: error.location.column as usize };
        Finding::new(at, error.message.to_lowercase())
    })
}

/// The first words a statement may have.
const STARTS: [&str; 14] = [
    "create",
    "insert",
    "select",
    "with",
    "explain",
    "show",
    "list",
    "describe",
    "desc",
    "drop",
    "terminate",
    "pause",
    "resume",
    "values",
];

fn parse_statement(mut cursor: Cursor, text: &Arc<str>) -> Result<Statement, Finding> {
    let at = cursor.at();
    let start = cursor.peek_word().unwrap_or_default();
    let body = match start.as_str() {
        "create" => create::parse_create(&mut cursor)?,
        "insert" => insert::parse_insert(&mut cursor)?,
        "select" | "with" => Body::Select(parse_select(&mut cursor)?),
        "explain" => {
            cursor.expect("explain")?;
            Body::Explain(parse_explained(&mut cursor, text)?)
        }
        "show" | "list" => control::parse_show(&mut cursor, &start)?,
        "describe" | "desc" => {
            cursor.expect(&start)?;
            // ksqlDB's word for more; everything known is always told.
            if cursor.remaining().len() > 1 {
                cursor.accept("extended");
            }
            Body::Describe(cursor.name("the relation's name")?)
        }
        "drop" | "terminate" => control::parse_drop(&mut cursor, &start)?,
        "pause" | "resume" => control::parse_pause(&mut cursor, &start)?,
        _ => {
            let hint = did_you_mean(&start, STARTS).unwrap_or_else(|| {
                "a statement is CREATE STREAM, CREATE TABLE, INSERT INTO, EXPLAIN, SHOW, DESCRIBE, DROP, PAUSE or RESUME"
                    .to_owned()
            });
            return Err(cursor.unexpected("a statement").hint(hint));
        }
    };
    cursor.end()?;
    Ok(Statement { at, text: text.clone(), body })
}

/// A statement, or a name: the only thing an `EXPLAIN` may have that is one word, perhaps with a number behind a hyphen.
fn parse_explained(cursor: &mut Cursor, text: &Arc<str>) -> Result<Explained, Finding> {
    let inner = cursor.rest();
    let start = inner.peek_word();
    if start.as_deref() == Some("explain") {
        return Err(inner.unexpected("a query or a query's name"));
    }
    if matches!(start.as_deref(), Some("select" | "with" | "create" | "insert"))
        && inner.remaining().len() > 1
    {
        let statement = parse_statement(inner, text)?;
        cursor.skip(cursor.remaining().len());
        return Ok(Explained::Statement(Box::new(statement)));
    }
    cursor.accept("query");
    Ok(Explained::Name(control::parse_query_name(cursor)?))
}
