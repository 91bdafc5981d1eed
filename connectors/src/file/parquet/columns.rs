//! Rows of JSON objects gathered into typed columns.
//!
//! A column has the type it was given, or that of its first value: `true`, whole numbers, numbers, texts, lists, objects. Whole
//! numbers become doubles when a number with a fraction comes; any other change of type is refused, and a refused row leaves
//! nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float32Array, Float64Array, GenericByteArray,
    Int64Array, ListArray, MapArray, NullArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, UInt64Array, new_null_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{BinaryType, DataType, Date32Type, Field, Fields, Schema, Utf8Type, i256};
use arrow::error::ArrowError;

use super::cell;
use super::kind::{Kind, map_of};
use crate::json;

/// Most columns of a file, those within objects and lists included.
const COLUMNS_MAX: usize = 2000;

/// What a row costs in each column beside its JSON text: room for a number, and whether there is one.
const CELL_BYTES: usize = 9;

/// A group of named columns: the whole table, or objects in a column.
#[derive(Debug)]
pub struct Group {
    columns: Vec<(String, Column)>,
    places: HashMap<String, usize>,
    /// What happens to a field that is no column.
    others: Others,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    Add,
    Ignore,
    Refuse,
}

#[derive(Debug)]
struct Column {
    /// Given by the options.
    kind: Option<Kind>,
    is_there: Vec<bool>,
    cells: Cells,
    /// Its type was written to a file, so it stays.
    is_settled: bool,
}

#[derive(Debug)]
enum Cells {
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

/// The rows of a table that are still in memory.
#[derive(Debug)]
pub struct Rows {
    group: Group,
    rows: usize,
    bytes: usize,
    /// Columns at any depth, as of the last row.
    leaves: usize,
}

impl Rows {
    pub fn new(columns: impl Iterator<Item = (String, Option<Kind>)>, others: Others) -> Rows {
        let mut group = Group::new(others);
        columns.for_each(|(name, kind)| group.add(&name, Column::new(kind, 0)));
        let leaves = group.leaves();
        Rows { group, rows: 0, bytes: 0, leaves }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row; `None` is one of nulls. The error is why the value does not fit.
    pub fn push(&mut self, value: Option<&[u8]>) -> Result<(), String> {
        let size = value.map_or(0, <[u8]>::len);
        let pushed = match value {
            None => {
                self.group.push_null();
                Ok(())
            }
            Some(value) => json::validate(value)
                .map_err(|error| error.to_string())
                .and_then(|()| self.group.push(value, self.rows, &mut String::new())),
        };
        self.leaves = self.group.leaves();
        let pushed = match self.leaves > COLUMNS_MAX {
            true => Err(format!(
                "the row makes it more than {COLUMNS_MAX} columns; give objects of many keys the type map<…> or json"
            )),
            false => pushed,
        };
        if let Err(reason) = pushed {
            self.group.truncate(self.rows);
            self.group.forget();
            self.leaves = self.group.leaves();
            return Err(reason);
        }
        self.rows += 1;
        self.bytes += size + self.leaves * CELL_BYTES;
        Ok(())
    }

    /// What the rows would be written as now. Columns without a value so far are left out, unless they were given.
    pub fn fields(&self) -> Fields {
        self.group.fields()
    }

    /// Takes the rows out; the columns and their types stay.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let fields = self.fields();
        let arrays = self.group.take_arrays(true)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

impl Group {
    fn new(others: Others) -> Group {
        Group { columns: Vec::new(), places: HashMap::new(), others }
    }

    fn add(&mut self, name: &str, column: Column) {
        self.places.insert(name.to_owned(), self.columns.len());
        self.columns.push((name.to_owned(), column));
    }

    /// Appends an object as row `row`. `at` is the path to it, for errors.
    fn push(&mut self, value: &[u8], row: usize, at: &mut String) -> Result<(), String> {
        let Some(fields) = json::fields(value) else {
            return Err(match at.is_empty() {
                true => "not a JSON object, which format parquet needs".to_owned(),
                false => misfit(at, value, "an object"),
            });
        };
        let mut guess = 0;
        for field in fields {
            let (name, raw) = field.map_err(|error| error.to_string())?;
            // Rows of one kind have their fields in one order: look at the next place first.
            let is_next = self.columns.get(guess).is_some_and(|(other, _)| *other == name);
            let place = match is_next {
                true => Some(guess),
                false => self.places.get(name.as_ref()).copied(),
            };
            let length = at.len();
            if !at.is_empty() {
                at.push('.');
            }
            at.push_str(&name);
            let place = match (place, self.others) {
                (Some(place), _) => place,
                (None, Others::Add) => {
                    self.add(&name, Column::new(None, row));
                    self.columns.len() - 1
                }
                (None, Others::Ignore) => {
                    at.truncate(length);
                    continue;
                }
                (None, Others::Refuse) => {
                    return Err(format!("field `{at}` is not in the type of its column"));
                }
            };
            guess = place + 1;
            if let Some((_, column)) = self.columns.get_mut(place) {
                if column.len() > row {
                    return Err(format!("field `{at}` is there twice"));
                }
                column.push(raw, at)?;
            }
            at.truncate(length);
        }
        for (_, column) in &mut self.columns {
            if column.len() == row {
                column.push_null();
            }
        }
        Ok(())
    }

    fn push_null(&mut self) {
        self.columns.iter_mut().for_each(|(_, column)| column.push_null());
    }

    fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|(_, column)| column.truncate(rows));
    }

    /// Takes back what a refused row alone has said of the columns.
    fn forget(&mut self) {
        if self.others == Others::Add {
            while self.columns.last().is_some_and(|(_, column)| column.kind.is_none() && column.is_blank()) {
                if let Some((name, _)) = self.columns.pop() {
                    self.places.remove(&name);
                }
            }
        }
        self.columns.iter_mut().for_each(|(_, column)| column.forget());
    }

    fn leaves(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.leaves()).sum()
    }

    fn fields(&self) -> Fields {
        let fields = self.columns.iter();
        fields
            .filter_map(|(name, column)| Some(Field::new(name, column.data_type()?, true)))
            .collect::<Vec<_>>()
            .into()
    }

    fn take_arrays(&mut self, leave_out: bool) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut arrays = Vec::new();
        for (_, column) in &mut self.columns {
            let array = column.take()?;
            if !leave_out || column.data_type().is_some() {
                arrays.push(array);
            }
        }
        Ok(arrays)
    }
}

fn misfit(at: &str, raw: &[u8], expected: &str) -> String {
    const SHOWN_BYTES: usize = 80;
    let shown = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN_BYTES)]);
    format!("column `{at}`: {shown} is not {expected}; give the column another type with `types`")
}

impl Column {
    fn new(kind: Option<Kind>, nulls: usize) -> Column {
        let cells = kind.as_ref().map_or(Cells::Unknown, Cells::of_kind);
        let mut column = Column { kind, is_there: Vec::new(), cells, is_settled: false };
        (0..nulls).for_each(|_| column.push_null());
        column
    }

    fn len(&self) -> usize {
        self.is_there.len()
    }

    /// Without a value, and without a type that a file already has.
    fn is_blank(&self) -> bool {
        !self.is_settled && !self.is_there.contains(&true)
    }

    fn leaves(&self) -> usize {
        match &self.cells {
            Cells::List { item, .. } => 1 + item.leaves(),
            Cells::Map { keys, values, .. } => 1 + keys.leaves() + values.leaves(),
            Cells::Group(group) => 1 + group.leaves(),
            _ => 1,
        }
    }

    fn push(&mut self, raw: &[u8], at: &mut String) -> Result<(), String> {
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

    fn push_null(&mut self) {
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
    fn truncate(&mut self, rows: usize) {
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

    fn forget(&mut self) {
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
    fn data_type(&self) -> Option<DataType> {
        if let Some(kind) = &self.kind {
            return Some(kind.arrow());
        }
        Some(match &self.cells {
            Cells::Unknown => return None,
            Cells::Boolean(_) => DataType::Boolean,
            Cells::Signed(_) => DataType::Int64,
            Cells::Double(_) => DataType::Float64,
            Cells::List { item, .. } => DataType::new_list(item.data_type().unwrap_or(DataType::Utf8), true),
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

    /// Takes the values out as an array of the column's type.
    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let length = self.is_there.len();
        let Some(data_type) = self.data_type() else {
            self.is_there.clear();
            return Ok(Arc::new(NullArray::new(length)));
        };
        self.is_settled = true;
        let nulls = Some(NullBuffer::from(std::mem::take(&mut self.is_there))).filter(|n| n.null_count() > 0);
        let array: ArrayRef = match &mut self.cells {
            Cells::Unknown => new_null_array(&data_type, length),
            Cells::Boolean(values) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            Cells::Signed(values) => return take_signed(values, nulls, &data_type),
            Cells::Unsigned(values) => {
                let wide: ArrayRef = Arc::new(UInt64Array::try_new(std::mem::take(values).into(), nulls)?);
                return cast(&wide, &data_type);
            }
            Cells::Float(values) => Arc::new(Float32Array::try_new(std::mem::take(values).into(), nulls)?),
            Cells::Double(values) => Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?),
            Cells::Decimal(values) => return take_decimals(values, nulls, &data_type),
            Cells::Bytes { bytes, ends } => {
                let offsets = offsets(ends);
                let bytes = Buffer::from(std::mem::take(bytes));
                match data_type {
                    DataType::Binary => {
                        Arc::new(GenericByteArray::<BinaryType>::try_new(offsets, bytes, nulls)?)
                    }
                    _ => Arc::new(GenericByteArray::<Utf8Type>::try_new(offsets, bytes, nulls)?),
                }
            }
            Cells::List { ends, item } => {
                let unknown = item.data_type().is_none();
                let mut values = item.take()?;
                if unknown {
                    values = new_null_array(&DataType::Utf8, values.len());
                }
                let field = Field::new_list_field(values.data_type().clone(), true);
                Arc::new(ListArray::try_new(Arc::new(field), offsets(ends), values, nulls)?)
            }
            Cells::Map { ends, keys, values } => {
                let (keys, values) = (keys.take()?, values.take()?);
                let value = Field::new("value", values.data_type().clone(), true);
                let DataType::Map(entries, _) = map_of(value) else {
                    return Err(ArrowError::SchemaError("a map without entries".to_owned()));
                };
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(ArrowError::SchemaError("a map without pairs".to_owned()));
                };
                let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
                Arc::new(MapArray::try_new(entries, offsets(ends), pairs, nulls, false)?)
            }
            Cells::Group(group) => take_group(group, nulls, length)?,
        };
        Ok(array)
    }
}

fn take_signed(
    values: &mut Vec<i64>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let values = std::mem::take(values);
    if *data_type == DataType::Date32 {
        let days: ScalarBuffer<i32> = values.iter().map(|days| *days as i32).collect::<Vec<_>>().into();
        return Ok(Arc::new(PrimitiveArray::<Date32Type>::try_new(days, nulls)?));
    }
    let wide: ArrayRef = Arc::new(Int64Array::try_new(values.into(), nulls)?);
    match data_type {
        // Milliseconds of a day fit 32 bits.
        DataType::Time32(_) => cast(&cast(&wide, &DataType::Int32)?, data_type),
        _ => cast(&wide, data_type),
    }
}

fn take_decimals(
    values: &mut Vec<i256>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let values = std::mem::take(values);
    Ok(match data_type {
        DataType::Decimal128(precision, scale) => {
            let narrow: Vec<i128> = values.iter().map(|value| value.to_i128().unwrap_or(0)).collect();
            let array = Decimal128Array::try_new(narrow.into(), nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Decimal256(precision, scale) => {
            let array = Decimal256Array::try_new(values.into(), nulls)?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(ArrowError::SchemaError(format!("{other} is no decimal"))),
    })
}

fn take_group(group: &mut Group, nulls: Option<NullBuffer>, length: usize) -> Result<ArrayRef, ArrowError> {
    let fields = group.fields();
    let arrays = group.take_arrays(true)?;
    if fields.is_empty() {
        let there = |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let texts = (0..length).map(|row| there(row).then_some("{}"));
        return Ok(Arc::new(StringArray::from_iter(texts)));
    }
    Ok(Arc::new(StructArray::try_new(fields, arrays, nulls)?))
}

/// Ends of rows as offsets, which begin with one more.
fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut all = Vec::with_capacity(ends.len() + 1);
    all.push(0);
    all.append(ends);
    OffsetBuffer::new(all.into())
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
