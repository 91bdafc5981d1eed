//! The worker against a broker in this process: files in, topics, files out, stopped and dropped at any moment.

#![expect(clippy::unwrap_used, reason = "a test says by its panic where it failed")]

mod dead_letters;
mod exactly_once;
mod mirror;
mod steps;

use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use millstream::connect::{
    Declaration, ErrorPolicy, SinkDeclaration, SourceDeclaration, Step, Then, Worker, WorkerConfig,
};
use millstream_broker::{Broker, Config};
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, Isolation, Start, StartAt, TopicPartition, admin::NewTopic,
};
use millstream_sdk::plugin::Surroundings;
use serde_json::Value;
use tempfile::TempDir;

/// Longest that a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker, a client that calls it directly, and a folder for files.
struct Bench {
    broker: Broker,
    client: Client,
    folder: TempDir,
}

/// A record as text: partition, key, value, headers.
type Shown = (i32, Option<String>, Option<String>, Vec<String>);

impl Bench {
    async fn start() -> Bench {
        Bench::start_with(&[]).await
    }

    async fn start_with(settings: &[(&str, &str)]) -> Bench {
        let folder = TempDir::new().unwrap();
        let mut config = Config::new(folder.path().join("data"));
        let few = [("offsets.topic.num.partitions", "1"), ("transaction.state.log.num.partitions", "1")];
        for (key, value) in few.iter().chain(settings) {
            config.set(key, value).unwrap();
        }
        let broker = Broker::start(config).await.unwrap();
        let cluster = Cluster::Local(broker.local());
        let client = Client::connect(cluster, ClientConfig::default()).await.unwrap();
        Bench { broker, client, folder }
    }

    async fn stop(self) {
        self.broker.shutdown().await.unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    async fn topic(&self, name: &str, partitions: i32) {
        for created in self.client.admin().create_topics(&[NewTopic::new(name, partitions)], false).await {
            created.unwrap();
        }
        self.client.admin().wait_for_topic(name).await.unwrap();
    }

    fn source(&self, plugin: &str, settings: Value, to: &str) -> SourceDeclaration {
        SourceDeclaration {
            name: "in".to_owned(),
            plugin: millstream_connectors::find(plugin).unwrap().into(),
            settings,
            surroundings: self.surroundings("in"),
            to: to.to_owned(),
            key: None,
            timestamp: None,
            steps: Vec::new(),
            on_error: policy(Then::Fail),
        }
    }

    fn sink(&self, plugin: &str, settings: Value, from: &str) -> SinkDeclaration {
        SinkDeclaration {
            name: "out".to_owned(),
            plugin: millstream_connectors::find(plugin).unwrap().into(),
            settings,
            surroundings: self.surroundings("out"),
            from: vec![from.to_owned()],
            steps: Vec::new(),
            on_error: policy(Then::Fail),
        }
    }

    fn surroundings(&self, node: &str) -> Surroundings {
        Surroundings {
            base_directory: self.path().to_path_buf(),
            pipeline: "test".to_owned(),
            node: node.to_owned(),
        }
    }

    async fn worker(&self, sources: Vec<SourceDeclaration>, sinks: Vec<SinkDeclaration>) -> Worker {
        let declaration = Declaration { pipeline: "test".to_owned(), sources, sinks };
        let config =
            WorkerConfig { source_commit_interval: Duration::from_millis(10), ..WorkerConfig::default() };
        Worker::start(self.client.clone(), declaration, config).await.unwrap()
    }

    /// Every committed record of a topic, partition by partition.
    async fn records(&self, topic: &str) -> Vec<Shown> {
        let layout = self.client.topic(topic).await.unwrap();
        let mut found = Vec::new();
        for partition in 0..i32::try_from(layout.partitions.len()).unwrap() {
            let place = TopicPartition::new(topic, partition);
            let mut consumer = self.client.consumer(ConsumerConfig::default());
            // A commit is answered before its markers are written: wait for what is open, too.
            let raw = ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
            let ends = self.client.consumer(raw).end_offsets(std::slice::from_ref(&place)).await.unwrap();
            let end = ends[0];
            consumer.assign(vec![StartAt { place: place.clone(), start: Start::Earliest }]).await.unwrap();
            let mut reached = 0;
            while reached < end {
                let polled = consumer.poll(PATIENCE).await.unwrap();
                let fetched = polled.unwrap_or_else(|| panic!("{place} ends at {end}, read to {reached}"));
                reached = fetched.next_offset;
                fetched
                    .for_each(|record| {
                        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                        let headers = record.headers.map(|header| {
                            let header = header.unwrap();
                            format!("{}={}", header.key, header.value.map(text).unwrap_or_default())
                        });
                        found.push((
                            partition,
                            record.key.map(text),
                            record.value.map(text),
                            headers.collect(),
                        ));
                    })
                    .unwrap();
            }
        }
        found
    }

    async fn values(&self, topic: &str) -> Vec<String> {
        self.records(topic).await.into_iter().filter_map(|record| record.2).collect()
    }
}

fn policy(then: Then) -> ErrorPolicy {
    ErrorPolicy { retries: 3, then }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

async fn soon<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happening).await {
        Ok(happened) => happened,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// Looks again and again until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, look).await;
}

fn script(text: &str) -> Step {
    Step::Script(text.to_owned())
}
