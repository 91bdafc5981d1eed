//! From a token's line and column to its place in the text, so that a statement can be kept as it was written.

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// Walks the text once: places are asked for from front to back.
pub(super) struct Places<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Places<'a> {
        Places { text, at: 0, line: 1, column: 1 }
    }

    /// The text of a statement's tokens, without white space and comments around it.
    pub fn text_of(&mut self, tokens: &[TokenWithSpan]) -> Arc<str> {
        let counts = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        let (Some(first), Some(last)) = (tokens.iter().find(counts), tokens.iter().rfind(counts)) else {
            return Arc::from("");
        };
        let start = self.byte_of(first.span.start);
        let end = self.byte_of(last.span.end);
        Arc::from(self.text.get(start..end).unwrap_or_default())
    }

    fn byte_of(&mut self, place: Location) -> usize {
        for letter in self.text.get(self.at..).unwrap_or_default().chars() {
            if (self.line, self.column) >= (place.line, place.column) {
                break;
            }
            self.at += letter.len_utf8();
            if letter == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at
    }
}
