//! One table's committed rows: those on disk, and above them those that wait to be written.

use std::iter::Peekable;
use std::ops::{Bound, Range};
use std::sync::Arc;

use super::{Changes, Shared, StoreError};

pub(crate) type Row = (Vec<u8>, Vec<u8>);

pub(crate) struct ColdTable {
    shared: Arc<Shared>,
    /// Node and table.
    prefix: [u8; 3],
    /// Virtual nodes whose rows these are; others belong to other workers.
    nodes: Range<u8>,
}

impl ColdTable {
    pub(super) fn new(shared: Arc<Shared>, node: u16, table: u8, nodes: Range<u8>) -> ColdTable {
        let [high, low] = node.to_be_bytes();
        ColdTable { shared, prefix: [high, low, table], nodes }
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let full = self.full(key);
        {
            let waiting = self.shared.read_waiting();
            if let Some(value) = waiting.rows.get(&full).or_else(|| waiting.writing.get(&full)) {
                return Ok(value.clone());
            }
        }
        let Some(disk) = &self.shared.disk else { return Ok(None) };
        let found = disk.keyspace.get(&full).map_err(|error| disk.unread(&error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// The first `limit` rows between the bounds, in the order of their keys.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, limit: usize) -> Result<Vec<Row>, StoreError> {
        let from = self.bound(from, self.nodes.start);
        let to = self.bound(to, self.nodes.end);
        let mut rows = Vec::new();
        if crate::state::table::is_empty(from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice)) {
            return Ok(rows);
        }
        let waiting = self.shared.read_waiting();
        let mut newest = self.of(&waiting.rows, &from, &to);
        let mut newer = self.of(&waiting.writing, &from, &to);
        let mut stored = Stored { table: self, rows: None };
        if let Some(disk) = &self.shared.disk {
            stored.rows = Some(disk.keyspace.range((from.clone(), to.clone())));
        }
        let mut oldest = stored.next()?;
        while rows.len() < limit {
            let waits = [newest.peek(), newer.peek()].into_iter().flatten().map(|(key, _)| *key);
            let Some(key) = waits.chain(oldest.as_ref().map(|(key, _)| key)).min().cloned() else { break };
            // What is newer hides what is older, a row that is gone as well.
            let newest = newest.next_if(|(next, _)| **next == key).map(|(_, value)| value.clone());
            let newer = newer.next_if(|(next, _)| **next == key).map(|(_, value)| value.clone());
            let mut old = None;
            if oldest.as_ref().is_some_and(|(next, _)| *next == key) {
                old = oldest.take().map(|(_, value)| Some(value));
                oldest = stored.next()?;
            }
            if let Some(value) = newest.or(newer).or(old).flatten() {
                rows.push((key.get(self.prefix.len()..).unwrap_or_default().to_vec(), value));
            }
        }
        Ok(rows)
    }

    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.range(Bound::Unbounded, Bound::Unbounded, 1)?.is_empty())
    }

    fn of<'a>(
        &'a self,
        rows: &'a Changes,
        from: &Bound<Vec<u8>>,
        to: &Bound<Vec<u8>>,
    ) -> Peekable<impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>> {
        rows.range((from.clone(), to.clone())).filter(|(key, _)| self.owns(key)).peekable()
    }

    fn owns(&self, full: &[u8]) -> bool {
        full.get(self.prefix.len()).is_some_and(|node| self.nodes.contains(node))
    }

    /// The bound as it is in the whole store; without one, the bound of the virtual nodes.
    fn bound(&self, bound: Bound<&[u8]>, node: u8) -> Bound<Vec<u8>> {
        match bound {
            Bound::Included(key) => Bound::Included(self.full(key)),
            Bound::Excluded(key) => Bound::Excluded(self.full(key)),
            // No key ends with its virtual node where the range ends, so both kinds of bound say the same.
            Bound::Unbounded => Bound::Included(self.full(&[node])),
        }
    }

    fn full(&self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(self.prefix.len() + key.len());
        full.extend_from_slice(&self.prefix);
        full.extend_from_slice(key);
        full
    }
}

/// What is on disk, in order.
struct Stored<'a> {
    table: &'a ColdTable,
    rows: Option<fjall::Iter>,
}

impl Stored<'_> {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let (Some(rows), Some(disk)) = (&mut self.rows, &self.table.shared.disk) else { return Ok(None) };
        for guard in rows {
            let (key, value) = guard.into_inner().map_err(|error| disk.unread(&error))?;
            if self.table.owns(&key) {
                return Ok(Some((key.to_vec(), value.to_vec())));
            }
        }
        Ok(None)
    }
}
