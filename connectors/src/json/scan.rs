//! Walks over JSON text by its grammar (RFC 8259), iteratively and with a bound on nesting.

use std::fmt;

/// Deepest nesting that is accepted.
pub const MAX_DEPTH: usize = 128;

/// Where text stops being JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset in the text.
    pub at: usize,
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "not JSON: expected {} at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for JsonError {}

/// Checks that the text is one JSON value, with blanks around it at most, in UTF-8.
pub fn validate(text: &[u8]) -> Result<(), JsonError> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(JsonError { at: error.valid_up_to(), expected: "UTF-8 text" });
    }
    let start = skip_blanks(text, 0);
    let end = skip_blanks(text, skip_value(text, start)?);
    match end == text.len() {
        true => Ok(()),
        false => Err(JsonError { at: end, expected: "the end of the text" }),
    }
}

/// The offset behind the value that starts at `at`. Does not check UTF-8.
pub fn skip_value(text: &[u8], at: usize) -> Result<usize, JsonError> {
    // One bit per open bracket says whether it is an object.
    let mut objects: u128 = 0;
    let mut depth = 0;
    let mut at = at;
    loop {
        match text.get(at) {
            Some(b'"') => at = skip_string(text, at)?,
            Some(open @ (b'{' | b'[')) => {
                let close = if *open == b'{' { b'}' } else { b']' };
                at = skip_blanks(text, at + 1);
                if text.get(at) == Some(&close) {
                    at += 1;
                } else {
                    if depth == MAX_DEPTH {
                        return Err(JsonError { at, expected: "no deeper nesting than 128" });
                    }
                    objects = objects << 1 | u128::from(*open == b'{');
                    depth += 1;
                    if *open == b'{' {
                        at = skip_name(text, at)?;
                    }
                    continue;
                }
            }
            Some(b't') => at = skip_word(text, at, b"true")?,
            Some(b'f') => at = skip_word(text, at, b"false")?,
            Some(b'n') => at = skip_word(text, at, b"null")?,
            Some(b'-' | b'0'..=b'9') => at = skip_number(text, at)?,
            _ => return Err(JsonError { at, expected: "a value" }),
        }
        match close_brackets(text, at, &mut objects, &mut depth)? {
            Next::Value(next) => at = next,
            Next::Done(end) => return Ok(end),
        }
    }
}

enum Next {
    Value(usize),
    Done(usize),
}

/// Behind a value: closes what closes, up to the next value or the end of the outermost one.
fn close_brackets(
    text: &[u8],
    mut at: usize,
    objects: &mut u128,
    depth: &mut usize,
) -> Result<Next, JsonError> {
    loop {
        if *depth == 0 {
            return Ok(Next::Done(at));
        }
        let in_object = *objects & 1 == 1;
        at = skip_blanks(text, at);
        match (text.get(at), in_object) {
            (Some(b','), true) => return Ok(Next::Value(skip_name(text, skip_blanks(text, at + 1))?)),
            (Some(b','), false) => return Ok(Next::Value(skip_blanks(text, at + 1))),
            (Some(b'}'), true) | (Some(b']'), false) => {
                at += 1;
                *objects >>= 1;
                *depth -= 1;
            }
            (_, true) => return Err(JsonError { at, expected: "`,` or `}`" }),
            (_, false) => return Err(JsonError { at, expected: "`,` or `]`" }),
        }
    }
}

/// `"name" :` and blanks; the offset of the value behind it.
fn skip_name(text: &[u8], at: usize) -> Result<usize, JsonError> {
    if text.get(at) != Some(&b'"') {
        return Err(JsonError { at, expected: "a field name in quotes" });
    }
    let at = skip_blanks(text, skip_string(text, at)?);
    match text.get(at) {
        Some(b':') => Ok(skip_blanks(text, at + 1)),
        _ => Err(JsonError { at, expected: "`:`" }),
    }
}

#[inline]
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// The offset behind the string whose opening quote is at `at`.
pub(super) fn skip_string(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut at = at + 1;
    loop {
        at = plain_until(text, at);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = skip_escape(text, at)?,
            Some(_) => return Err(JsonError { at, expected: "no raw control character in a string" }),
            None => return Err(JsonError { at, expected: "a closing quote" }),
        }
    }
}

/// The offset of the next quote, backslash or control character, eight bytes at a time.
#[inline]
fn plain_until(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(word) = text.get(at..at + 8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
        let word = u64::from_le_bytes(word);
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let quotes = zero_bytes(word ^ (ONES * b'"' as u64));
        let backslashes = zero_bytes(word ^ (ONES * b'\\' as u64));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quotes | backslashes | controls;
        if found != 0 {
            // The lowest mark is exact (borrows only spoil marks above it).
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = text.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at
}

fn skip_escape(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match text.get(at + 2..at + 6) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            _ => Err(JsonError { at, expected: "four hexadecimal digits after \\u" }),
        },
        _ => Err(JsonError { at, expected: "an escape that JSON knows" }),
    }
}

fn skip_word(text: &[u8], at: usize, word: &'static [u8]) -> Result<usize, JsonError> {
    match text.get(at..at + word.len()) == Some(word) {
        true => Ok(at + word.len()),
        false => Err(JsonError { at, expected: "a value" }),
    }
}

fn skip_number(text: &[u8], at: usize) -> Result<usize, JsonError> {
    let mut at = if text.get(at) == Some(&b'-') { at + 1 } else { at };
    at = match text.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => skip_digits(text, at),
        _ => return Err(JsonError { at, expected: "a digit" }),
    };
    if text.get(at) == Some(&b'.') {
        at = some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = some_digits(text, at)?;
    }
    Ok(at)
}

fn some_digits(text: &[u8], at: usize) -> Result<usize, JsonError> {
    match skip_digits(text, at) {
        end if end == at => Err(JsonError { at, expected: "a digit" }),
        end => Ok(end),
    }
}

fn skip_digits(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

/// Appends a valid JSON text without the blanks between its tokens.
pub fn compact(text: &[u8], to: &mut Vec<u8>) -> Result<(), JsonError> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = skip_string(text, at)?;
                to.extend_from_slice(&text[at..end]);
                at = end;
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            other => {
                to.push(*other);
                at += 1;
            }
        }
    }
    Ok(())
}
