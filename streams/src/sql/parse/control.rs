//! Statements that ask about what runs, or change it: `SHOW`, `DROP`, `PAUSE`, `RESUME`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Body, Drop, Dropped, Name, Queries, RelationKind, Show};
use crate::diagnostic::{Finding, did_you_mean};

pub(super) fn parse_show(cursor: &mut Cursor, verb: &str) -> Result<Body, Finding> {
    const WHAT: [(&str, Show); 5] = [
        ("streams", Show::Streams),
        ("tables", Show::Tables),
        ("queries", Show::Queries),
        ("topics", Show::Topics),
        ("functions", Show::Functions),
    ];
    cursor.expect(verb)?;
    let at = cursor.at();
    let written = cursor.name("STREAMS, TABLES, QUERIES, TOPICS or FUNCTIONS")?.text;
    match WHAT.iter().find(|(name, _)| *name == written) {
        Some((_, what)) => Ok(Body::Show(*what)),
        None => Err(Finding::new(at, format!("cannot show `{written}`")).hint(
            did_you_mean(&written, WHAT.map(|(name, _)| name))
                .unwrap_or_else(|| "STREAMS, TABLES, QUERIES, TOPICS or FUNCTIONS".to_owned()),
        )),
    }
}

/// `DROP STREAM|TABLE|QUERY [IF EXISTS] name [DELETE TOPIC]`, and ksqlDB's `TERMINATE query`.
pub(super) fn parse_drop(cursor: &mut Cursor, verb: &str) -> Result<Body, Finding> {
    cursor.expect(verb)?;
    let what = if verb == "terminate" {
        cursor.accept("query");
        Dropped::Query
    } else {
        parse_dropped(cursor)?
    };
    let if_exists = cursor.peek_words(&["if", "exists"]);
    if if_exists {
        cursor.skip(2);
    }
    let name = match what {
        Dropped::Query => parse_query_name(cursor)?,
        Dropped::Relation(_) => cursor.name("the name to drop")?,
    };
    let delete_topic = matches!(what, Dropped::Relation(_)) && cursor.accept("delete");
    if delete_topic {
        cursor.expect("topic")?;
    }
    Ok(Body::Drop(Drop { what, name, if_exists, delete_topic }))
}

fn parse_dropped(cursor: &mut Cursor) -> Result<Dropped, Finding> {
    let at = cursor.at();
    let what = cursor.name("STREAM, TABLE or QUERY")?.text;
    match what.as_str() {
        "stream" => Ok(Dropped::Relation(RelationKind::Stream)),
        "table" => Ok(Dropped::Relation(RelationKind::Table)),
        "query" => Ok(Dropped::Query),
        other => Err(Finding::new(at, format!("cannot drop a `{other}`")).hint(
            did_you_mean(other, ["stream", "table", "query"])
                .unwrap_or_else(|| "STREAM, TABLE or QUERY".to_owned()),
        )),
    }
}

pub(super) fn parse_pause(cursor: &mut Cursor, verb: &str) -> Result<Body, Finding> {
    cursor.expect(verb)?;
    if cursor.remaining().len() > 1 {
        cursor.accept("query");
    }
    let queries = match cursor.peek_word().as_deref() {
        Some("all") => {
            cursor.skip(1);
            Queries::All
        }
        _ => Queries::One(parse_query_name(cursor)?),
    };
    Ok(if verb == "pause" { Body::Pause(queries) } else { Body::Resume(queries) })
}

/// A query's name: as written, and unquoted also with hyphens between words and numbers (`orders-2`).
pub(super) fn parse_query_name(cursor: &mut Cursor) -> Result<Name, Finding> {
    let mut name = cursor.name("the query's name")?;
    while cursor.accept_token(&Token::Minus) {
        let at = cursor.at();
        let part = match cursor.next_token() {
            Token::Number(digits, _) => digits,
            Token::Word(word) => word.value.to_lowercase(),
            found => {
                return Err(Finding::new(
                    at,
                    format!("expected the rest of the query's name, but found `{found}`"),
                ));
            }
        };
        name.text = format!("{}-{part}", name.text);
    }
    Ok(name)
}
