//! Clauses inside statements: `WITH (…)`, `EMIT …`, and ksqlDB's `WINDOW …`.

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::{Cursor, from_location, position, word};
use super::depth::refuse_deep;
use super::{Emit, Name, Select, WindowClause, WindowClauseKind, WithOption, window_table};
use crate::diagnostic::{Finding, Position, did_you_mean};
use crate::sql::precedence::settle;

/// `WITH (key = 'value', …)`, or nothing.
pub(super) fn parse_options(cursor: &mut Cursor) -> Result<Vec<WithOption>, Finding> {
    let mut options: Vec<WithOption> = Vec::new();
    if !cursor.accept("with") {
        return Ok(options);
    }
    cursor.expect_token(&Token::LParen)?;
    while !cursor.accept_token(&Token::RParen) {
        if !options.is_empty() {
            cursor.expect_token(&Token::Comma)?;
        }
        let mut key = cursor.name("an option's name")?;
        while cursor.accept_token(&Token::Period) {
            key.text = format!("{}.{}", key.text, cursor.name("the rest of the option's name")?.text);
        }
        key.text = key.text.to_lowercase();
        if options.iter().any(|option| option.key.text == key.text) {
            return Err(Finding::new(key.at, format!("option `{}` is given twice", key.text)));
        }
        cursor.expect_token(&Token::Eq)?;
        let value_at = cursor.at();
        let value = parse_option_value(cursor)?;
        options.push(WithOption { key, value, value_at });
    }
    Ok(options)
}

fn parse_option_value(cursor: &mut Cursor) -> Result<String, Finding> {
    let at = cursor.at();
    match cursor.next_token() {
        Token::SingleQuotedString(text) => Ok(text),
        Token::Number(text, _) => Ok(text),
        Token::Word(word) if word.quote_style.is_none() => Ok(word.value.to_lowercase()),
        found => Err(Finding::new(at, format!("expected an option's value, but found `{found}`"))
            .hint("write a text in single quotes, a number, true or false")),
    }
}

/// A query up to the end of the statement, with `EMIT` and `WINDOW` taken out of it.
pub(super) fn parse_select(cursor: &mut Cursor) -> Result<Select, Finding> {
    let at = cursor.at();
    let mut tokens = cursor.remaining().to_vec();
    let all = tokens.len();
    let emit = take_emit(&mut tokens)?;
    let window = take_window(&mut tokens)?;
    let words = words(&tokens);
    let query = parse_query(&window_table::rewrite(tokens), at)?;
    cursor.skip(all);
    Ok(Select { at, query, emit, window, words })
}

fn parse_query(tokens: &[TokenWithSpan], at: Position) -> Result<Box<Query>, Finding> {
    let mut inner = Cursor::new(tokens);
    match inner.peek_word().as_deref() {
        Some("select" | "with") => {}
        _ if tokens.is_empty() => return Err(Finding::new(at, "expected SELECT, but the statement ends")),
        _ => return Err(inner.unexpected("SELECT")),
    }
    let mut query = inner.standard(|parser| parser.parse_query())?;
    inner.end()?;
    refuse_deep(query.as_ref(), at)?;
    settle(query.as_mut());
    Ok(query)
}

/// Cuts `EMIT CHANGES` or `EMIT FINAL` off the end.
fn take_emit(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Emit>, Finding> {
    let Some(start) = at_depth_zero(tokens, |token, next| {
        word(token).as_deref() == Some("emit") && next.is_none_or(|next| word(next).is_some())
    }) else {
        return Ok(None);
    };
    let tail = tokens.split_off(start);
    let at = position(&tail);
    let what = tail.get(1).and_then(|token| word(&token.token)).unwrap_or_default();
    let emit = match what.as_str() {
        "changes" => Emit::Changes,
        "final" => Emit::Final,
        other => {
            let hint = did_you_mean(other, ["changes", "final"]);
            return Err(Finding::new(at, "expected EMIT CHANGES or EMIT FINAL").maybe_hint(hint));
        }
    };
    match tail.get(2) {
        None => Ok(Some(emit)),
        // As ksqlDB has it: behind EMIT.
        Some(limit) if word(&limit.token).as_deref() == Some("limit") => {
            tokens.extend(tail.into_iter().skip(2));
            Ok(Some(emit))
        }
        Some(extra) => Err(Finding::new(
            from_location(extra.span.start),
            format!("expected the end of the statement after EMIT, but found `{}`", extra.token),
        )),
    }
}

/// Cuts `WINDOW TUMBLING|HOPPING|SESSION (…)` out of the query.
fn take_window(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<WindowClause>, Finding> {
    const KINDS: [&str; 3] = ["tumbling", "hopping", "session"];
    let Some(start) = at_depth_zero(tokens, |token, next| {
        word(token).as_deref() == Some("window")
            && next.and_then(word).is_some_and(|next| KINDS.contains(&next.as_str()))
    }) else {
        return Ok(None);
    };
    let end = tokens[start..]
        .iter()
        .position(|token| token.token == Token::RParen)
        .map_or(tokens.len(), |length| start + length + 1);
    let clause: Vec<TokenWithSpan> = tokens.drain(start..end).collect();
    let mut cursor = Cursor::new(&clause);
    let at = cursor.at();
    cursor.expect("window")?;
    let kind = cursor.name("TUMBLING, HOPPING or SESSION")?.text;
    cursor.expect_token(&Token::LParen)?;
    let mut parts = WindowParts::default();
    while !cursor.accept_token(&Token::RParen) {
        parts.read(&mut cursor, &kind)?;
        cursor.accept_token(&Token::Comma);
    }
    let kind = parts.kind(&kind, at)?;
    Ok(Some(WindowClause { at, kind, grace_ms: parts.grace_ms, retention_ms: parts.retention_ms(&kind)? }))
}

/// What stands between the parentheses of a `WINDOW` clause.
#[derive(Default)]
struct WindowParts {
    size_ms: Option<i64>,
    advance_ms: Option<i64>,
    grace_ms: i64,
    retention: Option<(i64, Position)>,
}

impl WindowParts {
    fn read(&mut self, cursor: &mut Cursor, kind: &str) -> Result<(), Finding> {
        let at = cursor.at();
        let is_length = match kind {
            "session" => self.size_ms.is_none() && cursor.peek_word().is_none(),
            _ => cursor.accept("size"),
        };
        if is_length {
            self.size_ms = Some(parse_duration(cursor)?);
        } else if kind == "hopping" && cursor.accept("advance") {
            cursor.expect("by")?;
            self.advance_ms = Some(parse_duration(cursor)?);
        } else if cursor.accept("grace") {
            cursor.expect("period")?;
            self.grace_ms = parse_duration(cursor)?;
        } else if cursor.accept("retention") {
            self.retention = Some((parse_duration(cursor)?, at));
        } else {
            return Err(cursor.unexpected(match kind {
                "session" => "the gap that ends a session, such as 30 SECONDS, GRACE PERIOD or RETENTION",
                "hopping" => "SIZE, ADVANCE BY, GRACE PERIOD or RETENTION",
                _ => "SIZE, GRACE PERIOD or RETENTION",
            }));
        }
        Ok(())
    }

    fn kind(&self, kind: &str, at: Position) -> Result<WindowClauseKind, Finding> {
        let length_ms = self.size_ms.filter(|length| *length > 0);
        match (kind, length_ms, self.advance_ms) {
            ("session", Some(gap_ms), _) => Ok(WindowClauseKind::Session { gap_ms }),
            ("session", None, _) => Err(Finding::new(at, "a session window needs the gap that ends it")
                .hint("for example WINDOW SESSION (30 SECONDS)")),
            (_, None, _) => Err(Finding::new(at, "a window needs a SIZE").hint("for example SIZE 1 MINUTE")),
            ("hopping", Some(size_ms), Some(advance_ms)) if advance_ms > 0 => {
                Ok(WindowClauseKind::Hopping { size_ms, advance_ms })
            }
            ("hopping", _, _) => Err(Finding::new(at, "a hopping window needs ADVANCE BY")
                .hint("for example ADVANCE BY 30 SECONDS")),
            (_, Some(size_ms), _) => Ok(WindowClauseKind::Tumbling { size_ms }),
        }
    }
}

impl WindowParts {
    /// How long results are kept; not shorter than a window takes rows.
    fn retention_ms(&self, kind: &WindowClauseKind) -> Result<Option<i64>, Finding> {
        let Some((retention_ms, at)) = self.retention else { return Ok(None) };
        let (WindowClauseKind::Tumbling { size_ms: length_ms }
        | WindowClauseKind::Hopping { size_ms: length_ms, .. }
        | WindowClauseKind::Session { gap_ms: length_ms }) = kind;
        let least_ms = length_ms.saturating_add(self.grace_ms);
        if retention_ms < least_ms {
            return Err(Finding::new(
                at,
                "RETENTION is shorter than a window takes rows, so results would go before they are final",
            )
            .hint(format!("at least {least_ms} MILLISECONDS: the window's length and its GRACE PERIOD")));
        }
        Ok(Some(retention_ms))
    }
}

/// `5 MINUTES`, as milliseconds.
fn parse_duration(cursor: &mut Cursor) -> Result<i64, Finding> {
    let at = cursor.at();
    let Token::Number(digits, _) = cursor.next_token() else {
        return Err(Finding::new(at, "expected a number and a unit, such as 5 MINUTES"));
    };
    let number: i64 =
        digits.parse().map_err(|_| Finding::new(at, format!("`{digits}` is not a whole number")))?;
    let unit_at = cursor.at();
    let unit = cursor.name("a unit of time")?.text;
    let unit_ms = match unit.trim_end_matches('s') {
        "millisecond" => 1,
        "second" => 1_000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        _ => {
            let units = ["milliseconds", "seconds", "minutes", "hours", "days"];
            return Err(Finding::new(unit_at, format!("`{unit}` is not a unit of time"))
                .hint(did_you_mean(&unit, units).unwrap_or_else(|| units.join(", "))));
        }
    };
    number.checked_mul(unit_ms).ok_or_else(|| Finding::new(at, "the duration is too long"))
}

/// The index of the last token outside parentheses that `matches` (it also sees the token that follows).
fn at_depth_zero(
    tokens: &[TokenWithSpan],
    matches: impl Fn(&Token, Option<&Token>) -> bool,
) -> Option<usize> {
    let mut depth = 0usize;
    let mut found = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let next = tokens.get(index + 1).map(|next| &next.token);
        if depth == 0 && matches(&token.token, next) {
            found = Some(index);
        }
    }
    found
}

fn words(tokens: &[TokenWithSpan]) -> Vec<Name> {
    tokens
        .iter()
        .filter_map(|token| match &token.token {
            Token::Word(word) => {
                let text =
                    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() };
                Some(Name { text, at: from_location(token.span.start) })
            }
            _ => None,
        })
        .collect()
}
