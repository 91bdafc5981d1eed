//! The cluster's metadata: what brokers, topics and partitions exist and how they are set.
//!
//! A state machine that is ready to be replicated: `controller` decides (command in, records out), `journal`
//! makes the records durable, `image` applies them, and every reader holds an immutable image. A single node
//! skips the network between deciding and applying and runs the same code. Left out: the consensus that will
//! stand between the two.

mod controller;
mod feature;
mod identity;
mod image;
mod journal;
mod placement;
mod record;
mod service;
mod topic_name;

pub(crate) use controller::{
    ConfigChange, CreateTopic, CreateTopicError, CreatedTopic, DeleteTopicError, GrowTopic, GrowTopicError,
};
pub(crate) use feature::{FEATURES, FeatureChange, FeatureError, GROUP_VERSION};
pub(crate) use image::{Endpoint, MetadataImage, TopicImage};
pub(crate) use record::MetadataRecord;
pub(crate) use service::{
    ChangeNodeSettingsError, ChangeSettingsError, Cluster, ClusterError, OpenError, Opened,
};
pub(crate) use topic_name::check as check_topic_name;
pub(crate) use topic_name::is_internal;
