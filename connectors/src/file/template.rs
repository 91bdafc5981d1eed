//! A path with placeholders: which file a record goes to.
//!
//! `{country}` and `{geo.lat}` are fields of the value, `{_topic}`, `{_partition}` and `{_key}` the record's own; behind a colon
//! stands how a time is written: `{ordered_at:%Y-%m-%d}`, `{_timestamp:%Y/%m/%d}`. What is missing, null or empty goes where
//! Hive's readers expect it.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use millstream_sdk::record::Row;

use crate::json;

/// Stands for a value that is missing, null or empty.
const NOTHING: &str = "__HIVE_DEFAULT_PARTITION__";

/// Longest text of one placeholder; file systems end names at 255 bytes.
const TEXT_BYTES_MAX: usize = 180;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value(What),
    /// How its time is written.
    Time(What, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Topic,
    Partition,
    Key,
    Timestamp,
    Field(String),
}

impl Template {
    /// `None` for a path without placeholders.
    pub fn parse(path: &str) -> Result<Option<Template>, String> {
        if !path.contains(['{', '}']) {
            return Ok(None);
        }
        let mut pieces = Vec::new();
        let mut rest = path;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (inner, tail) =
                tail.split_once('}').ok_or_else(|| format!("`{{{tail}` has no closing brace"))?;
            pieces.push(Piece::Literal(literal.to_owned()));
            pieces.push(piece(inner)?);
            rest = tail;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        let is_stray = |piece: &Piece| matches!(piece, Piece::Literal(text) if text.contains('}'));
        if pieces.iter().any(is_stray) {
            return Err(format!("`{path}` has a closing brace too many"));
        }
        Ok(Some(Template { pieces }))
    }

    /// The folder that all files lie in, and what is behind it.
    pub fn split(&self) -> (&str, Template) {
        let Some(Piece::Literal(first)) = self.pieces.first() else { return ("", self.clone()) };
        let cut = first.rfind('/').map_or(0, |slash| slash + 1);
        let mut pieces = self.pieces.clone();
        pieces[0] = Piece::Literal(first[cut..].to_owned());
        (&first[..cut], Template { pieces })
    }

    /// A pattern that every file's path matches.
    pub fn pattern(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => glob::Pattern::escape(text),
            Piece::Value(_) => "*".to_owned(),
            Piece::Time(_, format) => vec!["*"; 1 + format.matches('/').count()].join("/"),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The path for a record.
    pub fn render(&self, topic: &str, partition: i32, row: Row<'_>) -> Result<String, String> {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Value(what) => push_escaped(&what.text(topic, partition, row)?, &mut path)?,
                Piece::Time(what, format) => match what.instant(row)? {
                    Some(instant) => {
                        write!(path, "{}", instant.format(format)).map_err(|error| error.to_string())?
                    }
                    None => path.push_str(NOTHING),
                },
            }
        }
        Ok(path)
    }
}

fn piece(inner: &str) -> Result<Piece, String> {
    let (name, format) = match inner.split_once(':') {
        Some((name, format)) => (name.trim(), Some(format)),
        None => (inner.trim(), None),
    };
    let what = match name {
        "" => return Err("`{}` names no field".to_owned()),
        "_topic" => What::Topic,
        "_partition" => What::Partition,
        "_key" => What::Key,
        "_timestamp" => What::Timestamp,
        field => What::Field(field.to_owned()),
    };
    let Some(format) = format else {
        return match what {
            What::Timestamp => Err("write how `_timestamp` is shown, as in {_timestamp:%Y-%m-%d}".to_owned()),
            what => Ok(Piece::Value(what)),
        };
    };
    let is_broken = StrftimeItems::new(format).any(|item| item == Item::Error);
    if is_broken || !format.contains('%') || format.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("`{format}` does not say how a time is written, as %Y-%m-%d does"));
    }
    match what {
        What::Timestamp | What::Field(_) => Ok(Piece::Time(what, format.to_owned())),
        _ => Err(format!("`{name}` is no time")),
    }
}

impl What {
    fn text(&self, topic: &str, partition: i32, row: Row<'_>) -> Result<String, String> {
        Ok(match self {
            What::Topic => topic.to_owned(),
            What::Partition => partition.to_string(),
            What::Key => row.key.map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default(),
            What::Timestamp => row.timestamp_ms.map(|ms| ms.to_string()).unwrap_or_default(),
            What::Field(name) => match row.value.and_then(|value| json::path(value, name)) {
                None | Some(b"null") => String::new(),
                Some([b'"', text @ .., b'"']) => {
                    json::unescape(text).ok_or_else(|| format!("field `{name}` is not UTF-8"))?.into_owned()
                }
                Some([b'{' | b'[', ..]) => {
                    return Err(format!("field `{name}` is no single value: the path cannot name it"));
                }
                Some(plain) => String::from_utf8_lossy(plain).into_owned(),
            },
        })
    }

    fn instant(&self, row: Row<'_>) -> Result<Option<DateTime<Utc>>, String> {
        if *self == What::Timestamp {
            return Ok(row.timestamp_ms.and_then(DateTime::from_timestamp_millis));
        }
        let text = self.text("", 0, row)?;
        if text.is_empty() {
            return Ok(None);
        }
        instant(&text).map(Some).ok_or_else(|| format!("`{text}` is no time: the path cannot name it"))
    }
}

/// RFC 3339, the same without a zone (taken as UTC), a date, or milliseconds since 1970.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let plain = |format| NaiveDateTime::parse_from_str(text, format).ok();
    plain("%Y-%m-%d %H:%M:%S%.f")
        .or_else(|| plain("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .map(|instant| instant.and_utc())
        .or_else(|| DateTime::from_timestamp_millis(text.parse().ok()?))
}

/// As Hive does: what may not stand in a name becomes % and two digits, so that no value leaves its folder.
fn push_escaped(text: &str, path: &mut String) -> Result<(), String> {
    if text.is_empty() {
        path.push_str(NOTHING);
        return Ok(());
    }
    let before = path.len();
    let starts_name = path.is_empty() || path.ends_with('/');
    for (at, letter) in text.char_indices() {
        match letter {
            '.' if at == 0 && starts_name => path.push_str("%2E"),
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' | '=' | '{' | '}' => {
                path.push_str(&format!("%{:02X}", letter as u32));
            }
            letter if letter.is_control() => path.push_str(&format!("%{:02X}", letter as u32)),
            letter => path.push(letter),
        }
    }
    match path.len() - before > TEXT_BYTES_MAX {
        true => Err(format!("a value of {} bytes is too long for a path", text.len())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::record::BatchBuilder;

    use super::*;

    fn rendered(path: &str, value: &str) -> String {
        let mut builder = BatchBuilder::new();
        builder.push(Some(b"k/1"), Some(value.as_bytes()), Some(1_767_225_600_000));
        let batch = builder.finish();
        let template = Template::parse(path).unwrap().unwrap();
        template.render("t", 3, batch.row(0).unwrap()).unwrap_or_else(|reason| format!("error: {reason}"))
    }

    #[test]
    fn records_name_their_files() {
        let value = r#"{"country":"NO","n":7,"at":"2026-03-04T23:30:00-02:00","geo":{"c":"a/..\"b"},"no":null,"dot":"..","long":"2026-01-02 03:04:05"}"#;
        for (path, expected) in [
            ("out/{country}/{n}.jsonl", "out/NO/7.jsonl"),
            ("{_topic}-{_partition}/{_key}", "t-3/k%2F1"),
            ("d={at:%Y-%m-%d}/h={at:%H}", "d=2026-03-05/h=01"),
            ("{long:%Y/%m/%d}/x", "2026/01/02/x"),
            ("{_timestamp:%Y-%m-%dT%H}", "2026-01-01T00"),
            ("{geo.c}", "a%2F..%22b"),
            ("{dot}/x", "%2E./x"),
            ("{no}/{none}", "__HIVE_DEFAULT_PARTITION__/__HIVE_DEFAULT_PARTITION__"),
            ("{no:%Y}", "__HIVE_DEFAULT_PARTITION__"),
            ("{geo}", "error: field `geo` is no single value: the path cannot name it"),
            ("{country:%Y}", "error: `NO` is no time: the path cannot name it"),
        ] {
            assert_eq!(rendered(path, value), expected, "{path}");
        }
    }

    #[test]
    fn templates_are_split_and_wrong_ones_say_why() {
        let template = Template::parse("a/b/c-{x}/{t:%Y/%m}.csv").unwrap().unwrap();
        let (folder, rest) = template.split();
        assert_eq!((folder, rest.pattern().as_str()), ("a/b/", "c-*/*/*.csv"));
        assert_eq!(Template::parse("a/b.csv"), Ok(None));
        for (path, reason) in [
            ("a/{x", "`{x` has no closing brace"),
            ("a}/x", "a closing brace too many"),
            ("{}", "names no field"),
            ("{_timestamp}", "write how `_timestamp` is shown"),
            ("{x:day}", "does not say how a time is written"),
            ("{x:%Y/../%m}", "does not say how a time is written"),
            ("{_topic:%Y}", "`_topic` is no time"),
        ] {
            let error = Template::parse(path).unwrap_err();
            assert!(error.contains(reason), "{path}: {error}");
        }
    }
}
