//! One module per group of Kafka's APIs, each over both ways in.

mod api_versions;
mod compaction;
mod consumer_groups;
mod groups;
mod hostile;
mod produce_fetch;
mod topics;
mod transactions;
mod versions;
