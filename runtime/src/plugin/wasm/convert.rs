//! Columns of the SDK as columns of the contract, and back through every check.

use std::collections::BTreeSet;

use millstream_sdk::record::{Batch, Bitmap, Column, Headers, NO_TIMESTAMP};
use millstream_sdk::sink::Rejection;

use super::bindings::millstream::connect::types;
use super::fault::Fault;

/// How much one call carries: enough to make crossing cheap, little enough to stay in a core's cache.
const CALL_BYTES: usize = 256 << 10;
const CALL_ROWS: usize = 16_384;

/// Longest reason of a rejection that is kept.
const REASON_BYTES_MAX: usize = 4096;

/// A batch as a call carries it: borrowed, so that its bytes are copied once, into the component's memory.
pub fn lower(batch: &Batch) -> types::BatchParam<'_> {
    let keys = batch.keys();
    let has_keys = keys.nulls().is_none_or(|nulls| nulls.count() < keys.len());
    let has_timestamps = batch.timestamps().iter().any(|timestamp| *timestamp != NO_TIMESTAMP);
    types::BatchParam {
        keys: has_keys.then(|| lower_column(keys)),
        values: lower_column(batch.values()),
        headers: (!batch.headers().is_empty()).then(|| lower_headers(batch.headers())),
        timestamps: has_timestamps.then(|| batch.timestamps()),
    }
}

/// Where a batch is cut into calls.
pub fn pieces(batch: &Batch) -> Vec<(usize, usize)> {
    let ends = batch.values().ends();
    let (mut pieces, mut from, mut start) = (Vec::new(), 0, 0);
    for (row, end) in ends.iter().copied().enumerate() {
        let bytes = end as usize - start;
        if row > from && (bytes > CALL_BYTES || row - from >= CALL_ROWS) {
            pieces.push((from, row));
            start = ends[row - 1] as usize;
            from = row;
        }
    }
    if from < ends.len() {
        pieces.push((from, ends.len()));
    }
    pieces
}

fn lower_column(column: &Column) -> types::ColumnParam<'_> {
    types::ColumnParam {
        bytes: column.bytes(),
        ends: column.ends(),
        nulls: column.nulls().map(Bitmap::as_bytes),
    }
}

fn lower_headers(headers: &Headers) -> types::HeadersParam<'_> {
    let (names, values, row_ends) = headers.parts();
    types::HeadersParam { names: lower_column(names), values: lower_column(values), row_ends }
}

/// A batch that a component returned.
pub fn lift(batch: types::BatchResult) -> Result<Batch, Fault> {
    let values = lift_column("values", batch.values)?;
    let rows = values.len();
    let keys = match batch.keys {
        Some(keys) => lift_column("keys", keys)?,
        None => Column::all_null(rows),
    };
    let headers = match batch.headers {
        Some(headers) => {
            let names = lift_column("header names", headers.names)?;
            let header_values = lift_column("header values", headers.values)?;
            let lifted = Headers::from_parts(names, header_values, headers.row_ends)?;
            if !lifted.is_empty() && lifted.parts().2.len() != rows {
                let found = lifted.parts().2.len();
                return Err(Fault::answer(format!("headers: {found} rows where the batch has {rows}")));
            }
            if lifted.is_empty() { Headers::default() } else { lifted }
        }
        None => Headers::default(),
    };
    let timestamps = batch.timestamps.unwrap_or_else(|| vec![NO_TIMESTAMP; rows]);
    Ok(Batch::new(keys, values, headers, timestamps)?)
}

fn lift_column(name: &'static str, column: types::ColumnResult) -> Result<Column, Fault> {
    Ok(Column::from_parts(name, column.bytes.into(), column.ends, column.nulls)?)
}

/// Rejections of a batch of `rows`: in range and rising.
pub fn lift_rejections(rejected: Vec<types::Rejection>, rows: usize) -> Result<Vec<Rejection>, Fault> {
    let mut lifted: Vec<Rejection> = Vec::with_capacity(rejected.len());
    for rejection in rejected {
        let row = rejection.row as usize;
        if row >= rows {
            return Err(Fault::answer(format!("rejected row {row} of {rows}")));
        }
        if lifted.last().is_some_and(|last| last.row >= row) {
            return Err(Fault::answer(format!("rejected row {row} is not behind the one before it")));
        }
        let mut reason = rejection.reason;
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        lifted.push(Rejection { row, reason });
    }
    Ok(lifted)
}

/// The verdicts of a filter about a batch of `rows`.
pub fn lift_verdicts(bits: Vec<u8>, rows: usize, rejected: &[Rejection]) -> Result<Bitmap, Fault> {
    let found = bits.len();
    let Some(verdicts) = Bitmap::from_bytes(bits, rows) else {
        return Err(Fault::answer(format!("{found} bytes of verdicts for {rows} rows")));
    };
    match rejected.iter().find(|rejection| verdicts.get(rejection.row)) {
        Some(both) => Err(Fault::answer(format!("row {} is both kept and rejected", both.row))),
        None => Ok(verdicts),
    }
}

/// The rows that the records of an answer came from.
pub fn check_origins(
    origins: &[u32],
    records: usize,
    rows: usize,
    rejected: &[Rejection],
) -> Result<(), Fault> {
    if origins.len() != records {
        return Err(Fault::answer(format!("{} origins for {records} records", origins.len())));
    }
    let mut previous = 0;
    for origin in origins.iter().copied() {
        if origin as usize >= rows {
            return Err(Fault::answer(format!("origin row {origin} of {rows}")));
        }
        if origin < previous {
            return Err(Fault::answer(format!("origin row {origin} behind row {previous}")));
        }
        previous = origin;
    }
    let rejected: BTreeSet<u32> = rejected.iter().map(|rejection| rejection.row as u32).collect();
    match origins.iter().find(|origin| rejected.contains(origin)) {
        Some(both) => Err(Fault::answer(format!("row {both} is both rejected and an origin"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(row: u32) -> types::Rejection {
        types::Rejection { row, reason: "no".to_owned() }
    }

    #[test]
    fn rows_of_an_answer_must_rise_and_be_in_range() {
        assert_eq!(lift_rejections(vec![rejection(0), rejection(2)], 3).unwrap().len(), 2);
        for rows in [vec![2, 1], vec![1, 1], vec![3]] {
            assert!(lift_rejections(rows.into_iter().map(rejection).collect(), 3).is_err());
        }
        assert_eq!(check_origins(&[0, 0, 2], 3, 3, &[]), Ok(()));
        for (origins, records) in [(&[1, 0][..], 2), (&[0, 3], 2), (&[0], 2)] {
            assert!(check_origins(origins, records, 3, &[]).is_err(), "{origins:?}");
        }
    }

    #[test]
    fn calls_are_cut_where_they_grow_too_large() {
        let mut builder = millstream_sdk::record::BatchBuilder::new();
        for bytes in [100, CALL_BYTES, 10, 10] {
            builder.push(None, Some(&vec![b'x'; bytes]), None);
        }
        assert_eq!(pieces(&builder.finish()), [(0, 1), (1, 2), (2, 4)]);
        assert_eq!(pieces(&Batch::default()), []);
    }
}
