//! The steps between a connector and a topic: SQL filter, SQL map, scripts, built-in edits and components, in their order.
//!
//! Steps are compiled once and see whole batches. A record that a step fails on leaves the batch with its reason; what
//! becomes of it is the task's policy.

pub mod edit;
mod script;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::{Batch, BatchBuilder, Bitmap, Column};
use millstream_sdk::sink::Rejection;
use millstream_sdk::transform::{Output, Transform, Transformed};
use millstream_streams::row::{Header, RowFilter, RowMap, RowView, Verdict};

use serde_json::Value;

use crate::plugin::Handle;
use script::Script;

/// A declared step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A SQL condition: other records are dropped.
    Filter(String),
    /// SQL expressions by the field that they set.
    Map(Vec<(String, String)>),
    /// A script that edits one record.
    Script(String),
    /// A built-in step by its name, with its options.
    Edit { name: String, settings: serde_json::Value },
    /// A transform of a plugin.
    Component { plugin: Handle, settings: Value, surroundings: Surroundings },
}

/// Why a step cannot be used. Line and column count from 1 within the step's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// Index of the step in its list.
    pub step: usize,
    /// For a map, the field whose expression it is.
    pub field: Option<String>,
    pub message: String,
    pub line: u32,
    pub column: u32,
}

/// Where the records of a batch are, as far as a step may ask.
#[derive(Debug, Clone, Copy)]
pub struct Whereabouts<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    /// Per record of the batch; `None` on the way into a topic.
    pub offsets: Option<&'a [i64]>,
}

/// What the steps made of a batch.
#[derive(Debug)]
pub struct Applied {
    pub batch: Batch,
    /// The input row of each record that is left; `None` when all are, in place.
    pub origins: Option<Vec<u32>>,
    /// By input row.
    pub rejected: Vec<Rejection>,
    /// Records that a filter or script dropped on purpose.
    pub dropped: u64,
}

/// Compiled steps.
pub struct Chain {
    steps: Vec<Compiled>,
}

enum Compiled {
    Filter(RowFilter),
    Map(RowMap),
    Script(Box<Script>),
    Edit(Box<dyn edit::Edit>),
    Component(Box<dyn Transform>),
}

impl Chain {
    /// Compiles steps without any data.
    pub fn compile(steps: &[Step]) -> Result<Chain, StepError> {
        let compiled = steps.iter().enumerate().map(|(index, step)| compile(index, step));
        Ok(Chain { steps: compiled.collect::<Result<_, _>>()? })
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The error is a step's as a whole; what is wrong with a record is in the result.
    pub async fn apply(&mut self, batch: Batch, at: Whereabouts<'_>) -> Result<Applied, ConnectorError> {
        let mut applied = Applied { batch, origins: None, rejected: Vec::new(), dropped: 0 };
        for step in &mut self.steps {
            if applied.batch.is_empty() {
                break;
            }
            match step {
                Compiled::Filter(filter) => applied.filter(filter, at),
                Compiled::Map(map) => applied.map(map, at),
                Compiled::Script(script) => applied.script(script, at),
                Compiled::Edit(edit) => applied.edit(edit.as_mut(), at),
                Compiled::Component(transform) => {
                    let transformed = transform.apply(&applied.batch).await?;
                    applied.transformed(transformed);
                }
            }
        }
        Ok(applied)
    }
}

fn compile(index: usize, step: &Step) -> Result<Compiled, StepError> {
    let error = |field: Option<String>, message: String, line: u64, column: u64| StepError {
        step: index,
        field,
        message,
        line: u32::try_from(line).unwrap_or(1),
        column: u32::try_from(column).unwrap_or(1),
    };
    match step {
        Step::Filter(text) => RowFilter::new(text)
            .map(Compiled::Filter)
            .map_err(|found| error(None, found.message, found.line, found.column)),
        Step::Map(fields) => {
            // One by one first: an error then tells whose it is.
            for field in fields {
                if let Err(found) = RowMap::new(std::slice::from_ref(field)) {
                    return Err(error(Some(field.0.clone()), found.message, found.line, found.column));
                }
            }
            RowMap::new(fields)
                .map(Compiled::Map)
                .map_err(|found| error(None, found.message, found.line, found.column))
        }
        Step::Script(text) => Script::compile(text)
            .map(|script| Compiled::Script(Box::new(script)))
            .map_err(|found| error(None, found.message, found.line, found.column)),
        Step::Edit { name, settings } => {
            let made = edit::find(name).map(|edit| edit.make(settings));
            let made =
                made.unwrap_or_else(|| Err(ConnectorError::config(format!("there is no step `{name}`"))));
            made.map(Compiled::Edit).map_err(|found| error(None, found.to_string(), 1, 1))
        }
        Step::Component { plugin, settings, surroundings } => plugin
            .transform(settings, surroundings)
            .map(Compiled::Component)
            .map_err(|found| error(None, found.to_string(), 1, 1)),
    }
}

impl Applied {
    fn filter(&mut self, filter: &mut RowFilter, at: Whereabouts<'_>) {
        let headers = HeaderRows::of(&self.batch);
        let verdicts = filter.apply(&self.views(at, &headers));
        let mut kept = Bitmap::filled(verdicts.len(), false);
        for (row, verdict) in verdicts.into_iter().enumerate() {
            match verdict {
                Verdict::Keep => kept.set(row, true),
                Verdict::Drop => self.dropped += 1,
                Verdict::Error(reason) => self.reject(row, reason),
            }
        }
        self.keep(&kept);
    }

    fn map(&mut self, map: &mut RowMap, at: Whereabouts<'_>) {
        let headers = HeaderRows::of(&self.batch);
        let mapped = map.apply(&self.views(at, &headers));
        let mut kept = Bitmap::filled(self.batch.len(), true);
        let mut nulls: Option<Bitmap> = None;
        for (row, error) in mapped.errors.iter().enumerate() {
            if let Some(reason) = error {
                kept.set(row, false);
                self.reject(row, reason.clone());
            } else if self.batch.values().get(row).is_none() {
                nulls.get_or_insert_with(|| Bitmap::filled(self.batch.len(), false)).set(row, true);
            }
        }
        let ends: Option<Vec<u32>> = mapped.ends.iter().map(|end| u32::try_from(*end).ok()).collect();
        let nulls = nulls.map(|nulls| nulls.as_bytes().to_vec());
        let batch = std::mem::take(&mut self.batch);
        // The mapper keeps its rows in step and a batch is far below 4 GiB: what fails here is a bug.
        let replaced = ends
            .and_then(|ends| Column::from_parts("mapped values", mapped.bytes.into(), ends, nulls).ok())
            .and_then(|values| batch.with_values(values).ok());
        self.batch = match replaced {
            Some(batch) => batch,
            None => panic!("a map returned other rows than it was given"),
        };
        self.keep(&kept);
    }

    fn script(&mut self, script: &mut Script, at: Whereabouts<'_>) {
        let edited = script.apply(&self.batch, at.topic);
        for (row, reason) in edited.failed {
            self.reject(row, reason);
        }
        self.dropped += edited.dropped;
        self.origins = Some(edited.origins.iter().map(|row| self.origin(*row as usize)).collect());
        self.batch = edited.batch;
    }

    fn edit(&mut self, edit: &mut dyn edit::Edit, at: Whereabouts<'_>) {
        let batch = std::mem::take(&mut self.batch);
        let mut builder = BatchBuilder::with_capacity(batch.len(), batch.values().byte_len());
        let mut origins = Vec::with_capacity(batch.len());
        for (index, row) in batch.rows().enumerate() {
            match edit.apply(row, at.topic, &mut builder) {
                Ok(true) => origins.push(self.origin(index)),
                Ok(false) => self.dropped += 1,
                Err(reason) => self.reject(index, reason),
            }
        }
        self.batch = builder.finish();
        self.origins = Some(origins);
    }

    fn transformed(&mut self, transformed: Transformed) {
        let rows = self.batch.len();
        let failed = transformed.rejected.len() as u64;
        for Rejection { row, reason } in transformed.rejected {
            self.reject(row, reason);
        }
        match transformed.output {
            Output::Verdicts(kept) => {
                self.dropped += (rows - kept.count()) as u64 - failed;
                self.keep(&kept);
            }
            Output::Records { batch, mut origins } => {
                let mut used = origins.clone();
                used.dedup();
                self.dropped += (rows as u64).saturating_sub(used.len() as u64 + failed);
                for origin in &mut origins {
                    *origin = self.origin(*origin as usize);
                }
                self.batch = *batch;
                self.origins = Some(origins);
            }
        }
    }

    fn views<'a>(&'a self, at: Whereabouts<'a>, headers: &'a HeaderRows<'a>) -> Vec<RowView<'a>> {
        let view = |(index, row): (usize, millstream_sdk::record::Row<'a>)| RowView {
            key: row.key,
            value: row.value,
            timestamp_ms: row.timestamp_ms,
            topic: at.topic,
            partition: at.partition,
            offset: at.offsets.and_then(|offsets| offsets.get(self.origin(index) as usize)).copied(),
            headers: headers.row(index),
        };
        self.batch.rows().enumerate().map(view).collect()
    }

    fn keep(&mut self, kept: &Bitmap) {
        let rows = self.batch.len();
        if kept.count() == rows {
            return;
        }
        let origins = (0..rows).filter(|row| kept.get(*row)).map(|row| self.origin(row)).collect();
        self.batch = self.batch.keep(kept);
        self.origins = Some(origins);
    }

    fn reject(&mut self, row: usize, reason: String) {
        let row = self.origin(row) as usize;
        self.rejected.push(Rejection { row, reason });
    }

    fn origin(&self, row: usize) -> u32 {
        match &self.origins {
            Some(origins) => origins.get(row).copied().unwrap_or(u32::MAX),
            None => row as u32,
        }
    }
}

/// The headers of a batch's rows, as expressions see them.
#[derive(Default)]
pub struct HeaderRows<'a> {
    headers: Vec<Header<'a>>,
    /// Where each row's end; empty where no row has any.
    ends: Vec<usize>,
}

impl<'a> HeaderRows<'a> {
    pub fn of(batch: &'a Batch) -> HeaderRows<'a> {
        let mut all = HeaderRows { headers: Vec::new(), ends: Vec::new() };
        if !batch.headers().is_empty() {
            for row in batch.rows() {
                all.headers.extend(row.headers);
                all.ends.push(all.headers.len());
            }
        }
        all
    }

    pub fn row(&self, row: usize) -> &[Header<'a>] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(row).copied().unwrap_or(start);
        self.headers.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
