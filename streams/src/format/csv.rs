//! One CSV record per value (RFC 4180): fields split and unquoted. Leaves out header lines and records that span
//! several values.

/// A field's text, and whether it stood in quotes (an unquoted empty field is NULL).
pub(super) struct CsvField<'a> {
    pub text: &'a [u8],
    pub quoted: bool,
}

/// Calls `visit` with each field's place and text, in order. `scratch` holds an unquoted field while it is visited.
pub(super) fn fields(
    line: &[u8],
    delimiter: u8,
    scratch: &mut Vec<u8>,
    mut visit: impl FnMut(usize, CsvField<'_>) -> Result<(), String>,
) -> Result<usize, String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut rest = line;
    let mut place = 0;
    loop {
        let after = if let [b'"', quoted @ ..] = rest {
            scratch.clear();
            let after = unquote(quoted, scratch)
                .ok_or_else(|| format!("field {} has no closing quote", place + 1))?;
            visit(place, CsvField { text: scratch, quoted: true })?;
            after
        } else {
            let end = memchr::memchr(delimiter, rest).unwrap_or(rest.len());
            visit(place, CsvField { text: &rest[..end], quoted: false })?;
            &rest[end..]
        };
        place += 1;
        match after {
            [] => return Ok(place),
            [next, tail @ ..] if *next == delimiter => rest = tail,
            _ => return Err(format!("field {place} goes on after its closing quote")),
        }
    }
}

/// Appends a quoted field's text to `out`; returns what follows its closing quote.
fn unquote<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let end = memchr::memchr(b'"', rest)?;
        out.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest {
            [b'"', tail @ ..] => {
                out.push(b'"');
                rest = tail;
            }
            _ => return Some(rest),
        }
    }
}

/// Appends a field, in quotes where it needs them.
pub(super) fn write_field(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let plain = !text.is_empty()
        && !text.iter().any(|byte| matches!(byte, b'"' | b'\n' | b'\r') || *byte == delimiter);
    if plain {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
