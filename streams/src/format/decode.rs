//! Records in, one Arrow batch of the needed columns out. A record that doesn't fit is left out and named.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::column::{Column, sql_name};
use super::scan::{self, Member, Token};
use super::{ColumnSource, ColumnSpec, Format, FormatError, NULL_KEY, Row, RowError, csv};

/// Gathers records into columns until [`Decoder::finish`].
pub struct Decoder {
    format: Format,
    schema: SchemaRef,
    columns: Vec<Column>,
    sources: Vec<ColumnSource>,
    value_columns: Vec<ValueColumn>,
    matcher: Matcher,
    key_elements: bool,
    rows: usize,
    errors: Vec<RowError>,
    scratch: Vec<u8>,
}

/// A column that comes from the record's value.
struct ValueColumn {
    /// Its index among the decoder's columns.
    column: usize,
    /// Its place in a CSV line.
    place: usize,
}

/// A decoded batch, and the records that could not be read.
#[derive(Debug)]
pub struct Decoded {
    pub batch: RecordBatch,
    pub errors: Vec<RowError>,
}

impl Decoder {
    /// A decoder for the given columns, in that order.
    ///
    /// # Errors
    /// A column's type can't be read from the format, or `raw` is asked for other than one column of the value.
    pub fn new(format: Format, specs: &[ColumnSpec]) -> Result<Decoder, FormatError> {
        let mut columns = Vec::with_capacity(specs.len());
        let mut value_columns = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let column = Column::new(&spec.field).ok_or_else(|| FormatError::ColumnType {
                column: spec.field.name().clone(),
                data_type: sql_name(spec.field.data_type()),
                format: format.name(),
            })?;
            columns.push(column);
            if spec.source == ColumnSource::Value {
                value_columns.push(ValueColumn { column: index, place: spec.place });
            }
        }
        if format == Format::Raw && value_columns.len() > 1 {
            return Err(FormatError::RawColumns(value_columns.len()));
        }
        let names = value_columns.iter().map(|value| columns[value.column].field().name().clone()).collect();
        Ok(Decoder {
            format,
            schema: Arc::new(Schema::new(
                columns.iter().map(|column| column.field().clone()).collect::<Vec<_>>(),
            )),
            columns,
            sources: specs.iter().map(|spec| spec.source).collect(),
            key_elements: specs.iter().any(|spec| matches!(spec.source, ColumnSource::KeyElement(_))),
            matcher: Matcher::new(names),
            value_columns,
            rows: 0,
            errors: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The schema of the batches, every field nullable.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows gathered since the last [`Decoder::finish`], without those that failed.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Why the last record that was not understood was not.
    pub fn last_reason(&self) -> Option<&str> {
        self.errors.last().map(|error| error.reason.as_str())
    }

    /// Adds a record. A value of `None` (a tombstone) gives NULL in every column of the value. Returns whether the
    /// record was understood; why not is told by [`Decoder::finish`].
    #[inline]
    pub fn push(&mut self, row: &Row<'_>) -> bool {
        match self.push_row(row) {
            Ok(()) => {
                self.rows += 1;
                true
            }
            Err(reason) => {
                for column in &mut self.columns {
                    if column.len() > self.rows {
                        column.truncate(self.rows);
                    }
                }
                self.errors.push(RowError { partition: row.partition, offset: row.offset, reason });
                false
            }
        }
    }

    /// The batch so far; the decoder starts again from nothing.
    pub fn finish(&mut self) -> Result<Decoded, FormatError> {
        let rows = std::mem::take(&mut self.rows);
        let arrays: Result<Vec<_>, _> = self.columns.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(
            self.schema.clone(),
            arrays.map_err(FormatError::Batch)?,
            &options,
        )
        .map_err(|error| FormatError::Batch(error.to_string()))?;
        Ok(Decoded { batch, errors: std::mem::take(&mut self.errors) })
    }

    #[inline]
    fn push_row(&mut self, row: &Row<'_>) -> Result<(), String> {
        match (row.value, self.format) {
            (None, _) => self.push_nulls()?,
            (Some(value), Format::Json) => self.push_json(value)?,
            (Some(value), Format::Csv { delimiter }) => self.push_csv(value, delimiter)?,
            (Some(value), Format::Raw) => {
                for target in &self.value_columns {
                    self.columns[target.column].push_plain(value)?;
                }
            }
        }
        if self.value_columns.len() < self.columns.len() {
            self.push_outside(row)?;
        }
        Ok(())
    }

    fn push_nulls(&mut self) -> Result<(), String> {
        self.value_columns.iter().try_for_each(|target| self.columns[target.column].push_null())
    }

    #[inline]
    fn push_json(&mut self, value: &[u8]) -> Result<(), String> {
        if self.value_columns.is_empty() {
            return Ok(());
        }
        let mut found = std::mem::take(&mut self.matcher).reused();
        let scanned = scan::members(value, |member| found.offer(&member));
        let mut pushed = scanned.map(|_| ()).map_err(|error| error.to_string());
        if pushed.is_ok() {
            pushed = found.tokens.iter().zip(&self.value_columns).try_for_each(|(token, target)| {
                let column = &mut self.columns[target.column];
                column.push_token(token.map_or(Token::Null, |found| found.token))
            });
        }
        self.matcher = found.released();
        pushed
    }

    fn push_csv(&mut self, value: &[u8], delimiter: u8) -> Result<(), String> {
        let (columns, targets) = (&mut self.columns, &self.value_columns);
        let before = self.rows;
        csv::fields(value, delimiter, &mut self.scratch, |place, field| {
            targets.iter().filter(|target| target.place == place).try_for_each(|target| {
                let column = &mut columns[target.column];
                if field.text.is_empty() && !field.quoted {
                    column.push_null()
                } else {
                    column.push_plain(field.text)
                }
            })
        })?;
        // A short line leaves its last columns NULL.
        targets
            .iter()
            .filter(|target| columns[target.column].len() == before)
            .map(|target| target.column)
            .collect::<Vec<_>>()
            .into_iter()
            .try_for_each(|column| columns[column].push_null())
    }

    /// The columns that come from the record's key and from the log.
    fn push_outside(&mut self, row: &Row<'_>) -> Result<(), String> {
        let mut elements: Vec<Token<'_>> = Vec::new();
        if self.key_elements
            && let Some(key) = row.key
        {
            scan::elements(key, |token| elements.push(token))
                .map_err(|error| format!("record key: {error}"))?;
        }
        for (column, source) in self.columns.iter_mut().zip(&self.sources) {
            match (source, row.key) {
                (ColumnSource::Value, _) => {}
                (ColumnSource::Key | ColumnSource::KeyBytes, Some(NULL_KEY)) if !column.takes_any_bytes() => {
                    column.push_null()?;
                }
                (ColumnSource::Key | ColumnSource::KeyBytes, Some(key)) => column.push_plain(key)?,
                (ColumnSource::Key | ColumnSource::KeyBytes, None) => column.push_null()?,
                (ColumnSource::KeyElement(place), _) => {
                    column.push_token(elements.get(*place).copied().unwrap_or(Token::Null))?;
                }
                (ColumnSource::Topic, _) => column.push_plain(row.topic.as_bytes())?,
                (ColumnSource::Headers, _) => column.push_token(Token::Nested(row.headers))?,
                (ColumnSource::Partition, _) => column.push_integer(row.partition.into())?,
                (ColumnSource::Offset, _) => column.push_integer(row.offset)?,
                (ColumnSource::Timestamp, _) => column.push_integer(row.timestamp_ms)?,
            }
        }
        Ok(())
    }
}

/// Finds the needed columns among an object's members. Records of a topic mostly carry the same members in the same
/// order, so what the n-th member was last time is tried first.
#[derive(Default)]
struct Matcher {
    names: Vec<String>,
    /// By place in the object: the member's name, and the column it stands for.
    seen: Vec<(Vec<u8>, Option<usize>)>,
    spare: Vec<Option<Found<'static>>>,
}

/// How many members of an object are remembered by place.
const SEEN_MAX: usize = 256;

#[derive(Clone, Copy)]
struct Found<'a> {
    token: Token<'a>,
    exact: bool,
}

/// One object's search.
struct Search<'a> {
    matcher: Matcher,
    tokens: Vec<Option<Found<'a>>>,
    place: usize,
}

impl Matcher {
    fn new(names: Vec<String>) -> Matcher {
        Matcher { names, seen: Vec::new(), spare: Vec::new() }
    }

    fn reused<'a>(mut self) -> Search<'a> {
        // An empty vector of one lifetime serves as one of another, so the allocation is kept.
        let spare = std::mem::take(&mut self.spare);
        let mut tokens: Vec<Option<Found<'a>>> = spare.into_iter().map(|_| None).collect();
        tokens.resize(self.names.len(), None);
        Search { matcher: self, tokens, place: 0 }
    }

    /// The column of that name: the exact one, or one that differs in case only (SQL folds unquoted names).
    fn column(&self, name: &[u8]) -> Option<usize> {
        let exact = self.names.iter().position(|candidate| candidate.as_bytes() == name);
        exact.or_else(|| {
            self.names.iter().position(|candidate| candidate.as_bytes().eq_ignore_ascii_case(name))
        })
    }
}

impl<'a> Search<'a> {
    #[inline]
    fn offer(&mut self, member: &Member<'a>) {
        let place = self.place;
        self.place += 1;
        let column = match self.matcher.seen.get(place) {
            Some((name, column)) if name == member.name && !member.name_escaped => *column,
            _ => self.look_up(member, place),
        };
        let Some(column) = column else { return };
        let exact = self.matcher.names[column].as_bytes() == member.name;
        let slot = &mut self.tokens[column];
        // The last of several members of one name counts, but a name that matches to the letter beats one that doesn't.
        if slot.is_none_or(|found| exact || !found.exact) {
            *slot = Some(Found { token: member.value, exact });
        }
    }

    #[cold]
    fn look_up(&mut self, member: &Member<'a>, place: usize) -> Option<usize> {
        let mut plain = Vec::new();
        let name = if member.name_escaped {
            scan::unescape(member.name, &mut plain).ok()?;
            plain.as_slice()
        } else {
            member.name
        };
        let column = self.matcher.column(name);
        if place < SEEN_MAX && !member.name_escaped {
            let seen = &mut self.matcher.seen;
            if seen.len() <= place {
                seen.resize(place + 1, (Vec::new(), None));
            }
            seen[place] = (name.to_vec(), column);
        }
        column
    }

    fn released(self) -> Matcher {
        let mut matcher = self.matcher;
        let mut tokens = self.tokens;
        tokens.clear();
        matcher.spare = tokens.into_iter().map(|_: Option<Found<'a>>| None).collect();
        matcher
    }
}
