//! One partition's batches on their way: the order they are sent in, their sequence numbers, what a failure means.
//!
//! Pure: time comes in, decisions come out. The rules (KIP-98, KIP-360):
//! * A batch gets its number when it is first sent and keeps it through every retry, so a broker that already has it
//!   answers with the original offset.
//! * A batch is sent only when every earlier one is in flight: a retry never overtakes or is overtaken.
//! * The first batch under a producer id travels alone: a leader that has never seen the id takes any number for its first,
//!   so a second batch must not get there before the first.
//! * A batch that a node refused as out of order, because one before it is still open, goes again once that one is settled
//!   or sent again: sent at once it would be refused again, as often as it can be sent.
//! * No batch is sent five or more places behind one whose fate is open: brokers remember the last five of a producer, and
//!   one that had fallen out of that memory would look like a gap although it was written.
//! * A batch that certainly was not written frees its number if it was the last one given out. Otherwise the line is
//!   *broken*: numbers behind the gap can never be written under this producer id. They are sent on only to learn their
//!   fate, and once all are settled the rest goes out under a new id, numbered from 0.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Who writes, as the cluster knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// A batch's identity and the sequence number of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbering {
    pub(crate) identity: ProducerIdentity,
    pub(crate) base_sequence: i32,
}

/// What came of sending a batch once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the log, by this attempt or an earlier one.
    Written,
    /// Nobody knows, or the node asks to come back: send it again as it is.
    Retry { wait: Duration },
    /// Not written: a number before it is missing (OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrder,
    /// Not written: the broker no longer knows this producer id or epoch.
    IdentityLost,
    /// Not written, and sending it again will not help.
    Refused,
}

/// Batches of one partition, oldest first. `B` is the batch itself, which the line never looks into.
#[derive(Debug)]
pub(crate) struct Line<B> {
    is_idempotent: bool,
    entries: VecDeque<Entry<B>>,
    /// Numbers are drawn under this identity; `None` until one is given.
    identity: Option<ProducerIdentity>,
    next_sequence: i32,
    /// The producer id under which the leader certainly has a batch, and so checks what comes next.
    established: Option<i64>,
    is_broken: bool,
    retry_at: Option<Instant>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Entry<B> {
    ticket: u64,
    batch: B,
    records: i32,
    expires_at: Instant,
    is_in_flight: bool,
    /// Refused because a batch before it was not there yet.
    awaits_earlier: bool,
    numbering: Option<Numbering>,
}

/// A batch to send now.
#[derive(Debug)]
pub(crate) struct ToSend<'a, B> {
    /// Names the batch in [`Line::settle`].
    pub(crate) ticket: u64,
    pub(crate) batch: &'a mut B,
    /// `None` for producers without idempotence.
    pub(crate) numbering: Option<Numbering>,
}

impl<B> Line<B> {
    pub(crate) fn new(is_idempotent: bool) -> Line<B> {
        Line {
            is_idempotent,
            entries: VecDeque::new(),
            identity: None,
            next_sequence: 0,
            established: None,
            is_broken: false,
            retry_at: None,
            next_ticket: 0,
        }
    }

    pub(crate) fn push(&mut self, batch: B, records: i32, expires_at: Instant) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let entry = Entry {
            ticket,
            batch,
            records,
            expires_at,
            is_in_flight: false,
            awaits_earlier: false,
            numbering: None,
        };
        self.entries.push_back(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_in_flight).count()
    }

    /// True while a batch waits that is not in flight.
    pub(crate) fn has_waiting(&self) -> bool {
        self.entries.iter().any(|entry| !entry.is_in_flight)
    }

    /// True when the next batch cannot go before [`Line::identify`] gives a fresh identity.
    pub(crate) fn needs_identity(&self) -> bool {
        self.is_idempotent && self.identity.is_none() && self.has_waiting() && !self.has_numbered()
    }

    /// True when the identity in use is exactly this one.
    pub(crate) fn has_identity(&self, identity: ProducerIdentity) -> bool {
        self.identity == Some(identity)
    }

    /// From here on numbers are drawn under `identity`, beginning with 0. Only between numbered batches.
    pub(crate) fn identify(&mut self, identity: ProducerIdentity) {
        assert!(!self.has_numbered(), "an identity must not change under numbered batches");
        self.identity = Some(identity);
        self.next_sequence = 0;
        self.is_broken = false;
    }

    /// True once a sequence gap, or the loss of its identity, keeps the line from giving out numbers.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn is_established(&self) -> bool {
        self.identity.is_some_and(|identity| self.established == Some(identity.producer_id))
    }

    fn has_numbered(&self) -> bool {
        self.entries.iter().any(|entry| entry.numbering.is_some())
    }

    /// Whether [`Line::send_next`] would give a batch.
    pub(crate) fn is_sendable(&self, now: Instant, in_flight_max: usize) -> bool {
        self.sendable(now, in_flight_max).is_some()
    }

    fn sendable(&self, now: Instant, in_flight_max: usize) -> Option<usize> {
        if self.retry_at.is_some_and(|at| now < at) || self.in_flight() >= in_flight_max {
            return None;
        }
        let oldest = self.entries.front()?.ticket;
        let is_within_memory = |position: &usize| {
            self.entries.get(*position).is_some_and(|entry| entry.ticket - oldest < in_flight_max as u64)
        };
        if self.is_broken {
            // Numbered batches are still sent, to learn their fate; the others wait for a new identity.
            let unsettled = |entry: &Entry<B>| entry.numbering.is_some() && !entry.is_in_flight;
            return self.entries.iter().position(unsettled).filter(is_within_memory);
        }
        let position = self.entries.iter().position(|entry| !entry.is_in_flight).filter(is_within_memory)?;
        let awaits_earlier = self.entries.get(position).is_some_and(|entry| entry.awaits_earlier);
        if position > 0 && (awaits_earlier || self.is_idempotent && !self.is_established()) {
            return None;
        }
        let needs_number = self.is_idempotent && self.entries[position].numbering.is_none();
        (!needs_number || self.identity.is_some()).then_some(position)
    }

    /// The next batch to send, now in flight.
    pub(crate) fn send_next(&mut self, now: Instant, in_flight_max: usize) -> Option<ToSend<'_, B>> {
        let position = self.sendable(now, in_flight_max)?;
        self.retry_at = None;
        let is_idempotent = self.is_idempotent;
        let entry = self.entries.get_mut(position)?;
        if is_idempotent && entry.numbering.is_none() {
            let identity = self.identity?;
            entry.numbering = Some(Numbering { identity, base_sequence: self.next_sequence });
            self.next_sequence = sequence_after(self.next_sequence, entry.records);
        }
        entry.is_in_flight = true;
        // What was refused for lack of this batch has its chance again behind it.
        self.entries.iter_mut().skip(position).for_each(|entry| entry.awaits_earlier = false);
        let entry = self.entries.get_mut(position)?;
        Some(ToSend { ticket: entry.ticket, batch: &mut entry.batch, numbering: entry.numbering })
    }

    /// Takes in what came of a sent batch. Gives the batch back once its fate is known for good; whether that is
    /// success is for the caller to say, from the same outcome.
    pub(crate) fn settle(&mut self, ticket: u64, outcome: Outcome, now: Instant) -> Option<B> {
        let position = self.entries.iter().position(|entry| entry.ticket == ticket)?;
        let entry = self.entries.get_mut(position)?;
        entry.is_in_flight = false;
        match outcome {
            Outcome::Written => {
                self.established = entry.numbering.map(|numbering| numbering.identity.producer_id);
            }
            Outcome::Retry { wait } => {
                self.retry_at = Some(now + wait);
                return None;
            }
            Outcome::OutOfOrder => {
                let is_first = position == 0;
                entry.awaits_earlier = !is_first;
                if is_first || self.is_broken {
                    entry.numbering = None;
                    self.is_broken = true;
                    self.mend();
                }
                return None;
            }
            Outcome::IdentityLost => {
                entry.numbering = None;
                self.is_broken = true;
                self.mend();
                return None;
            }
            Outcome::Refused => self.free_number(position),
        }
        let entry = self.entries.remove(position)?;
        self.mend();
        Some(entry.batch)
    }

    /// Batches whose time is over and that are not in flight. One that was sent before leaves a gap behind.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<B> {
        self.take_waiting(|entry| entry.expires_at <= now)
    }

    /// Everything that is not in flight.
    pub(crate) fn drop_waiting(&mut self) -> Vec<B> {
        self.take_waiting(|_| true)
    }

    /// Everything, in flight or not: for a producer that ends.
    pub(crate) fn drop_all(&mut self) -> Vec<B> {
        self.entries.drain(..).map(|entry| entry.batch).collect()
    }

    /// When to look again at the latest: the next retry or expiry.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let waiting = self.entries.iter().filter(|entry| !entry.is_in_flight);
        let expiry = waiting.map(|entry| entry.expires_at).min()?;
        Some(self.retry_at.map_or(expiry, |retry_at| retry_at.min(expiry)))
    }

    fn take_waiting(&mut self, is_taken: impl Fn(&Entry<B>) -> bool) -> Vec<B> {
        let mut taken = Vec::new();
        let mut kept = VecDeque::with_capacity(self.entries.len());
        for entry in self.entries.drain(..) {
            if entry.is_in_flight || !is_taken(&entry) {
                kept.push_back(entry);
                continue;
            }
            self.is_broken |= entry.numbering.is_some();
            taken.push(entry.batch);
        }
        self.entries = kept;
        self.mend();
        taken
    }

    /// The number of a batch that was certainly not written can be given out again if it was the last; else the
    /// batches behind it are stuck.
    fn free_number(&mut self, position: usize) {
        let Some(freed) = self.entries.get(position).and_then(|entry| entry.numbering) else { return };
        let is_last = self.entries.iter().skip(position + 1).all(|entry| entry.numbering.is_none());
        if is_last && !self.is_broken && self.identity == Some(freed.identity) {
            self.next_sequence = freed.base_sequence;
        } else {
            self.is_broken = true;
        }
    }

    /// A broken line whose numbered batches are all settled waits for a new identity.
    fn mend(&mut self) {
        if self.is_broken && !self.has_numbered() {
            self.identity = None;
        }
    }
}

/// Sequence numbers wrap to 0 after `i32::MAX`.
fn sequence_after(sequence: i32, records: i32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests;
