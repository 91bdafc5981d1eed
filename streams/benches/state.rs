//! State that is larger than memory, topic to topic with exactly-once on, broker in the same process:
//! `cargo bench -p millstream-streams --bench state`.
//!
//! One process after the other works in one directory: the first gives an aggregate new keys until its state has the asked
//! size, and ends without a word, as by kill -9; the second starts, is given one more record, and says how long it took
//! until the result could be read. Then the rates with two commit intervals, from an empty state.
//! Numbers as arguments: mebibytes of state (1024), mebibytes of memory for it (256).

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, Config};
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, NewRecord, ProducerConfig, Start, StartAt, TopicPartition,
};
use millstream_streams::{Engine, EngineConfig, PlanContext, Program, QueryHandles, StateDatabase};

type Anything = Box<dyn std::error::Error>;

/// What one key takes: 1 KiB of value.
const PADDING: usize = 960;

const PARTITIONS: i32 = 4;

const QUERY: &str = "CREATE STREAM profiles (id TEXT, name TEXT, note TEXT) WITH (key = 'id');
    CREATE TABLE out AS SELECT id, count(*) AS n, max(note) AS note FROM profiles GROUP BY id;";

fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [stage, folder, state, memory] = arguments.as_slice() {
        let (state, memory) = (state.parse()?, memory.parse()?);
        return runtime.block_on(stage_of(stage, Path::new(folder), state, memory));
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u64>().ok());
    let (state, memory) = (numbers.next().unwrap_or(1024), numbers.next().unwrap_or(256));
    let folder = tempfile::tempdir()?;
    for stage in ["fill", "resume"] {
        let program = std::env::current_exe()?;
        let status = std::process::Command::new(program)
            .args([stage, &folder.path().display().to_string(), &state.to_string(), &memory.to_string()])
            .status()?;
        if !status.success() && stage == "resume" {
            return Err(format!("{stage}: {status}").into());
        }
    }
    for interval in [Duration::from_millis(100), Duration::from_secs(1)] {
        let folder = tempfile::tempdir()?;
        let rate = runtime.block_on(rate(folder.path(), interval, memory))?;
        say(&format!("commit every {interval:?}: {rate:.0} records/s"))?;
    }
    Ok(())
}

async fn stage_of(stage: &str, folder: &Path, state: u64, memory: u64) -> Result<(), Anything> {
    let started = Instant::now();
    let node = Node::start(folder).await?;
    let opened = Instant::now();
    let queries = node
        .query(EngineConfig { state: Some(database(folder, memory)?), ..EngineConfig::default() })
        .await?;
    match stage {
        "fill" => {
            let before = resident_mebibytes("VmRSS")?;
            let records = state * 1024;
            node.produce(0..records).await?;
            node.caught_up(&queries).await?;
            say(&format!(
                "{records} keys, {state} MiB of state: {:.0} records/s, {} MiB resident before, {} at most",
                records as f64 / opened.elapsed().as_secs_f64(),
                before,
                resident_mebibytes("VmHWM")?
            ))?;
            // Longer than committed state waits to be written.
            tokio::time::sleep(Duration::from_secs(2)).await;
            // As kill -9: nothing is closed, nothing is said.
            std::process::abort();
        }
        "resume" => {
            let end = node.end("out").await?;
            node.produce(0..1).await?;
            node.reads("out", &end).await?;
            say(&format!(
                "first result {:?} after the start of the queries, {:?} after the node's; {} MiB resident at most",
                opened.elapsed(),
                started.elapsed(),
                resident_mebibytes("VmHWM")?
            ))?;
            queries.stop().await;
        }
        other => return Err(format!("there is no stage {other}").into()),
    }
    Ok(())
}

async fn rate(folder: &Path, commit_interval: Duration, memory: u64) -> Result<f64, Anything> {
    let node = Node::start(folder).await?;
    let records = 300_000;
    node.produce(0..records).await?;
    let config =
        EngineConfig { commit_interval, state: Some(database(folder, memory)?), ..EngineConfig::default() };
    let started = Instant::now();
    let queries = node.query(config).await?;
    node.caught_up(&queries).await?;
    let rate = records as f64 / started.elapsed().as_secs_f64();
    queries.stop().await;
    node.broker.shutdown().await?;
    Ok(rate)
}

fn database(folder: &Path, memory: u64) -> Result<StateDatabase, Anything> {
    Ok(StateDatabase::open(&folder.join("state"), memory << 20)?)
}

struct Node {
    broker: Broker,
    client: Client,
}

impl Node {
    async fn start(folder: &Path) -> Result<Node, Anything> {
        let mut config = Config::new(folder.join("log"));
        config.set("listeners", "PLAINTEXT://127.0.0.1:0")?;
        config.set("acks.all.durability", "interval")?;
        config.set("log.flush.interval.ms", "1000")?;
        let broker = Broker::start(config).await?;
        let client = Client::connect(Cluster::Local(broker.local()), ClientConfig::default()).await?;
        let admin = client.admin();
        // Those of an earlier process are there.
        drop(admin.create_topics(&[NewTopic::new("profiles", PARTITIONS)], false).await);
        admin.wait_for_topic("profiles").await?;
        Ok(Node { broker, client })
    }

    async fn query(&self, config: EngineConfig) -> Result<QueryHandles, Anything> {
        let program = Program::parse(QUERY, "bench.sql").map_err(|found| format!("{found:?}"))?;
        let context = PlanContext { pipeline: "bench".to_owned(), ..PlanContext::default() };
        let plan = program.plan(&context).map_err(|found| format!("{found:?}"))?;
        Ok(Engine::start(self.client.clone(), config, plan).await?)
    }

    async fn produce(&self, keys: std::ops::Range<u64>) -> Result<(), Anything> {
        let producer = self.client.producer(ProducerConfig::default());
        let writer = producer.writer("profiles").await?;
        let mut value = Vec::new();
        for number in keys {
            let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let key = format!("{scattered:016x}");
            value.clear();
            write!(value, "{{\"id\": \"{key}\", \"name\": \"n{number}\", \"note\": \"")?;
            // Noise, so that nothing can be packed.
            let mut noise = scattered | 1;
            for _ in 0..PADDING / 16 {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                write!(value, "{noise:016x}")?;
            }
            value.extend_from_slice(b"\"}");
            let record = NewRecord {
                key: Some(key.as_bytes()),
                value: Some(&value),
                headers: &[],
                timestamp_ms: None,
            };
            writer.append(None, record).await?;
        }
        producer.close().await?;
        Ok(())
    }

    async fn end(&self, topic: &str) -> Result<Vec<i64>, Anything> {
        let layout = self.client.admin().wait_for_topic(topic).await?;
        let places: Vec<TopicPartition> = (0..layout.partitions.len() as i32)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect();
        Ok(self.client.consumer(ConsumerConfig::default()).end_offsets(&places).await?)
    }

    async fn caught_up(&self, queries: &QueryHandles) -> Result<(), Anything> {
        let ends = self.end("profiles").await?;
        let ends: std::collections::BTreeMap<i32, i64> = (0..).zip(ends).collect();
        for query in queries.iter() {
            query.finish([("profiles".to_owned(), ends.clone())].into_iter().collect()).await?;
        }
        Ok(())
    }

    /// Waits until a committed record is behind one of the ends.
    async fn reads(&self, topic: &str, ends: &[i64]) -> Result<(), Anything> {
        let mut consumer = self.client.consumer(ConsumerConfig::default());
        let starts = (0..).zip(ends).map(|(partition, end)| StartAt {
            place: TopicPartition::new(topic, partition),
            start: Start::Offset(*end),
        });
        consumer.assign(starts.collect()).await?;
        let mut records = 0;
        while records == 0 {
            if let Some(fetched) = consumer.poll(Duration::from_secs(30)).await? {
                fetched.for_each(|_| records += 1)?;
            }
        }
        Ok(())
    }
}

fn say(line: &str) -> Result<(), Anything> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// A field of proc(5)'s status, in MiB.
fn resident_mebibytes(field: &str) -> Result<u64, Anything> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    let kibibytes: u64 = line.trim_matches(|letter: char| !letter.is_ascii_digit()).parse()?;
    Ok(kibibytes / 1024)
}
