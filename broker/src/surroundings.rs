//! What the coordinators see of the node: where partitions are, and fresh producer ids.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use millstream_protocol::Uuid;

use crate::cluster::{Cluster, MetadataImage};
use crate::coordinator::TopicPartition;
use crate::coordinator::group::{Topic, Topics};
use crate::coordinator::shell::{Place, Surroundings};
use crate::limits;

#[derive(Debug)]
pub(crate) struct NodeSurroundings {
    pub(crate) cluster: Arc<Cluster>,
}

impl Surroundings for NodeSurroundings {
    fn partition_count(&self, topic: &str) -> Option<i32> {
        let count = self.cluster.image().topic(topic)?.partitions.len();
        i32::try_from(count).ok()
    }

    fn find(&self, place: &TopicPartition) -> Place {
        let image = self.cluster.image();
        let Some(topic) = image.topic(&place.topic) else { return Place::Nowhere };
        let Some(state) = topic.partition(place.partition) else { return Place::Nowhere };
        if state.leader != self.cluster.identity().node_id {
            return Place::Elsewhere;
        }
        match self.cluster.hosting().find(topic.id, place.partition) {
            Some(partition) => Place::Here { partition, leader_epoch: state.leader_epoch },
            None => Place::Elsewhere,
        }
    }

    fn topics(&self) -> Arc<dyn Topics> {
        Arc::new(ImageTopics(self.cluster.image()))
    }

    fn allocate_producer_ids(&self) -> BoxFuture<'static, Option<(i64, i32)>> {
        let cluster = self.cluster.clone();
        Box::pin(async move {
            match cluster.allocate_producer_ids().await {
                Ok(first) => Some((first, i32::try_from(limits::PRODUCER_ID_BLOCK).unwrap_or(i32::MAX))),
                Err(error) => {
                    tracing::error!(%error, "cannot allocate producer ids");
                    None
                }
            }
        })
    }
}

/// The metadata as groups see it.
#[derive(Debug)]
struct ImageTopics(Arc<MetadataImage>);

impl Topics for ImageTopics {
    fn version(&self) -> u64 {
        self.0.version
    }

    fn find(&self, name: &str) -> Option<Topic> {
        let topic = self.0.topic(name)?;
        Some(Topic { id: topic.id, partition_count: i32::try_from(topic.partitions.len()).ok()? })
    }

    fn name(&self, id: Uuid) -> Option<String> {
        Some(self.0.topic_by_id(id)?.name.to_string())
    }

    fn for_each_name(&self, visit: &mut dyn FnMut(&str)) {
        self.0.topics().for_each(|topic| visit(&topic.name));
    }
}
