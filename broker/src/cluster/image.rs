//! The metadata as of one moment: immutable, shared by every reader, made by applying records.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use millstream_protocol::Uuid;

use super::record::MetadataRecord;

/// Everything the cluster agrees on. Cloning shares topics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MetadataImage {
    /// Records applied so far: grows with every change.
    pub(crate) version: u64,
    pub(crate) brokers: BTreeMap<i32, BrokerImage>,
    pub(crate) features: BTreeMap<String, i16>,
    pub(crate) next_producer_id: i64,
    /// Settings changed at run time: by node, and under `None` for all nodes.
    node_settings: BTreeMap<Option<i32>, BTreeMap<String, String>>,
    topics: BTreeMap<Arc<str>, Arc<TopicImage>>,
    names: HashMap<Uuid, Arc<str>>,
    partitions: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BrokerImage {
    pub(crate) rack: Option<String>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// Where clients of one listener reach a broker. An empty host stands for the address they came in on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) listener: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TopicImage {
    pub(crate) id: Uuid,
    pub(crate) name: Arc<str>,
    /// By partition index, without holes.
    pub(crate) partitions: Vec<PartitionImage>,
    /// Overrides only.
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PartitionImage {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) partition_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
}

/// A record that doesn't fit the image before it: the journal is not one this code wrote.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(crate) enum ApplyError {
    #[error("metadata names a topic id that doesn't exist")]
    UnknownTopic,
    #[error("metadata creates topic {0:?} twice")]
    DuplicateTopic(String),
    #[error("metadata skips to partition {index} of topic {topic:?}")]
    PartitionGap { topic: String, index: i32 },
}

impl MetadataImage {
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(&id)?)
    }

    /// In order of name.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// In order of name, from the given one on.
    pub(crate) fn topics_from<'image>(
        &'image self,
        name: &str,
    ) -> impl Iterator<Item = &'image Arc<TopicImage>> {
        let from = std::ops::Bound::Included(name);
        self.topics.range::<str, _>((from, std::ops::Bound::Unbounded)).map(|(_, topic)| topic)
    }

    /// What was set at run time for one node, or (`None`) for all of them.
    pub(crate) fn node_settings(&self, node: Option<i32>) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.node_settings.get(&node).unwrap_or(&NONE)
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.partitions
    }

    /// The image after some records.
    ///
    /// # Errors
    /// [`ApplyError`] if they don't fit; `self` is untouched either way.
    pub(crate) fn apply(&self, records: &[MetadataRecord]) -> Result<Self, ApplyError> {
        let mut next = self.clone();
        for record in records {
            next.apply_one(record)?;
            next.version += 1;
        }
        Ok(next)
    }

    /// The records that rebuild this image from nothing.
    pub(crate) fn to_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::with_capacity(self.topics.len() + self.partitions + 8);
        for (node_id, broker) in &self.brokers {
            records.push(MetadataRecord::Broker {
                node_id: *node_id,
                rack: broker.rack.clone(),
                endpoints: broker.endpoints.clone(),
            });
        }
        for (name, level) in &self.features {
            records.push(MetadataRecord::Feature { name: name.clone(), level: *level });
        }
        records.push(MetadataRecord::ProducerIds { next: self.next_producer_id });
        for (node, settings) in &self.node_settings {
            records.extend(settings.iter().map(|(key, value)| {
                let (key, value) = (key.clone(), Some(value.clone()));
                MetadataRecord::NodeSetting { node: *node, key, value }
            }));
        }
        for topic in self.topics.values() {
            records.push(MetadataRecord::Topic { id: topic.id, name: topic.name.to_string() });
            for (index, state) in (0..).zip(&topic.partitions) {
                let state = state.clone();
                records.push(MetadataRecord::Partition { topic: topic.id, index, state });
            }
            for (key, value) in &topic.settings {
                let (key, value) = (key.clone(), Some(value.clone()));
                records.push(MetadataRecord::TopicSetting { topic: topic.id, key, value });
            }
        }
        records
    }

    fn apply_one(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::Broker { node_id, rack, endpoints } => {
                let broker = BrokerImage { rack: rack.clone(), endpoints: endpoints.clone() };
                self.brokers.insert(*node_id, broker);
            }
            MetadataRecord::Topic { id, name } => self.add_topic(*id, name)?,
            MetadataRecord::Partition { topic, index, state } => self.set_partition(*topic, *index, state)?,
            MetadataRecord::RemoveTopic { id } => {
                let name = self.names.remove(id).ok_or(ApplyError::UnknownTopic)?;
                if let Some(topic) = self.topics.remove(&name) {
                    self.partitions -= topic.partitions.len();
                }
            }
            MetadataRecord::TopicSetting { topic, key, value } => {
                let settings = &mut self.topic_mut(*topic)?.settings;
                match value {
                    Some(value) => settings.insert(key.clone(), value.clone()),
                    None => settings.remove(key),
                };
            }
            MetadataRecord::ProducerIds { next } => self.next_producer_id = *next,
            MetadataRecord::Feature { name, level } => {
                self.features.insert(name.clone(), *level);
            }
            MetadataRecord::NodeSetting { node, key, value } => {
                let settings = self.node_settings.entry(*node).or_default();
                match value {
                    Some(value) => settings.insert(key.clone(), value.clone()),
                    None => settings.remove(key),
                };
            }
        }
        Ok(())
    }

    fn add_topic(&mut self, id: Uuid, name: &str) -> Result<(), ApplyError> {
        if self.topics.contains_key(name) || self.names.contains_key(&id) {
            return Err(ApplyError::DuplicateTopic(name.to_owned()));
        }
        let name: Arc<str> = name.into();
        let topic = TopicImage { id, name: name.clone(), partitions: Vec::new(), settings: BTreeMap::new() };
        self.topics.insert(name.clone(), Arc::new(topic));
        self.names.insert(id, name);
        Ok(())
    }

    fn set_partition(&mut self, topic: Uuid, index: i32, state: &PartitionImage) -> Result<(), ApplyError> {
        let topic = self.topic_mut(topic)?;
        let gap = || ApplyError::PartitionGap { topic: topic.name.to_string(), index };
        let slot = usize::try_from(index).map_err(|_| gap())?;
        if slot == topic.partitions.len() {
            topic.partitions.push(state.clone());
            self.partitions += 1;
        } else {
            let error = gap();
            *topic.partitions.get_mut(slot).ok_or(error)? = state.clone();
        }
        Ok(())
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut TopicImage, ApplyError> {
        let name = self.names.get(&id).ok_or(ApplyError::UnknownTopic)?;
        self.topics.get_mut(name).map(Arc::make_mut).ok_or(ApplyError::UnknownTopic)
    }
}

impl TopicImage {
    pub(crate) fn partition(&self, index: i32) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: i32) -> PartitionImage {
        PartitionImage {
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
            replicas: vec![leader],
            isr: vec![leader],
        }
    }

    fn orders() -> Vec<MetadataRecord> {
        let id = Uuid::from_bytes([1; 16]);
        vec![
            MetadataRecord::Topic { id, name: "orders".into() },
            MetadataRecord::Partition { topic: id, index: 0, state: partition(1) },
            MetadataRecord::Partition { topic: id, index: 1, state: partition(1) },
            MetadataRecord::TopicSetting { topic: id, key: "retention.ms".into(), value: Some("1".into()) },
        ]
    }

    #[test]
    fn image_rebuilds_from_its_own_records() {
        let image = MetadataImage::default().apply(&orders()).unwrap();
        let rebuilt = MetadataImage::default().apply(&image.to_records()).unwrap();
        assert_eq!(MetadataImage { version: 0, ..rebuilt }, MetadataImage { version: 0, ..image });
    }

    #[test]
    fn removed_topic_is_gone_by_name_and_id() {
        let id = Uuid::from_bytes([1; 16]);
        let image = MetadataImage::default().apply(&orders()).unwrap();
        assert_eq!(image.partition_count(), 2);
        let after = image.apply(&[MetadataRecord::RemoveTopic { id }]).unwrap();
        assert!(after.topic("orders").is_none() && after.topic_by_id(id).is_none());
        assert_eq!(after.partition_count(), 0);
        assert!(image.topic("orders").is_some(), "an older image doesn't change");
    }

    #[test]
    fn records_that_do_not_fit_are_refused() {
        let id = Uuid::from_bytes([1; 16]);
        let gap = MetadataRecord::Partition { topic: id, index: 5, state: partition(1) };
        assert_eq!(MetadataImage::default().apply(std::slice::from_ref(&gap)), Err(ApplyError::UnknownTopic));
        let image = MetadataImage::default().apply(&orders()).unwrap();
        assert!(matches!(image.apply(&[gap]), Err(ApplyError::PartitionGap { index: 5, .. })));
        assert!(matches!(image.apply(&orders()), Err(ApplyError::DuplicateTopic(_))));
    }
}
