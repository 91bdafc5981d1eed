//! Topics of a mirror: made where they are missing, grown as the source grows, and kept at the source's configuration.

use std::collections::{BTreeMap, HashMap, HashSet};

use millstream_client::admin::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource, NewTopic};
use millstream_client::{AdminError, Client, ErrorCode, MetadataError};
use millstream_sdk::error::ConnectorError;
use parking_lot::Mutex;

use super::admin_failed;

/// A topic over there and its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    pub source: String,
    pub target: String,
    pub partitions: usize,
}

/// Keeps the topics of one cluster like those of another.
pub struct Topics {
    source: Client,
    target: Client,
    excluded: Vec<glob::Pattern>,
    /// Partitions that a topic is known to have at the target.
    ready: Mutex<HashMap<String, usize>>,
    /// What the target refused, so that it is told once: topic, name, value.
    refused: Mutex<HashSet<(String, ConfigChange)>>,
}

impl Topics {
    pub fn new(source: Client, target: Client, excluded: Vec<glob::Pattern>) -> Topics {
        Topics { source, target, excluded, ready: Mutex::default(), refused: Mutex::default() }
    }

    /// Makes or grows the copy. With `grow` it has at least as many partitions as the source.
    pub async fn ensure(&self, topic: &Mirrored, grow: bool) -> Result<(), ConnectorError> {
        if self.ready.lock().get(&topic.target).is_some_and(|count| *count >= topic.partitions) {
            return Ok(());
        }
        let admin = self.target.admin();
        let wanted = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
        let described = admin.describe_topics(&[&topic.target]).await.into_iter().next();
        let mut found = match described {
            Some(Ok(layout)) => layout.partitions.len(),
            Some(Err(AdminError::Topic(MetadataError::UnknownTopic { .. }))) => {
                self.create(topic, wanted).await?;
                topic.partitions
            }
            Some(Err(error)) => return Err(admin_failed("looking for a topic to mirror to", error)),
            None => 0,
        };
        if found < topic.partitions && grow {
            tracing::info!(topic = topic.target, from = found, to = wanted, "growing a mirrored topic");
            match admin.create_partitions(&topic.target, wanted).await {
                // Somebody was quicker.
                Err(error) if error.code() == Some(ErrorCode::InvalidPartitions) => {}
                grown => {
                    grown.map_err(|error| admin_failed("adding partitions to a mirrored topic", error))?
                }
            }
            found = topic.partitions;
        }
        self.wait_for(&topic.target, found).await?;
        self.ready.lock().insert(topic.target.clone(), found.max(topic.partitions));
        Ok(())
    }

    async fn create(&self, topic: &Mirrored, partitions: i32) -> Result<(), ConnectorError> {
        let configs = self.configs_of(&topic.source).await?;
        let mut new = NewTopic::new(&topic.target, partitions);
        new.configs = configs.set.into_iter().collect();
        let admin = self.target.admin();
        for plain in [false, true] {
            if plain {
                new.configs.clear();
            }
            let created = admin.create_topics(std::slice::from_ref(&new), false).await.into_iter().next();
            match created {
                Some(Err(error)) if error.code() == Some(ErrorCode::TopicAlreadyExists) => return Ok(()),
                // Some configuration is unknown here: which one, shows when they are set one by one.
                Some(Err(error)) if !plain && error.code() == Some(ErrorCode::InvalidConfig) => {}
                Some(Err(error)) => return Err(admin_failed("making a topic to mirror to", error)),
                Some(Ok(_)) | None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Until every partition has a leader, and this process knows it.
    async fn wait_for(&self, topic: &str, partitions: usize) -> Result<(), ConnectorError> {
        let mut pause = std::time::Duration::from_millis(20);
        for _ in 0..12 {
            let layout = self.target.admin().wait_for_topic(topic).await;
            let layout = layout.map_err(|error| admin_failed("waiting for a mirrored topic", error))?;
            if layout.partitions.len() >= partitions {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(std::time::Duration::from_secs(1));
        }
        Err(ConnectorError::retryable(format!("topic {topic} has not got its {partitions} partitions yet")))
    }

    /// Gives the copy what is set on the topic, and takes from it what is no longer. Values that hold there anyway are not
    /// written.
    pub async fn sync(&self, topic: &Mirrored) -> Result<(), ConnectorError> {
        let wanted = self.configs_of(&topic.source).await?;
        let resource = ConfigResource::Topic(topic.target.clone());
        let admin = self.target.admin();
        let held = match admin.describe_configs(&resource).await {
            // Deleted since it was made: the next listing makes it again.
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                self.ready.lock().remove(&topic.target);
                return Ok(());
            }
            held => held.map_err(|error| admin_failed("reading a mirrored topic's configuration", error))?,
        };
        let mut changes = self.changes(&wanted, &held);
        changes.retain(|change| !self.refused.lock().contains(&(topic.target.clone(), change.clone())));
        if changes.is_empty() {
            return Ok(());
        }
        tracing::info!(topic = topic.target, ?changes, "changing a mirrored topic's configuration");
        match admin.alter_configs(&resource, &changes, false).await {
            Err(error) if is_bad_config(&error) => self.set_one_by_one(topic, &resource, changes).await,
            altered => {
                altered.map_err(|error| admin_failed("changing a mirrored topic's configuration", error))
            }
        }
    }

    /// One that is refused holds up no other, and is told once.
    async fn set_one_by_one(
        &self,
        topic: &Mirrored,
        resource: &ConfigResource,
        changes: Vec<ConfigChange>,
    ) -> Result<(), ConnectorError> {
        for change in changes {
            match self.target.admin().alter_configs(resource, std::slice::from_ref(&change), false).await {
                Ok(()) => {}
                Err(error) if is_bad_config(&error) => {
                    tracing::warn!(topic = topic.target, ?change, %error, "a configuration cannot be mirrored");
                    self.refused.lock().insert((topic.target.clone(), change));
                }
                Err(error) => return Err(admin_failed("changing a mirrored topic's configuration", error)),
            }
        }
        Ok(())
    }

    fn changes(&self, wanted: &Configs, held: &[ConfigEntry]) -> Vec<ConfigChange> {
        let value_of = |name: &str| held.iter().find(|entry| entry.name == name)?.value.as_deref();
        let set = wanted.set.iter().filter(|(name, value)| value_of(name) != Some(value.as_str()));
        let set = set.map(|(name, value)| ConfigChange::Set(name.clone(), value.clone()));
        let is_over = |entry: &&ConfigEntry| {
            entry.source == ConfigSource::Topic
                && wanted.known.contains(&entry.name)
                && !wanted.set.contains_key(&entry.name)
                && !self.is_excluded(&entry.name)
        };
        let gone = held.iter().filter(is_over).map(|entry| ConfigChange::Delete(entry.name.clone()));
        set.chain(gone).collect()
    }

    async fn configs_of(&self, topic: &str) -> Result<Configs, ConnectorError> {
        let resource = ConfigResource::Topic(topic.to_owned());
        let entries = self.source.admin().describe_configs(&resource).await;
        let entries = entries.map_err(|error| admin_failed("reading a topic's configuration", error))?;
        let is_copied = |entry: &&ConfigEntry| {
            entry.source == ConfigSource::Topic
                && !entry.is_sensitive
                && !entry.is_read_only
                && !self.is_excluded(&entry.name)
        };
        let set = entries.iter().filter(is_copied);
        Ok(Configs {
            set: set.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?))).collect(),
            known: entries.into_iter().map(|entry| entry.name).collect(),
        })
    }

    fn is_excluded(&self, name: &str) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(name))
    }
}

/// Configurations of a topic over there.
struct Configs {
    /// Those that are the topic's own and not its broker's defaults.
    set: BTreeMap<String, String>,
    known: HashSet<String>,
}

fn is_bad_config(error: &AdminError) -> bool {
    matches!(error.code(), Some(ErrorCode::InvalidConfig | ErrorCode::InvalidRequest))
}
