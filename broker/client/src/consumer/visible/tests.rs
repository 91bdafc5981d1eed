use bytes::BytesMut;
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::{BatchBuilder, BatchHeader, Producer, control_batch};

use super::*;

/// One partition's bytes, batch after batch.
#[derive(Default)]
struct Log {
    bytes: BytesMut,
    next_offset: i64,
}

impl Log {
    fn data(mut self, producer_id: i64, records: i64, is_transactional: bool) -> Log {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.set_producer(Producer { id: producer_id, epoch: 0, base_sequence: 0 });
        builder.set_transactional(is_transactional);
        for _ in 0..records {
            builder.append(0, None, Some(b"value"), &[]).unwrap();
        }
        self.push(builder.finish().unwrap(), records);
        self
    }

    fn marker(mut self, producer_id: i64, marker: ControlMarker) -> Log {
        let batch = control_batch(marker, producer_id, 0, 0, 0).unwrap();
        self.push(batch, 1);
        self
    }

    fn push(&mut self, batch: Bytes, records: i64) {
        let mut batch = BytesMut::from(&batch[..]);
        BatchHeader::patch_base_offset(&mut batch, self.next_offset).unwrap();
        self.bytes.extend_from_slice(&batch);
        self.next_offset += records;
    }
}

fn aborted(producer_id: i64, first_offset: i64) -> AbortedTransaction {
    AbortedTransaction { producer_id, first_offset }
}

/// Base offsets of the visible batches, and where reading goes on.
fn seen(
    log: Log,
    start: i64,
    isolation: Isolation,
    aborted: Vec<AbortedTransaction>,
) -> (Vec<i64>, Option<i64>) {
    let found = visible(log.bytes.freeze(), start, isolation, aborted).unwrap();
    (found.batches.iter().map(|batch| batch.header().base_offset).collect(), found.next_offset)
}

fn two_transactions() -> Log {
    Log::default()
        .data(1, 2, true)
        .data(2, 1, true)
        .data(9, 1, false)
        .marker(1, ControlMarker::Abort)
        .data(1, 1, true)
        .marker(2, ControlMarker::Commit)
        .marker(1, ControlMarker::Commit)
}

#[test]
fn committed_readers_see_neither_markers_nor_aborted_batches() {
    let found = seen(two_transactions(), 0, Isolation::ReadCommitted, vec![aborted(1, 0)]);
    assert_eq!(found, (vec![2, 3, 5], Some(8)));
}

#[test]
fn uncommitted_readers_see_everything_but_markers() {
    let found = seen(two_transactions(), 0, Isolation::ReadUncommitted, Vec::new());
    assert_eq!(found, (vec![0, 2, 3, 5], Some(8)));
}

#[test]
fn a_list_out_of_order_is_taken_in_order() {
    let log = Log::default()
        .data(1, 1, true)
        .marker(1, ControlMarker::Abort)
        .data(1, 1, true)
        .marker(1, ControlMarker::Commit)
        .data(1, 1, true)
        .marker(1, ControlMarker::Abort);
    let found = seen(log, 0, Isolation::ReadCommitted, vec![aborted(1, 4), aborted(1, 0)]);
    assert_eq!(found, (vec![2], Some(6)));
}

#[test]
fn the_batch_that_holds_the_start_is_kept_and_a_cut_off_one_left() {
    let log = Log::default().data(1, 3, false).data(1, 3, false);
    assert_eq!(seen(log, 4, Isolation::ReadCommitted, Vec::new()), (vec![3], Some(6)));
    let mut log = Log::default().data(1, 3, false).data(1, 3, false);
    log.bytes.truncate(log.bytes.len() - 1);
    assert_eq!(seen(log, 0, Isolation::ReadCommitted, Vec::new()), (vec![0], Some(3)));
}
