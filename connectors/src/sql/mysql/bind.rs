//! Fields of records as values of the columns they go into.

use chrono::{DateTime, FixedOffset};
use mysql_async::Value;

use crate::json;
use crate::postgres::{Field, Shape};

/// What a column holds, as far as it matters how a value is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Integer,
    Decimal,
    Double,
    Bits,
    Text,
    Bytes,
    Json,
    DateTime,
    Set,
    /// As text, which the server reads: dates, times, enums, UUIDs, addresses.
    Other,
}

impl Holds {
    /// By the name in `information_schema.COLUMNS.DATA_TYPE`.
    pub fn of(data_type: &str, is_json: bool) -> Holds {
        match data_type.to_ascii_lowercase().as_str() {
            _ if is_json => Holds::Json,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => Holds::Integer,
            "decimal" | "numeric" => Holds::Decimal,
            "float" | "double" | "real" => Holds::Double,
            "bit" => Holds::Bits,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Holds::Text,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry"
            | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            | "geometrycollection" => Holds::Bytes,
            "json" => Holds::Json,
            "datetime" | "timestamp" => Holds::DateTime,
            "set" => Holds::Set,
            _ => Holds::Other,
        }
    }

    /// The value as the driver hands it over; the error says why it does not fit.
    pub fn value(self, field: &Field) -> Result<Value, String> {
        let Some(text) = &field.value else { return Ok(Value::NULL) };
        let as_text = || Value::Bytes(text.clone().into_bytes());
        Ok(match (self, field.shape) {
            (Holds::Integer | Holds::Decimal | Holds::Double | Holds::Bits, Shape::Boolean) => {
                Value::Int(i64::from(text == "true"))
            }
            (Holds::Integer | Holds::Bits, _) => match integer(text) {
                Some(value) => value,
                None if field.shape == Shape::Text && self == Holds::Integer => as_text(),
                None => {
                    return Err(format!("`{text}` is no whole number, which column `{}` holds", field.name));
                }
            },
            (Holds::Double, _) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Double(number),
                _ => as_text(),
            },
            (Holds::Bytes, _) => Value::Bytes(bytes(text).unwrap_or_else(|| text.clone().into_bytes())),
            (Holds::Json, Shape::Text) => match is_document(text) {
                true => as_text(),
                false => {
                    let mut quoted = Vec::with_capacity(text.len() + 2);
                    json::push_escaped(text.as_bytes(), &mut quoted);
                    Value::Bytes(quoted)
                }
            },
            (Holds::DateTime, Shape::Text) => match point_in_time(text) {
                Some(instant) => {
                    Value::Bytes(instant.naive_utc().format("%Y-%m-%d %H:%M:%S%.f").to_string().into_bytes())
                }
                None => as_text(),
            },
            (Holds::Set, Shape::Json) => match serde_json::from_str::<Vec<String>>(text) {
                Ok(members) => Value::Bytes(members.join(",").into_bytes()),
                Err(_) => as_text(),
            },
            _ => as_text(),
        })
    }
}

/// Whole numbers, also `1.0` and `1e3`, as long as a fraction is nothing but zeros.
fn integer(text: &str) -> Option<Value> {
    let whole =
        |text: &str| text.parse().map(Value::Int).ok().or_else(|| text.parse::<u64>().map(Value::UInt).ok());
    whole(text).or_else(|| {
        let (digits, fraction) = text.split_once('.')?;
        fraction.bytes().all(|digit| digit == b'0').then(|| whole(digits)).flatten()
    })
}

/// The bytes behind `\x`; nothing where that is not what the text is.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?.as_bytes();
    if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect()
}

/// A text that is an object or a list of JSON is taken for the document, any other for a string.
fn is_document(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && json::validate(text.as_bytes()).is_ok()
}

/// Only what says its zone: a time without one is taken as it stands.
fn point_in_time(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_columns_or_say_why_not() {
        let bound = |data_type: &str, text: &str, shape| {
            let field = Field { name: "c".into(), value: Some(text.to_owned()), shape };
            Holds::of(data_type, false).value(&field)
        };
        let text = |text: &str| Ok(Value::Bytes(text.as_bytes().to_vec()));
        for (data_type, given, shape, expected) in [
            ("bigint", "18446744073709551615", Shape::Float, Ok(Value::UInt(u64::MAX))),
            ("int", "true", Shape::Boolean, Ok(Value::Int(1))),
            ("int", "3.00", Shape::Float, Ok(Value::Int(3))),
            ("decimal", "0.10", Shape::Float, text("0.10")),
            ("double", "0.1", Shape::Float, Ok(Value::Double(0.1))),
            ("blob", "\\x00fF", Shape::Text, Ok(Value::Bytes(vec![0, 255]))),
            ("blob", "\\x0", Shape::Text, text("\\x0")),
            ("json", "a\"b", Shape::Text, text("\"a\\\"b\"")),
            ("json", "[1]", Shape::Text, text("[1]")),
            ("datetime", "2026-01-02T03:04:05.000006+01:00", Shape::Text, text("2026-01-02 02:04:05.000006")),
            ("datetime", "2026-01-02T03:04:05", Shape::Text, text("2026-01-02T03:04:05")),
            ("set", "[\"a\",\"b\"]", Shape::Json, text("a,b")),
        ] {
            assert_eq!(bound(data_type, given, shape), expected, "{given} into {data_type}");
        }
        assert!(bound("int", "1.5", Shape::Float).unwrap_err().contains("no whole number"));
    }
}
