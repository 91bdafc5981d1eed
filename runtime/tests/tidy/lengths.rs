//! Files stop at 800 lines and functions at 70. What was longer when the rule came stands in `ratchet.txt` with its
//! length, which may shrink and never grow.

use std::collections::BTreeMap;

use super::{Source, report, root, sources};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

#[test]
fn files_and_functions_stay_short() {
    let ratchet = ratchet();
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| !source.is_generated()) {
        let lines = source.text.lines().count();
        if lines > ratchet.get(&source.path).copied().unwrap_or(FILE_LINES_MAX) {
            findings.push(format!("{}: {lines} lines", source.path));
        }
        for (name, lines) in functions(source) {
            let key = format!("{}::{name}", source.path);
            if lines > ratchet.get(&key).copied().unwrap_or(FUNCTION_LINES_MAX) {
                findings.push(format!("{key}: {lines} lines"));
            }
        }
    }
    report(&findings, "split it where the story has a joint");
}

/// Path (or `path::function`) and the length it may have.
fn ratchet() -> BTreeMap<String, usize> {
    let text =
        std::fs::read_to_string(root().join("runtime/tests/tidy/ratchet.txt")).expect("the ratchet file");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, length) = line.rsplit_once(' ').expect("`name length` on each line of the ratchet");
            (name.to_owned(), length.parse().expect("a length in the ratchet"))
        })
        .collect()
}

/// Every function of a file with its length in lines: from `fn` to the closing brace at the same indent.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    for (number, line) in source.text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        if let Some(name) = function_name(words) {
            open = Some((name, indent, number));
        } else if words == "}"
            && let Some((name, start_indent, start)) = &open
            && *start_indent == indent
        {
            found.push((name.clone(), number - start + 1));
            open = None;
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut rest = line;
    for prefix in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let name = rest.strip_prefix("fn ")?;
    Some(name.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect())
}
