//! The partitions whose data lies on this node: follows the metadata by creating, configuring and deleting logs.
//!
//! Left out: partitions that this node only follows; on a single node it leads them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::Uuid;
use millstream_protocol::compression::Compression;
use parking_lot::RwLock;

use crate::api::clock;
use crate::cluster::{MetadataImage, MetadataRecord, TopicImage};
use crate::config::{self, AcksAllDurability, Config, TopicConfig};
use crate::log::disk::Disk;
use crate::log::{
    CleanerConfig, DirectoryConfig, DirectoryError, Expected, FlushPolicy, LogConfig, LogDirectory,
    Partition, PartitionName, Recompression, TimestampType, WriteError,
};

#[derive(Debug)]
pub(crate) struct Hosting {
    /// As the node was started.
    config: Arc<Config>,
    /// The same with what was set at run time.
    current: RwLock<Arc<Config>>,
    directory: LogDirectory,
    partitions: RwLock<HashMap<(Uuid, i32), Arc<Partition>>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HostingError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Hosting {
    /// Opens every partition that the metadata places here. Blocks.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        config: Arc<Config>,
        image: &MetadataImage,
    ) -> Result<Self, HostingError> {
        let current = Arc::new(in_force(&config, image));
        let expected = |name: &PartitionName| {
            let topic = image.topic(&name.topic)?;
            topic
                .partition(name.partition)?
                .replicas
                .contains(&config.node_id)
                .then(|| expected(&current, topic))
        };
        let directory_config = DirectoryConfig {
            retention_check_every: Duration::from_millis(config.retention_check_interval_ms),
            producer_expiration_ms: config.producer_id_expiration_ms,
            cleaner: CleanerConfig {
                threads: if config.cleaner_enabled { config.cleaner_threads } else { 0 },
                memory_bytes: config.cleaner_memory_bytes,
                load_factor: config.cleaner_load_factor,
                bytes_per_second: config.cleaner_bytes_per_second,
                backoff: Duration::from_millis(config.cleaner_backoff_ms),
            },
            ..DirectoryConfig::default()
        };
        let directory = LogDirectory::open(
            disk,
            &config.log_directory,
            directory_config,
            Arc::new(clock::now_ms),
            &expected,
        )?;
        let current = RwLock::new(current);
        let hosting = Self { config, current, directory, partitions: RwLock::default() };
        for topic in image.topics() {
            for index in indexes(topic) {
                hosting.host(topic, index)?;
            }
        }
        Ok(hosting)
    }

    /// The node's settings in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.current.read().clone()
    }

    /// The partition's log, if it is here.
    pub(crate) fn find(&self, topic: Uuid, index: i32) -> Option<Arc<Partition>> {
        self.partitions.read().get(&(topic, index)).cloned()
    }

    /// Carries out what changed between two images. Blocks. A partition that cannot be created doesn't keep the
    /// others from being; the first failure is returned.
    pub(crate) fn follow(
        &self,
        before: &MetadataImage,
        after: &MetadataImage,
        records: &[MetadataRecord],
    ) -> Result<(), HostingError> {
        let mut outcome = Ok(());
        if records.iter().any(|record| matches!(record, MetadataRecord::NodeSetting { .. })) {
            *self.current.write() = Arc::new(in_force(&self.config, after));
            after.topics().for_each(|topic| self.configure(topic));
        }
        for record in records {
            let done = match record {
                MetadataRecord::Partition { topic, index, .. } => match after.topic_by_id(*topic) {
                    Some(topic) => self.host(topic, *index),
                    None => Ok(()),
                },
                MetadataRecord::RemoveTopic { id } => {
                    before.topic_by_id(*id).map_or(Ok(()), |topic| self.remove(topic))
                }
                MetadataRecord::TopicSetting { topic, .. } => {
                    if let Some(topic) = after.topic_by_id(*topic) {
                        self.configure(topic);
                    }
                    Ok(())
                }
                _ => Ok(()),
            };
            outcome = outcome.and(done);
        }
        outcome
    }

    /// How many partitions are here and how many bytes they take.
    pub(crate) fn size(&self) -> (usize, u64) {
        let partitions = self.partitions.read();
        (partitions.len(), partitions.values().map(|partition| partition.size_bytes()).sum())
    }

    /// How many flushes there were, and how long they took together.
    pub(crate) fn flushed(&self) -> (u64, Duration) {
        self.directory.flushed()
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.directory.failure()
    }

    /// Flushes everything and marks the stop as clean. Blocks.
    pub(crate) fn close(&self) -> Result<(), WriteError> {
        self.partitions.write().clear();
        self.directory.close()
    }

    fn host(&self, topic: &TopicImage, index: i32) -> Result<(), HostingError> {
        let Some(state) = topic.partition(index) else { return Ok(()) };
        if !state.replicas.contains(&self.config.node_id) {
            return Ok(());
        }
        let name = PartitionName::new(topic.name.clone(), index);
        let partition = match self.directory.partition(&name) {
            Some(partition) => partition,
            None => self.directory.create(name, &expected(&self.config(), topic))?,
        };
        if state.leader == self.config.node_id {
            partition.lead(state.leader_epoch);
        }
        self.partitions.write().insert((topic.id, index), partition);
        Ok(())
    }

    fn remove(&self, topic: &TopicImage) -> Result<(), HostingError> {
        let mut outcome = Ok(());
        for index in indexes(topic) {
            if self.partitions.write().remove(&(topic.id, index)).is_some() {
                let deleted = self.directory.delete(&PartitionName::new(topic.name.clone(), index));
                outcome = outcome.and(deleted.map_err(HostingError::from));
            }
        }
        outcome
    }

    fn configure(&self, topic: &TopicImage) {
        let log_config = Arc::new(log_config(&self.config(), topic));
        for index in indexes(topic) {
            if let Some(partition) = self.find(topic.id, index) {
                partition.set_config(log_config.clone());
            }
        }
    }
}

fn indexes(topic: &TopicImage) -> impl Iterator<Item = i32> {
    (0..).zip(&topic.partitions).map(|(index, _)| index)
}

fn in_force(config: &Config, image: &MetadataImage) -> Config {
    config.with_node_settings([image.node_settings(None), image.node_settings(Some(config.node_id))])
}

fn expected(config: &Config, topic: &TopicImage) -> Expected {
    Expected { topic_id: *topic.id.as_bytes(), config: Arc::new(log_config(config, topic)) }
}

/// A topic's settings in force, as its logs want them.
fn log_config(config: &Config, topic: &TopicImage) -> LogConfig {
    let topic = TopicConfig::resolve(&config.topic_defaults, &topic.settings);
    let limited = |value: i64| u64::try_from(value).ok();
    let bounded = |value: i64| limited(value).filter(|_| value != i64::MAX);
    LogConfig {
        segment_bytes: limited(topic.segment_bytes).unwrap_or(u64::MAX),
        segment_ms: topic.segment_ms,
        segment_index_bytes: limited(topic.segment_index_bytes).unwrap_or(u64::MAX),
        index_interval_bytes: limited(topic.index_interval_bytes).unwrap_or(u64::MAX),
        retention_ms: Some(topic.retention_ms).filter(|retention_ms| *retention_ms >= 0),
        retention_bytes: limited(topic.retention_bytes),
        delete: topic.cleanup_policy.delete,
        compact: topic.cleanup_policy.compact,
        min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
        min_compaction_lag_ms: topic.min_compaction_lag_ms,
        max_compaction_lag_ms: topic.max_compaction_lag_ms,
        delete_retention_ms: topic.delete_retention_ms,
        file_delete_delay_ms: topic.file_delete_delay_ms,
        max_message_bytes: usize::try_from(topic.max_message_bytes).unwrap_or(usize::MAX),
        timestamp_type: match topic.timestamp_type {
            config::TimestampType::CreateTime => TimestampType::CreateTime,
            config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        recompression: recompression(&topic),
        segment_jitter_ms: topic.segment_jitter_ms,
        timestamp_before_max_ms: topic.timestamp_before_max_ms,
        timestamp_after_max_ms: topic.timestamp_after_max_ms,
        flush: match config.acks_all_durability {
            AcksAllDurability::Flush => FlushPolicy::OnAcknowledge,
            AcksAllDurability::Interval => FlushPolicy::Interval {
                messages: bounded(topic.flush_messages),
                every: bounded(topic.flush_ms).map(Duration::from_millis),
            },
        },
    }
}

fn recompression(topic: &TopicConfig) -> Option<Recompression> {
    let (compression, level) = match topic.compression_type.as_str() {
        "uncompressed" => (Compression::None, None),
        "gzip" => (Compression::Gzip, Some(topic.gzip_level).filter(|level| *level >= 0)),
        "snappy" => (Compression::Snappy, None),
        "lz4" => (Compression::Lz4, None),
        "zstd" => (Compression::Zstd, Some(topic.zstd_level)),
        _ => return None,
    };
    Some(Recompression { compression, level })
}
