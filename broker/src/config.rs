//! The broker's own settings, under Kafka's names.
//!
//! Two tables carry name, type, default and documentation: `server_keys` for the node, `topic` for what a
//! topic may override. Everything is parsed here, once; the rest of the broker trusts the typed values.
//! `dynamic` says which of them may change while the node runs.

mod accepted;
mod dynamic;
mod listener;
mod server_keys;
mod suggest;
mod topic;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::coordinator::group::{Assignor, Migration};

pub use dynamic::NodeSettingError;
pub use listener::{Listener, ListenerError};
pub use server_keys::{ServerKey, server_keys};
pub use topic::{CleanupPolicy, TimestampType, TopicConfig, TopicKey, topic_keys};
pub use value::ConfigType;

/// When `acks=all` is answered on a node that holds the only replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcksAllDurability {
    /// After a group-committed fdatasync: nothing acknowledged is lost to a power cut.
    Flush,
    /// As soon as the operating system has the bytes; `log.flush.interval.*` says when they reach the disk.
    Interval,
}

/// Settings of one node. Built by [`Config::new`], changed by [`Config::set`].
///
/// Units follow Kafka's names: `_ms` milliseconds, `_bytes` bytes.
#[derive(Debug, Clone)]
pub struct Config {
    pub node_id: i32,
    pub rack: Option<String>,
    pub log_directory: PathBuf,
    pub listeners: Vec<Listener>,
    pub advertised_listeners: Vec<Listener>,
    pub controller_listener_names: Vec<String>,

    pub auto_create_topics: bool,
    pub delete_topics: bool,
    pub default_partitions: i32,
    pub default_replication_factor: i16,
    /// What a topic gets where it overrides nothing.
    pub topic_defaults: TopicConfig,

    pub acks_all_durability: AcksAllDurability,
    pub retention_check_interval_ms: u64,
    pub flush_scheduler_interval_ms: u64,
    pub cleaner_enabled: bool,
    pub cleaner_threads: usize,
    pub cleaner_memory_bytes: usize,
    pub cleaner_load_factor: f64,
    pub cleaner_bytes_per_second: f64,
    pub cleaner_backoff_ms: u64,
    pub producer_id_expiration_ms: i64,

    pub offsets_partitions: i32,
    pub offsets_replication_factor: i16,
    pub offsets_segment_bytes: i64,
    pub offsets_retention_minutes: i64,
    pub offsets_retention_check_interval_ms: u64,
    pub offset_metadata_max_bytes: usize,

    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_max_size: i32,
    pub group_initial_rebalance_delay_ms: u64,
    pub group_consumer_session_timeout_ms: i32,
    pub group_consumer_heartbeat_interval_ms: i32,
    pub group_consumer_max_size: i32,
    pub group_consumer_assignors: Vec<Assignor>,
    pub group_consumer_migration: Migration,

    pub transaction_partitions: i32,
    pub transaction_replication_factor: i16,
    pub transaction_segment_bytes: i64,
    pub transaction_max_timeout_ms: i32,
    pub transactional_id_expiration_ms: i64,
    pub transaction_abort_check_interval_ms: u64,
    pub transaction_verification: bool,

    pub request_max_bytes: usize,
    pub request_memory_bytes: Option<usize>,
    pub connections_max_idle_ms: u64,
    pub connections_max: usize,
    pub connections_max_per_address: usize,
    pub fetch_max_bytes: usize,
    pub fetch_session_slots: usize,
    pub fetch_session_min_eviction_ms: u64,

    /// What the user set, by canonical name: tells DescribeConfigs a chosen value from a default.
    explicit: BTreeMap<&'static str, String>,
}

/// Why a setting was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown setting {key:?}{}", suggestion.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default())]
    Unknown { key: String, suggestion: Option<&'static str> },
    #[error("cannot use {value:?} for {key}: {reason}")]
    Invalid { key: String, value: String, reason: String },
}

impl Config {
    /// Kafka's defaults, with data below `log_directory` and one listener on a free port of the loopback.
    pub fn new(log_directory: impl Into<PathBuf>) -> Self {
        let mut config = Self::blank(log_directory.into());
        for key in server_keys() {
            let applied = (key.apply)(&mut config, key.default);
            debug_assert!(applied.is_ok(), "default of {} is not valid: {applied:?}", key.name);
        }
        config
    }

    /// Sets one key by Kafka's name.
    ///
    /// # Errors
    /// [`ConfigError::Unknown`] names the closest key (the caller decides whether that is a warning);
    /// [`ConfigError::Invalid`] says what was expected.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let value = value.trim();
        let Some(known) = server_keys().iter().find(|known| known.name == key) else {
            if accepted::is_accepted(key) {
                tracing::debug!(key, "setting has no effect here");
                return Ok(());
            }
            let names = server_keys().iter().map(|known| known.name);
            return Err(ConfigError::Unknown {
                key: key.to_owned(),
                suggestion: suggest::closest(key, names),
            });
        };
        (known.apply)(self, value).map_err(|reason| ConfigError::Invalid {
            key: key.to_owned(),
            value: value.to_owned(),
            reason,
        })?;
        self.explicit.insert(known.name, value.to_owned());
        self.reapply_in_table_order();
        Ok(())
    }

    /// The explicit value of a key, if the user gave one.
    pub fn explicit(&self, key: &str) -> Option<&str> {
        self.explicit.get(key).map(String::as_str)
    }

    /// The value of a key in force, as text.
    pub fn value(&self, key: &ServerKey) -> String {
        self.explicit(key.name).unwrap_or(key.default).to_owned()
    }

    /// Several keys may write one field (`log.retention.hours`, `.minutes`, `.ms`): the table lists them from
    /// weakest to strongest, so applying the explicit ones in that order gives Kafka's precedence whatever
    /// the order in which they were set.
    fn reapply_in_table_order(&mut self) {
        for key in server_keys() {
            if let Some(value) = self.explicit.get(key.name).cloned() {
                let applied = (key.apply)(self, &value);
                debug_assert!(applied.is_ok(), "{} was accepted before", key.name);
            }
        }
    }

    fn blank(log_directory: PathBuf) -> Self {
        Self {
            node_id: 1,
            rack: None,
            log_directory,
            listeners: Vec::new(),
            advertised_listeners: Vec::new(),
            controller_listener_names: Vec::new(),
            auto_create_topics: true,
            delete_topics: true,
            default_partitions: 1,
            default_replication_factor: 1,
            topic_defaults: TopicConfig::default(),
            acks_all_durability: AcksAllDurability::Flush,
            retention_check_interval_ms: 0,
            flush_scheduler_interval_ms: 0,
            cleaner_enabled: true,
            cleaner_threads: 1,
            cleaner_memory_bytes: 0,
            cleaner_load_factor: 0.0,
            cleaner_bytes_per_second: 0.0,
            cleaner_backoff_ms: 0,
            producer_id_expiration_ms: 0,
            offsets_partitions: 0,
            offsets_replication_factor: 0,
            offsets_segment_bytes: 0,
            offsets_retention_minutes: 0,
            offsets_retention_check_interval_ms: 0,
            offset_metadata_max_bytes: 0,
            group_min_session_timeout_ms: 0,
            group_max_session_timeout_ms: 0,
            group_max_size: 0,
            group_initial_rebalance_delay_ms: 0,
            group_consumer_session_timeout_ms: 0,
            group_consumer_heartbeat_interval_ms: 0,
            group_consumer_max_size: 0,
            group_consumer_assignors: Vec::new(),
            group_consumer_migration: Migration::default(),
            transaction_partitions: 0,
            transaction_replication_factor: 0,
            transaction_segment_bytes: 0,
            transaction_max_timeout_ms: 0,
            transactional_id_expiration_ms: 0,
            transaction_abort_check_interval_ms: 0,
            transaction_verification: true,
            request_max_bytes: 0,
            request_memory_bytes: None,
            connections_max_idle_ms: 0,
            connections_max: 0,
            connections_max_per_address: 0,
            fetch_max_bytes: 0,
            fetch_session_slots: 0,
            fetch_session_min_eviction_ms: 0,
            explicit: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
