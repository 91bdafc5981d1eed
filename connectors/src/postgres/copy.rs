//! COPY's text format: fields by tabs, rows by line feeds, `\N` for NULL, and backslashes before what means something.

/// Splits a row (without its line feed) into fields; NULL is `None`.
pub(super) fn fields(row: &[u8]) -> impl Iterator<Item = Option<Vec<u8>>> {
    row.split(|byte| *byte == b'\t').map(|field| (field != b"\\N").then(|| unescape(field)))
}

fn unescape(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let Some(escaped) = rest.get(at + 1) else {
            rest = &rest[at..];
            break;
        };
        text.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => *other,
        });
        rest = &rest[at + 2..];
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
/// Appends one field; the caller puts tabs between fields and a line feed behind a row.
pub(super) fn push_field(text: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(text) = text else { return out.extend_from_slice(b"\\N") };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were_written() {
        let row: Vec<Option<&[u8]>> = vec![
            Some(b"plain"),
            None,
            Some(b""),
            Some(b"tab\tline\nback\\slash\r"),
            Some(b"\\N"),
            Some("n\u{f6}".as_bytes()),
        ];
        let mut text = Vec::new();
        for (place, field) in row.iter().enumerate() {
            if place > 0 {
                text.push(b'\t');
            }
            push_field(*field, &mut text);
        }
        assert!(!text.contains(&b'\n'));
        let read: Vec<_> = fields(&text).collect();
        let expected: Vec<_> = row.iter().map(|field| field.map(<[u8]>::to_vec)).collect();
        assert_eq!(read, expected);
        assert_eq!(fields(b"\\b\\v\\f\\q").next(), Some(Some(b"\x08\x0b\x0cq".to_vec())));
    }
}
