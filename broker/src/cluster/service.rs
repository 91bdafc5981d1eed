//! The metadata of a running node: one command at a time is decided, made durable, carried out on this node's
//! partitions and then published; readers take the image without waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::Uuid;
use parking_lot::RwLock;

use super::controller::{
    self, Choices, ConfigChange, CreateTopic, CreateTopicError, CreatedTopic, DeleteTopicError, GrowTopic,
    GrowTopicError,
};
use super::feature::{self, FEATURES, FeatureChange, FeatureError};
use super::identity::{Identity, IdentityError};
use super::image::{ApplyError, Endpoint, MetadataImage, TopicImage};
use super::journal::{Journal, JournalError};
use super::record::MetadataRecord;
use crate::config::{Config, ConfigError, NodeSettingError, topic_keys};
use crate::hosting::{Hosting, HostingError};
use crate::limits;
use crate::log::disk::Disk;

#[derive(Debug)]
pub(crate) struct Cluster {
    config: Arc<Config>,
    identity: Identity,
    image: Arc<RwLock<Arc<MetadataImage>>>,
    /// Held over decide, write and publish: commands take effect one after the other.
    journal: Arc<tokio::sync::Mutex<Journal>>,
    hosting: Arc<Hosting>,
}

/// Why a command had no effect. `E` is the controller's refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError<E: std::error::Error> {
    #[error(transparent)]
    Refused(E),
    #[error(transparent)]
    Journal(JournalError),
    #[error(transparent)]
    Apply(ApplyError),
    #[error("metadata took effect but its partitions could not be opened here: {0}")]
    Hosting(HostingError),
    #[error("the metadata writer stopped after a failure; restart the node")]
    Stopped,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Refusals that have no variants of their own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Never {}

/// What the metadata folder held, before the node's partitions are opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) image: MetadataImage,
    journal: Journal,
}

impl Opened {
    pub(crate) fn load(disk: &Arc<dyn Disk>, config: &Config) -> Result<Self, OpenError> {
        // First, because the journal's lock keeps a second process away from everything else.
        let (journal, image) = Journal::open(disk.clone(), &config.log_directory)?;
        let identity = Identity::load_or_create(&**disk, &config.log_directory, config.node_id)?;
        Ok(Self { identity, image, journal })
    }
}

impl Cluster {
    pub(crate) fn new(config: Arc<Config>, opened: Opened, hosting: Arc<Hosting>) -> Self {
        Self {
            config,
            identity: opened.identity,
            image: Arc::new(RwLock::new(Arc::new(opened.image))),
            journal: Arc::new(tokio::sync::Mutex::new(opened.journal)),
            hosting,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether no command is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.journal.try_lock().is_ok()
    }

    /// Takes no more commands, and lets another process have the folder.
    pub(crate) async fn close(&self) {
        self.journal.lock().await.close();
    }

    pub(crate) fn hosting(&self) -> &Hosting {
        &self.hosting
    }

    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        self.image.read().clone()
    }

    /// Makes this node known under its endpoints, and sets the features that a new cluster starts with.
    pub(crate) async fn register(&self, endpoints: Vec<Endpoint>) -> Result<(), ClusterError<Never>> {
        let node_id = self.identity.node_id;
        let rack = self.config.rack.clone();
        self.command(|image| {
            let mut records = Vec::new();
            let known = image.brokers.get(&node_id);
            if known.is_none_or(|broker| broker.endpoints != endpoints || broker.rack != rack) {
                records.push(MetadataRecord::Broker { node_id, rack, endpoints });
            }
            for feature in FEATURES {
                if !image.features.contains_key(feature.name) {
                    let name = feature.name.to_owned();
                    records.push(MetadataRecord::Feature { name, level: feature.max_level });
                }
            }
            Ok((records, ()))
        })
        .await
    }

    /// With `validate_only` everything is checked and nothing changes.
    pub(crate) async fn create_topic(
        &self,
        command: &CreateTopic,
        validate_only: bool,
    ) -> Result<CreatedTopic, ClusterError<CreateTopicError>> {
        let id = Uuid::random();
        let [start, ..] = *Uuid::random().as_bytes();
        let choices = Choices {
            partitions: self.config.default_partitions,
            replication_factor: self.config.default_replication_factor,
            id,
            start: usize::from(start),
        };
        if validate_only {
            let decided = controller::create_topic(&self.image(), choices, command);
            return decided.map(|(_, created)| created).map_err(ClusterError::Refused);
        }
        self.command(|image| controller::create_topic(image, choices, command)).await
    }

    pub(crate) async fn delete_topic(
        &self,
        find: impl FnOnce(&MetadataImage) -> Result<Arc<TopicImage>, DeleteTopicError>,
    ) -> Result<(), ClusterError<DeleteTopicError>> {
        self.command(|image| {
            if !self.config.delete_topics {
                return Err(DeleteTopicError::Disabled);
            }
            Ok((controller::delete_topic(&*find(image)?), ()))
        })
        .await
    }

    pub(crate) async fn grow_topic(
        &self,
        command: &GrowTopic,
        validate_only: bool,
    ) -> Result<(), ClusterError<GrowTopicError>> {
        let [start, ..] = *Uuid::random().as_bytes();
        let decide = |image: &MetadataImage| controller::grow_topic(image, usize::from(start), command);
        if validate_only {
            return decide(&self.image()).map(|_| ()).map_err(ClusterError::Refused);
        }
        self.command(|image| Ok((decide(image)?, ()))).await
    }

    pub(crate) async fn change_settings(
        &self,
        topic: &str,
        changes: impl FnOnce(&BTreeMap<String, String>) -> Vec<(String, ConfigChange)>,
        validate_only: bool,
    ) -> Result<(), ClusterError<ChangeSettingsError>> {
        let config = self.hosting.config();
        let defaults = |key: &str| {
            let known = topic_keys().iter().find(|known| known.name == key)?;
            Some(known.default_value(&config).0)
        };
        let decide = |image: &MetadataImage| {
            let topic = image.topic(topic).ok_or(ChangeSettingsError::Unknown)?;
            let records = controller::change_settings(topic, &defaults, &changes(&topic.settings))?;
            Ok((records, ()))
        };
        if validate_only {
            return decide(&self.image()).map(|_| ()).map_err(ClusterError::Refused);
        }
        self.command(decide).await
    }

    /// Changes settings of a running node, or (`None`) of every node that has none of its own.
    pub(crate) async fn change_node_settings(
        &self,
        node: Option<i32>,
        changes: impl FnOnce(&BTreeMap<String, String>) -> Vec<(String, ConfigChange)>,
        validate_only: bool,
    ) -> Result<(), ClusterError<ChangeNodeSettingsError>> {
        let decide = |image: &MetadataImage| {
            if let Some(unknown) = node.filter(|node| !image.brokers.contains_key(node)) {
                return Err(ChangeNodeSettingsError::UnknownNode(unknown));
            }
            let current = image.node_settings(node);
            Ok((controller::change_node_settings(node, current, &self.config, &changes(current))?, ()))
        };
        if validate_only {
            return decide(&self.image()).map(|_| ()).map_err(ClusterError::Refused);
        }
        self.command(decide).await
    }

    /// Moves features to other levels, all or none.
    pub(crate) async fn change_features(
        &self,
        changes: &[FeatureChange],
        validate_only: bool,
    ) -> Result<(), ClusterError<FeatureError>> {
        if validate_only {
            let decided = feature::change(&self.image(), changes);
            return decided.map(|_| ()).map_err(ClusterError::Refused);
        }
        self.command(|image| Ok((feature::change(image, changes)?, ()))).await
    }

    /// The first id of a block of [`limits::PRODUCER_ID_BLOCK`] ids that nobody else gets.
    pub(crate) async fn allocate_producer_ids(&self) -> Result<i64, ClusterError<Never>> {
        self.command(|image| {
            let first = image.next_producer_id;
            Ok((vec![MetadataRecord::ProducerIds { next: first + limits::PRODUCER_ID_BLOCK }], first))
        })
        .await
    }

    async fn command<T, E: std::error::Error>(
        &self,
        decide: impl FnOnce(&MetadataImage) -> Result<(Vec<MetadataRecord>, T), E>,
    ) -> Result<T, ClusterError<E>> {
        let mut journal = self.journal.clone().lock_owned().await;
        let before = self.image();
        let (records, outcome) = decide(&before).map_err(ClusterError::Refused)?;
        if records.is_empty() {
            return Ok(outcome);
        }
        let after = Arc::new(before.apply(&records).map_err(ClusterError::Apply)?);
        let (hosting, published) = (self.hosting.clone(), self.image.clone());
        // Flushes and folder creation block. The closure owns the writer's lock and publishes itself, so a caller
        // that goes away in the middle leaves no half-done command behind.
        let work = tokio::task::spawn_blocking(move || {
            journal.append(&records).map_err(Failure::Journal)?;
            let hosted = hosting.follow(&before, &after, &records);
            *published.write() = after.clone();
            if let Err(error) = journal.rewrite_if_large(&after) {
                tracing::error!(%error, "cannot rewrite the metadata journal; it stays long");
            }
            hosted.map_err(Failure::Hosting)
        });
        match work.await {
            Ok(Ok(())) => Ok(outcome),
            Ok(Err(Failure::Journal(error))) => Err(ClusterError::Journal(error)),
            Ok(Err(Failure::Hosting(error))) => Err(ClusterError::Hosting(error)),
            Err(_) => Err(ClusterError::Stopped),
        }
    }
}

enum Failure {
    Journal(JournalError),
    Hosting(HostingError),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeSettingsError {
    #[error("topic doesn't exist")]
    Unknown,
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeNodeSettingsError {
    #[error("broker {0} is not registered")]
    UnknownNode(i32),
    #[error(transparent)]
    Setting(#[from] NodeSettingError),
}
