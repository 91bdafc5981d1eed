//! Values of the binary protocol as JSON, without loss: numbers digit by digit, times as text, bytes as `\x…`.

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value};

use crate::json;

/// The number of the "character set" of what is no text.
const BINARY: u16 = 63;

/// What is read out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers, decimals, years: as they are written.
    Number,
    Float,
    Bits,
    Date,
    /// Digits behind the second; whether it is a point in time (UTC) or what a clock somewhere showed.
    DateTime {
        digits: u8,
        is_instant: bool,
    },
    Time {
        digits: u8,
    },
    Text,
    Bytes,
    Json,
}

impl Kind {
    /// `is_json` tells MariaDB's JSON, which is text with a check, from other text.
    pub fn of(column: &Column, is_json: bool) -> Kind {
        let digits = if column.decimals() > 6 { 0 } else { column.decimals() };
        let is_text = column.character_set() != BINARY;
        match column.column_type() {
            ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_YEAR
            | ColumnType::MYSQL_TYPE_DECIMAL
            | ColumnType::MYSQL_TYPE_NEWDECIMAL => Kind::Number,
            ColumnType::MYSQL_TYPE_FLOAT | ColumnType::MYSQL_TYPE_DOUBLE => Kind::Float,
            ColumnType::MYSQL_TYPE_BIT => Kind::Bits,
            ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Kind::Date,
            ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => {
                Kind::DateTime { digits, is_instant: false }
            }
            ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2 => {
                Kind::DateTime { digits, is_instant: true }
            }
            ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => Kind::Time { digits },
            ColumnType::MYSQL_TYPE_JSON => Kind::Json,
            ColumnType::MYSQL_TYPE_GEOMETRY => Kind::Bytes,
            _ if is_json => Kind::Json,
            _ if is_text => Kind::Text,
            _ => Kind::Bytes,
        }
    }

    /// Whether a column of this kind can say how far the rows were read.
    pub fn is_cursor(self, column: &Column) -> bool {
        let is_listed = column.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
        self != Kind::Json && !is_listed
    }

    /// Appends a value as JSON; the error says why it has none.
    pub fn push(self, value: &Value, to: &mut Vec<u8>) -> Result<(), String> {
        match (self, value) {
            (_, Value::NULL) => to.extend_from_slice(b"null"),
            (_, Value::Int(number)) => to.extend_from_slice(number.to_string().as_bytes()),
            (_, Value::UInt(number)) => to.extend_from_slice(number.to_string().as_bytes()),
            (_, Value::Float(number)) => to.extend_from_slice(format!("{number:?}").as_bytes()),
            (_, Value::Double(number)) => to.extend_from_slice(format!("{number:?}").as_bytes()),
            (Kind::Number, Value::Bytes(digits)) => to.extend_from_slice(plain_digits(digits)),
            (Kind::Bits, Value::Bytes(bits)) => {
                to.extend_from_slice(number_of_bits(bits).to_string().as_bytes());
            }
            (Kind::Json, Value::Bytes(text)) => match json::validate(text) {
                Ok(()) => to.extend_from_slice(&on_one_line(text)),
                Err(error) => return Err(format!("a JSON column holds no JSON: {error}")),
            },
            (Kind::Bytes, Value::Bytes(bytes)) => json::push_escaped(hexadecimal(bytes).as_bytes(), to),
            (_, Value::Bytes(text)) => match std::str::from_utf8(text) {
                Ok(text) => json::push_escaped(text.as_bytes(), to),
                Err(_) => json::push_escaped(hexadecimal(text).as_bytes(), to),
            },
            (kind, time) => json::push_escaped(kind.time_text(time)?.as_bytes(), to),
        }
        Ok(())
    }

    /// The value as SQL compares it exactly with the column.
    pub fn literal(self, value: &Value) -> Result<String, String> {
        match (self, value) {
            (_, Value::Int(number)) => Ok(number.to_string()),
            (_, Value::UInt(number)) => Ok(number.to_string()),
            // All digits of the double that it is compared as.
            (_, Value::Float(number)) => Ok(format!("{:?}", f64::from(*number))),
            (_, Value::Double(number)) => Ok(format!("{number:?}")),
            (Kind::Number, Value::Bytes(digits)) => Ok(String::from_utf8_lossy(digits).into_owned()),
            (Kind::Bits, Value::Bytes(bits)) => Ok(number_of_bits(bits).to_string()),
            (Kind::Bytes, Value::Bytes(bytes)) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(format!("X'{digits}'"))
            }
            (_, Value::Bytes(text)) => Ok(super::text_literal(&String::from_utf8_lossy(text))),
            (_, &Value::Date(year, month, day, hour, minute, second, micros)) if is_zero_date(value) => {
                Ok(format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}'"))
            }
            (Kind::Date, date) => Ok(format!("DATE'{}'", self.time_text(date)?)),
            (Kind::Time { .. }, time) => Ok(format!("TIME'{}'", self.time_text(time)?)),
            (_, time) => {
                let text = self.time_text(time)?.replace('T', " ");
                Ok(format!("TIMESTAMP'{}'", text.trim_end_matches('Z')))
            }
        }
    }

    fn time_text(self, value: &Value) -> Result<String, String> {
        match (self, value) {
            (_, Value::Date(year, month, day, ..)) if *month == 0 || *day == 0 => Err(format!(
                "the date {year:04}-{month:02}-{day:02} is none; set `zero_dates: \"null\"` to read such as null"
            )),
            (Kind::Date, Value::Date(year, month, day, ..)) => Ok(format!("{year:04}-{month:02}-{day:02}")),
            (kind, Value::Date(year, month, day, hour, minute, second, micros)) => {
                let (digits, is_instant) = match kind {
                    Kind::DateTime { digits, is_instant } => (digits, is_instant),
                    _ => (6, false),
                };
                let zone = if is_instant { "Z" } else { "" };
                let fraction = fraction(*micros, digits);
                Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
            }
            (kind, Value::Time(is_negative, days, hours, minutes, seconds, micros)) => {
                let digits = if let Kind::Time { digits } = kind { digits } else { 6 };
                let sign = if *is_negative { "-" } else { "" };
                let hours = u64::from(*days) * 24 + u64::from(*hours);
                Ok(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(*micros, digits)))
            }
            (_, other) => Err(format!("a value of an unknown kind: {other:?}")),
        }
    }
}

/// Whether a value is a date that is none, which only an option makes null.
pub(super) fn is_zero_date(value: &Value) -> bool {
    matches!(value, Value::Date(_, month, day, ..) if *month == 0 || *day == 0)
}

fn fraction(micros: u32, digits: u8) -> String {
    let text = format!("{micros:06}");
    match text.get(..usize::from(digits)) {
        Some(digits) if !digits.is_empty() => format!(".{digits}"),
        _ => String::new(),
    }
}

/// Zeros that ZEROFILL puts before a decimal are no JSON.
fn plain_digits(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    match digits.get(zeros) {
        Some(digit) if digit.is_ascii_digit() => &digits[zeros..],
        _ => &digits[zeros.saturating_sub(1)..],
    }
}

fn number_of_bits(bits: &[u8]) -> u64 {
    bits.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// Line feeds between the parts of a document become spaces; within its strings there can be none.
fn on_one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_times_are_json() {
        for (digits, expected) in
            [("007.50", "7.50"), ("000", "0"), ("0.10", "0.10"), ("-1.0", "-1.0"), ("00.5", "0.5")]
        {
            assert_eq!(plain_digits(digits.as_bytes()), expected.as_bytes(), "{digits}");
        }
        let shown = |kind: Kind, value: Value| {
            let mut json = Vec::new();
            kind.push(&value, &mut json).map(|()| String::from_utf8(json).unwrap())
        };
        let instant = Kind::DateTime { digits: 6, is_instant: true };
        assert_eq!(
            shown(instant, Value::Date(2026, 1, 2, 3, 4, 5, 60)).unwrap(),
            r#""2026-01-02T03:04:05.000060Z""#
        );
        let long = Value::Time(true, 34, 22, 59, 59, 500_000);
        assert_eq!(shown(Kind::Time { digits: 1 }, long).unwrap(), r#""-838:59:59.5""#);
        assert!(
            shown(Kind::Date, Value::Date(2026, 0, 2, 0, 0, 0, 0))
                .unwrap_err()
                .contains("2026-00-02 is none")
        );
        assert_eq!(shown(Kind::Bits, Value::Bytes(vec![0xff; 8])).unwrap(), u64::MAX.to_string());
        assert_eq!(Kind::Float.literal(&Value::Float(1.1)).unwrap(), "1.100000023841858");
    }
}
