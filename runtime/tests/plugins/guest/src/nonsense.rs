//! Answers that break the contract, one rule each.

use millstream_guest::bindings::exports::millstream::connect::transform::{self, Output, Records};
use millstream_guest::bindings::millstream::connect::types::{Batch, Column, Headers, Rejection};
use millstream_guest::{Error, Transformed};

/// A good answer about `rows` records, but for what `act` names.
pub fn answer(act: &str, rows: usize) -> Result<Transformed, Error> {
    let count = rows as u32;
    let column = || Column { bytes: vec![b'x'; rows], ends: (1..=count).collect(), nulls: None };
    let mut batch = Batch { keys: None, values: column(), headers: None, timestamps: None };
    let mut origins: Vec<u32> = (0..count).collect();
    let mut rejected = Vec::new();
    let mut verdicts = None;
    let rejection = |row: u32| Rejection { row, reason: String::new() };
    match act {
        "ends-fall" => batch.values.ends.rotate_left(1),
        "ends-short" => batch.values.bytes.push(b'x'),
        "nulls-short" => batch.values.nulls = Some(Vec::new()),
        "keys-long" => batch.keys = Some(Column { bytes: Vec::new(), ends: vec![0; rows + 1], nulls: None }),
        "times-short" => batch.timestamps = Some(Vec::new()),
        "name-bytes" => {
            let names = Column { bytes: vec![0xff], ends: vec![1], nulls: None };
            let values = Column { bytes: Vec::new(), ends: vec![0], nulls: None };
            batch.headers = Some(Headers { names, values, row_ends: vec![1; rows] });
        }
        "header-rows" => batch.headers = Some(headers(1, vec![1; rows + 1])),
        "header-ends" => batch.headers = Some(headers(2, (0..count).rev().collect())),
        "header-count" => batch.headers = Some(headers(2, vec![1; rows])),
        "header-values" => batch.headers = Some(Headers { values: entries(1), ..headers(2, vec![2; rows]) }),
        "name-null" => {
            let mut found = headers(1, vec![1; rows]);
            found.names.nulls = Some(vec![1]);
            batch.headers = Some(found);
        }
        "origins-short" => drop(origins.pop()),
        "origins-fall" => origins.reverse(),
        "origins-range" => origins[rows - 1] = count,
        "rejected-fall" => rejected.extend([rejection(1), rejection(0)]),
        "rejected-range" => rejected.push(rejection(count)),
        "rejected-origin" => rejected.push(rejection(0)),
        "verdicts-short" => verdicts = Some(Vec::new()),
        "verdict-rejected" => {
            rejected.push(rejection(0));
            verdicts = Some(vec![0xff; rows.div_ceil(8)]);
        }
        unknown => return Err(Error::config(format!("there is no act {unknown}"))),
    }
    let output = match verdicts {
        Some(verdicts) => Output::Verdicts(verdicts),
        None => Output::Records(Records { records: batch, origins }),
    };
    Ok(Transformed::from_parts(transform::Transformed { output, rejected }))
}

fn entries(count: u32) -> Column {
    Column { bytes: vec![b'n'; count as usize], ends: (1..=count).collect(), nulls: None }
}

fn headers(count: u32, row_ends: Vec<u32>) -> Headers {
    Headers { names: entries(count), values: entries(count), row_ends }
}
