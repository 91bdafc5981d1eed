//! Settings of a topic: the typed values in force and the table of keys a topic may override (KIP-226 names,
//! synonyms and documentation for DescribeConfigs).

use std::collections::BTreeMap;

use super::value::{at_least, between, boolean, fraction, list, one_of};
use super::{Config, ConfigError, ConfigType, suggest};

/// The settings in force for one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression_type: String,
    /// −1 is gzip's own default.
    pub gzip_level: i32,
    pub zstd_level: i32,
    /// −1 keeps for ever.
    pub retention_ms: i64,
    /// −1 keeps everything.
    pub retention_bytes: i64,
    pub segment_bytes: i64,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: i64,
    pub index_interval_bytes: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub max_message_bytes: i64,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub min_insync_replicas: i32,
    pub unclean_leader_election: bool,
    pub min_cleanable_dirty_ratio: f64,
    pub delete_retention_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
}

/// What happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    pub delete: bool,
    pub compact: bool,
}

/// Whose clock a record's timestamp comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// One setting that a topic may override.
#[derive(Debug)]
pub struct TopicKey {
    pub name: &'static str,
    pub kind: ConfigType,
    /// Server keys that give the default, strongest first.
    pub synonyms: &'static [&'static str],
    /// The default when no server key has one of its own.
    pub default: &'static str,
    pub documentation: &'static str,
    apply: fn(&mut TopicConfig, &str) -> Result<(), String>,
}

/// Every topic setting.
pub fn topic_keys() -> &'static [TopicKey] {
    KEYS
}

impl TopicConfig {
    /// The node's defaults under a topic's overrides. Overrides were checked when they were stored; one that a
    /// later version no longer understands is ignored with a warning rather than keeping the node from starting.
    pub fn resolve(defaults: &Self, overrides: &BTreeMap<String, String>) -> Self {
        let mut resolved = defaults.clone();
        for (name, value) in overrides {
            let applied =
                KEYS.iter().find(|key| key.name == name).map(|key| (key.apply)(&mut resolved, value));
            if !matches!(applied, Some(Ok(()))) {
                tracing::warn!(name, value, "ignoring a stored topic setting that is not understood");
            }
        }
        resolved
    }

    /// Checks one override.
    ///
    /// # Errors
    /// Unknown names come with the closest known one; bad values say what was expected.
    pub fn check(name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let suggestion = suggest::closest(name, KEYS.iter().map(|key| key.name));
            return Err(ConfigError::Unknown { key: name.to_owned(), suggestion });
        };
        (key.apply)(&mut Self::default(), value).map_err(|reason| ConfigError::Invalid {
            key: name.to_owned(),
            value: value.to_owned(),
            reason,
        })
    }
}

impl TopicKey {
    /// The value that a topic without an override gets, and the server key that gives it, if one is set.
    pub fn default_value(&self, config: &Config) -> (String, Option<&'static str>) {
        for synonym in self.synonyms {
            if let Some(value) = config.explicit(synonym) {
                return (self.scale(synonym, value), Some(synonym));
            }
        }
        (self.default.to_owned(), None)
    }

    /// Server keys in hours or minutes become the topic key's milliseconds.
    fn scale(&self, synonym: &str, value: &str) -> String {
        let unit_ms = match synonym {
            _ if synonym.ends_with(".hours") => 3_600_000,
            _ if synonym.ends_with(".minutes") => 60_000,
            _ => return value.to_owned(),
        };
        match value.parse::<i64>() {
            Ok(count) if count >= 0 => count.saturating_mul(unit_ms).to_string(),
            _ => value.to_owned(),
        }
    }
}

impl TimestampType {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "CreateTime" => Ok(Self::CreateTime),
            "LogAppendTime" => Ok(Self::LogAppendTime),
            _ => Err("expected CreateTime or LogAppendTime".to_owned()),
        }
    }
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            compression_type: "producer".to_owned(),
            gzip_level: -1,
            zstd_level: 3,
            retention_ms: 604_800_000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            min_insync_replicas: 1,
            unclean_leader_election: false,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: 86_400_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
        }
    }
}

pub(super) const COMPRESSIONS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

pub(super) fn gzip_level(text: &str) -> Result<i32, String> {
    match between(text, -1, 9)? {
        0 => Err("expected 1 to 9, or -1".to_owned()),
        level => Ok(level),
    }
}

pub(super) fn cleanup_policy(text: &str) -> Result<CleanupPolicy, String> {
    let mut policy = CleanupPolicy { delete: false, compact: false };
    for word in list(text) {
        match word.as_str() {
            "delete" => policy.delete = true,
            "compact" => policy.compact = true,
            _ => return Err("expected delete, compact, or both with a comma".to_owned()),
        }
    }
    Ok(policy)
}

type Apply = fn(&mut TopicConfig, &str) -> Result<(), String>;

const fn key(
    name: &'static str,
    kind: ConfigType,
    synonyms: &'static [&'static str],
    default: &'static str,
    documentation: &'static str,
    apply: Apply,
) -> TopicKey {
    TopicKey { name, kind, synonyms, default, documentation, apply }
}

/// Writes `$field` with the parsed value.
macro_rules! set {
    ($field:ident, $parse:expr) => {
        |config, text| {
            let parse: fn(&str) -> Result<_, String> = $parse;
            config.$field = parse(text)?;
            Ok(())
        }
    };
}

use ConfigType::{Boolean, Double, Int, List, Long, String as Text};

const FOREVER: &str = "9223372036854775807";

static KEYS: &[TopicKey] = &[
    key(
        "cleanup.policy",
        List,
        &["log.cleanup.policy"],
        "delete",
        "What happens to old records: delete, compact, or both.",
        set!(cleanup_policy, cleanup_policy),
    ),
    key(
        "compression.gzip.level",
        Int,
        &["compression.gzip.level"],
        "-1",
        "Level of gzip when the broker recompresses, 1 to 9; -1 is the default.",
        set!(gzip_level, gzip_level),
    ),
    key(
        "compression.type",
        Text,
        &["compression.type"],
        "producer",
        "Compression of stored batches; producer keeps what came.",
        set!(compression_type, |text| one_of(text, COMPRESSIONS)),
    ),
    key(
        "compression.zstd.level",
        Int,
        &["compression.zstd.level"],
        "3",
        "Level of zstd when the broker recompresses, up to 22.",
        set!(zstd_level, |text| between(text, -131_072, 22)),
    ),
    key(
        "delete.retention.ms",
        Long,
        &["log.cleaner.delete.retention.ms"],
        "86400000",
        "How long tombstones are kept in a compacted topic.",
        set!(delete_retention_ms, |text| at_least(text, 0)),
    ),
    key(
        "file.delete.delay.ms",
        Long,
        &["log.segment.delete.delay.ms"],
        "60000",
        "Wait before a deleted segment's file goes.",
        set!(file_delete_delay_ms, |text| at_least(text, 0)),
    ),
    key(
        "flush.messages",
        Long,
        &["log.flush.interval.messages"],
        FOREVER,
        "Records after which a partition is flushed.",
        set!(flush_messages, |text| at_least(text, 1)),
    ),
    key(
        "flush.ms",
        Long,
        &["log.flush.interval.ms"],
        FOREVER,
        "Time after which a partition is flushed.",
        set!(flush_ms, |text| at_least(text, 0)),
    ),
    key(
        "index.interval.bytes",
        Int,
        &["log.index.interval.bytes"],
        "4096",
        "Log bytes between two index entries.",
        set!(index_interval_bytes, |text| at_least(text, 0)),
    ),
    key(
        "max.compaction.lag.ms",
        Long,
        &["log.cleaner.max.compaction.lag.ms"],
        FOREVER,
        "Age at which a record must be compacted.",
        set!(max_compaction_lag_ms, |text| at_least(text, 1)),
    ),
    key(
        "max.message.bytes",
        Int,
        &["message.max.bytes"],
        "1048588",
        "Largest record batch.",
        set!(max_message_bytes, |text| at_least(text, 0)),
    ),
    key(
        "message.timestamp.after.max.ms",
        Long,
        &["log.message.timestamp.after.max.ms"],
        "3600000",
        "How far a record's time may lie in the future.",
        set!(timestamp_after_max_ms, |text| at_least(text, 0)),
    ),
    key(
        "message.timestamp.before.max.ms",
        Long,
        &["log.message.timestamp.before.max.ms"],
        FOREVER,
        "How far a record's time may lie in the past.",
        set!(timestamp_before_max_ms, |text| at_least(text, 0)),
    ),
    key(
        "message.timestamp.type",
        Text,
        &["log.message.timestamp.type"],
        "CreateTime",
        "CreateTime or LogAppendTime.",
        set!(timestamp_type, TimestampType::parse),
    ),
    key(
        "min.cleanable.dirty.ratio",
        Double,
        &["log.cleaner.min.cleanable.ratio"],
        "0.5",
        "Dirty share of a log at which it is compacted.",
        set!(min_cleanable_dirty_ratio, fraction),
    ),
    key(
        "min.compaction.lag.ms",
        Long,
        &["log.cleaner.min.compaction.lag.ms"],
        "0",
        "Age below which a record is not compacted.",
        set!(min_compaction_lag_ms, |text| at_least(text, 0)),
    ),
    key(
        "min.insync.replicas",
        Int,
        &["min.insync.replicas"],
        "1",
        "Replicas that must have an acks=all write.",
        set!(min_insync_replicas, |text| at_least(text, 1)),
    ),
    key(
        "retention.bytes",
        Long,
        &["log.retention.bytes"],
        "-1",
        "Size of a partition at which its oldest segments go.",
        set!(retention_bytes, |text| at_least(text, -1)),
    ),
    key(
        "retention.ms",
        Long,
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        "604800000",
        "How long records are kept.",
        set!(retention_ms, |text| at_least(text, -1)),
    ),
    key(
        "segment.bytes",
        Int,
        &["log.segment.bytes"],
        "1073741824",
        "Size at which a segment is closed.",
        set!(segment_bytes, |text| at_least(text, 14)),
    ),
    key(
        "segment.index.bytes",
        Int,
        &["log.index.size.max.bytes"],
        "10485760",
        "Largest index of a segment.",
        set!(segment_index_bytes, |text| at_least(text, 12)),
    ),
    key(
        "segment.jitter.ms",
        Long,
        &["log.roll.jitter.ms"],
        "0",
        "Random part of the age at which a segment is closed.",
        set!(segment_jitter_ms, |text| at_least(text, 0)),
    ),
    key(
        "segment.ms",
        Long,
        &["log.roll.ms", "log.roll.hours"],
        "604800000",
        "Age at which a segment is closed.",
        set!(segment_ms, |text| at_least(text, 1)),
    ),
    key(
        "unclean.leader.election.enable",
        Boolean,
        &["unclean.leader.election.enable"],
        "false",
        "Let a replica outside the ISR lead.",
        set!(unclean_leader_election, boolean),
    ),
    // Understood so that tools that set them succeed; without effect on one node with local storage.
    key(
        "follower.replication.throttled.replicas",
        List,
        &[],
        "",
        "Replicas whose copying is throttled. No effect.",
        |_, _| Ok(()),
    ),
    key(
        "leader.replication.throttled.replicas",
        List,
        &[],
        "",
        "Replicas whose copying is throttled. No effect.",
        |_, _| Ok(()),
    ),
    key(
        "local.retention.bytes",
        Long,
        &[],
        "-2",
        "Size kept locally under tiered storage. No effect.",
        |_, text| at_least(text, -2_i64).map(|_| ()),
    ),
    key(
        "local.retention.ms",
        Long,
        &[],
        "-2",
        "Time kept locally under tiered storage. No effect.",
        |_, text| at_least(text, -2_i64).map(|_| ()),
    ),
    key("preallocate", Boolean, &[], "false", "Create segment files at full size. No effect.", |_, text| {
        boolean(text).map(|_| ())
    }),
    key(
        "remote.storage.enable",
        Boolean,
        &[],
        "false",
        "Tiered storage; only false is possible.",
        |_, text| {
            if boolean(text)? { Err("tiered storage is not supported".to_owned()) } else { Ok(()) }
        },
    ),
    key(
        "compression.lz4.level",
        Int,
        &["compression.lz4.level"],
        "9",
        "Level of lz4 when the broker recompresses. No effect: there is one level.",
        |_, text| between(text, 1, 17).map(|_| ()),
    ),
];
