//! What commands print: tables for people, one JSON value a line for scripts, complaints on stderr.
//!
//! Colours and progress only where a terminal listens.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use super::Failure;

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// `--json`: nothing but JSON on stdout.
    pub json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn for_people() -> Self {
        Self { json: false }
    }

    /// One line on stdout.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        self.raw(text.as_bytes(), true)
    }

    /// One JSON value on a line of its own.
    pub fn value(self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// Bytes as they are, with a line feed after them if asked.
    pub fn raw(self, bytes: &[u8], line_feed: bool) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let mut written = stdout.write_all(bytes);
        if line_feed {
            written = written.and_then(|()| stdout.write_all(b"\n"));
        }
        written.map_err(write_failure)
    }

    pub fn flush(self) -> Result<(), Failure> {
        std::io::stdout().lock().flush().map_err(write_failure)
    }

    /// A table with a header, columns padded to their widest cell; numbers to the right.
    pub fn table(self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        self.raw(render_table(header, rows).as_bytes(), false)
    }

    /// A line for people on stderr; silent when scripts read.
    pub fn note(self, text: &str) {
        if !self.json {
            self.complain(text);
        }
    }

    /// A line on stderr. Nothing can be done about a stderr that is gone, so a failure is dropped.
    pub fn complain(self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        let told = stderr.write_all(text.as_bytes()).and_then(|()| match text.ends_with('\n') {
            true => Ok(()),
            false => stderr.write_all(b"\n"),
        });
        drop(told);
    }
}

/// Whether a person watches stderr, where progress and snippets go.
pub fn person_watches() -> bool {
    std::io::stderr().is_terminal()
}

/// A count with thousands apart.
pub fn grouped(count: u64) -> String {
    apart(&count.to_string())
}

/// A number with so many digits behind the point, and thousands apart.
pub fn grouped_with(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", apart(whole)),
        None => apart(&text),
    }
}

fn apart(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn write_failure(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::failed(format!("writing the output: {error}")),
    }
}

fn render_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let numeric = |column: usize| {
        let number =
            |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !cell.contains(':');
        !rows.is_empty() && rows.iter().all(|row| row.get(column).is_some_and(number))
    };
    let right: Vec<bool> = (0..header.len()).map(numeric).collect();
    let mut out = String::new();
    let titles = header.iter().map(|title| title.to_uppercase()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            match right {
                true => line.push_str(&format!("{padding}{cell}  ")),
                false => line.push_str(&format!("{cell}{padding}  ")),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, digits, text) in
            [(0.0, 0, "0"), (999.4, 0, "999"), (1_234_567.0, 0, "1,234,567"), (-1234.5, 1, "-1,234.5")]
        {
            assert_eq!(grouped_with(number, digits), text);
        }
        assert_eq!(grouped(1000), "1,000");
    }

    #[test]
    fn tables_align_text_left_and_numbers_right() {
        let rows = vec![vec!["orders".to_owned(), "6".to_owned()], vec!["x".to_owned(), "12".to_owned()]];
        assert_eq!(
            render_table(&["topic", "partitions"], &rows),
            "TOPIC   PARTITIONS\norders           6\nx               12\n"
        );
    }
}
