//! `rates FOR SYSTEM_TIME AS OF orders.time`, which the generic dialect has no words for, becomes the call of a table
//! function with one named argument, which it has: `rates("for system_time as of" => orders.time)`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// Name of the argument; nothing that is written can be called so by accident.
pub(crate) const AS_OF: &str = "for system_time as of";

pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut written = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        let Some(behind) = after_clause(rest) else {
            written.push(first.clone());
            rest = behind;
            continue;
        };
        let put = |token: Token| TokenWithSpan { token, span: first.span };
        let name = Token::make_word(AS_OF, Some('"'));
        written.extend([put(Token::LParen), put(name), put(Token::RArrow)]);
        let length = column_length(behind);
        written.extend(behind.iter().take(length).cloned());
        written.push(put(Token::RParen));
        rest = behind.get(length..).unwrap_or_default();
    }
    written
}

/// What stands behind `FOR SYSTEM_TIME AS OF`, if that is what begins here.
fn after_clause(tokens: &[TokenWithSpan]) -> Option<&[TokenWithSpan]> {
    let mut rest = tokens;
    for word in ["for", "system_time", "as", "of"] {
        rest = skip_space(rest);
        let (first, behind) = rest.split_first()?;
        match &first.token {
            Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word) => {
                rest = behind;
            }
            _ => return None,
        }
    }
    Some(rest)
}

fn skip_space(tokens: &[TokenWithSpan]) -> &[TokenWithSpan] {
    let space = tokens.iter().take_while(|token| matches!(token.token, Token::Whitespace(_))).count();
    tokens.get(space..).unwrap_or_default()
}

/// How many tokens a name is, or a name in a relation, with the space before it.
fn column_length(tokens: &[TokenWithSpan]) -> usize {
    let mut length = tokens.len() - skip_space(tokens).len();
    let is_word = |place: usize| matches!(tokens.get(place).map(|found| &found.token), Some(Token::Word(_)));
    let is_period = |place: usize| matches!(tokens.get(place).map(|found| &found.token), Some(Token::Period));
    length += usize::from(is_word(length));
    while is_period(length) && is_word(length + 1) {
        length += 2;
    }
    length
}
