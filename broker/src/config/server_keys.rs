//! The table of a node's settings: name, type, default, documentation, and the field each one writes.
//!
//! Where several keys write one field they stand here from weakest to strongest (see
//! `Config::reapply_in_table_order`).

use super::value::{at_least, between, boolean, fraction, list, one_of, positive};
use super::{AcksAllDurability, Config, ConfigType, Listener, TimestampType, topic};
use crate::coordinator::group::{Assignor, Migration};

type Apply = fn(&mut Config, &str) -> Result<(), String>;

/// One setting of the node.
#[derive(Debug)]
pub struct ServerKey {
    pub name: &'static str,
    pub kind: ConfigType,
    pub default: &'static str,
    pub documentation: &'static str,
    pub(super) apply: Apply,
}

/// Every setting that has an effect, weakest first where several write the same field.
pub fn server_keys() -> &'static [ServerKey] {
    KEYS
}

const fn key(
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    documentation: &'static str,
    apply: Apply,
) -> ServerKey {
    ServerKey { name, kind, default, documentation, apply }
}

/// Writes `$field` with the parsed value.
macro_rules! set {
    ($($field:ident).+, $parse:expr) => {
        |config, text| {
            let parse: fn(&str) -> Result<_, String> = $parse;
            config.$($field).+ = parse(text)?;
            Ok(())
        }
    };
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Kafka's −1 for "for ever" stays −1 whatever the unit.
fn scaled(text: &str, unit_ms: i64) -> Result<i64, String> {
    let count: i64 = at_least(text, -1)?;
    if count < 0 { Ok(-1) } else { Ok(count.saturating_mul(unit_ms)) }
}

fn directory(config: &mut Config, text: &str) -> Result<(), String> {
    let entries = list(text);
    match entries.as_slice() {
        [] => Ok(()),
        [only] => {
            config.log_directory = only.into();
            Ok(())
        }
        _ => Err("several log directories are not supported; name one".to_owned()),
    }
}

use ConfigType::{Boolean, Double, Int, List, Long, String as Text};

static KEYS: &[ServerKey] = &[
    // Identity and listeners.
    key(
        "broker.id",
        Int,
        "1",
        "Identity of this node; node.id is its newer name.",
        set!(node_id, |text| at_least(text, 0)),
    ),
    key(
        "node.id",
        Int,
        "1",
        "Identity of this node in its cluster.",
        set!(node_id, |text| at_least(text, 0)),
    ),
    key("broker.rack", Text, "", "Rack or zone of this node.", |config, text| {
        config.rack = (!text.is_empty()).then(|| text.to_owned());
        Ok(())
    }),
    key("log.dir", Text, "", "Directory for all data; log.dirs is stronger.", directory),
    key("log.dirs", List, "", "Directory for all data. One entry is supported.", directory),
    key(
        "listeners",
        List,
        "PLAINTEXT://127.0.0.1:0",
        "Addresses to listen on, NAME://host:port; port 0 takes a free one.",
        |config, text| {
            config.listeners = Listener::parse_list(text).map_err(|error| error.to_string())?;
            if config.listeners.is_empty() {
                Err("expected at least one listener".to_owned())
            } else {
                Ok(())
            }
        },
    ),
    key(
        "advertised.listeners",
        List,
        "",
        "Addresses that clients are told; by default where they connected.",
        |config, text| {
            config.advertised_listeners = Listener::parse_list(text).map_err(|error| error.to_string())?;
            Ok(())
        },
    ),
    key("controller.listener.names", List, "", "Listeners that are for controllers only.", |config, text| {
        config.controller_listener_names = list(text).iter().map(|name| name.to_ascii_uppercase()).collect();
        Ok(())
    }),
    // Topics.
    key(
        "auto.create.topics.enable",
        Boolean,
        "true",
        "Create a topic when a client first names it.",
        set!(auto_create_topics, boolean),
    ),
    key("delete.topic.enable", Boolean, "true", "Allow topics to be deleted.", set!(delete_topics, boolean)),
    key(
        "num.partitions",
        Int,
        "1",
        "Partitions of a topic that doesn't say.",
        set!(default_partitions, |text| at_least(text, 1)),
    ),
    key(
        "default.replication.factor",
        Int,
        "1",
        "Replicas of a topic that doesn't say.",
        set!(default_replication_factor, |text| at_least(text, 1)),
    ),
    // Defaults of topic settings.
    key(
        "message.max.bytes",
        Int,
        "1048588",
        "Largest record batch.",
        set!(topic_defaults.max_message_bytes, |text| at_least(text, 0)),
    ),
    key(
        "compression.type",
        Text,
        "producer",
        "Compression of stored batches; producer keeps what came.",
        |config, text| {
            config.topic_defaults.compression_type = one_of(text, topic::COMPRESSIONS)?;
            Ok(())
        },
    ),
    key(
        "compression.gzip.level",
        Int,
        "-1",
        "Level of gzip when the broker recompresses, 1 to 9; -1 is the default.",
        set!(topic_defaults.gzip_level, topic::gzip_level),
    ),
    key(
        "compression.lz4.level",
        Int,
        "9",
        "Level of lz4 when the broker recompresses. No effect: there is one level.",
        |_, text| between(text, 1, 17).map(|_| ()),
    ),
    key(
        "compression.zstd.level",
        Int,
        "3",
        "Level of zstd when the broker recompresses, up to 22.",
        set!(topic_defaults.zstd_level, |text| between(text, -131_072, 22)),
    ),
    key(
        "min.insync.replicas",
        Int,
        "1",
        "Replicas that must have an acks=all write.",
        set!(topic_defaults.min_insync_replicas, |text| at_least(text, 1)),
    ),
    key(
        "unclean.leader.election.enable",
        Boolean,
        "false",
        "Let a replica outside the ISR lead.",
        set!(topic_defaults.unclean_leader_election, boolean),
    ),
    key(
        "log.cleanup.policy",
        List,
        "delete",
        "delete, compact, or both.",
        set!(topic_defaults.cleanup_policy, topic::cleanup_policy),
    ),
    key(
        "log.retention.hours",
        Int,
        "168",
        "How long records are kept.",
        set!(topic_defaults.retention_ms, |text| scaled(text, HOUR_MS)),
    ),
    key(
        "log.retention.minutes",
        Int,
        "10080",
        "How long records are kept; stronger than hours.",
        set!(topic_defaults.retention_ms, |text| scaled(text, MINUTE_MS)),
    ),
    key(
        "log.retention.ms",
        Long,
        "604800000",
        "How long records are kept; stronger than minutes.",
        set!(topic_defaults.retention_ms, |text| scaled(text, 1)),
    ),
    key(
        "log.retention.bytes",
        Long,
        "-1",
        "Size of a partition at which its oldest segments go.",
        set!(topic_defaults.retention_bytes, |text| at_least(text, -1)),
    ),
    key(
        "log.segment.bytes",
        Int,
        "1073741824",
        "Size at which a segment is closed.",
        set!(topic_defaults.segment_bytes, |text| at_least(text, 14)),
    ),
    key(
        "log.roll.hours",
        Int,
        "168",
        "Age at which a segment is closed.",
        set!(topic_defaults.segment_ms, |text| scaled(text, HOUR_MS)),
    ),
    key(
        "log.roll.ms",
        Long,
        "604800000",
        "Age at which a segment is closed; stronger than hours.",
        set!(topic_defaults.segment_ms, |text| scaled(text, 1)),
    ),
    key(
        "log.roll.jitter.ms",
        Long,
        "0",
        "Random part of the age at which a segment is closed.",
        set!(topic_defaults.segment_jitter_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.index.interval.bytes",
        Int,
        "4096",
        "Log bytes between two index entries.",
        set!(topic_defaults.index_interval_bytes, |text| at_least(text, 0)),
    ),
    key(
        "log.index.size.max.bytes",
        Int,
        "10485760",
        "Largest index of a segment.",
        set!(topic_defaults.segment_index_bytes, |text| at_least(text, 12)),
    ),
    key(
        "log.segment.delete.delay.ms",
        Long,
        "60000",
        "Wait before a deleted segment's file goes.",
        set!(topic_defaults.file_delete_delay_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.flush.interval.messages",
        Long,
        "9223372036854775807",
        "Records after which a partition is flushed.",
        set!(topic_defaults.flush_messages, |text| at_least(text, 1)),
    ),
    key(
        "log.flush.interval.ms",
        Long,
        "9223372036854775807",
        "Time after which a partition is flushed.",
        set!(topic_defaults.flush_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.message.timestamp.type",
        Text,
        "CreateTime",
        "CreateTime or LogAppendTime.",
        set!(topic_defaults.timestamp_type, TimestampType::parse),
    ),
    key(
        "log.message.timestamp.before.max.ms",
        Long,
        "9223372036854775807",
        "How far a record's time may lie in the past.",
        set!(topic_defaults.timestamp_before_max_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.message.timestamp.after.max.ms",
        Long,
        "3600000",
        "How far a record's time may lie in the future.",
        set!(topic_defaults.timestamp_after_max_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.cleaner.min.cleanable.ratio",
        Double,
        "0.5",
        "Dirty share of a log at which it is compacted.",
        set!(topic_defaults.min_cleanable_dirty_ratio, fraction),
    ),
    key(
        "log.cleaner.delete.retention.ms",
        Long,
        "86400000",
        "How long tombstones are kept.",
        set!(topic_defaults.delete_retention_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.cleaner.min.compaction.lag.ms",
        Long,
        "0",
        "Age below which a record is not compacted.",
        set!(topic_defaults.min_compaction_lag_ms, |text| at_least(text, 0)),
    ),
    key(
        "log.cleaner.max.compaction.lag.ms",
        Long,
        "9223372036854775807",
        "Age at which a record must be compacted.",
        set!(topic_defaults.max_compaction_lag_ms, |text| at_least(text, 1)),
    ),
    key("log.cleaner.enable", Boolean, "true", "Run the log cleaner.", set!(cleaner_enabled, boolean)),
    key(
        "log.cleaner.threads",
        Int,
        "1",
        "Threads that compact topics.",
        set!(cleaner_threads, |text| at_least(text, 0)),
    ),
    key(
        "log.cleaner.dedupe.buffer.size",
        Long,
        "134217728",
        "Memory for the keys of all compactions under way; taken only as far as there are keys.",
        set!(cleaner_memory_bytes, |text| at_least(text, 1 << 20)),
    ),
    key(
        "log.cleaner.io.buffer.load.factor",
        Double,
        "0.9",
        "How full the memory for keys may get.",
        set!(cleaner_load_factor, fraction),
    ),
    key(
        "log.cleaner.io.max.bytes.per.second",
        Double,
        "1.7976931348623157E308",
        "Most bytes that compaction reads per second.",
        set!(cleaner_bytes_per_second, positive),
    ),
    key(
        "log.cleaner.backoff.ms",
        Long,
        "15000",
        "Wait between two looks for something to compact.",
        set!(cleaner_backoff_ms, |text| at_least(text, 0)),
    ),
    // Durability and housekeeping.
    key(
        "acks.all.durability",
        Text,
        "flush",
        "flush: answer acks=all after an fdatasync; interval: flush by log.flush.interval.* only.",
        |config, text| {
            config.acks_all_durability = match text {
                "flush" => AcksAllDurability::Flush,
                "interval" => AcksAllDurability::Interval,
                _ => return Err("expected flush or interval".to_owned()),
            };
            Ok(())
        },
    ),
    key(
        "log.retention.check.interval.ms",
        Long,
        "300000",
        "How often retention is checked.",
        set!(retention_check_interval_ms, |text| at_least(text, 1)),
    ),
    key(
        "log.flush.scheduler.interval.ms",
        Long,
        "1000",
        "How often flushing by time is checked.",
        set!(flush_scheduler_interval_ms, |text| at_least(text, 1)),
    ),
    key(
        "producer.id.expiration.ms",
        Int,
        "86400000",
        "How long an idle producer's state is kept.",
        set!(producer_id_expiration_ms, |text| at_least(text, 1)),
    ),
    // Groups and their offsets.
    key(
        "offsets.topic.num.partitions",
        Int,
        "50",
        "Partitions of __consumer_offsets.",
        set!(offsets_partitions, |text| at_least(text, 1)),
    ),
    key(
        "offsets.topic.replication.factor",
        Int,
        "1",
        "Replicas of __consumer_offsets.",
        set!(offsets_replication_factor, |text| at_least(text, 1)),
    ),
    key(
        "offsets.topic.segment.bytes",
        Int,
        "104857600",
        "Segment size of __consumer_offsets.",
        set!(offsets_segment_bytes, |text| at_least(text, 1)),
    ),
    key(
        "offsets.retention.minutes",
        Int,
        "10080",
        "How long an empty group's offsets are kept.",
        set!(offsets_retention_minutes, |text| at_least(text, 1)),
    ),
    key(
        "offsets.retention.check.interval.ms",
        Long,
        "600000",
        "How often stale offsets are looked for.",
        set!(offsets_retention_check_interval_ms, |text| at_least(text, 1)),
    ),
    key(
        "offset.metadata.max.bytes",
        Int,
        "4096",
        "Largest metadata string of a committed offset.",
        set!(offset_metadata_max_bytes, |text| at_least(text, 0)),
    ),
    key(
        "group.min.session.timeout.ms",
        Int,
        "6000",
        "Shortest session a member may ask for.",
        set!(group_min_session_timeout_ms, |text| at_least(text, 0)),
    ),
    key(
        "group.max.session.timeout.ms",
        Int,
        "1800000",
        "Longest session a member may ask for.",
        set!(group_max_session_timeout_ms, |text| at_least(text, 1)),
    ),
    key(
        "group.max.size",
        Int,
        "2147483647",
        "Most members of a group.",
        set!(group_max_size, |text| at_least(text, 1)),
    ),
    key(
        "group.initial.rebalance.delay.ms",
        Int,
        "3000",
        "How long an empty group's first rebalance waits for more members.",
        set!(group_initial_rebalance_delay_ms, |text| at_least(text, 0)),
    ),
    key(
        "group.consumer.session.timeout.ms",
        Int,
        "45000",
        "How long a member of a next-generation group may be silent.",
        set!(group_consumer_session_timeout_ms, |text| at_least(text, 1)),
    ),
    key(
        "group.consumer.heartbeat.interval.ms",
        Int,
        "5000",
        "How often members of next-generation groups are told to send heartbeats.",
        set!(group_consumer_heartbeat_interval_ms, |text| at_least(text, 1)),
    ),
    key(
        "group.consumer.max.size",
        Int,
        "2147483647",
        "Most members of a next-generation group.",
        set!(group_consumer_max_size, |text| at_least(text, 1)),
    ),
    key(
        "group.consumer.assignors",
        List,
        "uniform,range",
        "Assignors that members may ask for; the first is the default.",
        |config, text| {
            let names = list(text);
            let found: Option<Vec<Assignor>> = names.iter().map(|name| Assignor::find(name)).collect();
            let found = found.filter(|found| !found.is_empty());
            config.group_consumer_assignors =
                found.ok_or_else(|| "expected some of uniform and range".to_owned())?;
            Ok(())
        },
    ),
    key(
        "group.consumer.migration.policy",
        Text,
        "bidirectional",
        "Which groups may change their protocol while they have members: bidirectional, upgrade, downgrade, disabled.",
        |config, text| {
            config.group_consumer_migration = Migration::find(text)
                .ok_or_else(|| "expected bidirectional, upgrade, downgrade or disabled".to_owned())?;
            Ok(())
        },
    ),
    // Transactions.
    key(
        "transaction.state.log.num.partitions",
        Int,
        "50",
        "Partitions of __transaction_state.",
        set!(transaction_partitions, |text| at_least(text, 1)),
    ),
    key(
        "transaction.state.log.replication.factor",
        Int,
        "1",
        "Replicas of __transaction_state.",
        set!(transaction_replication_factor, |text| at_least(text, 1)),
    ),
    key(
        "transaction.state.log.segment.bytes",
        Int,
        "104857600",
        "Segment size of __transaction_state.",
        set!(transaction_segment_bytes, |text| at_least(text, 1)),
    ),
    key(
        "transaction.max.timeout.ms",
        Int,
        "900000",
        "Longest transaction a producer may ask for.",
        set!(transaction_max_timeout_ms, |text| at_least(text, 1)),
    ),
    key(
        "transactional.id.expiration.ms",
        Int,
        "604800000",
        "How long an idle transactional id is kept.",
        set!(transactional_id_expiration_ms, |text| at_least(text, 1)),
    ),
    key(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Int,
        "10000",
        "How often timed-out transactions are looked for.",
        set!(transaction_abort_check_interval_ms, |text| at_least(text, 1)),
    ),
    key(
        "transaction.partition.verification.enable",
        Boolean,
        "true",
        "Check with the coordinator before a transaction's first write to a partition (KIP-890).",
        set!(transaction_verification, boolean),
    ),
    // Connections and requests.
    key(
        "socket.request.max.bytes",
        Int,
        "104857600",
        "Largest request.",
        set!(request_max_bytes, |text| at_least(text, 1)),
    ),
    key(
        "queued.max.request.bytes",
        Long,
        "-1",
        "Request bytes held at once by all connections; -1 for the built-in bound.",
        |config, text| {
            let bytes: i64 = at_least(text, -1)?;
            config.request_memory_bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0);
            Ok(())
        },
    ),
    key(
        "connections.max.idle.ms",
        Long,
        "600000",
        "Idle time after which a connection is closed.",
        set!(connections_max_idle_ms, |text| at_least(text, 1)),
    ),
    key(
        "max.connections",
        Int,
        "2147483647",
        "Most connections at once.",
        set!(connections_max, |text| at_least(text, 0)),
    ),
    key(
        "max.connections.per.ip",
        Int,
        "2147483647",
        "Most connections at once from one address.",
        set!(connections_max_per_address, |text| at_least(text, 0)),
    ),
    key(
        "fetch.max.bytes",
        Int,
        "57671680",
        "Most bytes of one fetch response.",
        set!(fetch_max_bytes, |text| at_least(text, 1024)),
    ),
    key(
        "max.incremental.fetch.session.cache.slots",
        Int,
        "1000",
        "Fetch sessions kept at once.",
        set!(fetch_session_slots, |text| at_least(text, 0)),
    ),
    key(
        "min.incremental.fetch.session.eviction.ms",
        Long,
        "120000",
        "Idle time after which another client may take a session's slot.",
        set!(fetch_session_min_eviction_ms, |text| at_least(text, 0)),
    ),
];
