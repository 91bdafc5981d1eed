//! Writing the markers that end a transaction, on whichever of this node's partitions they belong.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::shard::append_error;
use super::{Place, Shards, Surroundings, Unavailable};
use crate::coordinator::group::GroupCoordinator;
use crate::coordinator::transaction::Markers;
use crate::coordinator::{AppendError, GROUP_TOPIC, Outcome, Producer, TopicPartition};
use crate::log::Partition;
use crate::partition::batch::Marker;

/// One marker for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkerToWrite {
    pub(crate) place: TopicPartition,
    pub(crate) producer: Producer,
    pub(crate) outcome: Outcome,
    pub(crate) coordinator_epoch: i32,
}

/// Why a marker was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkerError {
    #[error("there is no such partition")]
    Nowhere,
    #[error("this node does not lead the partition")]
    Elsewhere,
    #[error("a newer producer or coordinator has ended the transaction already")]
    Fenced,
    #[error(transparent)]
    Coordinator(Unavailable),
    #[error(transparent)]
    Append(AppendError),
}

impl MarkerError {
    /// Whether trying again can't help, so that the transaction may complete without this marker.
    fn is_final(self) -> bool {
        matches!(self, MarkerError::Nowhere | MarkerError::Fenced)
    }
}

impl MarkerToWrite {
    /// What a coordinator asked for, one by one.
    pub(super) fn all_of(markers: &Markers) -> Vec<MarkerToWrite> {
        let marker = |place: &TopicPartition| MarkerToWrite {
            place: place.clone(),
            producer: markers.producer,
            outcome: markers.outcome,
            coordinator_epoch: markers.coordinator_epoch,
        };
        markers.partitions.iter().map(marker).collect()
    }

    /// Appends the marker; the future waits for its durability.
    pub(super) fn append_to(
        &self,
        partition: &Arc<Partition>,
    ) -> Result<BoxFuture<'static, Result<i64, AppendError>>, MarkerError> {
        let marker =
            Marker { committed: self.outcome == Outcome::Commit, coordinator_epoch: self.coordinator_epoch };
        match partition.append_marker(self.producer.id, self.producer.epoch, marker) {
            Ok(appended) => Ok(Box::pin(async move {
                appended.durability.wait().await.map_err(|_| AppendError::Storage)?;
                Ok(appended.base_offset)
            })),
            Err(error) => {
                tracing::warn!(%error, "cannot write a transaction marker");
                Err(match append_error(&error) {
                    AppendError::Fenced | AppendError::TooLarge => MarkerError::Fenced,
                    other => MarkerError::Append(other),
                })
            }
        }
    }
}

/// Knows where markers go.
pub(super) struct MarkerWriter {
    surroundings: Arc<dyn Surroundings>,
    groups: Arc<Shards<GroupCoordinator>>,
}

impl MarkerWriter {
    pub(super) fn new(
        surroundings: Arc<dyn Surroundings>,
        groups: Arc<Shards<GroupCoordinator>>,
    ) -> MarkerWriter {
        MarkerWriter { surroundings, groups }
    }

    /// Whether the transaction needs no further try here.
    pub(super) async fn write_or_give_up(&self, marker: MarkerToWrite) -> bool {
        match self.write(marker).await {
            Ok(()) => true,
            Err(error) => error.is_final(),
        }
    }

    /// Markers in `__consumer_offsets` go through the group coordinator there, in order with its own records.
    pub(super) async fn write(&self, marker: MarkerToWrite) -> Result<(), MarkerError> {
        if marker.place.topic == GROUP_TOPIC {
            let shard = self.groups.shard(marker.place.partition).map_err(MarkerError::Coordinator)?;
            return shard.marker(marker).await;
        }
        match self.surroundings.find(&marker.place) {
            Place::Here { partition, .. } => {
                let durable = marker.append_to(&partition)?;
                durable.await.map(|_| ()).map_err(MarkerError::Append)
            }
            Place::Elsewhere => Err(MarkerError::Elsewhere),
            Place::Nowhere => Err(MarkerError::Nowhere),
        }
    }
}
