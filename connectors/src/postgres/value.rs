//! PostgreSQL's text of a value as JSON, without loss: numbers keep every digit, times become ISO 8601, arrays become
//! lists, and what JSON cannot say stays the text that PostgreSQL reads back.
//!
//! The sessions that the texts come from have `datestyle = ISO`, `intervalstyle = iso_8601`, `timezone = UTC`,
//! `bytea_output = hex` and `extra_float_digits = 1` (see [`super::session::SETTINGS`]).

use crate::json;

/// How a type's text becomes JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// A JSON number as it stands; `NaN` and the infinities become text.
    Number,
    /// Already JSON.
    Json,
    /// `2026-01-01 00:00:00` becomes `2026-01-01T00:00:00`.
    Timestamp,
    /// The same with `+00`, which becomes `Z`.
    TimestampTz,
    /// A list of elements, split at the delimiter.
    Array {
        element: Box<Kind>,
        delimiter: u8,
    },
    /// Any other: a JSON string.
    Text,
}

impl Kind {
    /// Of a type that every PostgreSQL has; `None` for types made by users or extensions.
    pub fn of_builtin(oid: u32) -> Option<Kind> {
        Some(match oid {
            16 => Kind::Boolean,
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Kind::Number,
            114 | 3802 => Kind::Json,
            1114 => Kind::Timestamp,
            1184 => Kind::TimestampTz,
            _ => return None,
        })
    }

    pub fn array_of(element: Kind, delimiter: u8) -> Kind {
        Kind::Array { element: Box::new(element), delimiter }
    }

    /// Appends the value as JSON.
    pub fn write(&self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Kind::Boolean => out.extend_from_slice(if text == b"t" { b"true" } else { b"false" }),
            Kind::Number if is_number(text) => out.extend_from_slice(text),
            Kind::Json => out.extend_from_slice(text),
            Kind::Timestamp | Kind::TimestampTz => self.write_time(text, out),
            Kind::Array { element, delimiter } => {
                let start = out.len();
                if write_array(element, *delimiter, text, out).is_none() {
                    out.truncate(start);
                    push_text(text, out);
                }
            }
            Kind::Number | Kind::Text => push_text(text, out),
        }
    }

    fn write_time(&self, text: &[u8], out: &mut Vec<u8>) {
        // Years before Christ and the infinities have no ISO form that others read: they stay as they are.
        let plain = text.first().is_some_and(u8::is_ascii_digit) && !text.ends_with(b"BC");
        let Some((date, time)) = split_once(text, b' ').filter(|_| plain) else {
            return push_text(text, out);
        };
        out.push(b'"');
        out.extend_from_slice(date);
        out.push(b'T');
        match time.strip_suffix(b"+00") {
            Some(time) if *self == Kind::TimestampTz => {
                out.extend_from_slice(time);
                out.push(b'Z');
            }
            _ => out.extend_from_slice(time),
        }
        out.push(b'"');
    }
}

/// Appends a text as a JSON string; what is not UTF-8 (a database in another encoding) is replaced.
pub(super) fn push_text(text: &[u8], out: &mut Vec<u8>) {
    json::push_escaped(text, out);
}

/// Whether PostgreSQL's text of a number is one of JSON's.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.first().is_some_and(u8::is_ascii_digit)
}

fn split_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// Deepest nesting of an array: PostgreSQL has six dimensions at most.
const DIMENSIONS_MAX: usize = 6;

/// Appends `{1,2,NULL}` as a list; `None` if the text is no array.
fn write_array(element: &Kind, delimiter: u8, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // Bounds other than from one stand before the elements: `[0:1]={1,2}`.
    let text = match text.first()? {
        b'[' => split_once(text, b'=')?.1,
        _ => text,
    };
    let mut array = ArrayText { rest: text, element, delimiter };
    array.list(out, 0)?;
    array.rest.is_empty().then_some(())
}

struct ArrayText<'a> {
    rest: &'a [u8],
    element: &'a Kind,
    delimiter: u8,
}

impl ArrayText<'_> {
    fn list(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.take(b'{')?;
        out.push(b'[');
        let mut first = true;
        while *self.rest.first()? != b'}' {
            if !first {
                self.take(self.delimiter)?;
                out.push(b',');
            }
            first = false;
            match *self.rest.first()? {
                b'{' if depth + 1 < DIMENSIONS_MAX => self.list(out, depth + 1)?,
                b'"' => self.quoted(out)?,
                _ => self.plain(out)?,
            }
        }
        self.take(b'}')?;
        out.push(b']');
        Some(())
    }

    fn quoted(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.take(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => break,
                b'\\' => text.push(self.next()?),
                byte => text.push(byte),
            }
        }
        self.element.write(&text, out);
        Some(())
    }

    fn plain(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let ends = |byte: &u8| *byte == self.delimiter || *byte == b'}';
        let length = self.rest.iter().position(ends)?;
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        match text.eq_ignore_ascii_case(b"null") {
            true => out.extend_from_slice(b"null"),
            false => self.element.write(text, out),
        }
        Some(())
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &Kind, text: &str) -> String {
        let mut out = Vec::new();
        kind.write(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_keep_every_digit_and_special_ones_become_text() {
        let number = Kind::of_builtin(1700).unwrap();
        let cases = [
            ("12345678901234567890.123456789000", "12345678901234567890.123456789000"),
            ("-0.5", "-0.5"),
            ("1e+20", "1e+20"),
            ("NaN", "\"NaN\""),
            ("-Infinity", "\"-Infinity\""),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(&number, text), expected);
        }
        assert_eq!(shown(&Kind::Boolean, "t"), "true");
        assert_eq!(shown(&Kind::Boolean, "f"), "false");
        assert_eq!(shown(&Kind::Json, "{\"a\": [1]}"), "{\"a\": [1]}");
        assert_eq!(shown(&Kind::Text, "a\"b\n\\"), r#""a\"b\n\\""#);
    }

    #[test]
    fn times_become_iso_8601_where_it_has_a_form_for_them() {
        let cases = [
            (Kind::Timestamp, "2026-01-02 03:04:05.678901", "\"2026-01-02T03:04:05.678901\""),
            (Kind::TimestampTz, "2026-01-02 03:04:05+00", "\"2026-01-02T03:04:05Z\""),
            (Kind::TimestampTz, "infinity", "\"infinity\""),
            (Kind::Timestamp, "0044-03-15 12:00:00 BC", "\"0044-03-15 12:00:00 BC\""),
        ];
        for (kind, text, expected) in cases {
            assert_eq!(shown(&kind, text), expected);
        }
    }

    #[test]
    fn arrays_become_lists_of_their_elements() {
        let numbers = Kind::array_of(Kind::Number, b',');
        assert_eq!(shown(&numbers, "{}"), "[]");
        assert_eq!(shown(&numbers, "{1,NULL,3}"), "[1,null,3]");
        assert_eq!(shown(&numbers, "{{1,2},{3,4}}"), "[[1,2],[3,4]]");
        assert_eq!(shown(&numbers, "[0:1]={1,2}"), "[1,2]");
        let texts = Kind::array_of(Kind::Text, b',');
        assert_eq!(shown(&texts, r#"{a,"b,c","d\"e","NULL",NULL}"#), r#"["a","b,c","d\"e","NULL",null]"#);
        let times = Kind::array_of(Kind::TimestampTz, b',');
        assert_eq!(shown(&times, r#"{"2026-01-02 03:04:05+00"}"#), r#"["2026-01-02T03:04:05Z"]"#);
        assert_eq!(shown(&numbers, "{1,2"), "\"{1,2\"", "what is no array stays text");
        assert_eq!(shown(&numbers, "{1}x"), "\"{1}x\"");
    }
}
