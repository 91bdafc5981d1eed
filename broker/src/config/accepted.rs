//! Kafka settings that are understood but change nothing here, so that a stock `server.properties` starts
//! without warnings.
//!
//! Thread pools have no counterpart (one task per connection), a single node has nobody to replicate to, and
//! only clear-text listeners exist.

/// Whether a key is known to be without effect.
pub(super) fn is_accepted(key: &str) -> bool {
    KEYS.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

const PREFIXES: &[&str] =
    &["replica.", "metrics.", "metric.", "metadata.", "log.cleaner.", "quota.", "quorum."];

const KEYS: &[&str] = &[
    "background.threads",
    "broker.heartbeat.interval.ms",
    "broker.session.timeout.ms",
    "auto.leader.rebalance.enable",
    "controlled.shutdown.enable",
    "controlled.shutdown.max.retries",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.request.timeout.ms",
    "controller.quorum.voters",
    "controller.socket.timeout.ms",
    "fetch.purgatory.purge.interval.requests",
    "group.coordinator.rebalance.protocols",
    "group.coordinator.threads",
    "initial.broker.registration.timeout.ms",
    "inter.broker.listener.name",
    "leader.imbalance.check.interval.seconds",
    "leader.imbalance.per.broker.percentage",
    "listener.security.protocol.map",
    "log.flush.offset.checkpoint.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "node.roles",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.alter.log.dirs.threads",
    "num.replica.fetchers",
    "offsets.commit.timeout.ms",
    "offsets.load.buffer.size",
    "offsets.topic.compression.codec",
    "process.roles",
    "producer.purgatory.purge.interval.requests",
    "queued.max.requests",
    "request.timeout.ms",
    "security.inter.broker.protocol",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.listen.backlog.size",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    "transaction.state.log.load.buffer.size",
    "transaction.state.log.min.isr",
    "zookeeper.connect",
];
