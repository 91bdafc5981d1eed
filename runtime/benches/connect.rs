//! File → topic → file in one process: `cargo bench -p millstream --bench connect`.
//!
//! Lines of 200 bytes through a topic of one partition, exactly-once on both sides; then the same with a key and with a
//! script. The page cache and a temporary folder stand for the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use millstream::connect::{
    Declaration, ErrorPolicy, SinkDeclaration, SourceDeclaration, Step, Then, Worker, WorkerConfig,
};
use millstream::plugin::Handle;
use millstream_broker::{Broker, Config};
use millstream_client::{Client, ClientConfig, Cluster, admin::NewTopic};
use millstream_sdk::plugin::Surroundings;
use serde_json::{Value, json};

/// Longer than anything takes that is not broken.
const STUCK_AFTER: Duration = Duration::from_secs(20);

const LINES: usize = 2_000_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let pad = "x".repeat(140);
    let line = |n: usize| format!("{{\"id\":{n},\"customer\":\"c-{}\",\"pad\":\"{pad}\"}}\n", n % 997);
    let text: String = (0..LINES).map(line).collect();
    std::fs::write(folder.path().join("in.jsonl"), &text)?;
    println!("{LINES} lines of {} bytes", text.len() / LINES);
    let mut config = Config::new(folder.path().join("data"));
    config.set("transaction.state.log.num.partitions", "1")?;
    config.set("offsets.topic.num.partitions", "1")?;
    let broker = Broker::start(config).await?;
    let client = Client::connect(Cluster::Local(broker.local()), ClientConfig::default()).await?;
    for (name, partitions, key, step) in [
        ("as it is", 1, None, None),
        ("keyed, 4 partitions", 4, Some("customer"), None),
        ("SQL filter", 1, None, Some(Step::Filter("id % 2 = 0".to_owned()))),
        ("script", 1, None, Some(Step::Script("record.value.double = record.value.id * 2;".to_owned()))),
    ] {
        let created = client.admin().create_topics(&[NewTopic::new(topic(name), partitions)], false).await;
        created.into_iter().collect::<Result<Vec<_>, _>>()?;
        let declaration = declaration(folder.path(), name, key, step)?;
        run(name, &client, declaration).await?;
    }
    broker.shutdown().await?;
    Ok(())
}

async fn run(name: &str, client: &Client, declaration: Declaration) -> Outcome<()> {
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let worker = Worker::start(client.clone(), declaration, WorkerConfig::default()).await?;
    let drained = tokio::select! {
        drained = worker.sources_drained() => drained.map(|()| started.elapsed())?,
        stuck = stuck(&worker) => return stuck,
    };
    tokio::select! {
        finished = worker.sinks_finished() => finished?,
        stuck = stuck(&worker) => return stuck,
    }
    let took = started.elapsed();
    let cpu = cpu_seconds() - cpu;
    worker.stop().await;
    let rate = |seconds: f64| LINES as f64 / seconds;
    println!(
        "{name:20} {:9.0} records/s (into the topic {:9.0}), {:.2} CPU-s per million",
        rate(took.as_secs_f64()),
        rate(drained.as_secs_f64()),
        cpu / LINES as f64 * 1e6
    );
    Ok(())
}

/// Resolves, with the status, when nothing has moved for a while.
async fn stuck(worker: &Worker) -> Outcome<()> {
    let mut before = worker.progress();
    loop {
        tokio::time::sleep(STUCK_AFTER).await;
        let now = worker.progress();
        if now == before {
            return Err(format!("nothing moved for {STUCK_AFTER:?}: {:#?}", worker.status()).into());
        }
        before = now;
    }
}

fn declaration(folder: &Path, name: &str, key: Option<&str>, step: Option<Step>) -> Outcome<Declaration> {
    let plugin = Handle::from(millstream_connectors::find("file").ok_or("no file plugin")?);
    let surroundings = |node: &str| Surroundings {
        base_directory: folder.to_path_buf(),
        pipeline: topic(name),
        node: node.to_owned(),
    };
    let on_error = ErrorPolicy { retries: 0, then: Then::Fail };
    let source = SourceDeclaration {
        name: "in".to_owned(),
        plugin: plugin.clone(),
        settings: json!({ "path": "in.jsonl" }),
        surroundings: surroundings("in"),
        to: topic(name),
        key: key.map(str::to_owned),
        timestamp: None,
        steps: step.into_iter().collect(),
        on_error: on_error.clone(),
    };
    let out: Value = json!({ "path": format!("{}.jsonl", topic(name)) });
    let sink = SinkDeclaration {
        name: "out".to_owned(),
        plugin,
        settings: out,
        surroundings: surroundings("out"),
        from: vec![topic(name)],
        steps: Vec::new(),
        on_error,
    };
    Ok(Declaration { pipeline: topic(name), sources: vec![source], sinks: vec![sink] })
}

fn topic(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// User and system time of this process (Linux; 0 elsewhere).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
