//! `SESSION(TABLE orders PARTITION BY country, DESCRIPTOR(ordered_at), …)`, as the standard writes a table that is an
//! argument, becomes what the generic dialect has words for: `SESSION(orders, "partition by"(country), DESCRIPTOR(…), …)`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::word;

/// Name of the call that stands for the clause; nothing that is written can be called so by accident.
pub(crate) const PARTITION_BY: &str = "partition by";

const FUNCTIONS: [&str; 4] = ["tumble", "hop", "cumulate", "session"];

/// The tokens have no white space among them.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let is_function = word(&first.token).is_some_and(|name| FUNCTIONS.contains(&name.as_str()));
        written.push(first.clone());
        if is_function && matches!(behind.first(), Some(open) if open.token == Token::LParen) {
            rest = arguments(behind, &mut written);
        }
    }
    written
}

/// Writes the arguments up to the end of the table's; gives what stands behind.
fn arguments<'a>(tokens: &'a [TokenWithSpan], written: &mut Vec<TokenWithSpan>) -> &'a [TokenWithSpan] {
    let is_word = |place: usize, text: &str| {
        tokens.get(place).and_then(|found| word(&found.token)).is_some_and(|found| found == text)
    };
    let is = |place: usize, token: &Token| tokens.get(place).is_some_and(|found| found.token == *token);
    // The parenthesis, and perhaps `DATA =>`.
    let mut place = if is_word(1, "data") && is(2, &Token::RArrow) { 3 } else { 1 };
    written.extend(tokens.iter().take(place).cloned());
    if is_word(place, "table") {
        place += 1;
    }
    let Some(name) = tokens.get(place) else { return &[] };
    written.push(name.clone());
    place += 1;
    if !(is_word(place, "partition") && is_word(place + 1, "by")) {
        return tokens.get(place..).unwrap_or_default();
    }
    let span = tokens.get(place).map_or(name.span, |found| found.span);
    let put = |token: Token| TokenWithSpan { token, span };
    place += 2;
    let is_listed = is(place, &Token::LParen);
    place += usize::from(is_listed);
    let columns = columns(tokens.get(place..).unwrap_or_default(), is_listed);
    written.extend([put(Token::Comma), put(Token::make_word(PARTITION_BY, Some('"'))), put(Token::LParen)]);
    written.extend(tokens.iter().skip(place).take(columns).cloned());
    written.push(put(Token::RParen));
    tokens.get(place + columns + usize::from(is_listed)..).unwrap_or_default()
}

/// How many tokens the columns of `PARTITION BY` are, with the commas between them. Without parentheses around them the last
/// of several names is the column of time, unless `DESCRIPTOR` says that one, or a name with `=>`.
fn columns(tokens: &[TokenWithSpan], is_listed: bool) -> usize {
    let is = |place: usize, token: Token| tokens.get(place).is_some_and(|found| found.token == token);
    let is_column = |place: usize| {
        let found = tokens.get(place).map(|found| &found.token);
        matches!(found, Some(Token::Word(_)))
            && !is(place + 1, Token::LParen)
            && !is(place + 1, Token::RArrow)
            && !matches!(tokens.get(place + 1).map(|next| &next.token), Some(Token::SingleQuotedString(_)))
    };
    let mut names = 0;
    while is_column(2 * names) && (names == 0 || is(2 * names - 1, Token::Comma)) {
        names += 1;
    }
    let behind = tokens.get(2 * names).and_then(|found| word(&found.token));
    let says_time = matches!(behind.as_deref(), Some("descriptor" | "timecol"));
    if !is_listed && !says_time && names > 1 {
        names -= 1;
    }
    (2 * names).saturating_sub(1)
}
