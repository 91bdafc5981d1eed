use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int64Array, LargeStringArray, NullArray, StringArray, StringViewArray,
    Time64NanosecondArray, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::json::ReaderBuilder;

use super::*;
use crate::state::random::Random;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| Field::new(format!("c{place}"), column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the columns are of one length")
}

fn codec(batch: &RecordBatch) -> RowCodec {
    RowCodec::new(batch.schema()).expect("the types are known")
}

fn plain() -> RecordBatch {
    batch(vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int8Array::from(vec![Some(-128), Some(127), None])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        Arc::new(UInt32Array::from(vec![Some(u32::MAX), Some(0), None])),
        Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(1)])),
        Arc::new(Float32Array::from(vec![Some(-0.0), None, Some(f32::NAN)])),
        Arc::new(Float64Array::from(vec![None, Some(f64::NEG_INFINITY), Some(0.1)])),
        Arc::new(
            Decimal128Array::from(vec![Some(-10_i128.pow(37)), None, Some(5)])
                .with_precision_and_scale(38, 9)
                .expect("38 digits fit"),
        ),
        Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)])),
        Arc::new(Date64Array::from(vec![Some(86_400_000), None, None])),
        Arc::new(Time64NanosecondArray::from(vec![None, Some(1), Some(86_399_999_999_999)])),
        Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(0)]).with_timezone("UTC")),
        Arc::new(StringArray::from(vec![Some(""), None, Some("nö")])),
        Arc::new(LargeStringArray::from(vec![None, Some("a\0b"), Some("c")])),
        Arc::new(StringViewArray::from(vec![Some("a text that does not fit into a view"), Some("b"), None])),
        Arc::new(BinaryViewArray::from_iter([Some(&b"\xff\0"[..]), None, Some(b"")])),
        Arc::new(NullArray::new(3)),
    ])
}

/// Rows with structs in lists in structs, and a map of lists.
fn nested() -> RecordBatch {
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let point = DataType::Struct(vec![field("x", DataType::Int32), field("y", DataType::Utf8)].into());
    let points = DataType::new_list(point.clone(), true);
    let line = DataType::Struct(vec![field("points", points), field("closed", DataType::Boolean)].into());
    let entry = DataType::Struct(
        vec![
            Field::new("keys", DataType::Utf8, false),
            field("values", DataType::new_list(DataType::Float64, true)),
        ]
        .into(),
    );
    let map = DataType::Map(Arc::new(Field::new("entries", entry, false)), false);
    let schema = Arc::new(Schema::new(vec![
        field("id", DataType::Int64),
        field("line", line),
        field("series", map),
        field("tags", DataType::new_list(DataType::Utf8View, true)),
    ]));
    let text = r#"
        {"id": 1, "line": {"points": [{"x": 1, "y": "a"}, null, {"x": null}], "closed": true}, "series": {"a": [1.5, null], "b": []}}
        {"id": null, "line": null, "series": null, "tags": ["a", null, "", "b", "c", "d", "e", "f", "a text that does not fit"]}
        {"id": 3, "line": {"points": null}, "series": {}, "tags": []}
        {"id": 4, "line": {"points": []}, "series": {"c": null}}
    "#;
    let mut reader =
        ReaderBuilder::new(schema).build(std::io::Cursor::new(text)).expect("the schema can be read");
    reader.next().expect("there are rows").expect("the rows fit the schema")
}

#[test]
fn every_type_is_read_back_as_it_was_written() {
    for batch in [plain(), nested()] {
        let codec = codec(&batch);
        let rows = codec.encode(&batch).expect("rows");
        assert_eq!(codec.decode(rows.iter()).expect("the rows were written here"), batch);
        // Any rows in any order, of a batch that is a slice of another.
        let slice = batch.slice(1, 2);
        let writer = RowWriter::new(&slice).expect("rows");
        let mut bytes = Vec::new();
        writer.write(1, &mut bytes);
        assert_eq!(bytes, rows.get(2));
        assert_eq!(codec.decode([rows.get(1)]).expect("a row"), batch.slice(1, 1));
    }
}

#[test]
fn random_rows_are_read_back_as_they_were_written() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let rows = random.below(50);
        let numbers: Int64Array =
            (0..rows).map(|_| random.chance(90).then(|| random.next() as i64 >> random.below(64))).collect();
        let decimals: Vec<Option<i128>> = (0..rows)
            .map(|_| {
                random.chance(90).then(|| i128::from(random.next() as i64) * i128::from(random.next() as i64))
            })
            .collect();
        let texts: StringArray =
            (0..rows).map(|_| random.chance(90).then(|| "ä\0".repeat(random.below(90)))).collect();
        let batch = batch(vec![
            Arc::new(numbers),
            Arc::new(Decimal128Array::from(decimals).with_precision_and_scale(38, 0).expect("38 digits fit")),
            Arc::new(texts),
        ]);
        let codec = codec(&batch);
        let rows = codec.encode(&batch).expect("rows");
        assert_eq!(codec.decode(rows.iter()).expect("the rows were written here"), batch, "seed {seed}");
    }
}

/// What version 1 wrote must be readable as long as there is state of it.
#[test]
fn version_one_is_these_bytes() {
    let batch = batch(vec![
        Arc::new(Int64Array::from(vec![-2])),
        Arc::new(Int64Array::from(vec![None])),
        Arc::new(UInt64Array::from(vec![300])),
        Arc::new(Float64Array::from(vec![1.0])),
        Arc::new(Float32Array::from(vec![1.0])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Decimal128Array::from(vec![-65]).with_precision_and_scale(10, 2).expect("two digits fit")),
        Arc::new(StringArray::from(vec!["ak"])),
        Arc::new(BinaryViewArray::from_iter([None::<&[u8]>])),
        Arc::new(ListArray::from_iter_primitive::<datafusion::arrow::datatypes::Int32Type, _, _>([Some([
            Some(1),
            None,
            Some(-1),
        ])])),
    ]);
    let expected: &[u8] = &[
        1,
        10,
        0b0000_0010,
        0b0000_0001,
        3,
        0xAC,
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        240,
        63,
        0,
        0,
        128,
        63,
        1,
        0x81,
        1,
        2,
        b'a',
        b'k',
        3,
        0b10,
        2,
        1,
    ];
    let codec = codec(&batch);
    assert_eq!(codec.encode(&batch).expect("a row").get(0), expected);
    assert_eq!(codec.decode([expected]).expect("the fixture can be read"), batch);
    // A struct and a map.
    let nested = nested();
    let first: &[u8] = &[
        1, 4, 0b1000, 2, 0, 3, 0b010, 0, 2, 1, b'a', 0b11, 1, 2, 0, 0, 1, b'a', 2, 0b10, 0, 0, 0, 0, 0, 0,
        248, 63, 0, 1, b'b', 0,
    ];
    let codec = RowCodec::new(nested.schema()).expect("the types are known");
    assert_eq!(codec.encode(&nested).expect("rows").get(0), first);
}

#[test]
fn columns_that_came_later_are_null() {
    let old = batch(vec![Arc::new(Int64Array::from(vec![7]))]);
    let row = codec(&old).encode(&old).expect("a row");
    let new =
        batch(vec![Arc::new(Int64Array::from(vec![7])), Arc::new(StringArray::from(vec![None::<&str>]))]);
    assert_eq!(codec(&new).decode(row.iter()).expect("the row is older"), new);
    let row = codec(&new).encode(&new).expect("a row");
    assert_eq!(codec(&old).decode(row.iter()), Err(DecodeError::Columns { written: 2, known: 1 }));
}

#[test]
fn rows_without_columns_keep_their_number() {
    let options = RecordBatchOptions::new().with_row_count(Some(3));
    let empty = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .expect("a batch without columns");
    let codec = codec(&empty);
    let rows = codec.encode(&empty).expect("rows");
    assert_eq!(codec.decode(rows.iter()).expect("the rows were written here"), empty);
}

#[test]
fn damage_is_told_apart() {
    let batch = batch(vec![Arc::new(UInt64Array::from(vec![1]))]);
    let codec = codec(&batch);
    let error = |row: &[u8]| codec.decode([row]).expect_err("the row is damaged");
    assert_eq!(error(&[]), DecodeError::Short { missing: 1 });
    assert_eq!(error(&[9]), DecodeError::Version(9));
    assert_eq!(error(&[1, 1]), DecodeError::Short { missing: 1 });
    assert_eq!(error(&[1, 1, 0, 5, 5]), DecodeError::Long { left: 1 });
    assert_eq!(error(&[&[1, 1, 0][..], &[255; 20]].concat()), DecodeError::Number);
    // Whatever is cut off or turned over is an error or other rows, never a crash.
    for batch in [plain(), nested()] {
        let codec = RowCodec::new(batch.schema()).expect("the types are known");
        let rows = codec.encode(&batch).expect("rows");
        for row in rows.iter() {
            for length in 0..row.len() {
                assert!(codec.decode([&row[..length]]).is_err());
            }
            for place in 0..row.len() {
                for bit in 0..8 {
                    let mut damaged = row.to_vec();
                    damaged[place] ^= 1 << bit;
                    let _read = codec.decode([damaged.as_slice()]);
                }
            }
        }
    }
}
