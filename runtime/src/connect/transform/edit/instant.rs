//! `timestamp`: a field that holds a time, from one form into another.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{BatchBuilder, Row};
use serde::Deserialize;

use super::object::{Object, plain, quoted};
use super::{Edit, EditKind, push_value};

pub const TIMESTAMP: EditKind = EditKind {
    name: "timestamp",
    doc: "Turns a time into another form, and makes it the record's timestamp if told so. Times without a zone are UTC.",
    options: &[
        ConfigOption {
            name: "field",
            kind: Kind::Text,
            presence: Presence::Required,
            doc: "path of the field",
        },
        ConfigOption {
            name: "from",
            kind: Kind::Text,
            presence: Presence::Default("\"auto\""),
            doc: "auto (RFC 3339 text, else a number of seconds, milliseconds, microseconds or nanoseconds by its size), \
                  iso, seconds, milliseconds, microseconds, nanoseconds, or a pattern such as %d.%m.%Y %H:%M",
        },
        ConfigOption {
            name: "to",
            kind: Kind::Text,
            presence: Presence::Default("\"iso\""),
            doc: "iso, seconds, milliseconds, microseconds, nanoseconds, or a pattern",
        },
        ConfigOption {
            name: "record",
            kind: Kind::Boolean,
            presence: Presence::Default("false"),
            doc: "make it the record's timestamp too",
        },
    ],
    main: Some("field"),
    routes: false,
    make: |settings| {
        let options: Options = config::parse(TIMESTAMP.options, settings)?;
        Ok(Box::new(Timestamp {
            from: Form::parse("from", &options.from, true)?,
            to: Form::parse("to", &options.to, false)?,
            field: options.field,
            record: options.record,
        }))
    },
};

#[derive(Deserialize)]
struct Options {
    field: String,
    from: String,
    to: String,
    record: bool,
}

struct Timestamp {
    field: String,
    from: Form,
    to: Form,
    record: bool,
}

enum Form {
    Auto,
    Iso,
    /// So many in a second.
    Number(i64),
    Pattern(String),
}

impl Form {
    fn parse(option: &str, text: &str, allow_auto: bool) -> Result<Form, ConnectorError> {
        Ok(match text {
            "auto" if allow_auto => Form::Auto,
            "iso" => Form::Iso,
            "seconds" => Form::Number(1),
            "milliseconds" => Form::Number(1_000),
            "microseconds" => Form::Number(1_000_000),
            "nanoseconds" => Form::Number(1_000_000_000),
            pattern if pattern.contains('%') => {
                let broken = chrono::format::StrftimeItems::new(pattern)
                    .any(|item| item == chrono::format::Item::Error);
                if broken {
                    return Err(ConnectorError::config(format!(
                        "{option}: `{pattern}` is no pattern of a time"
                    )));
                }
                Form::Pattern(pattern.to_owned())
            }
            other => {
                let forms = "iso, seconds, milliseconds, microseconds, nanoseconds or a pattern with %";
                return Err(ConnectorError::config(format!("{option}: expected {forms}, found `{other}`")));
            }
        })
    }

    fn read(&self, text: &str) -> Option<DateTime<Utc>> {
        match self {
            Form::Auto => Form::Iso.read(text).or_else(|| {
                let number: f64 = text.parse().ok()?;
                // Up to the year 5138 as seconds, and each further unit from 1973 on.
                let per_second = match number.abs() {
                    size if size < 1e11 => 1,
                    size if size < 1e14 => 1_000,
                    size if size < 1e17 => 1_000_000,
                    _ => 1_000_000_000,
                };
                Form::Number(per_second).read(text)
            }),
            Form::Iso => {
                let naive =
                    |format| NaiveDateTime::parse_from_str(text, format).ok().map(|naive| naive.and_utc());
                let date = || {
                    NaiveDate::parse_from_str(text, "%Y-%m-%d")
                        .ok()?
                        .and_hms_opt(0, 0, 0)
                        .map(|naive| naive.and_utc())
                };
                let exact = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
                exact
                    .or_else(|| naive("%Y-%m-%dT%H:%M:%S%.f"))
                    .or_else(|| naive("%Y-%m-%d %H:%M:%S%.f"))
                    .or_else(date)
            }
            Form::Number(per_second) => {
                let nanos = match text.parse::<i128>() {
                    Ok(count) => count.checked_mul(i128::from(1_000_000_000 / per_second))?,
                    Err(_) => match decimal(text, 1_000_000_000 / per_second) {
                        Some(nanos) => nanos,
                        // With an exponent: no more exact than it was written.
                        None => {
                            let count = text.parse::<f64>().ok().filter(|count| count.is_finite())?;
                            (count * 1e9 / *per_second as f64).round() as i128
                        }
                    },
                };
                let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
                DateTime::from_timestamp(seconds, u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?)
            }
            Form::Pattern(pattern) => {
                let zoned = DateTime::parse_from_str(text, pattern).ok().map(|instant| instant.to_utc());
                let naive = || NaiveDateTime::parse_from_str(text, pattern).ok().map(|naive| naive.and_utc());
                let date = || {
                    NaiveDate::parse_from_str(text, pattern)
                        .ok()?
                        .and_hms_opt(0, 0, 0)
                        .map(|naive| naive.and_utc())
                };
                zoned.or_else(naive).or_else(date)
            }
        }
    }

    fn write(&self, instant: DateTime<Utc>) -> Vec<u8> {
        match self {
            Form::Auto | Form::Iso => quoted(&instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Form::Number(per_second) => {
                let part = i64::from(instant.timestamp_subsec_nanos()) / (1_000_000_000 / per_second);
                (i128::from(instant.timestamp()) * i128::from(*per_second) + i128::from(part))
                    .to_string()
                    .into_bytes()
            }
            Form::Pattern(pattern) => quoted(&instant.format(pattern).to_string()),
        }
    }
}

/// `12.25` times a power of ten, exactly; what is smaller than one is cut off.
fn decimal(text: &str, factor: i64) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.')?;
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) || whole.is_empty() {
        return None;
    }
    let (mut nanos, mut worth) = (whole.parse::<i128>().ok()?.checked_mul(i128::from(factor))?, factor);
    for digit in fraction.bytes() {
        worth /= 10;
        nanos = nanos.checked_add(i128::from(worth) * i128::from(digit - b'0'))?;
    }
    Some(nanos * sign)
}

impl Edit for Timestamp {
    fn apply(&mut self, row: Row<'_>, _topic: &str, to: &mut BatchBuilder) -> Result<bool, String> {
        let Some(value) = row.value else {
            to.push_row(row);
            return Ok(true);
        };
        let mut object = Object::parse(value)?;
        let mut found = None;
        object.edit(&self.field, &mut |name, raw| {
            let Some(text) = plain(raw) else { return Ok(Some((name.to_owned(), raw.to_vec()))) };
            let instant = self.from.read(text.trim());
            let instant = instant
                .ok_or_else(|| format!("timestamp: `{}` is `{text}`, which is no time", self.field))?;
            found = Some(instant);
            Ok(Some((name.to_owned(), self.to.write(instant))))
        })?;
        let timestamp_ms = match found.filter(|_| self.record) {
            Some(instant) => Some(instant.timestamp_millis()),
            None => row.timestamp_ms,
        };
        push_value(Row { timestamp_ms, ..row }, Some(&object.to_json()), to);
        Ok(true)
    }
}
