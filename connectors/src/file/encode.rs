//! From the value of a record in a topic to a line of a file.

use std::borrow::Cow;

use super::options::{Format, SinkOptions, Tombstones};
use crate::json;

/// Encodes records for one file.
#[derive(Debug)]
pub enum Encoder {
    Json { tombstones: Tombstones },
    Lines { tombstones: Tombstones },
    Csv(Table),
}

/// A CSV file being written.
#[derive(Debug)]
pub struct Table {
    delimiter: u8,
    header: bool,
    tombstones: Tombstones,
    /// Known from the options, the journal, or the first record.
    columns: Option<Vec<String>>,
    /// The options chose the columns, so other fields are left out on purpose.
    chosen: bool,
}

impl Encoder {
    /// `columns` are those of an earlier run.
    pub fn new(options: &SinkOptions, columns: Option<Vec<String>>) -> Encoder {
        let tombstones = options.tombstones;
        match options.format {
            Format::Json => Encoder::Json { tombstones },
            Format::Lines | Format::Parquet => Encoder::Lines { tombstones },
            Format::Csv => Encoder::Csv(Table {
                delimiter: u8::try_from(options.delimiter).unwrap_or(b','),
                header: options.header,
                tombstones,
                chosen: options.columns.is_some(),
                columns: options.columns.clone().or(columns),
            }),
        }
    }

    /// What a new file starts with, if that is known before its first record.
    pub fn begin(&self, to: &mut Vec<u8>) {
        if let Encoder::Csv(table) = self {
            table.write_header(to);
        }
    }

    /// Columns to remember for the next run.
    pub fn columns(&self) -> Option<&[String]> {
        match self {
            Encoder::Csv(table) => table.columns.as_deref(),
            _ => None,
        }
    }

    /// Appends the record's line, or nothing for a tombstone that is skipped. The error is why the record cannot
    /// be written; nothing is appended then.
    pub fn encode(&mut self, value: Option<&[u8]>, to: &mut Vec<u8>) -> Result<(), String> {
        let before = to.len();
        let knew_columns = self.columns().is_some();
        let written = match self {
            Encoder::Json { tombstones } => write_json(value, *tombstones, to),
            Encoder::Lines { tombstones } => write_line(value, *tombstones, to),
            Encoder::Csv(table) => table.write(value, to),
        };
        if written.is_err() {
            to.truncate(before);
            if let (false, Encoder::Csv(table)) = (knew_columns, self) {
                table.columns = None;
            }
        }
        written
    }
}

fn write_json(value: Option<&[u8]>, tombstones: Tombstones, to: &mut Vec<u8>) -> Result<(), String> {
    match value {
        None if tombstones == Tombstones::Skip => return Ok(()),
        None => to.extend_from_slice(b"null"),
        Some(value) => {
            json::validate(value).map_err(|error| error.to_string())?;
            match memchr::memchr2(b'\n', b'\r', value) {
                None => to.extend_from_slice(value),
                Some(_) => json::compact(value, to).map_err(|error| error.to_string())?,
            }
        }
    }
    to.push(b'\n');
    Ok(())
}

fn write_line(value: Option<&[u8]>, tombstones: Tombstones, to: &mut Vec<u8>) -> Result<(), String> {
    match value {
        None if tombstones == Tombstones::Skip => return Ok(()),
        None => {}
        Some(value) if memchr::memchr(b'\n', value).is_some() => {
            return Err("the value holds a line feed, which format lines cannot carry".to_owned());
        }
        Some(value) => to.extend_from_slice(value),
    }
    to.push(b'\n');
    Ok(())
}

impl Table {
    fn write_header(&self, to: &mut Vec<u8>) {
        let Some(columns) = self.columns.as_ref().filter(|_| self.header) else {
            return;
        };
        for (index, column) in columns.iter().enumerate() {
            self.delimit(index, to);
            self.push_field(column.as_bytes(), to);
        }
        to.push(b'\n');
    }

    fn write(&mut self, value: Option<&[u8]>, to: &mut Vec<u8>) -> Result<(), String> {
        let Some(value) = value else {
            if self.tombstones == Tombstones::Write {
                self.write_empty(to);
            }
            return Ok(());
        };
        json::validate(value).map_err(|error| error.to_string())?;
        let fields = json::fields(value).ok_or("not a JSON object, which format csv needs")?;
        let mut row: Vec<(Cow<'_, str>, &[u8])> = Vec::new();
        for field in fields {
            row.push(field.map_err(|error| error.to_string())?);
        }
        if self.columns.is_none() {
            if row.is_empty() {
                return Err("the first record has no fields; name the columns with `columns`".to_owned());
            }
            self.columns = Some(row.iter().map(|(name, _)| name.clone().into_owned()).collect());
            self.write_header(to);
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        if !self.chosen
            && let Some((extra, _)) = row.iter().find(|(name, _)| columns.iter().all(|column| column != name))
        {
            return Err(format!("field `{extra}` is not a column of this file; choose with `columns`"));
        }
        for (index, column) in columns.iter().enumerate() {
            self.delimit(index, to);
            // Records of one kind have their fields in one order: look at the same place first.
            let same_place = row.get(index).filter(|(name, _)| name == column);
            if let Some((_, raw)) = same_place.or_else(|| row.iter().find(|(name, _)| name == column)) {
                self.push_value(raw, columns.len() == 1, to)?;
            }
        }
        to.push(b'\n');
        Ok(())
    }

    fn write_empty(&self, to: &mut Vec<u8>) {
        let columns = self.columns.as_ref().map_or(1, Vec::len);
        for index in 0..columns {
            self.delimit(index, to);
        }
        to.push(b'\n');
    }

    fn push_value(&self, raw: &[u8], alone: bool, to: &mut Vec<u8>) -> Result<(), String> {
        match raw {
            b"null" => {}
            [b'"', text @ .., b'"'] => {
                let text = json::unescape(text).ok_or("a string is not UTF-8")?;
                // An empty text alone on its line would read as no row at all.
                match alone && text.is_empty() {
                    true => to.extend_from_slice(b"\"\""),
                    false => self.push_field(text.as_bytes(), to),
                }
            }
            [b'{' | b'[', ..] => {
                let mut compacted = Vec::with_capacity(raw.len());
                json::compact(raw, &mut compacted).map_err(|error| error.to_string())?;
                self.push_field(&compacted, to);
            }
            plain => to.extend_from_slice(plain),
        }
        Ok(())
    }

    /// Quotes a field that needs it (RFC 4180), also where blanks at its ends might be trimmed.
    fn push_field(&self, field: &[u8], to: &mut Vec<u8>) {
        let special = |byte: &u8| matches!(byte, b'"' | b'\n' | b'\r') || *byte == self.delimiter;
        let blank_edge =
            matches!(field.first(), Some(b' ' | b'\t')) || matches!(field.last(), Some(b' ' | b'\t'));
        if !blank_edge && !field.iter().any(special) {
            to.extend_from_slice(field);
            return;
        }
        to.push(b'"');
        for byte in field {
            if *byte == b'"' {
                to.push(b'"');
            }
            to.push(*byte);
        }
        to.push(b'"');
    }

    fn delimit(&self, index: usize, to: &mut Vec<u8>) {
        if index > 0 {
            to.push(self.delimiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lines(config: Value, values: &[Option<&str>]) -> String {
        let mut config = config;
        config["path"] = json!("x");
        let options = millstream_sdk::config::parse(super::super::options::SINK, &config).unwrap();
        let mut encoder = Encoder::new(&options, None);
        let mut text = Vec::new();
        encoder.begin(&mut text);
        for value in values {
            if let Err(reason) = encoder.encode(value.map(str::as_bytes), &mut text) {
                text.extend_from_slice(format!("!{reason}\n").as_bytes());
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn json_lines_stay_as_they_are_unless_they_span_lines() {
        let values = [Some("{ \"a\": 1 }"), None, Some("{\n  \"b\": \"x y\"\n}"), Some("{a}"), Some("7")];
        assert_eq!(
            lines(json!({}), &values),
            "{ \"a\": 1 }\n{\"b\":\"x y\"}\n!not JSON: expected a field name in quotes at byte 1\n7\n"
        );
        assert_eq!(lines(json!({ "tombstones": "write" }), &[None]), "null\n");
    }

    #[test]
    fn csv_takes_its_columns_from_the_first_record() {
        let values = [
            Some(r#"{"id":1,"n":"a,\"b\"","l":[1, {"x":2}],"z":null}"#),
            Some(r#"{"z":true,"id":-2.5,"n":"two\nlines"}"#),
            Some(r#"{"id":3,"n":" x","more":1}"#),
            Some("[1]"),
        ];
        assert_eq!(
            lines(json!({ "format": "csv" }), &values),
            "id,n,l,z\n1,\"a,\"\"b\"\"\",\"[1,{\"\"x\"\":2}]\",\n-2.5,\"two\nlines\",,true\n\
             !field `more` is not a column of this file; choose with `columns`\n\
             !not a JSON object, which format csv needs\n"
        );
    }

    #[test]
    fn csv_columns_can_be_chosen() {
        let config = json!({ "format": "csv", "columns": ["b", "a"], "delimiter": ";" });
        assert_eq!(lines(config, &[Some(r#"{"a":"x;y","b":1,"c":2}"#), Some("{}")]), "b;a\n1;\"x;y\"\n;\n");
        let config = json!({ "format": "csv", "columns": ["a"], "header": false });
        assert_eq!(lines(config, &[Some(r#"{"a":""}"#)]), "\"\"\n");
    }

    #[test]
    fn plain_lines_refuse_line_feeds() {
        assert_eq!(
            lines(json!({ "format": "lines" }), &[Some("a"), Some("b\nc"), None]),
            "a\n!the value holds a line feed, which format lines cannot carry\n"
        );
    }
}
