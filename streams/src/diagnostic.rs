//! What is wrong with a program's text: where, what, and what to write instead.

use std::fmt;

/// One finding in a program's text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The name the text was given when it was parsed: a file, or the pipeline's node.
    pub origin: String,
    pub at: Position,
    /// A lower-case fragment: what could not be done.
    pub message: String,
    /// What to write instead, if that is known.
    pub hint: Option<String>,
}

/// A place in a text, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    pub const START: Position = Position { line: 1, column: 1 };
}

impl Default for Position {
    fn default() -> Position {
        Position::START
    }
}

/// A finding whose text is not named yet: the parser and the planner see one text at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub at: Position,
    pub message: String,
    pub hint: Option<String>,
}

impl Finding {
    pub fn new(at: Position, message: impl Into<String>) -> Finding {
        Finding { at, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = Some(hint.into());
        self
    }

    pub fn maybe_hint(mut self, hint: Option<String>) -> Finding {
        self.hint = hint.or(self.hint);
        self
    }

    pub fn within(self, origin: &str) -> Diagnostic {
        Diagnostic { origin: origin.to_owned(), at: self.at, message: self.message, hint: self.hint }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.origin, self.at.line, self.at.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// "did you mean" for the closest of `known`, if one is close enough to be what was meant.
pub(crate) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&written, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| {
            *distance <= 1 + name.len().min(written.len()) / 4 && *distance < written.len()
        })
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

/// Edits (insert, delete, replace) that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (place, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(did_you_mean("ordrs", ["payments", "orders"]), Some("did you mean `orders`?".into()));
        assert_eq!(did_you_mean("Orders", ["orders"]), Some("did you mean `orders`?".into()));
        assert_eq!(did_you_mean("weather", ["payments", "orders"]), None);
        assert_eq!(did_you_mean("x", []), None);
    }

    #[test]
    fn a_diagnostic_reads_like_a_compiler_message() {
        let finding = Finding::new(Position { line: 3, column: 7 }, "no column `amout`");
        let text = finding.hint("did you mean `amount`?").within("pipeline.yaml").to_string();
        assert_eq!(text, "pipeline.yaml:3:7: no column `amout` (did you mean `amount`?)");
    }
}
