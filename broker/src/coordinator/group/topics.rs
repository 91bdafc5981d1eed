//! The topics that exist, as a coordinator of next-generation groups has to know them.

use std::fmt::Debug;

use millstream_protocol::Uuid;

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    pub id: Uuid,
    pub partition_count: i32,
}

/// The cluster's topics at one moment.
pub trait Topics: Debug + Send + Sync {
    /// Grows with every change of the metadata.
    fn version(&self) -> u64;
    fn find(&self, name: &str) -> Option<Topic>;
    fn name(&self, id: Uuid) -> Option<String>;
    fn for_each_name(&self, visit: &mut dyn FnMut(&str));
}

/// Before anybody has told.
#[derive(Debug)]
pub(super) struct NoTopics;

impl Topics for NoTopics {
    fn version(&self) -> u64 {
        0
    }

    fn find(&self, _name: &str) -> Option<Topic> {
        None
    }

    fn name(&self, _id: Uuid) -> Option<String> {
        None
    }

    fn for_each_name(&self, _visit: &mut dyn FnMut(&str)) {}
}
