//! The statement parser: what standard SQL has no words for (`CREATE STREAM`, `WATERMARK FOR`, `EMIT`, ksqlDB's
//! `WINDOW` clause), around `sqlparser`, which reads the expressions, types and queries inside.
//!
//! Nothing here knows which relations exist; names are resolved when the program is planned.

mod as_of;
mod clause;
mod create;
mod cursor;
mod depth;
mod statement;

#[cfg(test)]
mod tests;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub(crate) use as_of::AS_OF;
use clause::parse_select;
use cursor::{Cursor, position};
pub use statement::RelationKind;
pub(crate) use statement::{
    Body, Column, CreateAs, Declare, Emit, Name, Select, Statement, Watermark, WindowClause, WithOption,
};

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
        match parse_statement(Cursor::new(piece)) {
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
const STARTS: [&str; 10] =
    ["create", "insert", "select", "with", "explain", "show", "describe", "drop", "pause", "resume"];

fn parse_statement(mut cursor: Cursor) -> Result<Statement, Finding> {
    let at = cursor.at();
    let start = cursor.peek_word().unwrap_or_default();
    let body = match start.as_str() {
        "create" => create::parse_create(&mut cursor)?,
        "insert" => parse_insert(&mut cursor)?,
        "select" | "with" => Body::Select(parse_select(&mut cursor)?),
        "explain" => {
            cursor.expect("explain")?;
            let inner = cursor.rest();
            if inner.peek_word().as_deref() == Some("explain") {
                return Err(inner.unexpected("a query"));
            }
            return Ok(Statement { at, body: Body::Explain(Box::new(parse_statement(inner)?)) });
        }
        "show" => parse_show(&mut cursor)?,
        "describe" => {
            cursor.expect("describe")?;
            Body::Describe(cursor.name("the relation's name")?)
        }
        "drop" => parse_drop(&mut cursor)?,
        "pause" | "resume" => parse_pause(&mut cursor, &start)?,
        _ => {
            let hint = did_you_mean(&start, STARTS).unwrap_or_else(|| {
                "a statement is CREATE STREAM, CREATE TABLE, INSERT INTO, EXPLAIN, SHOW, DESCRIBE, DROP, PAUSE or RESUME"
                    .to_owned()
            });
            return Err(cursor.unexpected("a statement").hint(hint));
        }
    };
    cursor.end()?;
    Ok(Statement { at, body })
}

fn parse_insert(cursor: &mut Cursor) -> Result<Body, Finding> {
    cursor.expect("insert")?;
    cursor.expect("into")?;
    let into = cursor.name("the relation to insert into")?;
    if cursor.peek_word().as_deref() == Some("values") {
        return Err(Finding::new(cursor.at(), "INSERT INTO … VALUES is not a query")
            .hint("produce records to the topic instead, or write INSERT INTO … SELECT"));
    }
    Ok(Body::Insert { into, select: parse_select(cursor)? })
}

fn parse_show(cursor: &mut Cursor) -> Result<Body, Finding> {
    const WHAT: [&str; 4] = ["streams", "tables", "queries", "topics"];
    cursor.expect("show")?;
    let at = cursor.at();
    let what = cursor.name("STREAMS, TABLES, QUERIES or TOPICS")?.text;
    if !WHAT.contains(&what.as_str()) {
        return Err(Finding::new(at, format!("cannot show `{what}`")).hint(
            did_you_mean(&what, WHAT).unwrap_or_else(|| "STREAMS, TABLES, QUERIES or TOPICS".to_owned()),
        ));
    }
    Ok(Body::Show(what))
}

fn parse_drop(cursor: &mut Cursor) -> Result<Body, Finding> {
    const WHAT: [&str; 3] = ["stream", "table", "query"];
    cursor.expect("drop")?;
    let at = cursor.at();
    let what = cursor.name("STREAM, TABLE or QUERY")?.text;
    if !WHAT.contains(&what.as_str()) {
        return Err(Finding::new(at, format!("cannot drop a `{what}`"))
            .hint(did_you_mean(&what, WHAT).unwrap_or_else(|| "STREAM, TABLE or QUERY".to_owned())));
    }
    let if_exists = cursor.accept("if");
    if if_exists {
        cursor.expect("exists")?;
    }
    Ok(Body::Drop { what, name: cursor.name("the name to drop")?, if_exists })
}

fn parse_pause(cursor: &mut Cursor, verb: &str) -> Result<Body, Finding> {
    cursor.expect(verb)?;
    cursor.accept("query");
    let name = cursor.name("the query's name")?;
    Ok(if verb == "pause" { Body::Pause(name) } else { Body::Resume(name) })
}
