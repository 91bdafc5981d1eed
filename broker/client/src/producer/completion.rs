//! The fate of one batch, shared by everybody who waits for it.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use super::{ProduceError, RecordMetadata};
use crate::topic::TopicPartition;

/// Where a batch was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// −1 when unknown.
    pub(crate) base_offset: i64,
    /// −1 unless the broker set it.
    pub(crate) log_append_time_ms: i64,
}

/// Resolves once; every waiter sees the same.
#[derive(Debug)]
pub(crate) struct Completion {
    place: TopicPartition,
    outcome: OnceLock<Result<Written, ProduceError>>,
    done: Notify,
}

impl Completion {
    pub(crate) fn new(place: TopicPartition) -> Completion {
        Completion { place, outcome: OnceLock::new(), done: Notify::new() }
    }

    pub(crate) fn is_resolved(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// The first outcome stays.
    pub(crate) fn resolve(&self, outcome: Result<Written, ProduceError>) {
        self.outcome.get_or_init(|| outcome);
        self.done.notify_waiters();
    }

    pub(crate) async fn wait(&self) -> Result<Written, ProduceError> {
        loop {
            // Registered before the check, so that a resolution in between is not missed.
            let done = self.done.notified();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            done.await;
        }
    }
}

/// The outcome of one record, to be awaited at any time or dropped.
#[derive(Debug, Clone)]
pub struct Delivery {
    batch: Arc<Completion>,
    /// Position of the record in its batch.
    index: i32,
}

impl Delivery {
    pub(crate) fn new(batch: Arc<Completion>, index: i32) -> Delivery {
        Delivery { batch, index }
    }

    /// Whether the record is the next one of the same batch, and so of the next offset.
    pub fn follows(&self, previous: &Delivery) -> bool {
        Arc::ptr_eq(&self.batch, &previous.batch) && self.index == previous.index + 1
    }

    /// Waits until the record is written, or certainly will not be by this producer.
    pub async fn wait(&self) -> Result<RecordMetadata, ProduceError> {
        let written = self.batch.wait().await?;
        let is_known = written.base_offset >= 0;
        Ok(RecordMetadata {
            place: self.batch.place.clone(),
            offset: if is_known { written.base_offset + i64::from(self.index) } else { -1 },
            log_append_time_ms: written.log_append_time_ms,
        })
    }
}
