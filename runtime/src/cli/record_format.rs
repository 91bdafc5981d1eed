//! How `consume` shows a record: its value, a JSON object, or a template.

use millstream_protocol::record_batch::Record;
use serde_json::{Map, Value, json};

/// A record and where it came from.
pub struct RecordView<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub record: &'a Record<'a>,
}

/// How records are written.
pub enum Format {
    /// The value and a line feed; a missing value is an empty line.
    Value,
    /// One object a line. Values that are JSON stay JSON, other text is text, other bytes are `{"base64": …}`.
    Json,
    Template(Vec<Piece>),
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    Headers,
}

impl Format {
    /// Reads a template such as `%t[%p]@%o: %k=%s\n`; `%%` is a percent sign, `\n`, `\t`, `\r` and `\\` are escapes.
    pub fn template(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let piece = match (character, character == '%' || character == '\\') {
                (_, false) => {
                    plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                ('%', _) => placeholder(characters.next())?,
                _ => Piece::Text(vec![escape(characters.next())?]),
            };
            if let Piece::Text(bytes) = piece {
                plain.extend(bytes);
                continue;
            }
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self::Template(pieces))
    }

    /// Appends one record.
    pub fn write(&self, view: &RecordView<'_>, to: &mut Vec<u8>) {
        match self {
            Self::Value => {
                to.extend_from_slice(view.record.value.unwrap_or_default());
                to.push(b'\n');
            }
            Self::Json => {
                to.extend_from_slice(json_of(view).to_string().as_bytes());
                to.push(b'\n');
            }
            Self::Template(pieces) => pieces.iter().for_each(|piece| write_piece(piece, view, to)),
        }
    }
}

fn placeholder(letter: Option<char>) -> Result<Piece, String> {
    Ok(match letter {
        Some('t') => Piece::Topic,
        Some('p') => Piece::Partition,
        Some('o') => Piece::Offset,
        Some('T') => Piece::Timestamp,
        Some('k') => Piece::Key,
        Some('s') => Piece::Value,
        Some('h') => Piece::Headers,
        Some('%') => Piece::Text(b"%".to_vec()),
        Some(other) => {
            return Err(format!("--format: unknown placeholder %{other}, known are %t %p %o %T %k %s %h %%"));
        }
        None => return Err("--format: a % at the end stands for nothing; write %%".to_owned()),
    })
}

fn escape(letter: Option<char>) -> Result<u8, String> {
    Ok(match letter {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('\\') => b'\\',
        _ => return Err("--format: known escapes are \\n \\t \\r \\\\".to_owned()),
    })
}

fn write_piece(piece: &Piece, view: &RecordView<'_>, to: &mut Vec<u8>) {
    match piece {
        Piece::Text(text) => to.extend_from_slice(text),
        Piece::Topic => to.extend_from_slice(view.topic.as_bytes()),
        Piece::Partition => to.extend_from_slice(view.partition.to_string().as_bytes()),
        Piece::Offset => to.extend_from_slice(view.record.offset.to_string().as_bytes()),
        Piece::Timestamp => to.extend_from_slice(view.record.timestamp_ms.to_string().as_bytes()),
        Piece::Key => to.extend_from_slice(view.record.key.unwrap_or_default()),
        Piece::Value => to.extend_from_slice(view.record.value.unwrap_or_default()),
        Piece::Headers => {
            for (index, header) in view.record.headers.flatten().enumerate() {
                if index > 0 {
                    to.push(b',');
                }
                to.extend_from_slice(header.key.as_bytes());
                to.push(b'=');
                to.extend_from_slice(header.value.unwrap_or_default());
            }
        }
    }
}

fn json_of(view: &RecordView<'_>) -> Value {
    let record = view.record;
    let mut object = Map::new();
    object.insert("topic".to_owned(), json!(view.topic));
    object.insert("partition".to_owned(), json!(view.partition));
    object.insert("offset".to_owned(), json!(record.offset));
    object.insert("timestamp".to_owned(), json!(record.timestamp_ms));
    object.insert("key".to_owned(), record.key.map_or(Value::Null, text_or_base64));
    object.insert("value".to_owned(), record.value.map_or(Value::Null, json_or_text));
    let headers: Vec<Value> = record
        .headers
        .flatten()
        .map(|header| json!({ "key": header.key, "value": header.value.map(text_or_base64) }))
        .collect();
    if !headers.is_empty() {
        object.insert("headers".to_owned(), Value::Array(headers));
    }
    Value::Object(object)
}

fn json_or_text(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| text_or_base64(bytes))
}

fn text_or_base64(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": base64(bytes) }),
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = usize::try_from(group >> (18 - 6 * place) & 63).unwrap_or(0);
                text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'A')));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &Format, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let record = Record { offset: 7, timestamp_ms: 5, key, value, headers: Default::default() };
        let mut out = Vec::new();
        format.write(&RecordView { topic: "t", partition: 1, record: &record }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_shown_as_asked() {
        assert_eq!(shown(&Format::Value, None, Some(b"x")), "x\n");
        assert_eq!(
            shown(&Format::Json, Some(b"k"), Some(b"{\"a\": 1}")),
            "{\"topic\":\"t\",\"partition\":1,\"offset\":7,\"timestamp\":5,\"key\":\"k\",\"value\":{\"a\":1}}\n"
        );
        assert!(shown(&Format::Json, None, Some(&[255, 254])).contains("{\"base64\":\"//4=\"}"));
        let template = Format::template("%t[%p]@%o %T %k=%s%%\\n").unwrap();
        assert_eq!(shown(&template, Some(b"k"), None), "t[1]@7 5 k=%\n");
        assert!(Format::template("%x").is_err());
        assert!(Format::template("%").is_err());
    }

    #[test]
    fn base64_follows_the_rfc() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
