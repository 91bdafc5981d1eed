//! `INSERT INTO`: a query into a relation that exists, or rows.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::clause::{parse_options, parse_select};
use super::cursor::Cursor;
use super::depth::refuse_deep;
use super::{Body, Insert, InsertValues, Name};
use crate::diagnostic::Finding;
use crate::sql::precedence::settle;

/// Most rows one `VALUES` may have.
const MAX_ROWS: usize = 10_000;

pub(super) fn parse_insert(cursor: &mut Cursor) -> Result<Body, Finding> {
    cursor.expect("insert")?;
    cursor.expect("into")?;
    let into = cursor.name("the relation to insert into")?;
    let at = cursor.at();
    let columns = parse_columns(cursor)?;
    if cursor.accept("values") {
        return Ok(Body::InsertValues(InsertValues { into, columns, rows: parse_rows(cursor)? }));
    }
    if !columns.is_empty() {
        return Err(Finding::new(at, "a list of columns belongs to VALUES")
            .hint("a query's columns are matched by position: select them in the order of the declaration"));
    }
    let options = if cursor.peek_is_options() { parse_options(cursor)? } else { Vec::new() };
    Ok(Body::Insert(Insert { into, options, select: parse_select(cursor)? }))
}

fn parse_columns(cursor: &mut Cursor) -> Result<Vec<Name>, Finding> {
    let mut columns = Vec::new();
    if !cursor.accept_token(&Token::LParen) {
        return Ok(columns);
    }
    loop {
        columns.push(cursor.name("a column's name")?);
        if cursor.accept_token(&Token::RParen) {
            return Ok(columns);
        }
        cursor.expect_token(&Token::Comma)?;
    }
}

fn parse_rows(cursor: &mut Cursor) -> Result<Vec<Vec<ast::Expr>>, Finding> {
    let mut rows = Vec::new();
    loop {
        let at = cursor.at();
        cursor.expect_token(&Token::LParen)?;
        let mut row = cursor.standard(|parser| parser.parse_comma_separated(|parser| parser.parse_expr()))?;
        for value in &mut row {
            refuse_deep(value, at)?;
            settle(value);
        }
        cursor.expect_token(&Token::RParen)?;
        rows.push(row);
        if rows.len() > MAX_ROWS {
            return Err(Finding::new(at, format!("more than {MAX_ROWS} rows"))
                .hint("produce them to the topic, for example with `millstream produce`"));
        }
        if !cursor.accept_token(&Token::Comma) {
            return Ok(rows);
        }
    }
}
