//! What a file's author reads when something is wrong: `file:line:column: message`, with the
//! source line and a caret when a person is looking.
//!
//! Left out: deciding what is wrong. Readers and checks push into a [`Report`]; nothing stops at
//! the first finding, so one run shows all of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A place in a file; line and column count from 1, the column in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Location {
    /// The first character of `file`.
    pub fn start_of(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1 }
    }

    /// The same file, `columns` characters further on the same line.
    #[must_use]
    pub fn shifted(&self, columns: u32) -> Self {
        Self { column: self.column.saturating_add(columns), ..self.clone() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding. `location` is absent for findings about no file, such as a bad `--set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub location: Option<Location>,
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(formatter, "{location}: ")?;
        }
        if self.severity == Severity::Warning {
            formatter.write_str("warning: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// Everything found so far, with the text of the files so that snippets can be shown.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Diagnostic>,
    texts: HashMap<Arc<str>, Arc<str>>,
}

impl Report {
    /// Remembers a file's text for snippets.
    pub fn add_text(&mut self, file: &Arc<str>, text: &str) {
        self.texts.insert(Arc::clone(file), Arc::from(text));
    }

    pub fn error(&mut self, location: &Location, message: impl Into<String>) {
        self.push(Severity::Error, Some(location), message.into());
    }

    pub fn warning(&mut self, location: &Location, message: impl Into<String>) {
        self.push(Severity::Warning, Some(location), message.into());
    }

    /// An error that belongs to no file.
    pub fn error_without_place(&mut self, message: impl Into<String>) {
        self.push(Severity::Error, None, message.into());
    }

    /// Every file that was read, with its text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(file, text)| (file.as_ref(), text.as_ref()))
    }

    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub fn error_count(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }

    /// Findings in file order, then by position.
    pub fn findings(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.findings.iter().collect();
        sorted.sort_by(|left, right| left.location.cmp(&right.location));
        sorted
    }

    /// One line per finding; with `snippets` also the source line and a caret below it.
    pub fn render(&self, snippets: bool) -> String {
        let mut out = String::new();
        for finding in self.findings() {
            out.push_str(&finding.to_string());
            out.push('\n');
            if snippets && let Some(snippet) = self.snippet(finding) {
                out.push_str(&snippet);
            }
        }
        out
    }

    fn snippet(&self, finding: &Diagnostic) -> Option<String> {
        let location = finding.location.as_ref()?;
        let text = self.texts.get(&location.file)?;
        let index = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let line = text.lines().nth(index)?;
        let number = location.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret lands where the terminal puts the character.
        let lead: String = line
            .chars()
            .take(usize::try_from(location.column).ok()?.saturating_sub(1))
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        Some(format!("  {number} | {line}\n  {margin} | {lead}^\n"))
    }

    fn push(&mut self, severity: Severity, location: Option<&Location>, message: String) {
        let finding = Diagnostic { severity, location: location.cloned(), message };
        // An alias repeats its anchor's mistakes; one line is enough.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_sorted_and_show_the_line() {
        let file: Arc<str> = Arc::from("a.yaml");
        let mut report = Report::default();
        report.add_text(&file, "name: x\n\ttopcis: {}\n");
        let second = Location { file: Arc::clone(&file), line: 2, column: 2 };
        report.warning(&second, "unknown key \"topcis\"");
        report.error(&Location::start_of(&file), "bad name");
        assert_eq!(
            report.render(true),
            "a.yaml:1:1: bad name\n  1 | name: x\n    | ^\n\
             a.yaml:2:2: warning: unknown key \"topcis\"\n  2 | \ttopcis: {}\n    | \t^\n"
        );
        assert_eq!(report.error_count(), 1);
    }
}
