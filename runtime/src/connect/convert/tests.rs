use super::*;
use bytes::Bytes;
use millstream_client::TopicPartition;
use millstream_protocol::compression::Compression;

fn text(value: &str, field: &str) -> Option<String> {
    let found = field_text(Some(value.as_bytes()), field).unwrap();
    found.map(|text| String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn keys_are_fields_as_plain_text() {
    let value = r#"{"s":"a\"b","n":1.50,"o":{ "x": [1, 2] },"z":null,"d":{"e":true}}"#;
    assert_eq!(text(value, "s").as_deref(), Some("a\"b"));
    assert_eq!(text(value, "n").as_deref(), Some("1.50"));
    assert_eq!(text(value, "o").as_deref(), Some(r#"{"x":[1,2]}"#));
    assert_eq!(text(value, "z"), None);
    assert_eq!(text(value, "d.e").as_deref(), Some("true"));
    assert_eq!(text(value, "missing"), None);
}

#[test]
fn timestamps_are_numbers_or_text() {
    let instant = |raw: &str| field_instant(Some(format!("{{\"t\":{raw}}}").as_bytes()), "t");
    assert_eq!(instant("1517365101235"), Ok(Some(1517365101235)));
    assert_eq!(instant("1517365101235.7"), Ok(Some(1517365101235)));
    assert_eq!(instant("\"2018-01-31T02:18:21.235Z\""), Ok(Some(1517365101235)));
    assert_eq!(instant("\"2018-01-31T03:18:21+01:00\""), Ok(Some(1517365101000)));
    assert_eq!(instant("\"2018-01-31 02:18:21\""), Ok(Some(1517365101000)));
    assert_eq!(instant("null"), Ok(None));
    assert_eq!(instant("\"soon\""), Err("timestamp: field `t` is `soon`".to_owned()));
}

#[test]
fn plain_fields_are_told_from_expressions() {
    let fields = ["id", "a.b", "größe"];
    let expressions = ["_key", "a + b", "lower(id)", "a.", "'x'", "a[0]"];
    assert!(fields.iter().all(|text| is_field(text)));
    assert!(!expressions.iter().any(|text| is_field(text)));
}

#[test]
fn templates_name_the_topic_of_each_record() {
    let fill_in = |template: &str, value: &str| match Target::parse(template) {
        Ok(Target::Template(pieces)) => {
            let mut builder = BatchBuilder::new();
            builder.push_header("origin", Some(b"shop"));
            builder.push(None, Some(value.as_bytes()), None);
            let batch = builder.finish();
            fill(&pieces, batch.row(0).unwrap())
        }
        Ok(Target::Topic(topic)) => Ok(topic),
        Err(error) => Err(error.to_string()),
    };
    let value = r#"{"schema":"public","table":"orders","bad":"a b"}"#;
    assert_eq!(fill_in("db.{schema}.{table}", value).as_deref(), Ok("db.public.orders"));
    assert_eq!(fill_in("{origin}.{table}", value).as_deref(), Ok("shop.orders"));
    assert_eq!(fill_in("plain", value).as_deref(), Ok("plain"));
    assert_eq!(fill_in("{none}", value), Err("to: the record has no header or field `none`".to_owned()));
    assert_eq!(fill_in("x-{bad}", value), Err("to: `x-a b` is no topic name".to_owned()));
    assert!(fill_in("{open", value).is_err());
    assert!(fill_in("clo}se", value).is_err());
}

#[test]
fn fetched_pieces_become_batches_from_the_asked_offset_on() {
    let mut builder = record_batch::BatchBuilder::new(Compression::Lz4);
    builder.set_base_offset(10);
    let header = [("h", Some(&b"x"[..]))];
    builder.append(5, Some(b"k"), Some(b"0"), &[]).unwrap();
    builder.append(6, None, None, &header).unwrap();
    builder.append(-1, None, Some(b"2"), &[]).unwrap();
    let fetched = fetched(builder.finish().unwrap());
    let batches = sink_batches(&fetched).unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].partition, &*batches[0].topic, &batches[0].offsets[..]), (3, "t", &[11, 12][..]));
    let rows: Vec<_> = batches[0].batch.rows().collect();
    assert_eq!(
        (rows[0].value, rows[0].timestamp_ms, rows[0].headers.find("h")),
        (None, Some(6), Some(&b"x"[..]))
    );
    assert_eq!((rows[1].value, rows[1].timestamp_ms), (Some(&b"2"[..]), None));
}

#[test]
fn damaged_records_are_an_error_that_names_the_place() {
    let mut builder = record_batch::BatchBuilder::new(Compression::None);
    builder.append(5, Some(b"k"), Some(b"0123456789"), &[]).unwrap();
    let mut bytes = builder.finish().unwrap().to_vec();
    // The value's length.
    bytes[record_batch::HEADER_BYTES + 6] = 0x7e;
    let error = sink_batches(&fetched(Bytes::from(bytes))).unwrap_err().to_string();
    assert!(error.contains("t-3"), "{error}");
}

fn fetched(mut bytes: Bytes) -> Fetched {
    Fetched {
        place: TopicPartition::new("t", 3),
        start_offset: 11,
        next_offset: 14,
        batches: vec![record_batch::Batch::split_from(&mut bytes).unwrap()],
        high_watermark: 14,
        last_stable_offset: 14,
        log_start_offset: 0,
        decompressed_bytes_max: 1 << 20,
    }
}
