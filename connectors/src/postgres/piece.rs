//! One row's part of a change: what happened to it, the row before and the row after.

use super::pgoutput::{Cell, Tuple};
use super::table::{Op, Table};

#[derive(Debug, Default)]
pub(super) struct Piece {
    /// `None` for one that was taken back.
    pub op: Option<Op>,
    pub before: Option<Tuple>,
    pub after: Option<Tuple>,
}

impl Piece {
    pub fn insert(new: Tuple) -> Piece {
        Piece { op: Some(Op::Create), before: None, after: Some(new) }
    }

    pub fn delete(old: Tuple) -> Piece {
        Piece { op: Some(Op::Delete), before: Some(old), after: None }
    }

    /// An update: what did not travel is taken from the old row where there is one; a new key is a deletion and a new row.
    pub fn update(table: &Table, old: Option<Tuple>, old_is_key: bool, mut new: Tuple) -> Vec<Piece> {
        let Some(old) = old else {
            return vec![Piece { op: Some(Op::Update), before: None, after: Some(new) }];
        };
        if !old_is_key {
            for (cell, before) in new.iter_mut().zip(&old) {
                if *cell == Cell::Unchanged {
                    *cell = before.clone();
                }
            }
        }
        if table.key_texts(&old) != table.key_texts(&new) {
            return vec![Piece::delete(old), Piece::insert(new)];
        }
        let before = (!old_is_key).then_some(old);
        vec![Piece { op: Some(Op::Update), before, after: Some(new) }]
    }

    /// The row that has the key.
    pub fn row(&self) -> &[Cell] {
        self.after.as_deref().or(self.before.as_deref()).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.op.is_none()
    }

    pub fn byte_len(&self) -> usize {
        let cells = self.before.iter().chain(&self.after).flatten();
        cells.map(|cell| if let Cell::Text(text) = cell { text.len() + 32 } else { 32 }).sum()
    }
}
