//! How far a partition has come, for those who wait: fetches for records, produces for durability.

use tokio::sync::watch;

/// Published once per change; a waiter compares with what it saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub standing: Standing,
}

/// Whether a partition still serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Open,
    /// Its log folder failed; nothing more will become durable.
    Failed,
    /// Closed by a stop, or deleted.
    Closed,
}

/// Why an appended batch will not be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurabilityError {
    #[error(
        "wait for durability up to offset {0}: the log folder failed; whether the records survive is unknown"
    )]
    Failed(i64),
    #[error("wait for durability up to offset {0}: the partition is closed")]
    Closed(i64),
}

/// The promise that an append becomes durable (by the partition's flush policy) and visible.
#[derive(Debug)]
#[must_use = "acks=all must wait for it"]
pub struct Durability {
    /// Offset behind the appended records.
    end_offset: i64,
    /// `None` when it was reached at once.
    progress: Option<watch::Receiver<Progress>>,
}

impl Durability {
    pub(super) fn reached(end_offset: i64) -> Self {
        Self { end_offset, progress: None }
    }

    pub(super) fn pending(end_offset: i64, progress: watch::Receiver<Progress>) -> Self {
        Self { end_offset, progress: Some(progress) }
    }

    /// Whether there is nothing to wait for.
    pub fn is_reached(&self) -> bool {
        self.progress.as_ref().is_none_or(|progress| progress.borrow().high_watermark >= self.end_offset)
    }

    /// Waits until the high watermark covers the append.
    pub async fn wait(self) -> Result<(), DurabilityError> {
        let Some(mut progress) = self.progress else { return Ok(()) };
        let end_offset = self.end_offset;
        let decided = |progress: &Progress| {
            progress.high_watermark >= end_offset || progress.standing != Standing::Open
        };
        match progress.wait_for(decided).await {
            Ok(seen) if seen.high_watermark >= end_offset => Ok(()),
            Ok(seen) if seen.standing == Standing::Failed => Err(DurabilityError::Failed(end_offset)),
            Ok(_) | Err(_) => Err(DurabilityError::Closed(end_offset)),
        }
    }
}
