//! A record as it came, kept beside the row that was read from it: what a topic of late rows or of unreadable records
//! gets, with headers behind its own that say what happened.
//!
//! In memory only, as one piece of bytes: numbers little-endian, texts and bytes behind their length, -1 for none.

use std::borrow::Cow;

use millstream_protocol::record_batch::Record;

use super::encode::OutputRows;

/// Prefix of the headers that say why a record could not be read; that of connectors' dead letters too.
pub(crate) const ERROR: &str = "__millstream.error.";

/// Prefix of the headers that say for what a row was late.
pub(crate) const LATE: &str = "__millstream.late.";

/// Longest reason that is written.
const REASON_BYTES_MAX: usize = 4_096;

/// A header: its name, and its value.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// Where a record stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub topic: &'a str,
    pub partition: i32,
}

/// Appends a record in this module's form. Headers that are damaged are left out, with those behind them.
pub(crate) fn write(place: Place<'_>, record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&place.partition.to_le_bytes());
    out.extend_from_slice(&record.offset.to_le_bytes());
    out.extend_from_slice(&record.timestamp_ms.to_le_bytes());
    write_bytes(Some(place.topic.as_bytes()), out);
    write_bytes(record.key, out);
    write_bytes(record.value, out);
    for header in record.headers.map_while(Result::ok) {
        write_bytes(Some(header.key.as_bytes()), out);
        write_bytes(header.value, out);
    }
}

fn write_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let length = bytes.map_or(-1, |bytes| bytes.len() as i64);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Adds the record to `out`, under its own key, value and headers; behind them `prefix` and these, and where it stood.
pub(crate) fn push(
    written: &[u8],
    prefix: &str,
    context: impl IntoIterator<Item = (&'static str, String)>,
    out: &mut OutputRows,
) {
    let Some(original) = Original::read(written) else { return };
    let mut headers: Vec<Header> = original
        .headers
        .iter()
        .map(|(name, value)| (name.clone().into_owned(), value.map(<[u8]>::to_vec)))
        .collect();
    let place = [
        ("topic", original.topic.into_owned()),
        ("partition", original.partition.to_string()),
        ("offset", original.offset.to_string()),
        ("timestamp", original.timestamp_ms.to_string()),
    ];
    headers.extend(context.into_iter().chain(place).map(|(name, mut text)| {
        text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
        (format!("{prefix}{name}"), Some(text.into_bytes()))
    }));
    out.push(original.key, original.value, headers);
}

/// The partition that a written record stood in; 0 for what [`write`] did not write.
pub(crate) fn partition(mut written: &[u8]) -> i32 {
    take(&mut written).map_or(0, |bytes| i32::from_le_bytes(*bytes))
}

struct Original<'a> {
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    topic: Cow<'a, str>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<(Cow<'a, str>, Option<&'a [u8]>)>,
}

impl<'a> Original<'a> {
    /// `None` for what [`write`] did not write.
    fn read(mut from: &'a [u8]) -> Option<Original<'a>> {
        let partition = i32::from_le_bytes(*take(&mut from)?);
        let offset = i64::from_le_bytes(*take(&mut from)?);
        let timestamp_ms = i64::from_le_bytes(*take(&mut from)?);
        let topic = String::from_utf8_lossy(read_bytes(&mut from)??);
        let key = read_bytes(&mut from)?;
        let value = read_bytes(&mut from)?;
        let mut headers = Vec::new();
        while !from.is_empty() {
            let name = String::from_utf8_lossy(read_bytes(&mut from)??);
            headers.push((name, read_bytes(&mut from)?));
        }
        Some(Original { partition, offset, timestamp_ms, topic, key, value, headers })
    }
}

fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(taken)
}

/// The inner `None` is a value that is none.
fn read_bytes<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = i64::from_le_bytes(*take(from)?);
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_what_it_had_and_says_where_it_stood() {
        let record =
            Record { offset: 7, timestamp_ms: 12, key: None, value: Some(b"v"), headers: Default::default() };
        let mut bytes = Vec::new();
        write(Place { topic: "t", partition: 3 }, &record, &mut bytes);
        write_bytes(Some(b"own"), &mut bytes);
        write_bytes(None, &mut bytes);
        let mut out = OutputRows::default();
        push(&bytes, LATE, [("query", "q".to_owned())], &mut out);
        let found: Vec<String> = out
            .headers(0)
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", value.as_deref().map_or("-".into(), String::from_utf8_lossy))
            })
            .collect();
        let late = |text: &str| format!("__millstream.late.{text}");
        let expected = ["query=q", "topic=t", "partition=3", "offset=7", "timestamp=12"].map(late).to_vec();
        assert_eq!(found, [vec!["own=-".to_owned()], expected].concat());
        assert_eq!(out.iter().next().map(|row| (row.0, row.1)), Some((None, Some(b"v".as_slice()))));
        assert!(Original::read(&bytes[..bytes.len() - 3]).is_none());
    }
}
