//! A place in one statement's tokens: our own words are read here, the rest is handed to `sqlparser`.

use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::{DIALECT, Name};
use crate::diagnostic::{Finding, Position};

pub(super) struct Cursor {
    parser: Parser<'static>,
    /// The statement's tokens without white space.
    tokens: Vec<TokenWithSpan>,
    end: Position,
}

impl Cursor {
    pub fn new(tokens: &[TokenWithSpan]) -> Cursor {
        let end = tokens.last().map(|token| from_location(token.span.end)).unwrap_or_default();
        let tokens: Vec<TokenWithSpan> = tokens
            .iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .cloned()
            .collect();
        let parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.clone());
        Cursor { parser, tokens, end }
    }

    /// Where the next token starts, or the statement ends.
    pub fn at(&self) -> Position {
        let token = self.parser.peek_token();
        if token.token == Token::EOF { self.end } else { from_location(token.span.start) }
    }

    /// What is left, as a statement of its own.
    pub fn rest(&self) -> Cursor {
        Cursor::new(self.remaining())
    }

    pub fn remaining(&self) -> &[TokenWithSpan] {
        self.tokens.get(self.parser.index()..).unwrap_or_default()
    }

    /// The next token in lower case, if it is an unquoted word.
    pub fn peek_word(&self) -> Option<String> {
        word(&self.parser.peek_token().token)
    }

    /// Whether the next tokens are these unquoted words.
    pub fn peek_words(&self, expected: &[&str]) -> bool {
        let mut tokens = self.remaining().iter();
        expected
            .iter()
            .all(|expected| tokens.next().and_then(|token| word(&token.token)).as_deref() == Some(*expected))
    }

    /// Whether `WITH (key = …` follows, rather than a `WITH` that names a query.
    pub fn peek_is_options(&self) -> bool {
        let tokens = self.remaining();
        self.peek_words(&["with"]) && tokens.get(1).is_some_and(|token| token.token == Token::LParen)
    }

    pub fn accept(&mut self, expected: &str) -> bool {
        let found = self.peek_word().as_deref() == Some(expected);
        if found {
            self.parser.next_token();
        }
        found
    }

    pub fn expect(&mut self, expected: &str) -> Result<(), Finding> {
        if self.accept(expected) { Ok(()) } else { Err(self.unexpected(&expected.to_uppercase())) }
    }

    pub fn accept_token(&mut self, expected: &Token) -> bool {
        self.parser.consume_token(expected)
    }

    pub fn expect_token(&mut self, expected: &Token) -> Result<(), Finding> {
        if self.accept_token(expected) { Ok(()) } else { Err(self.unexpected(&format!("`{expected}`"))) }
    }

    pub fn next_token(&mut self) -> Token {
        self.parser.next_token().token
    }

    /// The next name: lower case unless quoted.
    pub fn name(&mut self, what: &str) -> Result<Name, Finding> {
        let at = self.at();
        match self.parser.peek_token().token {
            Token::Word(word) => {
                self.parser.next_token();
                let text = if word.quote_style.is_some() { word.value } else { word.value.to_lowercase() };
                Ok(Name { text, at })
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// Lets `sqlparser` read on from here.
    pub fn standard<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'static>) -> Result<T, ParserError>,
    ) -> Result<T, Finding> {
        let at = self.at();
        read(&mut self.parser).map_err(|error| from_parser(&error, at, self.end))
    }

    pub fn end(&mut self) -> Result<(), Finding> {
        match self.parser.peek_token().token {
            Token::EOF => Ok(()),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    pub fn unexpected(&self, expected: &str) -> Finding {
        let found = match self.parser.peek_token().token {
            Token::EOF => "the statement ends".to_owned(),
            token => format!("found `{token}`"),
        };
        Finding::new(self.at(), format!("expected {expected}, but {found}"))
    }

    /// Goes on behind the last token, `count` tokens from here.
    pub fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.parser.next_token();
        }
    }
}

/// Where the first of `tokens` starts.
pub(super) fn position(tokens: &[TokenWithSpan]) -> Position {
    tokens
        .iter()
        .find(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| from_location(token.span.start))
        .unwrap_or_default()
}

/// The token in lower case, if it is an unquoted word.
pub(super) fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    }
}

pub(super) fn from_location(location: Location) -> Position {
    Position { line: (location.line as usize).max(1), column: (location.column as usize).max(1) }
}

/// `sqlparser` ends its messages with the place: "… at Line: 1, Column: 8".
fn from_parser(error: &ParserError, start: Position, end: Position) -> Finding {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "the expression is nested too deeply",
    };
    let (message, at) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => {
            let mut numbers = place.split(", Column: ").filter_map(|number| number.trim().parse().ok());
            let at = match (numbers.next(), numbers.next()) {
                (Some(line), Some(column)) if line > 0 => Position { line, column },
                _ => start,
            };
            (message, at)
        }
        // The end of the tokens has no place of its own.
        None => (text, if text.ends_with("EOF") { end } else { start }),
    };
    let message = message.replace("found: EOF", "but the statement ends").replace("Expected: ", "expected ");
    let message = message.replace(", found: ", ", but found ").replace("sql parser error: ", "");
    Finding::new(at, message)
}
