//! What flows out of a join: keys, event time, windows and distribution by the names they have in the result.

use super::analyze::place;
use super::graph::{Edge, EdgeKey, EdgeTime, KeyPart, WindowColumn};
use super::join::Written;
use super::join_step::JoinMethod;

/// What flows out of a join, from what flows in.
pub(super) struct JoinedEdge<'a> {
    pub written: &'a Written,
    pub edges: [&'a Edge; 2],
    pub method: &'a JoinMethod,
}

impl JoinedEdge<'_> {
    /// Whether a side's columns hold the values of a row of that side in every row of the result.
    fn is_whole(&self, side: usize) -> bool {
        !self.written.kind.keeps_unmatched(1 - side) || !self.written.kind.gives_pairs()
    }

    /// Places in the result of a side's columns.
    fn shifted(&self, side: usize, columns: &[usize]) -> Vec<usize> {
        let by = if side == 0 { 0 } else { self.written.width(0) };
        columns.iter().map(|column| column + by).collect()
    }

    /// For a column of a side: that column and the one of the other side that is equal to it, as far as both are whole.
    fn names_of(&self, side: usize, column: usize) -> Vec<usize> {
        let mut names = if self.is_whole(side) { self.shifted(side, &[column]) } else { Vec::new() };
        if !self.written.kind.gives_pairs() || !self.is_whole(1 - side) {
            return names;
        }
        for (left, right) in &self.written.keys {
            let ends = [place(left, &self.written.schemas[0]), place(right, &self.written.schemas[1])];
            if let (true, Some(other)) = (ends[side] == Some(column), ends[1 - side]) {
                names.extend(self.shifted(1 - side, &[other]));
            }
        }
        names
    }

    /// A side's key by the names it has in the result.
    fn key_of(&self, side: usize) -> Option<Vec<KeyPart>> {
        let key = self.edges[side].key.as_ref()?;
        let part = |part: &KeyPart| KeyPart {
            columns: part.columns.iter().flat_map(|column| self.names_of(side, *column)).collect(),
            name: part.name.clone(),
        };
        Some(key.parts.iter().map(part).collect())
    }

    /// Rows of the other side find at most one row of this one: its whole key is joined on.
    fn is_looked_up_by_key(&self, side: usize) -> bool {
        let Some(key) = self.edges[side].key.as_ref().filter(|key| key.is_unique) else { return false };
        key.parts.iter().all(|part| {
            self.written.keys.iter().any(|(left, right)| {
                let end = if side == 0 { left } else { right };
                place(end, &self.written.schemas[side]).is_some_and(|column| part.columns.contains(&column))
            })
        })
    }

    pub fn key(&self) -> Option<EdgeKey> {
        match self.method {
            JoinMethod::Changes => self.changes_key(),
            JoinMethod::Lookup { table } => {
                let facts = 1 - table;
                let key = self.edges[facts].key.as_ref()?;
                let is_unique = key.is_unique && self.is_looked_up_by_key(*table);
                Some(EdgeKey { parts: self.key_of(facts)?, is_unique, by_place: key.by_place })
            }
            JoinMethod::Versioned(_) => {
                let key = self.edges[0].key.as_ref()?;
                Some(EdgeKey { parts: self.key_of(0)?, is_unique: key.is_unique, by_place: key.by_place })
            }
            JoinMethod::Timed(_) => self.timed_key(),
        }
    }

    /// What the rows were joined by, or the key of a side whose columns are all there.
    fn timed_key(&self) -> Option<EdgeKey> {
        let parts = self.written.keys.iter().map(|(left, right)| {
            let ends = [place(left, &self.written.schemas[0]), place(right, &self.written.schemas[1])];
            let side = if self.is_whole(0) { 0 } else { 1 };
            let columns = ends[side].map(|column| self.names_of(side, column)).unwrap_or_default();
            KeyPart { columns, name: (if side == 0 { left } else { right }).to_string() }
        });
        let parts: Vec<KeyPart> = parts.collect();
        if !parts.is_empty() && parts.iter().all(|part| !part.columns.is_empty()) {
            return Some(EdgeKey { parts, is_unique: false, by_place: false });
        }
        let side = [0, 1].into_iter().find(|side| self.is_whole(*side))?;
        Some(EdgeKey { parts: self.key_of(side)?, is_unique: false, by_place: false })
    }

    /// A side's key is enough if each of its rows is in the result once; else both are needed.
    fn changes_key(&self) -> Option<EdgeKey> {
        let is_unique = |side: usize| self.edges[side].key.as_ref().is_some_and(|key| key.is_unique);
        let of = |side: usize| {
            let key = EdgeKey { parts: self.key_of(side)?, is_unique: true, by_place: true };
            is_unique(side).then_some(key)
        };
        if !self.written.kind.gives_pairs() {
            return of(0);
        }
        for side in [0, 1] {
            if self.is_whole(side) && self.is_looked_up_by_key(1 - side) {
                return of(side);
            }
        }
        // A row of one side alone has NULL for the other's key: still no two rows are alike.
        let part = |side: usize, part: &KeyPart| KeyPart {
            columns: self.shifted(side, &part.columns),
            name: part.name.clone(),
        };
        let (left, right) = (self.edges[0].key.as_ref()?, self.edges[1].key.as_ref()?);
        let mut parts: Vec<KeyPart> = left.parts.iter().map(|of| part(0, of)).collect();
        parts.extend(right.parts.iter().map(|of| part(1, of)));
        (is_unique(0) && is_unique(1)).then_some(EdgeKey { parts, is_unique: true, by_place: true })
    }

    /// Event time of the result, and how far behind the watermark it may be. It says nothing of the order in the output
    /// topic, where one side may be far ahead of the other: no query inherits it from there.
    pub fn time(&self) -> Option<EdgeTime> {
        let side = match self.method {
            JoinMethod::Changes => return None,
            JoinMethod::Lookup { table } => {
                let time = self.edges[1 - table].time.clone()?;
                let column = self.shifted(1 - table, &[time.column]).pop()?;
                return Some(EdgeTime { column, ..time });
            }
            JoinMethod::Versioned(_) => 0,
            JoinMethod::Timed(_) => usize::from(!self.is_whole(0)),
        };
        let time = self.edges[side].time.clone()?;
        let late_us = match self.method {
            JoinMethod::Timed(bounds) if bounds.is_windows => {
                let window = self.edges[side].windows.first()?;
                window.size.size_us + window.size.grace_us
            }
            JoinMethod::Timed(bounds) if side == 0 => bounds.least_us.saturating_neg().max(0),
            JoinMethod::Timed(bounds) => bounds.most_us.max(0),
            _ => 0,
        };
        let column = self.shifted(side, &[time.column]).pop()?;
        Some(EdgeTime { column, behind_us: time.behind_us + late_us, is_inherited: false, ..time })
    }

    pub fn windows(&self) -> Vec<WindowColumn> {
        let sides: Vec<usize> = match self.method {
            JoinMethod::Changes => Vec::new(),
            JoinMethod::Lookup { table } => vec![1 - table],
            JoinMethod::Versioned(_) => vec![0],
            JoinMethod::Timed(bounds) if bounds.is_windows => {
                [0, 1].into_iter().filter(|side| self.is_whole(*side)).collect()
            }
            JoinMethod::Timed(_) => Vec::new(),
        };
        let width = if self.written.kind.gives_pairs() { usize::MAX } else { self.written.width(0) };
        sides
            .into_iter()
            .flat_map(|side| {
                let windows = self.edges[side].windows.iter();
                windows.filter_map(move |window| {
                    let column = self.shifted(side, &[window.column]).pop()?;
                    Some(WindowColumn { column, ..*window })
                })
            })
            .filter(|window| window.column < width)
            .collect()
    }

    pub fn distribution(&self) -> Option<Vec<usize>> {
        let side = [0, 1].into_iter().find(|side| self.is_whole(*side))?;
        let columns = self.written.keys.iter().map(|(left, right)| {
            let end = if side == 0 { left } else { right };
            place(end, &self.written.schemas[side])
        });
        Some(self.shifted(side, &columns.collect::<Option<Vec<_>>>()?))
    }
}
