//! The partition's decisions as tables: batches in, outcomes as text.

use millstream_protocol::record_batch::BatchHeader;

use super::append::{AppendRules, Origin, check_batch};
use super::batch::Marker;
use super::leader_epoch::LeaderEpochs;
use super::producer::NO_EPOCH;
use super::{Decision, PartitionState};

const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// A batch of `count` records by a producer, at offset 0.
fn data(producer_id: i64, producer_epoch: i16, base_sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        length: 100,
        producer_id,
        producer_epoch,
        base_sequence,
        last_offset_delta: count - 1,
        record_count: count,
        max_timestamp_ms: 1000,
        base_timestamp_ms: 1000,
        ..BatchHeader::default()
    }
}

fn transactional(producer_id: i64, base_sequence: i32) -> BatchHeader {
    BatchHeader { attributes: TRANSACTIONAL, ..data(producer_id, 0, base_sequence, 1) }
}

/// Decides and, if it may, applies. The outcome as text.
fn append(state: &mut PartitionState, batch: BatchHeader) -> String {
    append_with(state, batch, None)
}

fn append_with(state: &mut PartitionState, mut batch: BatchHeader, marker: Option<Marker>) -> String {
    let origin = if marker.is_some() { Origin::Coordinator } else { Origin::Client };
    match state.decide(&[(batch, marker)], origin, None) {
        Ok(Decision::Duplicate(original)) => format!("duplicate of {}", original.first_offset()),
        Ok(Decision::Append) => {
            batch.base_offset = state.log_end_offset;
            state.apply(&batch, marker);
            format!("at {}", batch.base_offset)
        }
        Err(refusal) => refusal.to_string(),
    }
}

fn end(state: &mut PartitionState, producer_id: i64, committed: bool) -> String {
    let batch = BatchHeader { attributes: TRANSACTIONAL | CONTROL, ..data(producer_id, 0, -1, 1) };
    append_with(state, batch, Some(Marker { committed, coordinator_epoch: 1 }))
}

#[test]
fn sequences_continue_repeat_and_wrap() {
    let mut state = PartitionState::default();
    let steps = [
        (data(1, 0, 0, 3), "at 0"),
        (data(1, 0, 3, 1), "at 3"),
        (data(1, 0, 0, 3), "duplicate of 0"),
        (data(1, 0, 3, 1), "duplicate of 3"),
        // The same start with another length is no retry.
        (data(1, 0, 3, 2), "append for producer 1: sequence 3 where 4 is expected"),
        (data(1, 0, 5, 1), "append for producer 1: sequence 5 where 4 is expected"),
        (data(2, 0, 7, 1), "at 4"),
        (data(2, 0, 8, 1), "at 5"),
        // A new epoch begins at zero and fences the old one.
        (data(1, 1, 4, 1), "append for producer 1: sequence 4 where 0 is expected"),
        (data(1, 1, 0, 1), "at 6"),
        (data(1, 0, 4, 1), "append for producer 1: epoch 0 is older than 1"),
        (data(1, 0, 0, 3), "append for producer 1: epoch 0 is older than 1"),
        // Sequences wrap inside a batch and between batches.
        (data(3, 0, i32::MAX - 1, 4), "at 7"),
        (data(3, 0, 2, 1), "at 11"),
        (data(3, 0, i32::MAX - 1, 4), "duplicate of 7"),
        (data(4, 0, i32::MAX, 1), "at 12"),
        (data(4, 0, 0, 1), "at 13"),
        // Nobody in particular is never checked.
        (data(-1, -1, -1, 2), "at 14"),
    ];
    for (batch, expected) in steps {
        assert_eq!(append(&mut state, batch), expected, "{batch:?}");
    }
}

#[test]
fn five_batches_are_remembered() {
    let mut state = PartitionState::default();
    for sequence in 0..6 {
        append(&mut state, data(1, 0, sequence, 1));
    }
    assert_eq!(append(&mut state, data(1, 0, 1, 1)), "duplicate of 1");
    assert_eq!(append(&mut state, data(1, 0, 0, 1)), "append for producer 1: sequence 0 where 6 is expected");
}

#[test]
fn silent_producers_are_forgotten_unless_their_transaction_is_open() {
    let mut state = PartitionState::default();
    append(&mut state, data(1, 0, 0, 1));
    append(&mut state, transactional(2, 0));
    assert_eq!(state.producers.expire(1000), 0);
    assert_eq!(state.producers.expire(1001), 1);
    assert!(state.producers.get(1).is_none() && state.producers.get(2).is_some());
    // Unknown now: it continues wherever it is.
    assert_eq!(append(&mut state, data(1, 0, 9, 1)), "at 2");
}

#[test]
fn several_batches_of_a_producer_in_one_request_are_refused() {
    let state = PartitionState::default();
    let batches = [(data(1, 0, 0, 1), None), (data(1, 0, 1, 1), None)];
    assert!(state.decide(&batches, Origin::Client, None).is_err());
    let anonymous = [(data(-1, -1, -1, 1), None), (data(-1, -1, -1, 1), None)];
    assert_eq!(state.decide(&anonymous, Origin::Client, None), Ok(Decision::Append));
}

#[test]
fn the_last_stable_offset_waits_for_decided_and_visible_transactions() {
    let mut state = PartitionState::default();
    append(&mut state, data(-1, -1, -1, 1));
    append(&mut state, transactional(1, 0));
    append(&mut state, transactional(2, 0));
    append(&mut state, transactional(1, 1));
    let stable = |state: &mut PartitionState| {
        let end = state.log_end_offset;
        state.advance_high_watermark(end);
        state.last_stable_offset()
    };
    assert_eq!(stable(&mut state), 1);
    assert_eq!(end(&mut state, 1, false), "at 4");
    assert_eq!(state.last_stable_offset(), 1, "the marker is not below the high watermark");
    assert_eq!(stable(&mut state), 2);
    assert_eq!(end(&mut state, 2, true), "at 5");
    assert_eq!(stable(&mut state), 6);
    assert_eq!(end(&mut state, 2, true), "at 6", "a marker without transaction is kept and changes nothing");
    assert_eq!(stable(&mut state), 7);
}

#[test]
fn aborted_transactions_are_complete_and_sorted_for_every_range() {
    // Producers 1..=4 interleave: 2 ends first, 1 last; 3 commits.
    let mut state = PartitionState::default();
    for id in 1..=4 {
        append(&mut state, transactional(id, 0));
    }
    for (id, committed) in [(2, false), (3, true), (4, false), (1, false)] {
        end(&mut state, id, committed);
    }
    append(&mut state, transactional(5, 0));
    end(&mut state, 5, false);
    // (first, marker): 1: 0-7, 2: 1-4, 4: 3-6, 5: 8-9.
    let all = [(1, 0, 7), (2, 1, 4), (4, 3, 6), (5, 8, 9)];
    for from in 0..10 {
        for to in from + 1..=10 {
            let expected: Vec<_> =
                all.iter().filter(|(_, first, last)| *last >= from && *first < to).copied().collect();
            let found: Vec<_> = state
                .transactions
                .aborted_between(from, to)
                .iter()
                .map(|aborted| (aborted.producer_id, aborted.first_offset, aborted.last_offset))
                .collect();
            assert_eq!(found, expected, "between {from} and {to}");
        }
    }
}

#[test]
fn replication_keeps_the_leaders_offsets() {
    let mut state = PartitionState::default();
    let at = |offset: i64, sequence| BatchHeader { base_offset: offset, ..data(1, 0, sequence, 1) };
    let decide = |state: &PartitionState, batch| state.decide(&[(batch, None)], Origin::Replication, None);
    assert_eq!(decide(&state, at(5, 9)), Ok(Decision::Append), "compaction leaves holes");
    state.apply(&at(5, 9), None);
    assert_eq!(state.log_end_offset, 6);
    let refusal = decide(&state, at(5, 10)).unwrap_err().to_string();
    assert_eq!(refusal, "append from leader: offset 5 where 6 or later is expected");
}

#[test]
fn batches_are_checked_by_their_header() {
    let rules = AppendRules {
        max_batch_bytes: 200,
        timestamp_before_max_ms: 500,
        timestamp_after_max_ms: 100,
        log_append_time: false,
    };
    let fine = data(1, 0, 0, 1);
    let cases = [
        (fine, "fine"),
        (BatchHeader { record_count: 2, ..fine }, "check batch: record count and last offset delta disagree"),
        (
            BatchHeader { record_count: 0, last_offset_delta: -1, ..fine },
            "check batch: record count and last offset delta disagree",
        ),
        (BatchHeader { length: 300, ..fine }, "check batch: 312 bytes exceed max.message.bytes 200"),
        (
            BatchHeader { base_sequence: -1, ..fine },
            "check batch: an idempotent batch needs a sequence and an epoch",
        ),
        (
            BatchHeader { producer_epoch: NO_EPOCH, ..fine },
            "check batch: an idempotent batch needs a sequence and an epoch",
        ),
        (
            BatchHeader { producer_id: -1, attributes: TRANSACTIONAL, ..fine },
            "check batch: a transactional batch needs a producer id",
        ),
        (BatchHeader { attributes: CONTROL, ..fine }, "check batch: clients may not write control records"),
        (BatchHeader { max_timestamp_ms: 1101, ..fine }, "check batch: timestamp 1101 is outside 500..=1100"),
        (BatchHeader { base_timestamp_ms: 499, ..fine }, "check batch: timestamp 499 is outside 500..=1100"),
        (BatchHeader { max_timestamp_ms: -1, base_timestamp_ms: -1, ..fine }, "fine"),
    ];
    for (batch, expected) in cases {
        let outcome = check_batch(&batch, Origin::Client, &rules, 1000)
            .map_or_else(|refusal| refusal.to_string(), |()| "fine".into());
        assert_eq!(outcome, expected, "{batch:?}");
    }
}

#[test]
fn leader_epochs_follow_cuts_at_both_ends() {
    let mut epochs = LeaderEpochs::from_entries([(1, 0), (3, 10), (2, 15), (4, 20)]);
    assert_eq!(epochs.entries(), [(1, 0), (3, 10), (4, 20)]);
    assert_eq!(epochs.epoch_of(15), Some(3));
    assert_eq!(epochs.end_offset(2, 30), Some((1, 10)));
    assert_eq!(epochs.end_offset(4, 30), Some((4, 30)));
    assert_eq!(epochs.end_offset(0, 30), Some((0, 0)));
    assert_eq!(epochs.end_offset(9, 30), None);
    assert!(epochs.truncate_start(12));
    assert_eq!(epochs.entries(), [(3, 12), (4, 20)]);
    assert!(epochs.truncate_end(20));
    assert_eq!(epochs.entries(), [(3, 12)]);
    // An epoch that wrote nothing gives way to its successor.
    epochs.assign(5, 20);
    epochs.assign(6, 20);
    assert_eq!(epochs.entries(), [(3, 12), (6, 20)]);
}
