//! Rows of JSON objects gathered into typed columns.
//!
//! A column has the type it was given, or that of its first value: `true`, whole numbers, numbers, texts, lists, objects. Whole
//! numbers become doubles when a number with a fraction comes; any other change of type is refused, and a refused row leaves
//! nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Fields, Schema};
use arrow::error::ArrowError;

use super::column::{Column, misfit};
use super::kind::Kind;
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
        let arrays = self.group.take_arrays()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }
}

impl Group {
    pub fn new(others: Others) -> Group {
        Group { columns: Vec::new(), places: HashMap::new(), others }
    }

    pub fn add(&mut self, name: &str, column: Column) {
        self.places.insert(name.to_owned(), self.columns.len());
        self.columns.push((name.to_owned(), column));
    }

    /// Appends an object as row `row`. `at` is the path to it, for errors.
    pub fn push(&mut self, value: &[u8], row: usize, at: &mut String) -> Result<(), String> {
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

    pub fn push_null(&mut self) {
        self.columns.iter_mut().for_each(|(_, column)| column.push_null());
    }

    pub fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|(_, column)| column.truncate(rows));
    }

    /// Takes back what a refused row alone has said of the columns.
    pub fn forget(&mut self) {
        if self.others == Others::Add {
            while self.columns.last().is_some_and(|(_, column)| column.kind.is_none() && column.is_blank()) {
                if let Some((name, _)) = self.columns.pop() {
                    self.places.remove(&name);
                }
            }
        }
        self.columns.iter_mut().for_each(|(_, column)| column.forget());
    }

    pub fn leaves(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.leaves()).sum()
    }

    pub fn fields(&self) -> Fields {
        let fields = self.columns.iter();
        fields
            .filter_map(|(name, column)| Some(Field::new(name, column.data_type()?, true)))
            .collect::<Vec<_>>()
            .into()
    }

    /// The values of the columns that `fields` names.
    pub fn take_arrays(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut arrays = Vec::new();
        for (_, column) in &mut self.columns {
            let array = column.take()?;
            if column.data_type().is_some() {
                arrays.push(array);
            }
        }
        Ok(arrays)
    }
}
