use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int64Array, NullArray, StringArray, StringViewArray, TimestampMicrosecondArray, UInt64Array,
    make_comparator,
};
use datafusion::arrow::compute::{SortOptions, cast};

use super::*;
use crate::state::random::Random;

/// A column of every form with its edges, NULL among them.
fn columns() -> Vec<ArrayRef> {
    vec![
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(-1), None, Some(0), Some(1), Some(i64::MAX)])),
        Arc::new(Int16Array::from(vec![Some(-300), None, Some(255)])),
        Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0), Some(1 << 63)])),
        Arc::new(Date32Array::from(vec![Some(-1), None, Some(20_000)])),
        Arc::new(TimestampMicrosecondArray::from(vec![Some(-5), None, Some(1_700_000_000_000_000)])),
        Arc::new(Float64Array::from(vec![
            Some(f64::NEG_INFINITY),
            Some(-1.5),
            Some(-0.0),
            Some(0.0),
            None,
            Some(f64::MIN_POSITIVE),
            Some(f64::INFINITY),
            Some(f64::NAN),
            Some(-f64::NAN),
        ])),
        Arc::new(Float32Array::from(vec![Some(f32::NAN), Some(-0.0), None, Some(0.0), Some(f32::MIN)])),
        Arc::new(
            Decimal128Array::from(vec![Some(-12_345), None, Some(0), Some(99_999)])
                .with_precision_and_scale(10, 2)
                .expect("five digits fit"),
        ),
        Arc::new(StringArray::from(vec![
            Some(""),
            Some("\0"),
            Some("a"),
            None,
            Some("a\0b"),
            Some("ab"),
            Some("ö"),
        ])),
        Arc::new(StringViewArray::from(vec![Some("a text that does not fit into a view"), None, Some("z")])),
        Arc::new(BinaryArray::from_iter([
            Some(&b"\xff\xff"[..]),
            Some(b"\xff"),
            None,
            Some(b""),
            Some(b"\0\0"),
        ])),
        Arc::new(NullArray::new(3)),
    ]
}

fn orders(data_type: &DataType) -> [KeyColumn; 4] {
    [(false, false), (false, true), (true, false), (true, true)].map(|(descending, nulls_last)| KeyColumn {
        data_type: data_type.clone(),
        descending,
        nulls_last,
    })
}

#[test]
fn keys_are_in_the_order_of_their_column_and_are_read_back() {
    for column in columns() {
        for order in orders(column.data_type()) {
            let codec = KeyCodec::new(vec![order.clone()]).expect("the type is known");
            let keys = codec.encode(std::slice::from_ref(&column), column.len()).expect("keys");
            let options = SortOptions { descending: order.descending, nulls_first: !order.nulls_last };
            // Arrow calls all NULLs of the null type equal by never being asked.
            if column.data_type() != &DataType::Null {
                let compare = make_comparator(&column, &column, options).expect("columns can be compared");
                for left in 0..column.len() {
                    for right in 0..column.len() {
                        assert_eq!(
                            keys.get(left).cmp(keys.get(right)),
                            compare(left, right),
                            "{order:?}: rows {left} and {right} of {column:?}"
                        );
                    }
                }
            }
            assert_eq!(codec.decode(keys.iter()).expect("the keys were written here"), vec![column.clone()]);
        }
    }
}

#[test]
fn several_columns_are_in_order_and_their_first_ones_are_prefixes() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let rows = 40;
        let texts = ["", "\0", "\0\0", "a", "a\0", "ab", "b"];
        let text: StringArray = (0..rows).map(|_| random.chance(80).then(|| random.pick(&texts))).collect();
        let number: Int64Array =
            (0..rows).map(|_| random.chance(80).then(|| random.below(5) as i64 - 2)).collect();
        let double: Float64Array =
            (0..rows).map(|_| random.chance(80).then(|| random.pick(&[-0.0, 0.0, -1.0, f64::NAN]))).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(text), Arc::new(number), Arc::new(double)];
        let orders: Vec<KeyColumn> =
            columns.iter().map(|column| random.pick(&orders(column.data_type()))).collect();
        let codec = KeyCodec::new(orders.clone()).expect("the types are known");
        let keys = codec.encode(&columns, rows).expect("keys");
        let prefixes = codec.encode(&columns[..2], rows).expect("prefixes");
        let compare: Vec<_> = columns
            .iter()
            .zip(&orders)
            .map(|(column, order)| {
                let options = SortOptions { descending: order.descending, nulls_first: !order.nulls_last };
                make_comparator(column, column, options).expect("columns can be compared")
            })
            .collect();
        for left in 0..rows {
            for right in 0..rows {
                let expected = compare.iter().map(|each| each(left, right)).find(|found| found.is_ne());
                let expected = expected.unwrap_or(Ordering::Equal);
                assert_eq!(keys.get(left).cmp(keys.get(right)), expected, "seed {seed}: {left}, {right}");
                let shared = compare[..2].iter().all(|each| each(left, right).is_eq());
                assert_eq!(
                    keys.get(right).starts_with(prefixes.get(left)),
                    shared,
                    "seed {seed}: {left}, {right}"
                );
            }
        }
        assert_eq!(codec.decode(keys.iter()).expect("the keys were written here"), columns, "seed {seed}");
    }
}

/// What version 1 wrote must be readable as long as there is state of it.
#[test]
fn version_one_is_these_bytes() {
    let decimal = Decimal128Array::from(vec![-1]).with_precision_and_scale(10, 2).expect("one digit fits");
    let fixtures: [(ArrayRef, &[u8]); 12] = [
        (Arc::new(BooleanArray::from(vec![true])), &[1, 1]),
        (Arc::new(Int64Array::from(vec![-2])), &[1, 0x7F, 255, 255, 255, 255, 255, 255, 254]),
        (Arc::new(Int64Array::from(vec![None])), &[0]),
        (Arc::new(Date32Array::from(vec![1])), &[1, 0x80, 0, 0, 0, 0, 0, 0, 1]),
        (Arc::new(UInt64Array::from(vec![258])), &[1, 0, 0, 0, 0, 0, 0, 1, 2]),
        (Arc::new(Float64Array::from(vec![1.0])), &[1, 0xBF, 0xF0, 0, 0, 0, 0, 0, 0]),
        (Arc::new(Float64Array::from(vec![-0.0])), &[1, 0x7F, 255, 255, 255, 255, 255, 255, 255]),
        (Arc::new(Float32Array::from(vec![-1.0])), &[1, 0x40, 0x7F, 255, 255]),
        (
            Arc::new(decimal),
            &[1, 0x7F, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
        (Arc::new(StringArray::from(vec!["a\0k"])), &[1, b'a', 0, 255, b'k', 0, 0]),
        (Arc::new(BinaryArray::from_iter([Some(b"")])), &[1, 0, 0]),
        (Arc::new(NullArray::new(1)), &[0]),
    ];
    for (column, expected) in fixtures {
        let codec = KeyCodec::ascending([column.data_type()]).expect("the type is known");
        assert_eq!(
            codec.encode(std::slice::from_ref(&column), 1).expect("a key").get(0),
            expected,
            "{column:?}"
        );
        assert_eq!(codec.decode([expected]).expect("the fixture can be read"), vec![column]);
    }
    let column: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let order = KeyColumn { data_type: DataType::Utf8, descending: true, nulls_last: true };
    let codec = KeyCodec::new(vec![order]).expect("the type is known");
    let keys = codec.encode_state(&[7, 9], std::slice::from_ref(&column)).expect("keys");
    assert_eq!((keys.get(0), keys.get(1)), (&[7, 1, 1, !b'a', 255, 255][..], &[9, 1, 2][..]));
    assert_eq!(codec.decode_state(keys.iter()).expect("the keys were written here"), vec![column]);
}

/// State is found by these: they never change.
#[test]
fn virtual_nodes_are_these() {
    assert_eq!(virtual_node(&[]), 22, "the top 7 bits of 2d06800538d394c2, which the specification gives");
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("ak"), Some("us"), Some(""), None]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(-3), None]));
    let nodes = |columns: &[ArrayRef]| virtual_nodes(columns, 4).expect("the types are known");
    assert_eq!(nodes(std::slice::from_ref(&texts)), TEXT_NODES);
    assert_eq!(nodes(std::slice::from_ref(&numbers)), NUMBER_NODES);
    assert_eq!(nodes(&[texts.clone(), numbers.clone()]), PAIR_NODES);
    // Neither the layout nor the width of a type matters.
    let views = cast(&texts, &DataType::Utf8View).expect("text is text");
    assert_eq!(nodes(&[views]), TEXT_NODES);
    let narrow = cast(&numbers, &DataType::Int16).expect("the numbers are small");
    assert_eq!(nodes(&[narrow]), NUMBER_NODES);
}

const TEXT_NODES: [u8; 4] = [97, 123, 93, 98];
const NUMBER_NODES: [u8; 4] = [65, 105, 0, 98];
const PAIR_NODES: [u8; 4] = [32, 67, 98, 25];

#[test]
fn virtual_nodes_are_even() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..128_000));
    let mut counts = [0_u32; VIRTUAL_NODES as usize];
    for node in virtual_nodes(&[numbers], 128_000).expect("integers are known") {
        counts[usize::from(node)] += 1;
    }
    assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
}

#[test]
fn damage_is_told_apart() {
    let codec = KeyCodec::ascending([&DataType::Utf8]).expect("text is known");
    let error = |key: &[u8]| codec.decode([key]).expect_err("the key is damaged");
    assert_eq!(error(&[]), DecodeError::Short { missing: 1 });
    assert_eq!(error(&[1, b'a']), DecodeError::Short { missing: 1 });
    assert_eq!(error(&[2]), DecodeError::Marker(2), "NULL comes first here");
    assert_eq!(error(&[1, 0, 7]), DecodeError::Marker(7));
    assert_eq!(error(&[0, 0]), DecodeError::Long { left: 1 });
    assert_eq!(error(&[1, 0xC3, 0, 0]), DecodeError::Text);
    assert_eq!(codec.decode_state([&[3, 9, 0][..]]), Err(DecodeError::Version(9)));
    let list = DataType::new_list(DataType::Int64, true);
    assert!(matches!(KeyCodec::ascending([&list]), Err(DecodeError::Type(_))));
}

#[test]
fn the_successor_is_behind_everything_with_the_prefix() {
    assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
    assert_eq!(successor(&[1, 255, 255]), Some(vec![2]));
    assert_eq!(successor(&[255]), None);
    assert_eq!(successor(&[]), None);
}
