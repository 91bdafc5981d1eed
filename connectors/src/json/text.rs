//! Strings in and out of JSON.

use std::borrow::Cow;

/// The text between a JSON string's quotes with its escapes resolved; `None` when it is not UTF-8 or an escape is
/// broken. A lone surrogate becomes the replacement character.
pub fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    let raw = std::str::from_utf8(raw).ok()?;
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = rest.find('\\') {
        text.push_str(&rest[..backslash]);
        rest = &rest[backslash + 1..];
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        match escape {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let (decoded, behind) = code_point(rest)?;
                text.push(decoded);
                rest = behind;
            }
            '"' | '\\' | '/' => text.push(escape),
            _ => return None,
        }
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// The character of `XXXX` or `XXXX\uXXXX` (a surrogate pair), and what follows it.
fn code_point(rest: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
    let first = unit(rest)?;
    let behind = rest.get(4..)?;
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = behind.strip_prefix("\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&second)
    {
        let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(joined)?, behind.get(6..)?));
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), behind))
}

/// Appends text as a JSON string with its quotes. Bytes that are not UTF-8 must have been refused before.
pub fn push_escaped(text: &[u8], to: &mut Vec<u8>) {
    to.push(b'"');
    let mut plain = 0;
    for (at, byte) in text.iter().copied().enumerate() {
        if !matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            continue;
        }
        to.extend_from_slice(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => to.extend_from_slice(b"\\\""),
            b'\\' => to.extend_from_slice(b"\\\\"),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            b'\t' => to.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                to.extend_from_slice(b"\\u00");
                to.push(HEX[usize::from(control >> 4)]);
                to.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    to.extend_from_slice(&text[plain..]);
    to.push(b'"');
}
