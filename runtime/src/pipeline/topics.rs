//! The topics of a pipeline: created when missing, compared with the file when they exist.

use std::collections::BTreeMap;

use millstream_client::Client;
use millstream_client::admin::{Admin, AdminError, ConfigResource, NewTopic};
use millstream_protocol::ErrorCode;

use crate::config::pipeline::{Checked, Pipeline, TopicPart};

/// Why the topics are not as the pipeline needs them.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error(
        "topic {topic} has {found} partitions, the file says {declared}: \
         change the file, or grow it with `millstream topic alter {topic} --partitions {declared}`"
    )]
    Partitions { topic: String, found: usize, declared: i32 },
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// What the pipeline wants of one topic.
#[derive(Default)]
struct Wanted<'a> {
    declared: Option<&'a TopicPart>,
    partitions: Option<i32>,
    compacted: bool,
}

/// Makes every topic of the pipeline exist; gives warnings about settings that differ from the file.
pub async fn prepare(client: &Client, checked: &Checked) -> Result<Vec<String>, TopicError> {
    let admin = client.admin();
    let mut warnings = Vec::new();
    for (name, wanted) in wanted_topics(checked) {
        let topic = new_topic(&name, &wanted);
        for created in admin.create_topics(&[topic], false).await {
            match created {
                Ok(_) => drop(admin.wait_for_topic(&name).await?),
                Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                    compare(&admin, &name, &wanted, &mut warnings).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(warnings)
}

/// Makes a topic that nothing declares exist.
pub async fn ensure(client: &Client, name: &str) -> Result<(), AdminError> {
    let admin = client.admin();
    for created in admin.create_topics(&[NewTopic::new(name, -1)], false).await {
        match created {
            Ok(_) => drop(admin.wait_for_topic(name).await?),
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wanted_topics(checked: &Checked) -> BTreeMap<String, Wanted<'_>> {
    let pipeline = &checked.pipeline;
    let mut wanted: BTreeMap<String, Wanted<'_>> = BTreeMap::new();
    for topic in pipeline.sources.iter().filter_map(|source| source.topic()) {
        wanted.entry(topic.to_owned()).or_default();
    }
    for topic in dead_letter_topics(pipeline) {
        wanted.entry(topic).or_default();
    }
    for topic in &pipeline.topics {
        let entry = wanted.entry(topic.name.clone()).or_default();
        entry.declared = Some(topic);
        entry.partitions = topic.partitions;
    }
    // What the SQL says is weaker than the file's own section. Topics that only the SQL names are left to it.
    for need in checked.plan.topics() {
        if let Some(entry) = wanted.get_mut(&need.name) {
            entry.partitions = entry.partitions.or(need.partitions);
            entry.compacted = need.compacted;
        }
    }
    wanted
}

fn dead_letter_topics(pipeline: &Pipeline) -> Vec<String> {
    let sources = pipeline.sources.iter().map(|source| (&source.name, &source.errors));
    let sinks = pipeline.sinks.iter().map(|sink| (&sink.name, &sink.errors));
    sources.chain(sinks).filter_map(|(name, errors)| errors.dead_letters(&pipeline.name, name)).collect()
}

fn new_topic(name: &str, wanted: &Wanted<'_>) -> NewTopic {
    let mut topic = NewTopic::new(name, wanted.partitions.unwrap_or(-1));
    if let Some(declared) = wanted.declared {
        topic.replication_factor = declared.replicas.unwrap_or(-1);
        topic.configs = declared.config.iter().map(|(key, text)| (key.clone(), text.value.clone())).collect();
    }
    let says_cleanup = topic.configs.iter().any(|(key, _)| key == "cleanup.policy");
    if wanted.compacted && !says_cleanup {
        topic = topic.config("cleanup.policy", "compact");
    }
    topic
}

/// Partitions must agree, because keys would land elsewhere; settings may differ, and then the cluster's count.
async fn compare(
    admin: &Admin,
    name: &str,
    wanted: &Wanted<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), TopicError> {
    let Some(declared) = wanted.declared else { return Ok(()) };
    if let Some(partitions) = declared.partitions {
        for layout in admin.describe_topics(&[name]).await {
            let found = layout?.partitions.len();
            if usize::try_from(partitions).is_ok_and(|partitions| partitions != found) {
                return Err(TopicError::Partitions { topic: name.to_owned(), found, declared: partitions });
            }
        }
    }
    if declared.config.is_empty() {
        return Ok(());
    }
    let found = admin.describe_configs(&ConfigResource::Topic(name.to_owned())).await?;
    for (key, text) in &declared.config {
        let now = found.iter().find(|entry| entry.name == *key).and_then(|entry| entry.value.as_deref());
        if now != Some(text.value.as_str()) {
            let now = now.unwrap_or("nothing");
            warnings.push(format!(
                "{}: topic {name} has {key}={now}, the file says {}; \
                 change it with `millstream topic alter {name} --config {key}={}`",
                text.location, text.value, text.value
            ));
        }
    }
    Ok(())
}
