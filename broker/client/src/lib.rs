//! Batch-level Kafka client over two transports: a TCP socket or a direct call.
//!
//! [`Client`] knows the cluster; it hands out a [`Producer`], a [`TransactionalProducer`], a [`Consumer`]
//! (explicit partitions), a [`GroupConsumer`] (partitions shared out by a group), an [`Election`] and an [`Admin`]. All of them work on
//! whole record batches: no future, channel hop or allocation per record unless the caller asks for one.
//! Left out: TLS and SASL, the share-group and KIP-848 group protocols, log truncation detection.

pub mod admin;
mod backoff;
mod client;
mod connection;
mod consumer;
mod coordinator;
mod group;
mod metadata;
mod offsets;
mod producer;
mod topic;
mod transaction;
pub mod transport;

pub use millstream_protocol::ErrorCode;

pub use admin::{Admin, AdminError};
pub use client::{Client, ClientConfig, Cluster, ConnectError};
pub use connection::CallError;
pub use consumer::{ConsumeError, Consumer, ConsumerConfig, Fetched, Isolation, OffsetReset, Start, StartAt};
pub use group::{
    Assignor, Election, ElectionConfig, GroupConfig, GroupConsumer, GroupError, GroupMetadata, GroupPoll,
    Lease, Seat,
};
pub use metadata::{ClusterSnapshot, MetadataError, Node, PartitionLeader, TopicLayout};
pub use producer::{
    Acks, Delivery, Header, NewRecord, ProduceError, Producer, ProducerConfig, Record, RecordMetadata,
    TopicWriter, partition_for_key,
};
pub use topic::{CommittedOffset, TopicPartition};
pub use transaction::{TransactionConfig, TransactionError, TransactionalProducer};
