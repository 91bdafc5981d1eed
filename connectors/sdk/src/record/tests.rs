use super::*;
use bytes::Bytes;

fn text(batch: &Batch) -> Vec<String> {
    let show = |part: Option<&[u8]>| match part {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "null".to_owned(),
    };
    batch
        .rows()
        .map(|row| {
            let headers: Vec<_> =
                row.headers.map(|(name, value)| format!("{name}={}", show(value))).collect();
            format!("{} {} {:?} [{}]", show(row.key), show(row.value), row.timestamp_ms, headers.join(","))
        })
        .collect()
}

fn sample() -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(None, Some(b"a"), None);
    builder.push_header("h", Some(b"1"));
    builder.push_header("h", None);
    builder.push(Some(b"k"), Some(b""), Some(5));
    builder.push(Some(b""), None, Some(-1));
    builder.push_header("x", Some(b"2"));
    builder.push(None, Some(b"dd"), None);
    builder.finish()
}

#[test]
fn rows_come_back_as_they_went_in() {
    let expected = ["null a None []", "k  Some(5) [h=1,h=null]", " null Some(-1) []", "null dd None [x=2]"];
    assert_eq!(text(&sample()), expected);
}

#[test]
fn every_slice_equals_the_same_rows_of_the_whole() {
    let batch = sample();
    let all = text(&batch);
    for from in 0..=batch.len() {
        for to in from..=batch.len() {
            assert_eq!(text(&batch.slice(from, to)), all[from..to], "{from}..{to}");
        }
    }
    assert_eq!(batch.slice(2, 99).len(), 2);
}

#[test]
fn keep_takes_the_marked_rows() {
    let batch = sample();
    let mut verdicts = Bitmap::filled(batch.len(), false);
    verdicts.set(1, true);
    verdicts.set(3, true);
    assert_eq!(verdicts.count(), 2);
    assert_eq!(text(&batch.keep(&verdicts)), ["k  Some(5) [h=1,h=null]", "null dd None [x=2]"]);
}

#[test]
fn parts_from_outside_are_checked() {
    let column = |ends: &[u32], nulls| Column::from_parts("values", Bytes::from("abc"), ends.to_vec(), nulls);
    assert!(column(&[1, 3], None).is_ok());
    assert_eq!(
        column(&[2, 1], None).unwrap_err().to_string(),
        "values: row 1 ends at 1, before the row ahead of it"
    );
    assert_eq!(column(&[1, 2], None).unwrap_err().to_string(), "values: rows end at 2 of 3 bytes");
    assert_eq!(column(&[1, 4], None).unwrap_err().to_string(), "values: rows end at 4 of 3 bytes");
    assert_eq!(
        column(&[1, 3], Some(vec![0, 0])).unwrap_err().to_string(),
        "values: a null bitmap of 2 bytes for 2 rows"
    );
    let values = column(&[1, 3], None).unwrap();
    let wrong = Batch::new(Column::all_null(1), values, Headers::default(), vec![0, 0]);
    assert_eq!(wrong.unwrap_err().to_string(), "keys: 1 rows where the batch has 2");
}

#[test]
fn headers_from_outside_are_checked() {
    let names = |bytes: &'static [u8]| {
        Column::from_parts("n", Bytes::from_static(bytes), vec![bytes.len() as u32], None).unwrap()
    };
    assert!(Headers::from_parts(names(b"ok"), names(b"v"), vec![0, 1]).is_ok());
    let not_text = Headers::from_parts(names(b"\xff"), names(b"v"), vec![1]);
    assert_eq!(not_text.unwrap_err().to_string(), "header names: row 0 is not UTF-8");
    let missing = Headers::from_parts(names(b"ok"), names(b"v"), vec![0, 0]);
    assert_eq!(missing.unwrap_err().to_string(), "headers: rows end at 0 of 1 bytes");
}
