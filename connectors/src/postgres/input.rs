//! Records on their way into a table: JSON objects as the texts that PostgreSQL reads, column by column.

use std::collections::HashMap;

use millstream_sdk::record::Row;

use super::table::UNCHANGED;
use crate::json;

/// The text of one value; `None` for NULL.
pub(crate) type Text = Option<String>;

/// What one record asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// The fields that the record has, in its order. What it lacks keeps its value.
    Put(Vec<Field>),
    Delete,
    Truncate,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub name: String,
    pub value: Text,
    pub shape: Shape,
}

/// What a column made for a value would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Unknown,
    Boolean,
    Integer,
    Float,
    Text,
    Json,
}

impl Shape {
    pub fn column_type(self) -> &'static str {
        match self {
            Shape::Boolean => "boolean",
            Shape::Integer => "bigint",
            Shape::Float => "double precision",
            Shape::Json => "jsonb",
            Shape::Text | Shape::Unknown => "text",
        }
    }
}

/// Reads a record; the error says why it is no row.
pub(crate) fn wanted(row: Row<'_>) -> Result<Wanted, String> {
    let Some(value) = row.value else {
        return Ok(if row.headers.find("op") == Some(b"t") { Wanted::Truncate } else { Wanted::Delete });
    };
    json::validate(value).map_err(|error| format!("the value is not JSON: {error}"))?;
    let mut fields = json::fields(value).ok_or("the value is not a JSON object")?;
    let mut found: Vec<Field> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(field) = fields.next_raw() {
        let (name, raw) = field.map_err(|error| format!("the value is not JSON: {error}"))?;
        let name = json::unescape(name).ok_or("a field's name is not UTF-8")?.into_owned();
        let (value, shape) = text_of(raw)?;
        if value.as_deref() == Some(UNCHANGED) {
            continue;
        }
        let read = Field { name: name.clone(), value, shape };
        // Of a name that comes twice the last counts, as in every JSON reader.
        match places.get(&name) {
            Some(place) => found[*place] = read,
            None => {
                places.insert(name, found.len());
                found.push(read);
            }
        }
    }
    Ok(Wanted::Put(found))
}

/// The text of a JSON value.
pub(super) fn text_of(raw: &[u8]) -> Result<(Text, Shape), String> {
    let plain = |raw: &[u8]| String::from_utf8(raw.to_vec()).map_err(|_| "a value is not UTF-8".to_owned());
    Ok(match raw.first() {
        Some(b'n') => (None, Shape::Unknown),
        Some(b't' | b'f') => (Some(plain(raw)?), Shape::Boolean),
        Some(b'"') => {
            let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
            let text = json::unescape(inner).ok_or("a value is not UTF-8")?;
            (Some(text.into_owned()), Shape::Text)
        }
        Some(b'{' | b'[') => (Some(plain(raw)?), Shape::Json),
        _ => {
            let text = plain(raw)?;
            let shape = if text.parse::<i64>().is_ok() { Shape::Integer } else { Shape::Float };
            (Some(text), shape)
        }
    })
}

/// The parts of a record's key: a JSON array's elements for several columns, the plain text for one.
pub(crate) fn key_parts(key: Option<&[u8]>, columns: usize) -> Result<Vec<Text>, String> {
    let key = key.ok_or("the record has no key")?;
    if columns == 1 && !key.starts_with(b"[") && !key.starts_with(b"{") {
        let text = std::str::from_utf8(key).map_err(|_| "the key is not UTF-8")?;
        let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
        return match quoted {
            true => Ok(vec![text_of(key)?.0]),
            false => Ok(vec![Some(text.to_owned())]),
        };
    }
    let parts: Vec<serde_json::Value> = match serde_json::from_slice(key) {
        Ok(serde_json::Value::Array(parts)) => parts,
        Ok(serde_json::Value::Object(parts)) => parts.into_iter().map(|(_, value)| value).collect(),
        _ => return Err(format!("the key is not a JSON array of {columns} values")),
    };
    if parts.len() != columns {
        return Err(format!("the key has {} values, the table's has {columns}", parts.len()));
    }
    parts.iter().map(|part| text_of(part.to_string().as_bytes()).map(|(text, _)| text)).collect()
}

/// A JSON list as the text of an array: `[1,null,"a"]` becomes `{1,NULL,"a"}`.
pub(super) fn array_text(list: &str) -> Result<String, String> {
    let value: serde_json::Value =
        serde_json::from_str(list).map_err(|error| format!("a list is not JSON: {error}"))?;
    let mut text = String::new();
    push_array(&value, &mut text);
    Ok(text)
}

fn push_array(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Array(elements) => {
            text.push('{');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_array(element, text);
            }
            text.push('}');
        }
        serde_json::Value::Null => text.push_str("NULL"),
        serde_json::Value::String(element) => push_element(element, text),
        serde_json::Value::Object(_) => push_element(&value.to_string(), text),
        plain => text.push_str(&plain.to_string()),
    }
}

fn push_element(element: &str, text: &mut String) {
    text.push('"');
    for letter in element.chars() {
        if matches!(letter, '"' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sdk::record::BatchBuilder;

    fn read(value: Option<&str>) -> Result<Wanted, String> {
        let mut builder = BatchBuilder::new();
        builder.push(None, value.map(str::as_bytes), None);
        let batch = builder.finish();
        wanted(batch.row(0).unwrap())
    }

    #[test]
    fn objects_become_texts_with_the_shape_of_their_values() {
        let Ok(Wanted::Put(fields)) = read(Some(
            r#"{"a":1,"b":1.5,"c":"x\ny","d":null,"e":[1, 2],"f":true,"a":2,"g":"__debezium_unavailable_value","h":1e400}"#,
        )) else {
            panic!("not a row")
        };
        let shown: Vec<String> = fields
            .iter()
            .map(|field| format!("{} {:?} {:?}", field.name, field.value, field.shape))
            .collect();
        let expected = [
            "a Some(\"2\") Integer",
            "b Some(\"1.5\") Float",
            "c Some(\"x\\ny\") Text",
            "d None Unknown",
            "e Some(\"[1, 2]\") Json",
            "f Some(\"true\") Boolean",
            "h Some(\"1e400\") Float",
        ];
        assert_eq!(shown, expected);
        assert_eq!(read(None), Ok(Wanted::Delete));
        assert!(read(Some("[1]")).unwrap_err().contains("not a JSON object"));
        assert!(read(Some("{\"a\":}")).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn keys_are_taken_apart() {
        let parts = |key: &str, columns| key_parts(Some(key.as_bytes()), columns);
        assert_eq!(parts("7", 1), Ok(vec![Some("7".into())]));
        assert_eq!(parts("\"a\"", 1), Ok(vec![Some("a".into())]));
        assert_eq!(parts(r#"["a",1]"#, 2), Ok(vec![Some("a".into()), Some("1".into())]));
        assert_eq!(parts(r#"{"id":1}"#, 1), Ok(vec![Some("1".into())]));
        assert!(parts(r#"["a"]"#, 2).unwrap_err().contains("1 values"));
        assert!(key_parts(None, 1).is_err());
    }

    #[test]
    fn lists_become_arrays() {
        assert_eq!(array_text(r#"[1,null,"a\"b,c"]"#).unwrap(), r#"{1,NULL,"a\"b,c"}"#);
        assert_eq!(array_text("[[1],[2]]").unwrap(), "{{1},{2}}");
    }
}
