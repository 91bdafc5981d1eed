//! Decides about metadata: a command and the image in, records out. No clock, no randomness (ids and the start
//! of a placement are passed in), no input or output.

use std::collections::BTreeMap;

use millstream_protocol::Uuid;

use super::image::{MetadataImage, PartitionImage, TopicImage};
use super::placement::place;
use super::record::MetadataRecord;
use super::topic_name::{self, TopicNameError};
use crate::config::{Config, ConfigError, NodeSettingError, TopicConfig};
use crate::limits;

/// A topic that somebody wants. `None` takes the node's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct CreateTopic {
    pub(crate) name: String,
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i16>,
    /// Replicas by partition index; empty lets the controller place them.
    pub(crate) assignments: Vec<(i32, Vec<i32>)>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// What the controller chose.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CreatedTopic {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
}

/// Defaults for what a command leaves open, and the chances that only the caller may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choices {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    /// The new topic's id: random, never zero.
    pub(crate) id: Uuid,
    /// Where in the ring of brokers the placement starts.
    pub(crate) start: usize,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateTopicError {
    #[error(transparent)]
    Name(#[from] TopicNameError),
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("Topic '{0}' collides with existing topic: {1} ('.' and '_' look alike in metric names)")]
    Collides(String, String),
    #[error("Number of partitions must be larger than 0, got {0}.")]
    Partitions(i32),
    #[error(
        "cannot create {wanted} partitions: the node would hold more than {}",
        limits::TOPIC_PARTITIONS_MAX
    )]
    TooMany { wanted: i32 },
    #[error(
        "The target replication factor of {wanted} cannot be reached because only {available} broker(s) are registered."
    )]
    Replication { wanted: i16, available: usize },
    #[error("replica assignment {0}")]
    Assignment(String),
    #[error("partitions and replication factor must be left out when replicas are assigned")]
    Both,
    #[error(transparent)]
    Setting(#[from] ConfigError),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteTopicError {
    #[error("topic doesn't exist")]
    Unknown,
    #[error("topic id doesn't exist")]
    UnknownId,
    #[error("deleting topics is switched off (delete.topic.enable)")]
    Disabled,
}

/// More partitions for a topic: the total wanted.
#[derive(Debug, Clone)]
pub(crate) struct GrowTopic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    /// Replicas of the new partitions; `None` lets the controller place them.
    pub(crate) assignments: Option<Vec<Vec<i32>>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum GrowTopicError {
    #[error("topic {0:?} doesn't exist")]
    Unknown(String),
    #[error("Topic {name} already has {current} partition(s).")]
    Same { name: String, current: usize },
    #[error("The topic {name} currently has {current} partition(s); {wanted} would not be an increase.")]
    NotMore { name: String, current: usize, wanted: i32 },
    #[error("cannot grow to {0} partitions: the node would hold too many")]
    TooMany(i32),
    #[error("replica assignment {0}")]
    Assignment(String),
}

/// One change of a topic's settings (KIP-339).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConfigChange {
    Set(String),
    Remove,
    /// Adds to a list setting what isn't in it.
    Append(String),
    Subtract(String),
}

pub(crate) fn create_topic(
    image: &MetadataImage,
    choices: Choices,
    command: &CreateTopic,
) -> Result<(Vec<MetadataRecord>, CreatedTopic), CreateTopicError> {
    let name = &command.name;
    topic_name::check(name)?;
    if image.topic(name).is_some() {
        return Err(CreateTopicError::Exists(name.clone()));
    }
    if let Some(other) = image.topics().find(|topic| topic_name::collide(&topic.name, name)) {
        return Err(CreateTopicError::Collides(name.clone(), other.name.to_string()));
    }
    for (key, value) in &command.settings {
        TopicConfig::check(key, value)?;
    }
    let replicas = if command.assignments.is_empty() {
        placed(image, choices, command)?
    } else {
        assigned(image, command)?
    };
    if image.partition_count() + replicas.len() > limits::TOPIC_PARTITIONS_MAX {
        return Err(CreateTopicError::TooMany { wanted: replicas.len().try_into().unwrap_or(i32::MAX) });
    }
    let created = CreatedTopic {
        id: choices.id,
        partitions: replicas.len().try_into().unwrap_or(i32::MAX),
        replication_factor: replicas.first().and_then(|nodes| nodes.len().try_into().ok()).unwrap_or(1),
    };
    let mut records = vec![MetadataRecord::Topic { id: choices.id, name: name.clone() }];
    records.extend((0..).zip(replicas).map(|(index, replicas)| new_partition(choices.id, index, replicas)));
    for (key, value) in &command.settings {
        let (key, value) = (key.clone(), Some(value.clone()));
        records.push(MetadataRecord::TopicSetting { topic: choices.id, key, value });
    }
    Ok((records, created))
}

pub(crate) fn delete_topic(topic: &TopicImage) -> Vec<MetadataRecord> {
    vec![MetadataRecord::RemoveTopic { id: topic.id }]
}

pub(crate) fn grow_topic(
    image: &MetadataImage,
    start: usize,
    command: &GrowTopic,
) -> Result<Vec<MetadataRecord>, GrowTopicError> {
    let topic = image.topic(&command.name).ok_or_else(|| GrowTopicError::Unknown(command.name.clone()))?;
    let current = topic.partitions.len();
    let wanted = usize::try_from(command.partitions).unwrap_or(0);
    let name = || command.name.clone();
    if wanted == current {
        return Err(GrowTopicError::Same { name: name(), current });
    }
    if wanted < current {
        return Err(GrowTopicError::NotMore { name: name(), current, wanted: command.partitions });
    }
    let added = wanted - current;
    if image.partition_count() + added > limits::TOPIC_PARTITIONS_MAX {
        return Err(GrowTopicError::TooMany(command.partitions));
    }
    let factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    let replicas = match &command.assignments {
        None => place(&image.brokers, current, added, factor.min(image.brokers.len()), start),
        Some(assigned) if assigned.len() != added => {
            return Err(GrowTopicError::Assignment("must name as many partitions as are added".to_owned()));
        }
        Some(assigned) => {
            for nodes in assigned {
                check_replicas(image, nodes, factor).map_err(GrowTopicError::Assignment)?;
            }
            assigned.clone()
        }
    };
    let first = i32::try_from(current).unwrap_or(i32::MAX);
    Ok((first..).zip(replicas).map(|(index, nodes)| new_partition(topic.id, index, nodes)).collect())
}

/// The records of a change of settings; an override equal to what is stored makes none.
pub(crate) fn change_settings(
    topic: &TopicImage,
    defaults: &dyn Fn(&str) -> Option<String>,
    changes: &[(String, ConfigChange)],
) -> Result<Vec<MetadataRecord>, ConfigError> {
    let mut records = Vec::new();
    for (key, change) in changes {
        let current = topic.settings.get(key).cloned();
        let list = || current.clone().or_else(|| defaults(key)).unwrap_or_default();
        let value = match change {
            ConfigChange::Set(value) => Some(value.clone()),
            ConfigChange::Remove => None,
            ConfigChange::Append(words) => Some(append(&list(), words)),
            ConfigChange::Subtract(words) => Some(subtract(&list(), words)),
        };
        match &value {
            Some(value) => TopicConfig::check(key, value)?,
            None if defaults(key).is_none() => TopicConfig::check(key, "")?,
            None => {}
        }
        if value != current {
            records.push(MetadataRecord::TopicSetting { topic: topic.id, key: key.clone(), value });
        }
    }
    Ok(records)
}

/// The records of a change of a node's settings while it runs.
pub(crate) fn change_node_settings(
    node: Option<i32>,
    current: &BTreeMap<String, String>,
    config: &Config,
    changes: &[(String, ConfigChange)],
) -> Result<Vec<MetadataRecord>, NodeSettingError> {
    let mut records = Vec::new();
    for (key, change) in changes {
        let list = || current.get(key).map(String::as_str).or(config.explicit(key)).unwrap_or_default();
        let value = match change {
            ConfigChange::Set(value) => Some(value.clone()),
            ConfigChange::Remove => None,
            ConfigChange::Append(words) => Some(append(list(), words)),
            ConfigChange::Subtract(words) => Some(subtract(list(), words)),
        };
        if let Some(value) = &value {
            config.check_node_setting(key, value)?;
        }
        if value.as_ref() != current.get(key) {
            records.push(MetadataRecord::NodeSetting { node, key: key.clone(), value });
        }
    }
    Ok(records)
}

fn placed(
    image: &MetadataImage,
    choices: Choices,
    command: &CreateTopic,
) -> Result<Vec<Vec<i32>>, CreateTopicError> {
    let partitions = command.partitions.unwrap_or(choices.partitions);
    let count = usize::try_from(partitions).unwrap_or(0);
    if count == 0 {
        return Err(CreateTopicError::Partitions(partitions));
    }
    if count > limits::TOPIC_PARTITIONS_MAX {
        return Err(CreateTopicError::TooMany { wanted: partitions });
    }
    let wanted = command.replication_factor.unwrap_or(choices.replication_factor);
    let available = image.brokers.len();
    let factor = usize::try_from(wanted).unwrap_or(0);
    if factor == 0 || factor > available {
        return Err(CreateTopicError::Replication { wanted, available });
    }
    Ok(place(&image.brokers, 0, count, factor, choices.start))
}

fn assigned(image: &MetadataImage, command: &CreateTopic) -> Result<Vec<Vec<i32>>, CreateTopicError> {
    if command.partitions.is_some() || command.replication_factor.is_some() {
        return Err(CreateTopicError::Both);
    }
    let by_index: BTreeMap<i32, &Vec<i32>> =
        command.assignments.iter().map(|(index, nodes)| (*index, nodes)).collect();
    if by_index.len() != command.assignments.len() {
        return Err(CreateTopicError::Assignment("names a partition twice".to_owned()));
    }
    if !by_index.keys().copied().eq(0..by_index.len().try_into().unwrap_or(i32::MAX)) {
        return Err(CreateTopicError::Assignment("must number partitions from 0 without gaps".to_owned()));
    }
    let factor = by_index.values().next().map_or(0, |nodes| nodes.len());
    for nodes in by_index.values() {
        check_replicas(image, nodes, factor).map_err(CreateTopicError::Assignment)?;
    }
    Ok(by_index.into_values().cloned().collect())
}

fn check_replicas(image: &MetadataImage, nodes: &[i32], factor: usize) -> Result<(), String> {
    if let Some(unknown) = nodes.iter().find(|node| !image.brokers.contains_key(node)) {
        return Err(format!("includes broker {unknown}, but no such broker is registered"));
    }
    let twice = (1..).zip(nodes).find(|(next, node)| nodes.iter().skip(*next).any(|other| other == *node));
    match nodes {
        [] => Err("has a partition without replicas".to_owned()),
        _ if nodes.len() != factor => Err("must give every partition the same number of replicas".to_owned()),
        _ => match twice {
            Some((_, node)) => Err(format!("names broker {node} twice for one partition")),
            None => Ok(()),
        },
    }
}

fn new_partition(topic: Uuid, index: i32, replicas: Vec<i32>) -> MetadataRecord {
    let leader = replicas.first().copied().unwrap_or(-1);
    let isr = replicas.clone();
    let state = PartitionImage { leader, leader_epoch: 0, partition_epoch: 0, replicas, isr };
    MetadataRecord::Partition { topic, index, state }
}

fn append(list: &str, words: &str) -> String {
    let mut entries: Vec<&str> = split(list).collect();
    for word in split(words) {
        if !entries.contains(&word) {
            entries.push(word);
        }
    }
    entries.join(",")
}

fn subtract(list: &str, words: &str) -> String {
    let gone: Vec<&str> = split(words).collect();
    split(list).filter(|entry| !gone.contains(entry)).collect::<Vec<_>>().join(",")
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::image::Endpoint;

    fn image(brokers: &[i32]) -> MetadataImage {
        let records: Vec<_> = brokers
            .iter()
            .map(|node_id| MetadataRecord::Broker {
                node_id: *node_id,
                rack: None,
                endpoints: vec![Endpoint { listener: "PLAINTEXT".into(), host: "h".into(), port: 1 }],
            })
            .collect();
        MetadataImage::default().apply(&records).unwrap()
    }

    fn choices() -> Choices {
        Choices { partitions: 3, replication_factor: 1, id: Uuid::from_bytes([9; 16]), start: 0 }
    }

    fn named(name: &str) -> CreateTopic {
        CreateTopic { name: name.to_owned(), ..CreateTopic::default() }
    }

    fn with_topic(name: &str) -> MetadataImage {
        let image = image(&[1, 2]);
        let (records, _) = create_topic(&image, choices(), &named(name)).unwrap();
        image.apply(&records).unwrap()
    }

    #[test]
    fn defaults_fill_what_the_command_leaves_open() {
        let image = with_topic("orders");
        let topic = image.topic("orders").unwrap();
        let leaders: Vec<i32> = topic.partitions.iter().map(|partition| partition.leader).collect();
        assert_eq!(leaders, [1, 2, 1]);
    }

    #[test]
    fn refusals_name_the_reason() {
        let image = with_topic("a.b");
        let refuse =
            |command: &CreateTopic| create_topic(&image, choices(), command).unwrap_err().to_string();
        assert_eq!(refuse(&named("a.b")), "Topic 'a.b' already exists.");
        assert!(refuse(&named("a_b")).starts_with("Topic 'a_b' collides with existing topic: a.b"));
        assert!(refuse(&CreateTopic { partitions: Some(0), ..named("x") }).ends_with("got 0."));
        assert!(
            refuse(&CreateTopic { partitions: Some(i32::MAX), ..named("x") }).starts_with("cannot create")
        );
        let factor = CreateTopic { replication_factor: Some(3), ..named("x") };
        assert!(refuse(&factor).contains("factor of 3 cannot be reached because only 2 broker(s)"));
        let settings = BTreeMap::from([("retention.m".to_owned(), "1".to_owned())]);
        assert!(refuse(&CreateTopic { settings, ..named("x") }).contains("did you mean"));
    }

    #[test]
    fn assignments_are_checked() {
        let image = image(&[1, 2]);
        let create = |assignments: Vec<(i32, Vec<i32>)>| {
            create_topic(&image, choices(), &CreateTopic { assignments, ..named("x") })
        };
        let (_, created) = create(vec![(1, vec![2, 1]), (0, vec![1, 2])]).unwrap();
        assert_eq!((created.partitions, created.replication_factor), (2, 2));
        for bad in [vec![(0, vec![3])], vec![(0, vec![1, 1])], vec![(1, vec![1])], vec![(0, vec![])]] {
            assert!(matches!(create(bad), Err(CreateTopicError::Assignment(_))));
        }
    }

    #[test]
    fn topics_only_grow() {
        let image = with_topic("orders");
        let grow = |partitions| {
            grow_topic(&image, 0, &GrowTopic { name: "orders".into(), partitions, assignments: None })
        };
        assert!(matches!(grow(3), Err(GrowTopicError::Same { current: 3, .. })));
        let grown = image.apply(&grow(5).unwrap()).unwrap();
        assert_eq!(grown.topic("orders").unwrap().partitions.len(), 5);
    }

    #[test]
    fn settings_change_incrementally() {
        let image = with_topic("orders");
        let topic = image.topic("orders").unwrap();
        let defaults = |key: &str| (key == "cleanup.policy").then(|| "delete".to_owned());
        let change = |key: &str, change| change_settings(topic, &defaults, &[(key.to_owned(), change)]);
        let records = change("cleanup.policy", ConfigChange::Append("compact".into())).unwrap();
        let value = Some("delete,compact".to_owned());
        let expected = MetadataRecord::TopicSetting { topic: topic.id, key: "cleanup.policy".into(), value };
        assert_eq!(records, [expected]);
        assert!(change("cleanup.policy", ConfigChange::Remove).unwrap().is_empty(), "nothing to remove");
        assert!(change("retention.ms", ConfigChange::Set("soon".into())).is_err());
    }
}
