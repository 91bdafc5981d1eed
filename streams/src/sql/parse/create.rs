//! `CREATE STREAM` and `CREATE TABLE`, declared or as a query.

use datafusion::sql::sqlparser::ast::{ColumnDef, ColumnOption, ColumnOptionDef, Ident};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::clause::{parse_options, parse_select};
use super::cursor::Cursor;
use super::depth::refuse_deep;
use super::{Body, Column, CreateAs, Declare, Name, RelationKind, Watermark};
use crate::diagnostic::{Finding, did_you_mean};
use crate::sql::precedence::settle;

/// Most columns a relation may have.
const MAX_COLUMNS: usize = 4_096;

pub(super) fn parse_create(cursor: &mut Cursor) -> Result<Body, Finding> {
    cursor.expect("create")?;
    let or_replace = cursor.accept("or");
    if or_replace {
        cursor.expect("replace")?;
    }
    let kind = parse_kind(cursor)?;
    let at = cursor.at();
    let if_not_exists = cursor.peek_words(&["if", "not"]);
    if if_not_exists {
        cursor.expect("if")?;
        cursor.expect("not")?;
        cursor.expect("exists")?;
    }
    if or_replace && if_not_exists {
        return Err(Finding::new(at, "OR REPLACE and IF NOT EXISTS contradict each other").hint("write one"));
    }
    let name = cursor.name("the relation's name")?;
    if cursor.accept_token(&Token::LParen) {
        let mut declare = Declare {
            or_replace,
            if_not_exists,
            kind,
            name,
            columns: Vec::new(),
            primary_key: Vec::new(),
            watermark: None,
            options: Vec::new(),
        };
        parse_elements(cursor, &mut declare)?;
        declare.options = parse_options(cursor)?;
        if cursor.peek_word().as_deref() == Some("as") {
            return Err(Finding::new(cursor.at(), "a relation with declared columns cannot also be a query")
                .hint("leave the columns out: a query's columns are those of its SELECT"));
        }
        return Ok(Body::Declare(Box::new(declare)));
    }
    let options = parse_options(cursor)?;
    if !cursor.accept("as") {
        return Err(cursor
            .unexpected("`(`, WITH or AS")
            .hint("declare columns in parentheses, or write AS SELECT …"));
    }
    let select = parse_select(cursor)?;
    Ok(Body::CreateAs(CreateAs { or_replace, if_not_exists, kind, name, options, select }))
}

fn parse_kind(cursor: &mut Cursor) -> Result<RelationKind, Finding> {
    let at = cursor.at();
    let word = cursor.name("STREAM or TABLE")?.text;
    match word.as_str() {
        "stream" => Ok(RelationKind::Stream),
        "table" => Ok(RelationKind::Table),
        "view" | "materialized" => Err(Finding::new(at, "there are no views")
            .hint("CREATE TABLE … AS SELECT keeps its result up to date")),
        other => Err(Finding::new(at, format!("cannot create `{other}`"))
            .hint(did_you_mean(other, ["stream", "table"]).unwrap_or("STREAM or TABLE".to_owned()))),
    }
}

/// Columns, `WATERMARK FOR` and `PRIMARY KEY`, up to the closing parenthesis.
fn parse_elements(cursor: &mut Cursor, declare: &mut Declare) -> Result<(), Finding> {
    loop {
        if declare.columns.len() > MAX_COLUMNS {
            return Err(Finding::new(cursor.at(), format!("more than {MAX_COLUMNS} columns")));
        }
        match cursor.peek_word().as_deref() {
            Some("watermark") => parse_watermark(cursor, declare)?,
            Some("primary") => {
                cursor.expect("primary")?;
                cursor.expect("key")?;
                parse_key_columns(cursor, declare)?;
            }
            _ => parse_column(cursor, declare)?,
        }
        if cursor.accept_token(&Token::RParen) {
            return Ok(());
        }
        if !cursor.accept_token(&Token::Comma) {
            return Err(cursor.unexpected("`,` or `)`"));
        }
    }
}

fn parse_watermark(cursor: &mut Cursor, declare: &mut Declare) -> Result<(), Finding> {
    let at = cursor.at();
    cursor.expect("watermark")?;
    cursor.expect("for")?;
    let column = cursor.name("the column of event time")?;
    cursor.expect("as")?;
    let mut expression = cursor.standard(|parser| parser.parse_expr())?;
    refuse_deep(&expression, at)?;
    settle(&mut expression);
    if declare.watermark.is_some() {
        return Err(Finding::new(at, "a relation has one watermark").hint("remove one WATERMARK FOR"));
    }
    declare.watermark = Some(Watermark { column, expression });
    Ok(())
}

fn parse_key_columns(cursor: &mut Cursor, declare: &mut Declare) -> Result<(), Finding> {
    cursor.expect_token(&Token::LParen)?;
    loop {
        declare.primary_key.push(cursor.name("a key column")?);
        if cursor.accept_token(&Token::RParen) {
            return Ok(());
        }
        cursor.expect_token(&Token::Comma)?;
    }
}

fn parse_column(cursor: &mut Cursor, declare: &mut Declare) -> Result<(), Finding> {
    let name = cursor.name("a column's name")?;
    let data_type = cursor.standard(|parser| parser.parse_data_type())?;
    let mut options = Vec::new();
    loop {
        if cursor.accept("primary") {
            cursor.expect("key")?;
            declare.primary_key.push(name.clone());
        } else if cursor.accept("key") {
            declare.primary_key.push(name.clone());
        } else if cursor.accept("not") {
            cursor.expect("null")?;
            options.push(ColumnOptionDef { name: None, option: ColumnOption::NotNull });
        } else if !cursor.accept("null") {
            break;
        }
    }
    let definition = ColumnDef { name: ident(&name), data_type, options };
    declare.columns.push(Column { name, definition });
    Ok(())
}

/// The name as `sqlparser` writes it; quoted, since it is normalised already.
fn ident(name: &Name) -> Ident {
    Ident::with_quote('"', name.text.clone())
}
