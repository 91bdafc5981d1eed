//! A cluster to run queries on, with what tests need to put records in and take them out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use millstream_broker::{Broker, Config};
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, Isolation, NewRecord, ProducerConfig, Start, StartAt,
    TopicPartition,
};
use millstream_streams::{Engine, EngineConfig, Plan, PlanContext, Program, QueryHandles};
use tokio::runtime::Runtime;

/// Nothing in these tests takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster, and the runtime that it and the tests' own clients live in.
pub struct TestCluster {
    pub runtime: Runtime,
    pub client: Client,
    /// Part of every name, so that tests can share a cluster.
    pub prefix: String,
    how: How,
}

enum How {
    Own { broker: Arc<Broker>, _folder: tempfile::TempDir },
    Foreign(String),
}

/// Queries that live in a runtime of their own, so that they can be killed.
pub struct Running {
    runtime: Option<Runtime>,
    pub queries: QueryHandles,
}

impl TestCluster {
    pub fn start() -> TestCluster {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("t{}-{number}", std::process::id());
        let runtime = Runtime::new().unwrap();
        let (how, client) = runtime.block_on(async {
            let how = match std::env::var("MILLSTREAM_TEST_BOOTSTRAP") {
                Ok(bootstrap) => How::Foreign(bootstrap),
                Err(_) => {
                    let folder = tempfile::tempdir().unwrap();
                    let mut config = Config::new(folder.path());
                    config.set("listeners", "PLAINTEXT://127.0.0.1:0").unwrap();
                    config.set("acks.all.durability", "interval").unwrap();
                    config.set("offsets.topic.num.partitions", "3").unwrap();
                    config.set("transaction.state.log.num.partitions", "3").unwrap();
                    How::Own { broker: Arc::new(Broker::start(config).await.unwrap()), _folder: folder }
                }
            };
            let client = how.connect().await;
            (how, client)
        });
        TestCluster { runtime, client, prefix, how }
    }

    /// The same cluster for another set of names.
    pub fn named(self, prefix: String) -> TestCluster {
        TestCluster { prefix, ..self }
    }

    /// A name nobody else uses.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.runtime.block_on(async {
            let admin = self.client.admin();
            admin.create_topics(&[NewTopic::new(topic, partitions)], false).await.remove(0).unwrap();
            admin.wait_for_topic(topic).await.unwrap();
        });
    }

    pub fn produce<'a>(&self, topic: &str, records: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.runtime.block_on(async {
            let producer = self.client.producer(ProducerConfig::default());
            let writer = producer.writer(topic).await.unwrap();
            for (key, value) in records {
                let record = NewRecord {
                    key: Some(key.as_bytes()),
                    value: Some(value.as_bytes()),
                    headers: &[],
                    timestamp_ms: None,
                };
                writer.append(None, record).await.unwrap();
            }
            producer.close().await.unwrap();
        });
    }

    /// Offsets behind the last record of each partition, committed or not: a transaction's markers may still be on
    /// their way when its commit is acknowledged, so what a read-committed reader sees as the end may lag.
    pub fn ends(&self, topic: &str) -> Vec<(i32, i64)> {
        self.runtime.block_on(async {
            let places = self.places(topic).await;
            let config =
                ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
            let consumer = self.client.consumer(config);
            let ends = consumer.end_offsets(&places).await.unwrap();
            places.iter().map(|place| place.partition).zip(ends).collect()
        })
    }

    async fn places(&self, topic: &str) -> Vec<TopicPartition> {
        let layout = self.client.topic(topic).await.unwrap();
        (0..layout.partitions.len()).map(|partition| TopicPartition::new(topic, partition as i32)).collect()
    }

    /// Every committed record by now: partition, key, value; in offset order within a partition.
    pub fn read(&self, topic: &str) -> Vec<(i32, String, String)> {
        let ends = self.ends(topic);
        self.runtime.block_on(async {
            let mut consumer = self.client.consumer(ConsumerConfig::default());
            let starts = self.places(topic).await.into_iter();
            let starts = starts.map(|place| StartAt { place, start: Start::Earliest }).collect();
            consumer.assign(starts).await.unwrap();
            let mut found = Vec::new();
            let deadline = Instant::now() + PATIENCE;
            let mut open: Vec<(i32, i64)> = ends.into_iter().filter(|(_, end)| *end > 0).collect();
            while !open.is_empty() {
                assert!(Instant::now() < deadline, "{topic} cannot be read to {open:?}");
                let Some(fetched) = consumer.poll(Duration::from_millis(200)).await.unwrap() else {
                    continue;
                };
                let partition = fetched.place.partition;
                fetched
                    .for_each(|record| {
                        let text = |bytes: Option<&[u8]>| {
                            String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                        };
                        found.push((partition, text(record.key), text(record.value)));
                    })
                    .unwrap();
                open.retain(|(other, end)| *other != partition || fetched.next_offset < *end);
            }
            found.sort_by_key(|(partition, _, _)| *partition);
            found
        })
    }

    /// By TCP: what the node does for a client must not die with the client's runtime.
    pub async fn connect_by_tcp(&self) -> Client {
        self.how.connect_by_tcp().await
    }

    pub fn run(&self, plan: &Plan) -> Running {
        self.run_with(plan, EngineConfig { idle_timeout: None, ..EngineConfig::default() })
    }

    pub fn run_with(&self, plan: &Plan, config: EngineConfig) -> Running {
        let runtime = Runtime::new().unwrap();
        let queries = runtime.block_on(async {
            let client = self.connect_by_tcp().await;
            Engine::start(client, config, plan.clone()).await.unwrap()
        });
        Running { runtime: Some(runtime), queries }
    }
}

impl How {
    async fn connect_by_tcp(&self) -> Client {
        let address = match self {
            How::Own { broker, .. } => broker.addr().unwrap().to_string(),
            How::Foreign(bootstrap) => bootstrap.clone(),
        };
        Client::connect(Cluster::Bootstrap(vec![address]), ClientConfig::default()).await.unwrap()
    }

    async fn connect(&self) -> Client {
        let cluster = match self {
            How::Own { broker, .. } => Cluster::Local(broker.local()),
            How::Foreign(bootstrap) => Cluster::Bootstrap(vec![bootstrap.clone()]),
        };
        Client::connect(cluster, ClientConfig::default()).await.unwrap()
    }
}

impl Running {
    /// Waits until every query in turn has read its input to the end and has closed its windows.
    pub fn finish(&self, cluster: &TestCluster) {
        for query in self.queries.iter() {
            let topics = query.input_topics();
            let ends =
                topics.iter().map(|topic| ((*topic).to_owned(), cluster.ends(topic).into_iter().collect()));
            let ends = ends.collect();
            let finished = async { tokio::time::timeout(PATIENCE, query.finish(ends)).await };
            let finished = self.runtime.as_ref().unwrap().block_on(finished);
            assert!(finished.is_ok(), "{} does not finish: {:?}", query.name(), query.status());
            finished.unwrap().unwrap();
        }
    }

    pub fn stop(&self) {
        self.runtime.as_ref().unwrap().block_on(self.queries.stop());
    }

    /// Ends every task where it stands, as a kill would.
    pub fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Plans a program; names that start with `@` get the cluster's prefix.
pub fn plan(cluster: &TestCluster, text: &str) -> Plan {
    let text = text.replace('@', &format!("{}-", cluster.prefix));
    let context = PlanContext { pipeline: cluster.name("p"), ..PlanContext::default() };
    Program::parse(&text, "test.sql").unwrap().plan(&context).unwrap_or_else(|found| panic!("{found:?}"))
}
