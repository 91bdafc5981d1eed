//! One column: values of one type as they are gathered, row by row, and taken back when a row is refused.

use arrow::datatypes::{DataType, i256};

use super::cell;
use super::columns::{Group, Others};
use super::kind::{Kind, list_of};
use crate::json;

#[derive(Debug)]
pub struct Column {
    /// Given by the options.
    pub kind: Option<Kind>,
    pub is_there: Vec<bool>,
    pub cells: Cells,
    /// Its type was written to a file, so it stays.
    pub is_settled: bool,
}

#[derive(Debug)]
pub enum Cells {
    /// Only nulls so far.
    Unknown,
    Boolean(Vec<bool>),
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i256>),
    /// Texts and bytes.
    Bytes {
        bytes: Vec<u8>,
        ends: Vec<i32>,
    },
    List {
        ends: Vec<i32>,
        item: Box<Column>,
    },
    Map {
        ends: Vec<i32>,
        keys: Box<Column>,
        values: Box<Column>,
    },
    Group(Group),
}

/// Why a value is not in its column.
pub fn misfit(at: &str, raw: &[u8], expected: &str) -> String {
    const SHOWN_BYTES: usize = 80;
    let shown = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN_BYTES)]);
    format!("column `{at}`: {shown} is not {expected}; give the column another type with `types`")
}

impl Column {
    pub fn new(kind: Option<Kind>, nulls: usize) -> Column {
        let cells = kind.as_ref().map_or(Cells::Unknown, Cells::of_kind);
        let mut column = Column { kind, is_there: Vec::new(), cells, is_settled: false };
        (0..nulls).for_each(|_| column.push_null());
        column
    }

    pub fn len(&self) -> usize {
        self.is_there.len()
    }

    /// Without a value, and without a type that a file already has.
    pub fn is_blank(&self) -> bool {
        !self.is_settled && !self.is_there.contains(&true)
    }

    pub fn leaves(&self) -> usize {
        match &self.cells {
            Cells::List { item, .. } => 1 + item.leaves(),
            Cells::Map { keys, values, .. } => 1 + keys.leaves() + values.leaves(),
            Cells::Group(group) => 1 + group.leaves(),
            _ => 1,
        }
    }

    pub fn push(&mut self, raw: &[u8], at: &mut String) -> Result<(), String> {
        if raw == b"null" {
            self.push_null();
            return Ok(());
        }
        if matches!(self.cells, Cells::Unknown) {
            self.settle(Cells::of_value(raw));
        }
        if let (Cells::Signed(_), None) = (&self.cells, &self.kind) {
            self.widen(raw);
        }
        let row = self.is_there.len();
        match &mut self.cells {
            Cells::List { ends, item } => {
                let items = json::items(raw).ok_or_else(|| misfit(at, raw, "a list"))?;
                for value in items {
                    item.push(value.map_err(|error| error.to_string())?, at)?;
                }
                ends.push(end(item.len())?);
            }
            Cells::Map { ends, keys, values } => {
                let fields = json::fields(raw).ok_or_else(|| misfit(at, raw, "an object"))?;
                for field in fields {
                    let (name, value) = field.map_err(|error| error.to_string())?;
                    keys.push_text(name.as_bytes())?;
                    values.push(value, at)?;
                }
                ends.push(end(keys.len())?);
            }
            Cells::Group(group) => group.push(raw, row, at)?,
            cells => {
                let expected = || self.kind.as_ref().map_or(cells_expected(raw), Kind::expected);
                if !push_scalar(cells, self.kind.as_ref(), raw)? {
                    return Err(misfit(at, raw, &expected()));
                }
            }
        }
        self.is_there.push(true);
        Ok(())
    }

    /// Texts that are no JSON any more.
    fn push_text(&mut self, text: &[u8]) -> Result<(), String> {
        if let Cells::Bytes { bytes, ends } = &mut self.cells {
            bytes.extend_from_slice(text);
            ends.push(end(bytes.len())?);
        }
        self.is_there.push(true);
        Ok(())
    }

    /// Gives a column that had only nulls its type.
    fn settle(&mut self, cells: Cells) {
        let nulls = self.is_there.len();
        self.is_there.clear();
        self.cells = cells;
        (0..nulls).for_each(|_| self.push_null());
    }

    /// Makes doubles of whole numbers for a number that is none, where that changes none of them.
    fn widen(&mut self, raw: &[u8]) {
        if let Cells::Signed(numbers) = &self.cells
            && matches!(raw.first(), Some(b'-' | b'0'..=b'9'))
            && inferred_whole(raw).is_none()
            && numbers.iter().all(|number| cell::is_exact(*number))
        {
            self.cells = Cells::Double(numbers.iter().map(|number| *number as f64).collect());
        }
    }

    pub fn push_null(&mut self) {
        self.is_there.push(false);
        match &mut self.cells {
            Cells::Unknown => {}
            Cells::Boolean(values) => values.push(false),
            Cells::Signed(values) => values.push(0),
            Cells::Unsigned(values) => values.push(0),
            Cells::Float(values) => values.push(0.0),
            Cells::Double(values) => values.push(0.0),
            Cells::Decimal(values) => values.push(i256::ZERO),
            Cells::Bytes { ends, .. } | Cells::List { ends, .. } | Cells::Map { ends, .. } => {
                ends.push(ends.last().copied().unwrap_or(0));
            }
            Cells::Group(group) => group.push_null(),
        }
    }

    /// Drops what a row has put behind the first `rows`, which it may have left unfinished.
    pub fn truncate(&mut self, rows: usize) {
        self.is_there.truncate(rows);
        let last = |ends: &mut Vec<i32>| {
            ends.truncate(rows);
            ends.last().map_or(0, |end| *end as usize)
        };
        match &mut self.cells {
            Cells::Unknown => {}
            Cells::Boolean(values) => values.truncate(rows),
            Cells::Signed(values) => values.truncate(rows),
            Cells::Unsigned(values) => values.truncate(rows),
            Cells::Float(values) => values.truncate(rows),
            Cells::Double(values) => values.truncate(rows),
            Cells::Decimal(values) => values.truncate(rows),
            Cells::Bytes { bytes, ends } => bytes.truncate(last(ends)),
            Cells::List { ends, item } => item.truncate(last(ends)),
            Cells::Map { ends, keys, values } => {
                let kept = last(ends);
                keys.truncate(kept);
                values.truncate(kept);
            }
            Cells::Group(group) => group.truncate(rows),
        }
    }

    pub fn forget(&mut self) {
        match &mut self.cells {
            Cells::Group(group) => group.forget(),
            Cells::List { item, .. } => item.forget(),
            Cells::Map { values, .. } => values.forget(),
            _ => {}
        }
        if self.kind.is_none() && self.is_blank() {
            self.cells = Cells::Unknown;
        }
    }

    /// `None` while nothing is known of it.
    pub fn data_type(&self) -> Option<DataType> {
        if let Some(kind) = &self.kind {
            return Some(kind.arrow());
        }
        Some(match &self.cells {
            Cells::Unknown => return None,
            Cells::Boolean(_) => DataType::Boolean,
            Cells::Signed(_) => DataType::Int64,
            Cells::Double(_) => DataType::Float64,
            Cells::List { item, .. } => list_of(item.data_type().unwrap_or(DataType::Utf8)),
            // Objects that never had a field: no group may be without.
            Cells::Group(group) if group.fields().is_empty() => DataType::Utf8,
            Cells::Group(group) => DataType::Struct(group.fields()),
            // Types that are given only.
            Cells::Bytes { .. }
            | Cells::Unsigned(_)
            | Cells::Float(_)
            | Cells::Decimal(_)
            | Cells::Map { .. } => DataType::Utf8,
        })
    }
}

fn end(length: usize) -> Result<i32, String> {
    i32::try_from(length).map_err(|_| "a column of more than 2 GiB".to_owned())
}

impl Cells {
    fn of_kind(kind: &Kind) -> Cells {
        let (bytes, ends) = (Vec::new(), Vec::new());
        match kind {
            Kind::Boolean => Cells::Boolean(Vec::new()),
            Kind::Signed(_) | Kind::Date | Kind::Time(_) | Kind::Timestamp { .. } => {
                Cells::Signed(Vec::new())
            }
            Kind::Unsigned(_) => Cells::Unsigned(Vec::new()),
            Kind::Float => Cells::Float(Vec::new()),
            Kind::Double => Cells::Double(Vec::new()),
            Kind::Decimal { .. } => Cells::Decimal(Vec::new()),
            Kind::Text | Kind::Json | Kind::Binary => Cells::Bytes { bytes, ends },
            Kind::List(item) => Cells::List { ends, item: Box::new(Column::new(Some(Kind::clone(item)), 0)) },
            Kind::Map(value) => Cells::Map {
                ends,
                keys: Box::new(Column::new(Some(Kind::Text), 0)),
                values: Box::new(Column::new(Some(Kind::clone(value)), 0)),
            },
            Kind::Struct(fields) => {
                let mut group = Group::new(Others::Refuse);
                fields.iter().for_each(|(name, kind)| group.add(name, Column::new(Some(kind.clone()), 0)));
                Cells::Group(group)
            }
        }
    }

    /// By a first value.
    fn of_value(raw: &[u8]) -> Cells {
        match raw.first() {
            Some(b't' | b'f') => Cells::Boolean(Vec::new()),
            Some(b'"') => Cells::Bytes { bytes: Vec::new(), ends: Vec::new() },
            Some(b'[') => Cells::List { ends: Vec::new(), item: Box::new(Column::new(None, 0)) },
            Some(b'{') => Cells::Group(Group::new(Others::Add)),
            _ if inferred_whole(raw).is_some() => Cells::Signed(Vec::new()),
            _ => Cells::Double(Vec::new()),
        }
    }
}

/// A number without point or exponent; only those count as whole where a type is inferred.
fn inferred_whole(raw: &[u8]) -> Option<i64> {
    std::str::from_utf8(raw).ok()?.parse().ok()
}

/// What a column of an inferred type would have had to be given, for a value that does not fit it.
fn cells_expected(raw: &[u8]) -> String {
    match raw.first() {
        Some(b'-' | b'0'..=b'9') => {
            "what the column's values were so far, or has more digits than a double holds"
        }
        _ => "what the column's values were so far",
    }
    .to_owned()
}

/// Appends a value without parts; false if it does not fit.
fn push_scalar(cells: &mut Cells, kind: Option<&Kind>, raw: &[u8]) -> Result<bool, String> {
    let is_text = raw.first() == Some(&b'"');
    Ok(match (cells, kind) {
        // A text that looks like another type is one only where that type was given.
        (Cells::Boolean(_) | Cells::Signed(_) | Cells::Double(_), None) if is_text => false,
        (Cells::Boolean(values), _) => add(values, cell::boolean(raw)),
        (Cells::Signed(values), None) => add(values, inferred_whole(raw)),
        (Cells::Signed(values), Some(kind)) => add(values, signed(kind, raw)),
        (Cells::Unsigned(values), Some(Kind::Unsigned(bits))) => add(values, cell::unsigned(raw, *bits)),
        (Cells::Float(values), _) => add(values, cell::float(raw)),
        (Cells::Double(values), _) => add(values, cell::double(raw)),
        (Cells::Decimal(values), Some(Kind::Decimal { precision, scale })) => {
            add(values, cell::decimal(raw, *precision, *scale))
        }
        (Cells::Bytes { bytes, ends }, kind) => {
            let fits = push_bytes(kind, raw, bytes);
            if fits {
                ends.push(end(bytes.len())?);
            }
            fits
        }
        _ => false,
    })
}

fn add<Value>(values: &mut Vec<Value>, value: Option<Value>) -> bool {
    let fits = value.is_some();
    values.extend(value);
    fits
}

fn signed(kind: &Kind, raw: &[u8]) -> Option<i64> {
    match kind {
        Kind::Signed(bits) => cell::signed(raw, *bits),
        Kind::Date => cell::date(raw).map(i64::from),
        Kind::Time(unit) => cell::time(raw, *unit),
        Kind::Timestamp { unit, zoned } => cell::timestamp(raw, *unit, *zoned),
        _ => None,
    }
}

fn push_bytes(kind: Option<&Kind>, raw: &[u8], to: &mut Vec<u8>) -> bool {
    match (kind, raw) {
        (Some(Kind::Json), raw) => to.extend_from_slice(raw),
        (Some(Kind::Binary), raw) => match cell::bytes(raw) {
            Some(bytes) => to.extend_from_slice(&bytes),
            None => return false,
        },
        (_, [b'"', ..]) => match cell::scalar(raw) {
            Some(text) => to.extend_from_slice(text.as_bytes()),
            None => return false,
        },
        // What was given as text takes anything, as it is written.
        (Some(_), raw) => to.extend_from_slice(raw),
        (None, _) => return false,
    }
    true
}
