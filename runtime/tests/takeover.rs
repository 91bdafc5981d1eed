//! Two processes with the same pipeline on a cluster that they share: one runs it, the other stands by and takes over.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, Isolation, Start, StartAt, TopicPartition,
};
use serde_json::Value;

use crate::process::{Node, PATIENCE, millstream};

/// A cluster that makes the first member of a group wait for longer than anybody would for a pipeline.
const REBALANCE_DELAY: &str = "group.initial.rebalance.delay.ms=30000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_runs_the_pipeline_and_the_other_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Node::start(&folder.path().join("cluster"), "127.0.0.1:0", &[REBALANCE_DELAY]);
    let watch = Watch::start(&cluster.kafka).await;
    let start = |name: &str| run(folder.path(), name, &cluster.kafka);

    let began = Instant::now();
    let first = start("first");
    watch.grows("the first process at work").await;
    assert!(began.elapsed() < Duration::from_secs(20), "a start waits for no others: {:?}", began.elapsed());
    let second = start("second");
    says(&second, "standing by").await;
    let owner = format!("process {}", first.pid());
    assert!(second.said().contains(&owner), "{}", second.said());
    let shown = status(&second);
    assert_eq!(shown["state"], "standby", "{shown}");
    assert!(shown["owner"].as_str().unwrap().starts_with(&owner), "{shown}");
    assert_eq!(first.said().matches("standing by").count(), 0, "{}", first.said());

    first.kill();
    watch.grows("the second process after the first was killed").await;
    let first = start("first");
    says(&first, "standing by").await;

    signal(&second, "-STOP");
    watch.grows("the first process while the second is paused").await;
    signal(&second, "-CONT");
    says(&second, "may run elsewhere").await;
    says(&second, &format!("process {}", first.pid())).await;
    assert_eq!(status(&second)["state"], "standby");
    watch.grows("the first process beside the one that woke").await;

    // A clean stop hands over at once.
    assert!(first.stop().success());
    watch.grows("the second process after the first left").await;
    assert!(second.stop().success());

    let values = watch.values().await;
    let numbers: Vec<u64> = values.iter().map(|value| value["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "each once, in order");
    let written = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let written: Vec<u64> = written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap())
        .collect();
    assert_eq!(written, (0..written.len() as u64).collect::<Vec<_>>(), "the file holds each once, in order");
    assert!(!written.is_empty() && written.len() <= numbers.len());
    assert!(cluster.stop().success());
}

/// The same pipeline in a folder of its own; what it writes is shared.
fn run(folder: &Path, name: &str, kafka: &str) -> Node {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).unwrap();
    let out = folder.join("out.jsonl");
    let pipeline = format!(
        "name: shared\ncluster: {{ bootstrap: \"{kafka}\" }}\ntopics: {{ numbers: {{ partitions: 1 }} }}\n\
         sources: {{ made: {{ use: generator, with: {{ rate: 200 }}, to: numbers }} }}\n\
         sinks: {{ out: {{ from: numbers, use: file, with: {{ path: \"{}\", format: json }} }} }}\n",
        out.display()
    );
    std::fs::write(own.join("pipeline.yaml"), pipeline).unwrap();
    Node::from_command(millstream().arg("run").arg(own.join("pipeline.yaml")).args(["--http", "127.0.0.1:0"]))
}

fn signal(node: &Node, signal: &str) {
    let sent = Command::new("kill").args([signal, &node.pid().to_string()]).status().unwrap();
    assert!(sent.success());
}

async fn says(node: &Node, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !node.said().contains(what) {
        assert!(Instant::now() < deadline, "waited for `{what}`:\n{}", node.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What `status` shows of the one pipeline.
fn status(node: &Node) -> Value {
    let said = node.said();
    let http = said.split_whitespace().find_map(|word| word.strip_prefix("http=")).unwrap();
    let shown = millstream().args(["status", "shared", "--json", "--node", http]).output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    shown[0].clone()
}

/// The topic, as committed.
struct Watch {
    client: Client,
    place: TopicPartition,
}

impl Watch {
    async fn start(kafka: &str) -> Watch {
        let cluster = Cluster::Bootstrap(vec![kafka.to_owned()]);
        let client = Client::connect(cluster, ClientConfig::default()).await.unwrap();
        Watch { client, place: TopicPartition::new("numbers", 0) }
    }

    /// Committed records take offsets, and so do the ends of transactions; 0 before the topic is there.
    async fn end(&self) -> i64 {
        if self.client.topic("numbers").await.is_err() {
            return 0;
        }
        let config = ConsumerConfig { isolation: Isolation::ReadCommitted, ..ConsumerConfig::default() };
        let ends = self.client.consumer(config).end_offsets(std::slice::from_ref(&self.place)).await;
        ends.ok().and_then(|ends| ends.first().copied()).unwrap_or(0)
    }

    /// Something more is committed than a moment from now, when what was under way is through.
    async fn grows(&self, who: &str) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, deadline) = (self.end().await, Instant::now() + PATIENCE);
        while self.end().await < before + 100 {
            assert!(Instant::now() < deadline, "waited for {who}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn values(&self) -> Vec<Value> {
        let end = self.end().await;
        let mut consumer = self.client.consumer(ConsumerConfig::default());
        consumer.assign(vec![StartAt { place: self.place.clone(), start: Start::Earliest }]).await.unwrap();
        let mut values = Vec::new();
        while consumer.position(&self.place).unwrap_or(0) < end {
            if let Some(fetched) = consumer.poll(Duration::from_millis(200)).await.unwrap() {
                fetched
                    .for_each(|record| values.push(serde_json::from_slice(record.value.unwrap()).unwrap()))
                    .unwrap();
            }
        }
        values
    }
}
