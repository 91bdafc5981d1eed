//! Writing Parquet files: types there and back, files of useful size, crashes at every step.

use std::fs;
use std::path::Path;

use millstream_sdk::sink::{Rejection, Sink, SinkPosition};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{batch, partition, position, read_to_end, sink, source};

/// With the options that every test needs.
fn config(path: &str, more: Value) -> Value {
    let mut config = json!({ "path": path, "format": "parquet" });
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(name, value)| config[name] = value);
    }
    config
}

async fn open(config: &Value, folder: &Path) -> (Box<dyn Sink>, Vec<SinkPosition>) {
    let mut sink = sink("file", config.clone(), folder);
    let positions = sink.open(&[partition(0), partition(1)]).await.unwrap();
    (sink, positions)
}

async fn write(sink: &mut dyn Sink, first_offset: i64, values: &[&str]) -> Vec<Rejection> {
    sink.write(batch(0, first_offset, values)).await.unwrap().rejected
}

/// The rows of a file, read by the source.
async fn rows(folder: &Path, name: &str) -> Vec<String> {
    let source = source("file", json!({ "path": name, "format": "parquet" }), folder);
    let mut reader = source.open(&source.splits().await.unwrap()[0], None).await.unwrap();
    read_to_end(reader.as_mut()).await.0
}

/// The names in a folder that people see.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        names.extend(Some(name).filter(|name| !name.starts_with('.')));
    }
    names.sort();
    names
}

/// Rows `{"n":…}` of a range.
fn numbers(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|n| format!("{{\"n\":{n}}}")).collect()
}

async fn write_numbers(sink: &mut dyn Sink, range: std::ops::Range<i64>) {
    let (from, values) = (range.start, numbers(range));
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    assert_eq!(write(sink, from, &values).await, []);
}

#[tokio::test]
async fn every_type_comes_back_as_it_was_written() {
    let types = json!({
        "flag": "boolean", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
        "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64", "f": "float", "d": "double",
        "d9": "decimal(9,2)", "d38": "decimal(38,10)", "d76": "decimal(76,38)", "t": "text", "j": "json",
        "b": "binary", "day": "date", "t3": "time(3)", "t6": "time", "t9": "time(9)",
        "at3": "timestamptz(3)", "at6": "timestamptz", "at9": "timestamptz(9)", "wall": "timestamp",
        "list": "list<list<int32>>", "map": "map<decimal(5,1)>",
        "group": "struct<lat: double, at: timestamptz(3), tags: list<text>>",
    });
    let full = r#"{"flag":true,"i8":-128,"i16":32767,"i32":-2147483648,"i64":9223372036854775807,"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"f":0.1,"d":-1e-300,"d9":-1234567.89,"d38":1234567890123456789012345678.0123456789,"d76":0.00000000000000000000000000000000000001,"t":"a \"b\"\n","j":"{\"x\": [1]}","b":"\\x00ff","day":"1969-12-31","t3":"23:59:59.999","t6":"00:00:00.000001","t9":"00:00:00.000000001","at3":"2026-01-02T03:04:05.006Z","at6":"0001-01-01T00:00:00Z","at9":"1969-12-31T23:59:59.999999999Z","wall":"9999-12-31T23:59:59.999999","list":[[1,null],[],null],"map":{"a":1.5,"b":null},"group":{"lat":1.25,"at":"2026-01-01T00:00:00Z","tags":["x"]}}"#;
    let written = full.replacen(r#""j":"{\"x\": [1]}""#, r#""j":{"x": [1]}"#, 1);
    let nulls: Value = serde_json::from_str(full).unwrap();
    let nulls: Vec<_> = nulls.as_object().unwrap().keys().map(|name| format!("\"{name}\":null")).collect();
    for compression in ["none", "snappy", "zstd", "gzip", "lz4"] {
        let folder = tempdir().unwrap();
        let config = config("x.parquet", json!({ "types": types, "compression": compression }));
        let (mut sink, _) = open(&config, folder.path()).await;
        assert_eq!(write(sink.as_mut(), 0, &[&written, "{}"]).await, []);
        sink.finish(&[position(0, 2)]).await.unwrap();
        let found = rows(folder.path(), "x.parquet").await;
        assert_eq!(found[0], full, "{compression}");
        assert_eq!(found[1], format!("{{{}}}", nulls.join(",")), "{compression}");
    }
}

#[tokio::test]
async fn types_follow_the_values_and_what_does_not_fit_is_rejected_alone() {
    let folder = tempdir().unwrap();
    let config = config("x.parquet", json!({ "types": { "price": "decimal(6,2)" } }));
    let (mut sink, _) = open(&config, folder.path()).await;
    let rejected = write(
        sink.as_mut(),
        0,
        &[
            r#"{"price":1,"n":1,"t":"x","ok":true,"l":[],"o":{"a":1},"z":null,"e":{}}"#,
            r#"{"price":"2.50","n":2.5,"o":{"b":[{"c":"y"}]},"l":[1,null]}"#,
            r#"{"price":1.005,"bad":1}"#,
            r#"{"t":5}"#,
            r#"{"n":"7"}"#,
            r#"{"n":0.30000000000000001}"#,
            r#"{"o":[1]}"#,
            r#"{"l":[{"x":1}]}"#,
            "[1]",
            "{\"n\":}",
            r#"{"n":1,"n":2}"#,
        ],
    )
    .await;
    let reasons: Vec<_> = rejected.iter().map(|rejection| rejection.reason.as_str()).collect();
    assert_eq!(
        rejected.iter().map(|rejection| rejection.row).collect::<Vec<_>>(),
        (2..11).collect::<Vec<_>>()
    );
    assert_eq!(
        reasons[0],
        "column `price`: 1.005 is not a number of 6 digits, 2 of them behind the point; give the column another type \
         with `types`"
    );
    assert!(
        reasons[1].starts_with("column `t`: 5 is not what the column's values were so far"),
        "{}",
        reasons[1]
    );
    assert!(reasons[2].starts_with("column `n`: \"7\" is not"), "{}", reasons[2]);
    assert!(reasons[3].contains("has more digits than a double holds"), "{}", reasons[3]);
    assert!(reasons[4].starts_with("column `o`: [1] is not an object"), "{}", reasons[4]);
    assert!(reasons[5].starts_with("column `l`: {\"x\":1} is not"), "{}", reasons[5]);
    assert_eq!(reasons[6], "not a JSON object, which format parquet needs");
    assert!(reasons[7].starts_with("not JSON"), "{}", reasons[7]);
    assert_eq!(reasons[8], "field `n` is there twice");
    sink.finish(&[position(0, 11)]).await.unwrap();
    assert_eq!(
        rows(folder.path(), "x.parquet").await,
        [
            r#"{"price":1.00,"n":1.0,"t":"x","ok":true,"l":[],"o":{"a":1,"b":null},"e":"{}"}"#,
            r#"{"price":2.50,"n":2.5,"t":null,"ok":null,"l":[1,null],"o":{"a":null,"b":[{"c":"y"}]},"e":null}"#,
        ]
    );
}

#[tokio::test]
async fn columns_can_be_chosen_and_new_ones_begin_a_new_file() {
    let folder = tempdir().unwrap();
    let chosen = config("chosen.parquet", json!({ "columns": ["b", "a"], "types": { "a": "int32" } }));
    let (mut sink, _) = open(&chosen, folder.path()).await;
    write(sink.as_mut(), 0, &[r#"{"a":1,"b":"x","c":2}"#, r#"{"c":[]}"#]).await;
    sink.finish(&[position(0, 2)]).await.unwrap();
    assert_eq!(rows(folder.path(), "chosen.parquet").await, [r#"{"b":"x","a":1}"#, r#"{"b":null,"a":null}"#]);
    // A row group is written, and with it the columns of the file, every two rows.
    let grown = config("grown.parquet", json!({ "row_group_rows": 2 }));
    let (mut sink, _) = open(&grown, folder.path()).await;
    write(
        sink.as_mut(),
        0,
        &[r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4,"b":"x"}"#, r#"{"a":4.5}"#],
    )
    .await;
    sink.finish(&[position(0, 5)]).await.unwrap();
    assert_eq!(rows(folder.path(), "grown.parquet").await, [r#"{"a":1}"#, r#"{"a":2}"#]);
    assert_eq!(
        rows(folder.path(), "grown-000002.parquet").await,
        [r#"{"a":3,"b":null}"#, r#"{"a":4,"b":"x"}"#]
    );
    assert_eq!(rows(folder.path(), "grown-000003.parquet").await, [r#"{"a":4.5,"b":null}"#]);
}

#[tokio::test]
async fn a_commit_holds_back_until_a_file_has_its_size_or_has_waited() {
    let folder = tempdir().unwrap();
    let config = config("x.parquet", json!({ "file_rows": 3 }));
    let (mut sink, _) = open(&config, folder.path()).await;
    write_numbers(sink.as_mut(), 0..2).await;
    sink.commit(&[position(0, 2)]).await.unwrap();
    assert!(sink.is_holding());
    assert_eq!(names(folder.path()), Vec::<String>::new());
    // Seven rows: two files are done, and the seventh waits.
    write_numbers(sink.as_mut(), 2..7).await;
    sink.commit(&[position(0, 7)]).await.unwrap();
    assert!(sink.is_holding());
    assert_eq!(names(folder.path()), ["x-000002.parquet", "x.parquet"]);
    drop(sink);
    let (mut sink, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, [position(0, 6)]);
    write_numbers(sink.as_mut(), 6..7).await;
    sink.finish(&[position(0, 7)]).await.unwrap();
    assert!(!sink.is_holding());
    assert_eq!(rows(folder.path(), "x.parquet").await, numbers(0..3));
    assert_eq!(rows(folder.path(), "x-000002.parquet").await, numbers(3..6));
    assert_eq!(rows(folder.path(), "x-000003.parquet").await, numbers(6..7));
    // A file need not wait.
    let eager = self::config("eager.parquet", json!({ "file_interval_ms": 0 }));
    let (mut sink, _) = open(&eager, folder.path()).await;
    write_numbers(sink.as_mut(), 0..2).await;
    sink.commit(&[position(0, 2)]).await.unwrap();
    assert!(!sink.is_holding());
    assert_eq!(rows(folder.path(), "eager.parquet").await, numbers(0..2));
}

#[tokio::test]
async fn rows_that_a_transform_made_of_one_record_are_committed_together() {
    let folder = tempdir().unwrap();
    let config = config("x.parquet", json!({ "file_rows": 2 }));
    let (mut sink, _) = open(&config, folder.path()).await;
    let mut fanned = batch(0, 0, &[r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
    fanned.offsets = vec![5, 6, 6, 7];
    assert_eq!(sink.write(fanned).await.unwrap().rejected, []);
    sink.commit(&[position(0, 8)]).await.unwrap();
    drop(sink);
    let (_, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, [position(0, 7)]);
    assert_eq!(rows(folder.path(), "x.parquet").await, numbers(0..3));
    assert_eq!(names(folder.path()), ["x.parquet"]);
}

#[tokio::test]
async fn files_end_at_their_size_in_bytes() {
    let folder = tempdir().unwrap();
    let config = config("x.parquet", json!({ "file_bytes": 20_000, "compression": "none" }));
    let (mut sink, _) = open(&config, folder.path()).await;
    write_numbers(sink.as_mut(), 0..20_000).await;
    sink.finish(&[position(0, 20_000)]).await.unwrap();
    let names = names(folder.path());
    assert!(names.len() > 4, "{names:?}");
    let mut all = rows(folder.path(), "x.parquet").await;
    for name in &names[..names.len() - 1] {
        let length = fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(length < 60_000, "{name} has {length} bytes");
        all.extend(rows(folder.path(), name).await);
    }
    assert!(all == numbers(0..20_000));
}

#[tokio::test]
async fn a_crash_at_any_step_neither_loses_nor_doubles_a_row() {
    let config = config("out/x.parquet", json!({}));
    let hidden = "out/.x.parquet.millstream";
    for step in 0..6 {
        let folder = tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (mut sink, _) = open(&config, folder.path()).await;
        write_numbers(sink.as_mut(), 0..5).await;
        let mut expected = position(0, 5);
        match step {
            // Rows in memory, and held back by a commit.
            0 => {
                sink.commit(&[position(0, 5)]).await.unwrap();
                expected = position(0, 0);
            }
            // The file is finished, the journal is not written: an older one lies there, or half a new one.
            1 | 2 => {
                sink.finish(&[position(0, 5)]).await.unwrap();
                fs::rename(at("out/x.parquet"), at(&format!("{hidden}/0"))).unwrap();
                fs::rename(at(&format!("{hidden}/journal")), at(&format!("{hidden}/journal-new"))).unwrap();
                if step == 2 {
                    fs::write(at(&format!("{hidden}/journal-new")), "{\"version").unwrap();
                }
                expected = position(0, 0);
            }
            // The journal is written, the file has no name yet.
            3 => {
                sink.finish(&[position(0, 5)]).await.unwrap();
                fs::rename(at("out/x.parquet"), at(&format!("{hidden}/0"))).unwrap();
            }
            // All is done; and the file was even taken away.
            4 => sink.finish(&[position(0, 5)]).await.unwrap(),
            _ => {
                sink.finish(&[position(0, 5)]).await.unwrap();
                fs::rename(at("out/x.parquet"), at("taken.parquet")).unwrap();
            }
        }
        drop(sink);
        let (mut sink, positions) = open(&config, folder.path()).await;
        let next = positions.first().map_or(0, |position| position.next_offset);
        assert_eq!(next, expected.next_offset, "step {step}");
        write_numbers(sink.as_mut(), next..8).await;
        sink.finish(&[position(0, 8)]).await.unwrap();
        let mut all = Vec::new();
        for name in ["taken.parquet", "out/x.parquet", "out/x-000001.parquet", "out/x-000002.parquet"] {
            if at(name).exists() {
                all.extend(rows(folder.path(), name).await);
            }
        }
        assert_eq!(all, numbers(0..8), "step {step}");
        let left: Vec<_> =
            fs::read_dir(at(hidden)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "step {step}: {left:?}");
    }
}

#[tokio::test]
async fn paths_with_placeholders_are_many_files_committed_together() {
    let folder = tempdir().unwrap();
    let config = config("out/{country}/orders.parquet", json!({ "file_rows": 3 }));
    let (mut sink, _) = open(&config, folder.path()).await;
    let row = |country: &str, n: i64| format!("{{\"country\":\"{country}\",\"n\":{n}}}");
    let values: Vec<_> = ["NO", "SE", "NO", "DK", "NO"].iter().zip(0..).map(|(at, n)| row(at, n)).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    write(sink.as_mut(), 0, &values[..4]).await;
    sink.commit(&[position(0, 4)]).await.unwrap();
    assert!(sink.is_holding());
    // The third row of Norway fills its file: all are committed with it.
    write(sink.as_mut(), 4, &values[4..]).await;
    sink.commit(&[position(0, 5)]).await.unwrap();
    assert!(!sink.is_holding());
    let norway = rows(folder.path(), "out/NO/orders.parquet").await;
    assert_eq!(norway, [row("NO", 0), row("NO", 2), row("NO", 4)]);
    assert_eq!(rows(folder.path(), "out/SE/orders.parquet").await, [row("SE", 1)]);
    // The next file of a path has a number.
    write(sink.as_mut(), 5, &[&row("SE", 5)]).await;
    drop(sink);
    let (mut sink, positions) = open(&config, folder.path()).await;
    assert_eq!(positions, [position(0, 5)]);
    write(sink.as_mut(), 5, &[&row("SE", 5)]).await;
    sink.finish(&[position(0, 6)]).await.unwrap();
    assert_eq!(names(&folder.path().join("out/SE")), ["orders-000004.parquet", "orders.parquet"]);
    assert_eq!(rows(folder.path(), "out/SE/orders-000004.parquet").await, [row("SE", 5)]);
}

#[tokio::test]
async fn more_files_than_may_be_open_are_written_all_the_same() {
    let folder = tempdir().unwrap();
    let config = config("{n}.parquet", json!({ "row_group_rows": 1 }));
    let (mut sink, _) = open(&config, folder.path()).await;
    write_numbers(sink.as_mut(), 0..200).await;
    sink.finish(&[position(0, 200)]).await.unwrap();
    assert_eq!(names(folder.path()).len(), 200);
    assert_eq!(rows(folder.path(), "7.parquet").await, numbers(7..8));
}

#[tokio::test]
async fn files_of_others_are_kept_unless_told_otherwise() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    fs::write(&path, "mine").unwrap();
    let mut refused = sink("file", config("x.parquet", json!({})), folder.path());
    let message = refused.open(&[partition(0)]).await.unwrap_err().to_string();
    assert!(message.contains("x.parquet is already there and was not written by this sink"), "{message}");
    let (mut appending, _) = open(&config("x.parquet", json!({ "existing": "append" })), folder.path()).await;
    write_numbers(appending.as_mut(), 0..1).await;
    appending.finish(&[position(0, 1)]).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(rows(folder.path(), "x-000001.parquet").await, numbers(0..1));
    drop(appending);
    // The topic was made anew: what the journal says is of another one.
    let mut other = partition(0);
    other.topic_id = [8; 16];
    let message = refused.open(std::slice::from_ref(&other)).await.unwrap_err().to_string();
    assert!(message.contains("were written from another topic or cluster"), "{message}");
    let replacing = config("x.parquet", json!({ "existing": "replace" }));
    let mut replacing = sink("file", replacing, folder.path());
    assert_eq!(replacing.open(std::slice::from_ref(&other)).await.unwrap(), []);
    assert_eq!(names(folder.path()), ["x-000001.parquet", "x.parquet"], "until the first commit");
    write_numbers(replacing.as_mut(), 4..5).await;
    let at = SinkPosition { partition: other, next_offset: 5 };
    replacing.finish(std::slice::from_ref(&at)).await.unwrap();
    assert_eq!(names(folder.path()), ["x.parquet"]);
    assert_eq!(rows(folder.path(), "x.parquet").await, numbers(4..5));
    let second = refused.open(&[at.partition]).await.unwrap_err().to_string();
    assert!(second.contains("is being written by another sink"), "{second}");
}

#[tokio::test]
async fn what_the_end_finds_is_a_file_even_without_rows_where_columns_are_given() {
    let folder = tempdir().unwrap();
    let given = config("given.parquet", json!({ "types": { "a": "int32" } }));
    let (mut sink, _) = open(&given, folder.path()).await;
    sink.finish(&[]).await.unwrap();
    assert_eq!(rows(folder.path(), "given.parquet").await, Vec::<String>::new());
    let (mut sink, _) = open(&config("x.parquet", json!({})), folder.path()).await;
    sink.finish(&[]).await.unwrap();
    assert_eq!(names(folder.path()), ["given.parquet"]);
}

#[test]
fn options_that_make_no_sense_are_named() {
    let file = millstream_connectors::find("file").unwrap();
    let mistakes = |config: Value| -> Vec<String> {
        let role = millstream_sdk::plugin::Role::Sink;
        file.validate(role, &config).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        mistakes(json!({ "path": "x", "compression": "zstd", "file_rows": 5 })),
        [
            "compression: `compression` has no meaning for format json",
            "file_rows: `file_rows` has no meaning for format json"
        ]
    );
    let found = mistakes(
        json!({ "path": "x", "format": "parquet", "columns": ["a"], "types": { "a": "varchar", "b": "date" } }),
    );
    assert!(found[0].starts_with("types.a: no type `varchar`; there are boolean"), "{found:?}");
    assert_eq!(found[1], "types.b: `b` is not one of `columns`");
}
