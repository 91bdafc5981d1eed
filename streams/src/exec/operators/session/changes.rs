//! What sessions have said before they changed, until the next commit.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::interleave_record_batch;

use super::STEP;
use super::open::{OpenSession, parts_of};
use crate::exec::QueryError;
use crate::exec::rows::{RowKind, Rows};

#[derive(Default)]
pub(super) struct Changes {
    /// Sessions that changed since the last commit, by name: what was said of those they are made of.
    changed: BTreeMap<Vec<u8>, Vec<Said>>,
    before: Vec<RecordBatch>,
}

/// A result that was given, which no longer holds.
#[derive(Debug, Clone, Copy)]
struct Said {
    start_us: i64,
    /// Place in `before`, and the row in it.
    place: (usize, usize),
}

impl Changes {
    /// The session has changed since it was given, or was never given.
    pub fn has(&self, name: &[u8]) -> bool {
        self.changed.contains_key(name)
    }

    /// Keeps the results of these sessions, which are about to change.
    pub fn keep(&mut self, names: Vec<Vec<u8>>, results: Option<RecordBatch>) {
        let batch = self.before.len();
        for (row, name) in names.into_iter().enumerate() {
            let said = Said { start_us: parts_of(&name).1, place: (batch, row) };
            self.changed.insert(name, vec![said]);
        }
        self.before.extend(results);
    }

    /// Sessions have become one.
    pub fn join(&mut self, parts: Vec<Vec<u8>>, name: Vec<u8>) {
        let said = parts.iter().flat_map(|part| self.changed.remove(part).unwrap_or_default());
        let said: Vec<Said> = said.collect();
        self.changed.insert(name, said);
    }

    pub fn names(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.changed.keys()
    }

    /// What is not so any more, and what is so instead. With `by_start`, a result replaces the one of the same start.
    pub fn rows(
        &self,
        sessions: &[(Vec<u8>, OpenSession)],
        results: RecordBatch,
        by_start: bool,
    ) -> Result<Rows, QueryError> {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (row, (name, session)) in sessions.iter().enumerate() {
            let said = self.changed.get(name).map(Vec::as_slice).unwrap_or_default();
            let replaced = said.iter().find(|said| by_start && said.start_us == session.start_us);
            for said in said.iter().filter(|said| replaced.is_none_or(|same| same.place != said.place)) {
                gone.push((said.place, RowKind::Delete));
            }
            let place = (self.before.len(), row);
            match replaced {
                Some(said) => {
                    new.extend([(said.place, RowKind::UpdateBefore), (place, RowKind::UpdateAfter)]);
                }
                None => new.push((place, RowKind::Insert)),
            }
        }
        gone.extend(new);
        let (places, kinds): (Vec<(usize, usize)>, Vec<RowKind>) = gone.into_iter().unzip();
        let batches: Vec<&RecordBatch> = self.before.iter().chain([&results]).collect();
        let batch = interleave_record_batch(&batches, &places).map_err(QueryError::compute(STEP))?;
        Ok(Rows::changes(batch, &kinds))
    }
}
