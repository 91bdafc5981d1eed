//! Parquet files of other writers, read: types, codecs, pages, resuming, waiting for a footer.

use std::fs;
use std::path::{Path, PathBuf};

use millstream_sdk::source::PollLimits;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{LIMITS, described, read_to_end, read_until, source};

/// What `make.py` has written of every type, as it should come out.
const TYPES: [(&str, &str, &str); 38] = [
    ("bool", "true", "false"),
    ("i8", "-128", "127"),
    ("i16", "-32768", "32767"),
    ("i32", "-2147483648", "2147483647"),
    ("i64", "-9223372036854775808", "9223372036854775807"),
    ("u8", "0", "255"),
    ("u16", "0", "65535"),
    ("u32", "0", "4294967295"),
    ("u64", "0", "18446744073709551615"),
    ("f32", "0.1", "\"NaN\""),
    ("f64", "0.1", "\"-Infinity\""),
    ("dec9", "-1234567.89", "0.05"),
    ("dec18", "-100000000000000000", "7"),
    ("dec38", "1234567890123456789012345678.0123456789", "-0.0000000001"),
    (
        "dec76",
        "0.12500000000000000000000000000000000000",
        "-1000000000000000000000000000000.00000000000000000000000000000000000000",
    ),
    ("text", r#""a \"b\"\n\\""#, "\"\""),
    ("large_text", "\"größe\"", "\"\\u0001\""),
    ("bytes", r#""\\x00ff""#, r#""\\x""#),
    ("fixed", r#""\\x616263""#, r#""\\x010203""#),
    ("date", "\"1969-12-31\"", "\"9999-12-31\""),
    ("time_ms", "\"01:02:03\"", "\"23:59:59.999\""),
    ("time_us", "\"01:02:03.000004\"", "\"00:00:00\""),
    ("time_ns", "\"00:00:00.000000001\"", "\"23:59:59.999999999\""),
    ("ts_s", "\"2026-01-02T03:04:05\"", "\"0001-01-01T00:00:00\""),
    ("ts_ms", "\"2026-01-02T03:04:05.006Z\"", "\"1969-12-31T23:59:59.999Z\""),
    ("ts_us", "\"2026-01-02T03:04:05.000006Z\"", "\"9999-01-01T00:00:00Z\""),
    ("ts_ns", "\"1970-01-01T00:00:00.000000001\"", "\"1969-12-31T23:59:59.999999999\""),
    ("word", "\"red\"", "\"green\""),
    ("list", "[1,null,3]", "[]"),
    ("lists", "[[\"a\"],[],null]", "null"),
    ("struct", r#"{"x":1,"y":{"z":"2026-01-01"}}"#, r#"{"x":null,"y":null}"#),
    ("map", r#"{"a":1.5,"b":null}"#, "{}"),
    ("numbered", r#"{"7":[true]}"#, "null"),
    ("f16", "0.5", "-2.0"),
    ("uuid", "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"", "\"00000000-0000-0000-0000-000000000000\""),
    ("json", r#"{"a": [1]}"#, "null"),
    ("nothing", "null", "null"),
    (r#"no-name \"q\""#, "1", "2"),
];

fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/file/parquet").join(name)
}

async fn read(config: Value, folder: &Path) -> Vec<String> {
    let source = source("file", config, folder);
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    read_to_end(reader.as_mut()).await.0
}

async fn read_made(name: &str) -> Vec<String> {
    read(json!({ "path": made(name), "format": "parquet" }), Path::new("/")).await
}

/// What keeps a file from being read.
async fn refusal(config: Value, folder: &Path) -> String {
    let source = source("file", config, folder);
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    loop {
        match reader.poll(LIMITS).await {
            Ok(polled) => assert!(!polled.end_of_split, "it could be read"),
            Err(error) => return error.to_string(),
        }
    }
}

#[tokio::test]
async fn every_type_is_read_whatever_pages_and_codecs_hold_it() {
    let row = |value: fn(&(&str, &str, &'static str)) -> &'static str| -> String {
        let fields: Vec<_> =
            TYPES.iter().map(|column| format!("\"{}\":{}", column.0, value(column))).collect();
        format!("{{{}}}", fields.join(","))
    };
    let first: Vec<_> = TYPES.iter().map(|(name, value, _)| format!("\"{name}\":{value}")).collect();
    let first = format!("{{{}}}", first.join(","));
    let expected = [first, row(|(_, _, value)| value), row(|_| "null")];
    for name in
        ["types-v1-snappy.parquet", "types-v2-zstd.parquet", "types-v2-lz4.parquet", "types-v1-gzip.parquet"]
    {
        let found = read_made(name).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[tokio::test]
async fn types_of_other_writers_are_read() {
    assert_eq!(
        read_made("int96.parquet").await,
        [
            r#"{"at":"0001-01-01T00:00:00","n":1}"#,
            r#"{"at":"9999-12-31T23:59:59.999999","n":2}"#,
            r#"{"at":"2026-01-02T03:04:05.000006","n":3}"#,
        ]
    );
    assert_eq!(
        read_made("duckdb.parquet").await,
        [
            r#"{"every":"P14M3DT4.567S","id":"b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","document":{"a": 1},"word":"green","clock":"12:13:14.500","instant":"2026-01-02T01:04:05.600Z","bytes":"\\x00ff","price":1.25,"nested":[{"k":1,"v":["x",null]}],"pairs":{"a":1}}"#
        ]
    );
    let delta = read_made("delta.parquet").await;
    assert_eq!(delta.len(), 500);
    assert_eq!(delta[499], r#"{"n":499,"t":"text-166","b":"\\x343939"}"#);
    assert_eq!(read_made("no-rows.parquet").await, Vec::<String>::new());
    assert_eq!(read_made("no-columns.parquet").await, Vec::<String>::new());
}

#[tokio::test]
async fn every_poll_size_and_every_restart_reads_the_same_rows() {
    let expected: Vec<_> =
        (0..2000).map(|row| format!("{{\"n\":{row},\"t\":\"row {}\"}}", row % 7)).collect();
    let source =
        source("file", json!({ "path": made("groups.parquet"), "format": "parquet" }), Path::new("/"));
    let splits = source.splits().await.unwrap();
    for max_records in [7, 300, 301, 1999, 10_000] {
        let (mut read, mut position) = (Vec::new(), None);
        loop {
            // A new reader for every batch, as after a crash.
            let mut reader = source.open(&splits[0], position.clone()).await.unwrap();
            let polled = reader.poll(PollLimits { max_records, ..LIMITS }).await.unwrap();
            read.extend(described(&polled));
            position = polled.position.or(position);
            if polled.end_of_split {
                break;
            }
        }
        assert!(read == expected, "{max_records} records a poll");
    }
}

#[tokio::test]
async fn columns_are_chosen_and_wrong_ones_named() {
    let path = made("groups.parquet");
    let config = |columns: Value| json!({ "path": path, "format": "parquet", "columns": columns });
    let chosen = read(config(json!(["t", "n"])), Path::new("/")).await;
    assert_eq!(chosen[8], r#"{"t":"row 1","n":8}"#);
    assert_eq!(read(config(json!(["t"])), Path::new("/")).await[8], r#"{"t":"row 1"}"#);
    let message = refusal(config(json!(["t", "x"])), Path::new("/")).await;
    assert!(message.contains("`columns` names `x`; the columns of"), "{message}");
    assert!(message.ends_with("groups.parquet are n, t"), "{message}");
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let folder = tempdir().unwrap();
    let config = |name: &str| json!({ "path": name, "format": "parquet" });
    let message = refusal(config(&made("brotli.parquet").to_string_lossy()), folder.path()).await;
    assert!(message.contains("column `at` of") && message.contains("is compressed with BROTLI"), "{message}");
    fs::write(folder.path().join("text.parquet"), "{\"a\":1}\n").unwrap();
    let message = refusal(config("text.parquet"), folder.path()).await;
    assert!(message.contains("text.parquet cannot be read as Parquet: it does not begin as"), "{message}");
    let whole = fs::read(made("groups.parquet")).unwrap();
    fs::write(folder.path().join("cut.parquet"), &whole[..whole.len() / 2]).unwrap();
    let message = refusal(config("cut.parquet"), folder.path()).await;
    assert!(
        message.contains("cut.parquet has no footer: it was cut, or is still being written"),
        "{message}"
    );
}

#[tokio::test]
async fn a_file_that_is_followed_is_read_once_it_is_whole_and_so_is_what_replaces_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let (groups, int96) =
        (fs::read(made("groups.parquet")).unwrap(), fs::read(made("int96.parquet")).unwrap());
    fs::write(&path, &groups[..groups.len() - 1]).unwrap();
    let source =
        source("file", json!({ "path": "x.parquet", "format": "parquet", "follow": true }), folder.path());
    let splits = source.splits().await.unwrap();
    let mut reader = source.open(&splits[0], None).await.unwrap();
    let polled = reader.poll(LIMITS).await.unwrap();
    assert!(polled.batch.is_empty() && !polled.end_of_split && polled.position.is_some());
    // Opened again while it is still being written.
    let mut reader = source.open(&splits[0], polled.position).await.unwrap();
    assert!(reader.poll(LIMITS).await.unwrap().batch.is_empty());
    fs::write(&path, &groups).unwrap();
    let (read, position) = read_until(reader.as_mut(), |read, _| read.len() == 2000).await;
    assert_eq!(read[1999], r#"{"n":1999,"t":"row 4"}"#);
    // Another takes its place while nobody reads.
    drop(reader);
    fs::write(folder.path().join("new"), &int96).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let mut reader = source.open(&splits[0], position).await.unwrap();
    let (read, _) = read_until(reader.as_mut(), |read, _| read.len() == 3).await;
    assert!(read[2].contains("\"n\":3"), "{}", read[2]);
    // And another, under way, and one in place.
    fs::write(folder.path().join("new"), &groups).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    read_until(reader.as_mut(), |read, _| read.len() == 2000).await;
    fs::write(&path, &int96).unwrap();
    let (read, position) = read_until(reader.as_mut(), |read, _| read.len() == 3).await;
    assert!(read[2].contains("\"n\":3"), "{}", read[2]);
    // Nothing is read twice.
    let mut reader = source.open(&splits[0], position).await.unwrap();
    assert!(reader.poll(LIMITS).await.unwrap().batch.is_empty());
}

#[tokio::test]
async fn a_pattern_takes_up_whole_files_and_is_done_with_them() {
    let folder = tempdir().unwrap();
    fs::copy(made("int96.parquet"), folder.path().join("a.parquet")).unwrap();
    let config = json!({ "path": "*.parquet", "format": "parquet", "follow": true });
    let source = source("file", config, folder.path());
    let split = &source.splits().await.unwrap()[0];
    let mut reader = source.open(split, None).await.unwrap();
    let (read, position) = read_to_end(reader.as_mut()).await;
    assert_eq!(read.len(), 3);
    // Listed again, also under another name: nothing is left of it.
    fs::rename(folder.path().join("a.parquet"), folder.path().join("b.parquet")).unwrap();
    let mut reader = source.open(&source.splits().await.unwrap()[0], position).await.unwrap();
    assert_eq!(read_to_end(reader.as_mut()).await.0, Vec::<String>::new());
}
