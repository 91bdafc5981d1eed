//! Reading a coordinator's partition from its start, before anything is served.

use std::sync::Arc;

use millstream_protocol::record_batch::{self, Batch, BatchError, ControlMarker};

use super::shard::{Core, Replayed};
use crate::coordinator::Outcome;
use crate::log::{Isolation, Partition, ReadError};

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// A batch of an internal topic may unpack to this much; Kafka's own limit for records there is 5 MiB.
const BATCH_LIMIT_BYTES: usize = 64 << 20;

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// The coordinator with everything replayed. `None` if its partition can't be read: it then serves nobody, rather
/// than to serve with holes in its memory.
pub(super) async fn load<C: Core>(mut core: C, partition: Arc<Partition>) -> Option<C> {
    let name = partition.name().to_string();
    if partition.log_end_offset() == 0 {
        return Some(core);
    }
    let loading = tokio::task::spawn_blocking(move || replay_all(&mut core, &partition).map(|()| core));
    match loading.await {
        Ok(Ok(core)) => Some(core),
        Ok(Err(error)) => {
            tracing::error!(partition = name, %error, "cannot load coordinator");
            None
        }
        Err(error) => {
            tracing::error!(partition = name, %error, "loading a coordinator stopped");
            None
        }
    }
}

fn replay_all(core: &mut impl Core, partition: &Partition) -> Result<(), LoadError> {
    let mut offset = partition.progress().log_start_offset;
    let end = partition.log_end_offset();
    while offset < end {
        let read = partition.read(offset, READ_BYTES, true, Isolation::LogEnd)?;
        for batch in record_batch::batches(read.records) {
            replay_batch(core, partition, &batch?)?;
        }
        if read.next_offset <= offset {
            break;
        }
        offset = read.next_offset;
    }
    Ok(())
}

fn replay_batch(core: &mut impl Core, partition: &Partition, batch: &Batch) -> Result<(), LoadError> {
    let header = batch.header();
    let producer_id = header.is_transactional().then_some(header.producer_id);
    let records = batch.records(BATCH_LIMIT_BYTES)?;
    for record in &records {
        let record = record?;
        let replayed = if header.is_control() {
            let outcome = match ControlMarker::parse(&record) {
                Some((ControlMarker::Commit, _)) => Outcome::Commit,
                Some((ControlMarker::Abort, _)) => Outcome::Abort,
                None => continue,
            };
            Replayed::Marker { producer_id: header.producer_id, outcome }
        } else {
            let Some(key) = record.key else { continue };
            let value = record.value.map(|value| records.share(value));
            Replayed::Record { offset: record.offset, producer_id, key: records.share(key), value }
        };
        if let Err(error) = core.replay(replayed) {
            tracing::warn!(partition = %partition.name(), offset = record.offset, %error, "skipped a record");
        }
    }
    Ok(())
}
