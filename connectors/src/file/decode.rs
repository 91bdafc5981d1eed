//! From a record's bytes in a file to the value of a record in a topic.

use std::io::Write;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::ColumnBuilder;

use super::lines::Framing;
use super::options::{FieldType, Format, SourceOptions, Types};
use crate::json;

/// Longest integer that is inferred: 18 digits always fit 64 bits.
const MAX_INFERRED_DIGITS: usize = 18;

/// Decodes the records of one file.
#[derive(Debug)]
pub enum Decoder {
    Json,
    Lines,
    Csv(Rows),
}

impl Decoder {
    /// A decoder for a file whose first row is `header`, if it has one.
    pub fn new(options: &SourceOptions, header: Option<&[u8]>) -> Result<Decoder, ConnectorError> {
        match options.format {
            Format::Json => Ok(Decoder::Json),
            Format::Lines => Ok(Decoder::Lines),
            Format::Parquet => Err(ConnectorError::fatal("a Parquet file is no text")),
            Format::Csv => Rows::new(options, header).map(Decoder::Csv),
        }
    }

    /// Appends the record's value, or nothing for a blank line where blank lines mean nothing. The error is why
    /// the record is bad; nothing is appended then.
    #[inline]
    pub fn decode(&mut self, record: &[u8], to: &mut ColumnBuilder) -> Result<(), String> {
        match self {
            Decoder::Lines => to.push_value(record),
            Decoder::Json => {
                if record.iter().all(u8::is_ascii_whitespace) {
                    return Ok(());
                }
                json::validate(record).map_err(|error| error.to_string())?;
                to.push_value(record);
            }
            Decoder::Csv(rows) => {
                if record.is_empty() {
                    return Ok(());
                }
                if let Err(reason) = rows.write(record, to.value_buffer()) {
                    to.abandon_value();
                    return Err(reason);
                }
                to.end_value();
            }
        }
        Ok(())
    }
}

pub fn framing(options: &SourceOptions) -> Framing {
    match options.format {
        Format::Csv => Framing::Csv { delimiter: delimiter(options) },
        Format::Json | Format::Lines | Format::Parquet => Framing::Lines,
    }
}

/// The delimiter is ASCII: the options' check sees to it.
fn delimiter(options: &SourceOptions) -> u8 {
    u8::try_from(options.delimiter).unwrap_or(b',')
}

/// Writes CSV rows as JSON objects.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<Column>,
    delimiter: u8,
    unquoted: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    /// `{"name":` or `,"name":`
    lead: Vec<u8>,
    name: String,
    /// `None` infers.
    kind: Option<FieldType>,
}

impl Rows {
    fn new(options: &SourceOptions, header: Option<&[u8]>) -> Result<Rows, ConnectorError> {
        let delimiter = delimiter(options);
        let names = match (&options.columns, header) {
            (Some(names), _) => names.clone(),
            (None, Some(header)) => header_names(header, delimiter)?,
            (None, None) => Vec::new(),
        };
        let mut columns: Vec<Column> = Vec::with_capacity(names.len());
        for name in names {
            if columns.iter().any(|column| column.name == name) {
                let message = format!("two columns are named `{name}`; name them with `columns`");
                return Err(ConnectorError::config(message));
            }
            let mut lead = vec![if columns.is_empty() { b'{' } else { b',' }];
            json::push_escaped(name.as_bytes(), &mut lead);
            lead.push(b':');
            let kind = match &options.types {
                Types::Infer => None,
                Types::Named(kinds) => Some(kinds.get(&name).copied().unwrap_or(FieldType::Text)),
            };
            columns.push(Column { lead, name, kind });
        }
        if let Types::Named(kinds) = &options.types
            && let Some(unknown) =
                kinds.keys().find(|name| columns.iter().all(|column| column.name != **name))
        {
            let known: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            let message = format!("`types` names column `{unknown}`; the file has {}", known.join(", "));
            return Err(ConnectorError::config(message));
        }
        Ok(Rows { columns, delimiter, unquoted: Vec::new() })
    }

    fn write(&mut self, record: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
        if std::str::from_utf8(record).is_err() {
            return Err("not UTF-8".to_owned());
        }
        let mut rest = Some(record);
        let mut found = 0;
        while let Some(text) = rest {
            let column = self.columns.get(found);
            let behind = take_field(text, self.delimiter, &mut self.unquoted)?;
            if let Some(column) = column {
                to.extend_from_slice(&column.lead);
                column.write(&self.unquoted, to)?;
            }
            found += 1;
            rest = behind;
        }
        if found != self.columns.len() {
            return Err(format!("{found} fields where the header has {}", self.columns.len()));
        }
        to.push(b'}');
        Ok(())
    }
}

fn header_names(header: &[u8], delimiter: u8) -> Result<Vec<String>, ConnectorError> {
    let mut names = Vec::new();
    let mut field = Vec::new();
    let mut rest = Some(header);
    while let Some(text) = rest {
        rest = take_field(text, delimiter, &mut field)
            .map_err(|reason| ConnectorError::config(format!("reading the header row: {reason}")))?;
        let name = std::str::from_utf8(&field)
            .map_err(|_| ConnectorError::config("reading the header row: not UTF-8"))?;
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Puts the first field into `field`, unquoted, and returns what follows its delimiter; `None` after the last.
fn take_field<'a>(text: &'a [u8], delimiter: u8, field: &mut Vec<u8>) -> Result<Option<&'a [u8]>, String> {
    field.clear();
    let mut rest = text;
    if text.first() == Some(&b'"') {
        loop {
            rest = &rest[1..];
            let Some(close) = memchr::memchr(b'"', rest) else {
                return Err("a quoted field is not closed".to_owned());
            };
            field.extend_from_slice(&rest[..close]);
            rest = &rest[close + 1..];
            if rest.first() != Some(&b'"') {
                break;
            }
            field.push(b'"');
        }
    }
    match memchr::memchr(delimiter, rest) {
        Some(end) => {
            field.extend_from_slice(&rest[..end]);
            Ok(Some(&rest[end + 1..]))
        }
        None => {
            field.extend_from_slice(rest);
            Ok(None)
        }
    }
}

impl Column {
    fn write(&self, field: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
        let Some(kind) = self.kind else {
            infer(field, to);
            return Ok(());
        };
        if kind == FieldType::Text {
            json::push_escaped(field, to);
            return Ok(());
        }
        if field.is_empty() {
            to.extend_from_slice(b"null");
            return Ok(());
        }
        let text = String::from_utf8_lossy(field);
        let wrong = |expected: &str| format!("column `{}`: `{text}` is not {expected}", self.name);
        match kind {
            FieldType::Text => {}
            FieldType::Integer => {
                let integer: i64 = text.trim().parse().map_err(|_| wrong("a 64-bit integer"))?;
                write!(to, "{integer}").map_err(|error| error.to_string())?;
            }
            FieldType::Number if is_number(field) => to.extend_from_slice(field),
            FieldType::Number => {
                let number: f64 = text.trim().parse().map_err(|_| wrong("a number"))?;
                let number = serde_json::Number::from_f64(number).ok_or_else(|| wrong("a finite number"))?;
                write!(to, "{number}").map_err(|error| error.to_string())?;
            }
            FieldType::Boolean => match text.trim() {
                "true" | "TRUE" | "True" | "t" | "1" => to.extend_from_slice(b"true"),
                "false" | "FALSE" | "False" | "f" | "0" => to.extend_from_slice(b"false"),
                _ => return Err(wrong("true or false")),
            },
            FieldType::Json => {
                json::validate(field).map_err(|_| wrong("JSON"))?;
                json::compact(field, to).map_err(|_| wrong("JSON"))?;
            }
        }
        Ok(())
    }
}

fn infer(field: &[u8], to: &mut Vec<u8>) {
    match field {
        b"" => to.extend_from_slice(b"null"),
        b"true" | b"false" => to.extend_from_slice(field),
        number if is_number(number) && !is_long_integer(number) => to.extend_from_slice(number),
        text => json::push_escaped(text, to),
    }
}

fn is_number(field: &[u8]) -> bool {
    matches!(field.first(), Some(b'-' | b'0'..=b'9')) && json::skip_value(field, 0) == Ok(field.len())
}

/// More digits than a number carries exactly: an identifier, which stays text.
fn is_long_integer(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    digits.len() > MAX_INFERRED_DIGITS && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(types: serde_json::Value, lines: &[&str]) -> Vec<String> {
        let config = json!({ "path": "x", "format": "csv", "types": types });
        let options = millstream_sdk::config::parse(super::super::options::SOURCE, &config).unwrap();
        let mut decoder = Decoder::new(&options, Some(lines[0].as_bytes())).unwrap();
        lines[1..]
            .iter()
            .map(|line| {
                let mut column = ColumnBuilder::default();
                match decoder.decode(line.as_bytes(), &mut column) {
                    Ok(()) => column
                        .finish()
                        .iter()
                        .map(|value| String::from_utf8_lossy(value.unwrap_or_default()).into_owned())
                        .collect(),
                    Err(reason) => format!("bad: {reason}"),
                }
            })
            .collect()
    }

    #[test]
    fn fields_are_text_by_default() {
        assert_eq!(
            rows(
                json!("text"),
                &["a,\"b \"\"x\"\"\",c", "1,\"two, \"\"2\"\"\n\",", "1,2", "1,2,3,4", "1,\"2,3"]
            ),
            [
                r#"{"a":"1","b \"x\"":"two, \"2\"\n","c":""}"#,
                "bad: 2 fields where the header has 3",
                "bad: 4 fields where the header has 3",
                "bad: a quoted field is not closed",
            ]
        );
    }

    #[test]
    fn types_are_inferred_or_named() {
        assert_eq!(
            rows(json!("infer"), &["a,b,c,d,e", "1,-2.5e3,007,true,", "1234567890123456789,x,-0,null,\"\""]),
            [
                r#"{"a":1,"b":-2.5e3,"c":"007","d":true,"e":null}"#,
                r#"{"a":"1234567890123456789","b":"x","c":-0,"d":"null","e":null}"#,
            ]
        );
        let named = json!({ "n": "integer", "f": "number", "b": "boolean", "j": "json" });
        assert_eq!(
            rows(named, &["n,f,b,j,t", "007,.5,1,\"[1, 2]\",", ",,,,", "x,1,1,1,1", "1,1,maybe,1,1"]),
            [
                r#"{"n":7,"f":0.5,"b":true,"j":[1,2],"t":""}"#,
                r#"{"n":null,"f":null,"b":null,"j":null,"t":""}"#,
                "bad: column `n`: `x` is not a 64-bit integer",
                "bad: column `b`: `maybe` is not true or false",
            ]
        );
    }
}
