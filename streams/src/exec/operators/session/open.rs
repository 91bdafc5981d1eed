//! The sessions that are open, and when each is looked at.
//!
//! | table | key | value |
//! |---|---|---|
//! | sessions | key, start (8) | end, accumulators |
//! | timers | end (8), key, start (8) | nothing |
//!
//! A session's timer stands at an end it had once: a session that goes on does not move it. When it is due, it is moved to
//! the end of today, or is dropped because the session has become part of an earlier one.

use std::ops::{Bound, ControlFlow};

use crate::exec::QueryError;
use crate::state::Persistent;
use crate::state::encoding::{Reader, VERSION};
use crate::state::key::{HEADER_BYTES, VIRTUAL_NODES, number, ordered, state_prefix};
use crate::state::table::StateTable;

const TIME_BYTES: usize = 8;

/// Timers of one virtual node that are looked at in one go.
const DUE_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct OpenSessions {
    sessions: StateTable,
    timers: StateTable,
    /// By virtual node: no timer is before this; `None` where that is not known.
    next_us: Vec<Option<i64>>,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenSession {
    pub start_us: i64,
    pub end_us: i64,
    /// What its accumulators wrote, behind the version and the end.
    pub value: Vec<u8>,
}

impl OpenSession {
    fn read(start_us: i64, value: &[u8]) -> Result<OpenSession, QueryError> {
        let end_us = Reader::new(value)?.integer()?;
        Ok(OpenSession { start_us, end_us, value: value.to_vec() })
    }

    pub fn accumulators(&self) -> Result<Reader<'_>, QueryError> {
        let mut from = Reader::new(&self.value)?;
        from.integer()?;
        Ok(from)
    }
}

/// What a session's value begins with.
pub(super) fn value_of(end_us: i64) -> Vec<u8> {
    let mut value = vec![VERSION];
    value.extend_from_slice(&end_us.to_le_bytes());
    value
}

/// The name of a session: its key and its start.
pub(super) fn name_of(key: &[u8], start_us: i64) -> Vec<u8> {
    [key, &ordered(start_us)].concat()
}

/// The key and the start that a session's name says.
pub(super) fn parts_of(name: &[u8]) -> (&[u8], i64) {
    let (key, start) = name.split_at(name.len().saturating_sub(TIME_BYTES));
    (key, number(start))
}

fn timer_of(name: &[u8], end_us: i64) -> Vec<u8> {
    let (header, rest) = name.split_at(name.len().min(HEADER_BYTES));
    [header, &ordered(end_us), rest].concat()
}

impl OpenSessions {
    /// Sessions of a key that reach `from_us` and start by `to_us`, earliest first.
    pub fn between(&mut self, key: &[u8], from_us: i64, to_us: i64) -> Result<Vec<OpenSession>, QueryError> {
        let mut found = Vec::new();
        let last = name_of(key, to_us);
        self.sessions.scan(Bound::Included(key), Bound::Included(&last), &mut |name, value| {
            let session = OpenSession::read(parts_of(name).1, value)?;
            if session.end_us >= from_us {
                found.push(session);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    pub fn get(&mut self, name: &[u8]) -> Result<Option<OpenSession>, QueryError> {
        let start_us = parts_of(name).1;
        self.sessions.get(name)?.map(|value| OpenSession::read(start_us, value)).transpose()
    }

    /// `is_new`: there was no session of this name.
    pub fn put(&mut self, name: &[u8], end_us: i64, value: Vec<u8>, is_new: bool) -> Result<(), QueryError> {
        self.sessions.put(name, value)?;
        if is_new { self.set_timer(name, end_us) } else { Ok(()) }
    }

    pub fn remove(&mut self, name: &[u8]) -> Result<(), QueryError> {
        self.sessions.remove(name)
    }

    fn set_timer(&mut self, name: &[u8], end_us: i64) -> Result<(), QueryError> {
        if let Some(Some(next_us)) = self.next_us.get_mut(usize::from(name.first().copied().unwrap_or(0))) {
            *next_us = (*next_us).min(end_us);
        }
        self.timers.put(&timer_of(name, end_us), Vec::new())
    }

    /// The least time of a timer.
    pub fn next_us(&self) -> Option<i64> {
        self.next_us.iter().flatten().copied().filter(|next_us| *next_us != i64::MAX).min()
    }

    /// Takes out every session that ends before `before_us`: its name and what it is.
    pub fn ended(&mut self, before_us: i64) -> Result<Vec<(Vec<u8>, OpenSession)>, QueryError> {
        self.next_us.resize(usize::from(VIRTUAL_NODES), None);
        let mut ended = Vec::new();
        for node in 0..VIRTUAL_NODES {
            while self.next_us[usize::from(node)].is_none_or(|next_us| next_us < before_us) {
                self.end_some(node, before_us, &mut ended)?;
            }
        }
        Ok(ended)
    }

    fn end_some(
        &mut self,
        node: u8,
        before_us: i64,
        ended: &mut Vec<(Vec<u8>, OpenSession)>,
    ) -> Result<(), QueryError> {
        let (mut due, mut next_us) = (Vec::new(), i64::MAX);
        self.timers.scan_prefix(&state_prefix(node), &mut |timer, _| {
            let end = timer.get(HEADER_BYTES..HEADER_BYTES + TIME_BYTES).unwrap_or_default();
            next_us = number(end);
            if next_us >= before_us || due.len() == DUE_MAX {
                return Ok(ControlFlow::Break(()));
            }
            due.push((next_us, timer.to_vec()));
            next_us = i64::MAX;
            Ok(ControlFlow::Continue(()))
        })?;
        self.next_us[usize::from(node)] = Some(next_us);
        for (at_us, timer) in due {
            self.timers.remove(&timer)?;
            let rest = timer.get(HEADER_BYTES + TIME_BYTES..).unwrap_or_default();
            let name = [&state_prefix(node), rest].concat();
            let Some(session) = self.get(&name)? else { continue };
            if session.end_us >= before_us {
                self.set_timer(&name, session.end_us)?;
            } else {
                debug_assert!(session.end_us >= at_us);
                self.sessions.remove(&name)?;
                ended.push((name, session));
            }
        }
        Ok(())
    }

    pub fn tables(&mut self) -> Vec<(u8, &mut dyn Persistent)> {
        const SESSIONS: u8 = 0;
        const TIMERS: u8 = 1;
        vec![(SESSIONS, &mut self.sessions), (TIMERS, &mut self.timers)]
    }
}
