//! What connectors call: a filter, a map, or a single value per record.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};

use super::compile::Expression;
use super::evaluate::{Evaluator, Group};
use super::fields::{Fields, names, shape};
use super::{ExpressionError, RowView};
use crate::format::scan::{self, Member, ObjectEnd, Token};
use crate::format::{Cells, Format, write_json_text};

/// What a filter says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keep,
    /// The expression is false, or NULL.
    Drop,
    /// The expression could not be evaluated, and why.
    Error(String),
}

/// `filter:` keeps the records for which an expression is true.
#[derive(Debug)]
pub struct RowFilter {
    evaluator: Evaluator,
}

/// `map:` computes fields and adds them to the record, or replaces those of the same name; every other field stays as
/// it was, byte for byte.
#[derive(Debug)]
pub struct RowMap {
    names: Vec<String>,
    evaluator: Evaluator,
}

/// One value per record: `key:` and `timestamp:`.
#[derive(Debug)]
pub struct RowScalar {
    evaluator: Evaluator,
}

/// The values that a map gives: row n is `bytes[ends[n-1]..ends[n]]` unless `verdicts[n]` is an error.
#[derive(Clone, Debug, Default)]
pub struct MappedRows {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
    /// Why a record has no new value. A record without a value (a tombstone) has none either, and no error.
    pub errors: Vec<Option<String>>,
}

impl MappedRows {
    /// The n-th row's new value.
    ///
    /// # Panics
    /// Where there is no n-th row.
    pub fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

impl RowFilter {
    /// # Errors
    /// The text is no expression, or one that a single record can't answer.
    pub fn new(expression: &str) -> Result<RowFilter, ExpressionError> {
        Ok(RowFilter { evaluator: evaluator(&[expression])? })
    }

    /// A verdict for each row.
    pub fn apply(&mut self, rows: &[RowView<'_>]) -> Vec<Verdict> {
        let (scanned, groups) = scan_and_evaluate(&mut self.evaluator, rows, &[]);
        let mut verdicts: Vec<Verdict> =
            scanned.errors.into_iter().map(|error| error.map_or(Verdict::Drop, Verdict::Error)).collect();
        for_each_result(&groups, |row, _, result| {
            verdicts[row] = match result.and_then(|(array, place)| truth(array, place)) {
                Ok(true) => Verdict::Keep,
                Ok(false) => Verdict::Drop,
                Err(reason) => Verdict::Error(reason),
            };
        });
        verdicts
    }
}

impl RowMap {
    /// # Errors
    /// An expression is none; the place is within its own text, the message names the field.
    pub fn new(fields: &[(String, String)]) -> Result<RowMap, ExpressionError> {
        let mut named = Fields::default();
        let mut expressions = Vec::with_capacity(fields.len());
        for (name, text) in fields {
            let expression = Expression::parse(text, &mut named);
            expressions.push(expression.map_err(|error| ExpressionError {
                message: format!("field `{name}`: {}", error.message),
                ..error
            })?);
        }
        let names = fields.iter().map(|(name, _)| name.clone()).collect();
        Ok(RowMap { names, evaluator: Evaluator::new(named, expressions) })
    }

    /// The new value of each row.
    pub fn apply(&mut self, rows: &[RowView<'_>]) -> MappedRows {
        let (scanned, groups) = scan_and_evaluate(&mut self.evaluator, rows, &self.names);
        let width = self.names.len();
        let mut errors = scanned.errors;
        let mut written: Vec<std::ops::Range<usize>> = vec![0..0; rows.len() * width];
        let mut texts = Vec::new();
        for_each_result(&groups, |row, column, result| {
            let start = texts.len();
            let outcome = result.and_then(|(array, place)| {
                let cells = Cells::new(array.as_ref(), Format::Json).map_err(|error| error.to_string())?;
                cells.write_json(place, &mut texts);
                Ok(())
            });
            match outcome {
                Ok(()) => written[row * width + column] = start..texts.len(),
                Err(reason) => {
                    errors[row].get_or_insert(format!("field `{}`: {reason}", self.names[column]));
                }
            }
        });
        let mut mapped = MappedRows { errors, ..MappedRows::default() };
        for (place, row) in rows.iter().enumerate() {
            if let (None, Some(value)) = (&mapped.errors[place], row.value) {
                let computed = &written[place * width..(place + 1) * width];
                let layout = &scanned.layouts[place];
                splice(value, layout, &self.names, computed, &texts, &mut mapped.bytes);
            }
            mapped.ends.push(mapped.bytes.len());
        }
        mapped
    }
}

impl RowScalar {
    /// # Errors
    /// The text is no expression, or one that a single record can't answer.
    pub fn new(expression: &str) -> Result<RowScalar, ExpressionError> {
        Ok(RowScalar { evaluator: evaluator(&[expression])? })
    }

    /// The expression's value as plain text, `None` where it is NULL.
    pub fn texts(&mut self, rows: &[RowView<'_>]) -> Vec<Result<Option<Vec<u8>>, String>> {
        self.values(rows, |array, place| {
            let cells = Cells::new(array.as_ref(), Format::Json).map_err(|error| error.to_string())?;
            let mut text = Vec::new();
            cells.write_plain(place, &mut text);
            Ok((!cells.is_null(place)).then_some(text))
        })
    }

    /// The expression's value as milliseconds since the epoch: a timestamp, RFC 3339 text, or a number of
    /// milliseconds. `None` where it is NULL.
    pub fn instants_ms(&mut self, rows: &[RowView<'_>]) -> Vec<Result<Option<i64>, String>> {
        self.values(rows, |array, place| {
            if array.is_null(place) || *array.data_type() == DataType::Null {
                return Ok(None);
            }
            let wanted = DataType::Timestamp(TimeUnit::Millisecond, None);
            let cell = array.slice(place, 1);
            if let DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 = cell.data_type() {
                let mut text = Vec::new();
                Cells::new(cell.as_ref(), Format::Json)
                    .map_err(|error| error.to_string())?
                    .write_plain(0, &mut text);
                let instant = scan_instant(&text);
                return instant
                    .map(Some)
                    .ok_or_else(|| format!("`{}` is no timestamp", String::from_utf8_lossy(&text)));
            }
            let whole = if cell.data_type().is_numeric() { cast(&cell, &DataType::Int64) } else { Ok(cell) };
            let instants =
                whole.and_then(|array| cast(&array, &wanted)).map_err(|error| error.to_string())?;
            Ok(Some(instants.as_primitive::<TimestampMillisecondType>().value(0)))
        })
    }

    fn values<V: Clone>(
        &mut self,
        rows: &[RowView<'_>],
        read: impl Fn(&ArrayRef, usize) -> Result<Option<V>, String>,
    ) -> Vec<Result<Option<V>, String>> {
        let (scanned, groups) = scan_and_evaluate(&mut self.evaluator, rows, &[]);
        let mut values: Vec<Result<Option<V>, String>> =
            scanned.errors.into_iter().map(|error| error.map_or(Ok(None), Err)).collect();
        for_each_result(&groups, |row, _, result| {
            values[row] = result.and_then(|(array, place)| read(array, place));
        });
        values
    }
}

fn scan_instant(text: &[u8]) -> Option<i64> {
    let instant = crate::format::time::parse_instant(text);
    let ms = instant.map(|instant| instant.seconds * 1_000 + i64::from(instant.nanoseconds / 1_000_000));
    ms.or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

fn evaluator(texts: &[&str]) -> Result<Evaluator, ExpressionError> {
    let mut fields = Fields::default();
    let expressions =
        texts.iter().map(|text| Expression::parse(text, &mut fields)).collect::<Result<_, _>>()?;
    Ok(Evaluator::new(fields, expressions))
}

fn truth(array: &ArrayRef, place: usize) -> Result<bool, String> {
    match array.data_type() {
        DataType::Null => Ok(false),
        DataType::Boolean => Ok(array.is_valid(place) && array.as_boolean().value(place)),
        other => Err(format!("a filter must be true or false, not {other}")),
    }
}

/// Calls `each` with row, expression and outcome for every record that was evaluated.
fn for_each_result(groups: &[Group], mut each: impl FnMut(usize, usize, Result<(&ArrayRef, usize), String>)) {
    for group in groups {
        for (column, result) in group.results.iter().enumerate() {
            for (place, row) in group.rows.iter().enumerate() {
                let outcome = match result {
                    Ok(array) => Ok((array, place)),
                    Err(singles) => match &singles[place] {
                        Ok(array) => Ok((array, 0)),
                        Err(reason) => Err(reason.clone()),
                    },
                };
                each(*row, column, outcome);
            }
        }
    }
}

/// What one pass over the records' values found.
struct Scanned {
    errors: Vec<Option<String>>,
    layouts: Vec<Layout>,
}

/// Where the fields that a map sets stand in a value.
#[derive(Clone, Debug, Default)]
struct Layout {
    /// Field (by place in the map) and the range of its value, in the order of the text.
    found: Vec<(usize, std::ops::Range<usize>)>,
    end: Option<ObjectEnd>,
}

fn scan_and_evaluate(
    evaluator: &mut Evaluator,
    rows: &[RowView<'_>],
    targets: &[String],
) -> (Scanned, Vec<Group>) {
    let width = evaluator.fields.all.len();
    let mut tokens = vec![Token::Null; rows.len() * width];
    let mut scanned = Scanned {
        errors: vec![None; rows.len()],
        layouts: vec![Layout::default(); if targets.is_empty() { 0 } else { rows.len() }],
    };
    let mut shapes = Vec::with_capacity(rows.len());
    let needs_value = evaluator.fields.reads_value() || !targets.is_empty();
    for (place, row) in rows.iter().enumerate() {
        let slots = &mut tokens[place * width..(place + 1) * width];
        evaluator.fields.offer_headers(row.headers, slots);
        if let (true, Some(value)) = (needs_value, row.value) {
            let mut layout = Layout::default();
            let result = scan::members(value, |member| {
                evaluator.fields.offer(&member, slots);
                note(&member, targets, &mut layout);
            });
            match result {
                Ok(end) => layout.end = Some(end),
                Err(error) => {
                    scanned.errors[place] = Some(format!("the record's value is no JSON object: {error}"));
                    continue;
                }
            }
            if let Some(slot) = scanned.layouts.get_mut(place) {
                *slot = layout;
            }
        }
        shapes.push((place, shape(&tokens[place * width..(place + 1) * width])));
    }
    let groups = evaluator.evaluate(rows, &shapes, &tokens);
    (scanned, groups)
}

fn note(member: &Member<'_>, targets: &[String], layout: &mut Layout) {
    for (field, target) in targets.iter().enumerate() {
        if names(member, target) {
            layout.found.push((field, member.start..member.end));
        }
    }
}

/// Writes a value with its computed fields in place.
fn splice(
    value: &[u8],
    layout: &Layout,
    names: &[String],
    computed: &[std::ops::Range<usize>],
    texts: &[u8],
    out: &mut Vec<u8>,
) {
    let mut copied = 0;
    for (field, range) in &layout.found {
        out.extend_from_slice(&value[copied..range.start]);
        out.extend_from_slice(&texts[computed[*field].clone()]);
        copied = range.end;
    }
    let Some(end) = layout.end else { return };
    out.extend_from_slice(&value[copied..end.brace]);
    let mut is_empty = end.is_empty;
    for (field, name) in names.iter().enumerate() {
        if layout.found.iter().any(|(found, _)| *found == field) {
            continue;
        }
        if !is_empty {
            out.push(b',');
        }
        is_empty = false;
        write_json_text(name.as_bytes(), out);
        out.push(b':');
        out.extend_from_slice(&texts[computed[field].clone()]);
    }
    out.extend_from_slice(&value[end.brace..]);
}
