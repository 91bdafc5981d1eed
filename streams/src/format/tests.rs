//! Data in, text out: records of every format into Arrow and back.

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::*;

fn spec(name: &str, data_type: DataType, source: ColumnSource, place: usize) -> ColumnSpec {
    ColumnSpec { field: Field::new(name, data_type, true), source, place }
}

fn value_columns(columns: &[(&str, DataType)]) -> Vec<ColumnSpec> {
    let spec = |(place, (name, data_type)): (usize, &(&str, DataType))| {
        spec(name, data_type.clone(), ColumnSource::Value, place)
    };
    columns.iter().enumerate().map(spec).collect()
}

fn row(offset: i64, value: &str) -> Row<'_> {
    Row {
        key: None,
        value: Some(value.as_bytes()),
        timestamp_ms: 1_517_364_000_000,
        offset,
        partition: 3,
        topic: "t",
        headers: b"{}",
    }
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, None)
}

/// Decodes the values, and writes what came out as JSON lines; errors follow as `offset: reason`.
fn through(format: Format, specs: &[ColumnSpec], values: &[&str]) -> Vec<String> {
    let mut decoder = Decoder::new(format, specs).unwrap();
    for (offset, value) in values.iter().enumerate() {
        decoder.push(&row(i64::try_from(offset).unwrap(), value));
    }
    let decoded = decoder.finish().unwrap();
    let mut lines = as_lines(Format::Json, &decoded.batch);
    lines.extend(decoded.errors.iter().map(|error| format!("{}: {}", error.offset, error.reason)));
    lines
}

fn as_lines(format: Format, batch: &arrow::record_batch::RecordBatch) -> Vec<String> {
    let schema = batch.schema();
    let columns: Vec<(usize, &str)> =
        schema.fields().iter().enumerate().map(|(place, field)| (place, field.name().as_str())).collect();
    let mut rows = EncodedRows::default();
    Encoder::new(format, &columns).unwrap().encode(batch, &mut rows).unwrap();
    (0..rows.len()).map(|row| String::from_utf8(rows.row(row).to_vec()).unwrap()).collect()
}

#[test]
fn json_gives_the_needed_columns_and_skips_the_rest() {
    let specs = value_columns(&[
        ("id", DataType::Int64),
        ("magnitude", DataType::Float64),
        ("place", DataType::Utf8),
        ("felt", DataType::Int32),
        ("ok", DataType::Boolean),
        ("time", instant()),
        ("day", DataType::Date32),
        ("price", DataType::Decimal128(10, 2)),
    ]);
    let lines = through(
        Format::Json,
        &specs,
        &[
            r#"{"skip":{"a":[1,"}"]},"id":7,"magnitude":2.5,"place":"81km \"W\"\n\u00e9","felt":null,"ok":true,
               "time":"2018-01-31T02:18:21.235Z","day":"2018-01-31","price":12.3}"#,
            r#"{"price":"7.00","time":1517365101235,"id":"42","magnitude":3,"place":12,"ok":"false","extra":1}"#,
            r#"{"ID":1,"Place":{"x": 1}}"#,
            "{}",
        ],
    );
    assert_eq!(
        lines,
        [
            r#"{"id":7,"magnitude":2.5,"place":"81km \"W\"\né","felt":null,"ok":true,"time":"2018-01-31T02:18:21.235Z","day":"2018-01-31","price":12.30}"#,
            r#"{"id":42,"magnitude":3.0,"place":"12","felt":null,"ok":false,"time":"2018-01-31T02:18:21.235Z","day":null,"price":7.00}"#,
            r#"{"id":1,"magnitude":null,"place":"{\"x\": 1}","felt":null,"ok":null,"time":null,"day":null,"price":null}"#,
            r#"{"id":null,"magnitude":null,"place":null,"felt":null,"ok":null,"time":null,"day":null,"price":null}"#,
        ]
    );
}

#[test]
fn a_record_that_does_not_fit_is_named_and_left_out() {
    let specs = value_columns(&[("id", DataType::Int8), ("time", instant()), ("name", DataType::Utf8)]);
    let lines = through(
        Format::Json,
        &specs,
        &[
            r#"{"id":1,"name":"a"}"#,
            r#"{"id":1000}"#,
            r#"{"id":2,"time":"yesterday"}"#,
            r#"{"id":2,"name":"b""#,
            "not json",
            r#"{"id":true}"#,
            r#"{"id":3,"name":{"x":}}"#,
            r#"{"id":4,"name":"d"}"#,
        ],
    );
    assert_eq!(
        lines,
        [
            r#"{"id":1,"time":null,"name":"a"}"#,
            r#"{"id":4,"time":null,"name":"d"}"#,
            "1: column `id` wants TINYINT, not `1000`",
            "2: column `time` wants TIMESTAMP (RFC 3339 text or epoch milliseconds), not `yesterday`",
            "3: expected a comma or a closing brace at byte 18",
            "4: expected a JSON object at byte 0",
            "5: column `id` wants TINYINT, not `true`",
            "6: column `name`: expected value at line 1 column 6",
        ]
    );
}

#[test]
fn text_that_is_not_utf8_is_an_error_of_its_row() {
    let mut decoder = Decoder::new(Format::Json, &value_columns(&[("a", DataType::Utf8)])).unwrap();
    let bytes = [b'{', b'"', b'a', b'"', b':', b'"', 0xff, b'"', b'}'];
    assert!(!decoder.push(&Row { value: Some(&bytes), ..row(9, "") }));
    let decoded = decoder.finish().unwrap();
    assert_eq!(decoded.batch.num_rows(), 0);
    assert_eq!(decoded.errors[0].reason, "column `a` holds text that is not UTF-8");
}

#[test]
fn the_last_of_equal_names_counts_and_the_exact_name_wins() {
    let specs = value_columns(&[("id", DataType::Int64)]);
    let lines =
        through(Format::Json, &specs, &[r#"{"id":1,"id":2}"#, r#"{"id":1,"ID":2}"#, r#"{"ID":2,"id":1}"#]);
    assert_eq!(lines, [r#"{"id":2}"#, r#"{"id":1}"#, r#"{"id":1}"#]);
}

#[test]
fn nested_columns_keep_their_shape() {
    let point = DataType::Struct(
        vec![Field::new("x", DataType::Int64, true), Field::new("y", DataType::Utf8, true)].into(),
    );
    let list = DataType::List(Field::new("item", DataType::Float64, true).into());
    let specs = value_columns(&[("p", point), ("l", list)]);
    let lines = through(
        Format::Json,
        &specs,
        &[
            r#"{"p":{"x":1,"y":"a","z":9},"l":[1,2.5]}"#,
            r#"{"l":[]}"#,
            r#"{"p":{"x":"no"}}"#,
            r#"{"p":{"y":null}}"#,
        ],
    );
    assert_eq!(
        lines,
        [
            r#"{"p":{"x":1,"y":"a"},"l":[1.0,2.5]}"#,
            r#"{"p":null,"l":[]}"#,
            r#"{"p":{"x":null,"y":null},"l":null}"#,
            r#"2: column `p`: wants STRUCT, not `{"x":"no"}`"#,
        ]
    );
}

#[test]
fn csv_goes_by_place_and_knows_quotes() {
    let mut specs = value_columns(&[("a", DataType::Int64), ("b", DataType::Utf8), ("c", DataType::Float64)]);
    specs.remove(0);
    let csv = Format::Csv { delimiter: b',' };
    let lines = through(csv, &specs, &["1,\"x, \"\"y\"\"\",2.5", "2,,", "3,\"\"", "4,\"open", "5,b,c"]);
    assert_eq!(
        lines,
        [
            r#"{"b":"x, \"y\"","c":2.5}"#,
            r#"{"b":null,"c":null}"#,
            r#"{"b":"","c":null}"#,
            "3: field 2 has no closing quote",
            "4: column `c` wants DOUBLE, not `c`",
        ]
    );
}

#[test]
fn csv_and_raw_come_out_as_they_went_in() {
    let specs = value_columns(&[("a", DataType::Int64), ("b", DataType::Utf8), ("c", instant())]);
    let mut decoder = Decoder::new(Format::Csv { delimiter: b';' }, &specs).unwrap();
    let values = ["1;\"x;y\";2018-01-31T02:18:21Z", ";\"\";"];
    values.iter().for_each(|value| assert!(decoder.push(&row(0, value))));
    let batch = decoder.finish().unwrap().batch;
    assert_eq!(as_lines(Format::Csv { delimiter: b';' }, &batch), values);

    let mut decoder = Decoder::new(Format::Raw, &value_columns(&[("line", DataType::Utf8View)])).unwrap();
    assert!(decoder.push(&row(0, "any \"text\" at all, longer than twelve")));
    let batch = decoder.finish().unwrap().batch;
    assert_eq!(as_lines(Format::Raw, &batch), ["any \"text\" at all, longer than twelve"]);
}

#[test]
fn keys_and_metadata_are_columns_on_demand() {
    let specs = [
        spec("k0", DataType::Utf8, ColumnSource::KeyElement(0), 0),
        spec("k1", DataType::Int64, ColumnSource::KeyElement(1), 0),
        spec("_key", DataType::Utf8, ColumnSource::KeyBytes, 0),
        spec("_partition", DataType::Int32, ColumnSource::Partition, 0),
        spec("_offset", DataType::Int64, ColumnSource::Offset, 0),
        spec("_timestamp", instant(), ColumnSource::Timestamp, 0),
    ];
    let mut decoder = Decoder::new(Format::Json, &specs).unwrap();
    assert!(decoder.push(&Row { key: Some(br#"["a,b",5]"#), ..row(8, "{}") }));
    assert!(decoder.push(&Row { value: None, ..row(9, "") }));
    let batch = decoder.finish().unwrap().batch;
    assert_eq!(
        as_lines(Format::Json, &batch),
        [
            r#"{"k0":"a,b","k1":5,"_key":"[\"a,b\",5]","_partition":3,"_offset":8,"_timestamp":"2018-01-31T02:00:00Z"}"#,
            r#"{"k0":null,"k1":null,"_key":null,"_partition":3,"_offset":9,"_timestamp":"2018-01-31T02:00:00Z"}"#,
        ]
    );
    let mut keys = EncodedRows::default();
    assert_eq!(KeyEncoder::new(vec![0], false).encode(&batch, &mut keys).unwrap(), [true, false]);
    assert_eq!(keys.row(0), b"a,b");
    keys.clear();
    assert_eq!(KeyEncoder::new(vec![0, 1], false).encode(&batch, &mut keys).unwrap(), [true, true]);
    assert_eq!(keys.row(0), br#"["a,b",5]"#);
    assert_eq!(keys.row(1), b"[null,null]");
}

#[test]
fn refuses_what_a_format_cannot_carry() {
    let two = value_columns(&[("a", DataType::Utf8), ("b", DataType::Utf8)]);
    assert_eq!(Decoder::new(Format::Raw, &two).err(), Some(FormatError::RawColumns(2)));
    let odd = value_columns(&[("a", DataType::Duration(TimeUnit::Second))]);
    assert!(Decoder::new(Format::Json, &odd).is_err());
    assert_eq!(
        Format::from_name("avro2").unwrap_err().to_string(),
        "unknown format `avro2`: use json, csv or raw"
    );
}

/// A small generator of the same numbers for the same seed (xorshift).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn json(&mut self, depth: u32) -> serde_json::Value {
        let text = |seeded: &mut Seeded| {
            let letters = ['a', '"', '\\', '\n', 'é', '😀', '}', ']', ',', '\u{1}', '/'];
            (0..seeded.next(6))
                .map(|_| letters[usize::try_from(seeded.next(11)).unwrap()])
                .collect::<String>()
        };
        match self.next(if depth == 0 { 5 } else { 7 }) {
            0 => serde_json::Value::Null,
            1 => (self.next(2) == 0).into(),
            2 => (i64::try_from(self.next(1 << 40)).unwrap() - (1 << 39)).into(),
            3 => (f64::from(u32::try_from(self.next(1 << 30)).unwrap()) / 4.0).into(),
            4 => text(self).into(),
            5 => (0..self.next(4)).map(|_| self.json(depth - 1)).collect::<Vec<_>>().into(),
            _ => {
                let members = (0..self.next(4)).map(|_| (text(self), self.json(depth - 1)));
                serde_json::Value::Object(members.collect())
            }
        }
    }
}

#[test]
fn agrees_with_serde_json_on_random_objects() {
    let specs = value_columns(&[("a", DataType::Utf8), ("b", DataType::Utf8), ("c", DataType::Utf8)]);
    for seed in 1..2_000 {
        let mut seeded = Seeded(seed * 7_919);
        let names = ["a", "b", "c", "x\"y", ""];
        let members =
            names.iter().filter(|_| seeded.next(3) > 0).map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let members = members.into_iter().map(|name| (name, seeded.json(3)));
        let object = serde_json::Value::Object(members.collect());
        let text =
            if seed % 2 == 0 { object.to_string() } else { serde_json::to_string_pretty(&object).unwrap() };
        let expected: Vec<serde_json::Value> = ["a", "b", "c"]
            .iter()
            .map(|name| match object.get(name) {
                None | Some(serde_json::Value::Null) => serde_json::Value::Null,
                Some(serde_json::Value::String(text)) => text.clone().into(),
                Some(other) => other.clone(),
            })
            .collect();
        let lines = through(Format::Json, &specs, &[&text]);
        let decoded: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        for (name, expected) in ["a", "b", "c"].iter().zip(expected) {
            let found = match (&decoded[name], &expected) {
                (serde_json::Value::String(text), expected) if !expected.is_string() => {
                    serde_json::from_str(text).unwrap()
                }
                (found, _) => found.clone(),
            };
            assert_eq!(found, expected, "seed {seed}: {text}");
        }
    }
}

#[test]
fn a_text_cut_anywhere_is_an_error_never_a_panic() {
    let specs = value_columns(&[("a", DataType::Utf8), ("n", DataType::Float64)]);
    let whole = r#"{"a":"x\u00e9\ud83d\ude00","z":[{"q":[1,2]},"]"],"n":-12.5e1}"#;
    for end in 0..whole.len() {
        let lines = through(Format::Json, &specs, &[&whole[..end]]);
        assert!(lines.len() == 1 && lines[0].starts_with("0: "), "cut at {end}: {lines:?}");
    }
    let mut seeded = Seeded(42);
    for _ in 0..5_000 {
        let mut bytes = whole.as_bytes().to_vec();
        for _ in 0..=seeded.next(3) {
            let at = usize::try_from(seeded.next(bytes.len() as u64)).unwrap();
            bytes[at] = u8::try_from(seeded.next(256)).unwrap();
        }
        let mut decoder = Decoder::new(Format::Json, &specs).unwrap();
        let understood = decoder.push(&Row { value: Some(&bytes), ..row(0, "") });
        assert_eq!(decoder.finish().unwrap().batch.num_rows(), usize::from(understood));
    }
}
