//! `tests:` of a pipeline file: the whole graph, run on records that the case gives and held against what it expects.
//!
//! Every case has a broker of its own in a temporary directory, reached by direct calls: no ports, no other system, and
//! the same code that runs in earnest (the broker's simulated disk would put a second file system into the binary for
//! the sake of a few milliseconds). Sources and sinks stand for their connectors: a given source hands out the case's
//! records, a sink keeps what it is handed. The clock stands still at the case's `at`.

mod compare;
mod double;
mod junit;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, Config};
use millstream_client::{Client, ClientConfig, Cluster, ProducerConfig, Record};
use millstream_sdk::plugin::Plugin;
use millstream_streams::EngineConfig;

pub use junit::report as junit_report;

use crate::config::diagnostic::Location;
use crate::config::pipeline::{Case, CaseRecord, Checked, Format};
use crate::connect::{Declaration, SinkDeclaration};
use crate::pipeline::{PipelineRun, topics};
use crate::plugin::Handle;
use compare::{Difference, compare};
use double::{GivenRecords, Kept};
use records::Seen;

/// How long one case may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One process, one case at a time: nothing waits for others to come.
const SETTINGS: [(&str, &str); 5] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.num.partitions", "1"),
    ("acks.all.durability", "interval"),
    ("num.partitions", "1"),
];

/// How a case went.
#[derive(Debug)]
pub struct Outcome {
    pub name: String,
    pub location: Location,
    pub elapsed: Duration,
    /// Why it failed; `None` when it passed.
    pub failure: Option<Failure>,
}

#[derive(Debug)]
pub enum Failure {
    /// The pipeline did not start or come to its end.
    Error(String),
    Differences(Vec<Difference>),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Error(reason) => writeln!(to, "{reason}"),
            Failure::Differences(differences) => differences.iter().try_for_each(|one| write!(to, "{one}")),
        }
    }
}

/// Runs one case to its end.
pub async fn run(checked: &Checked, case: &Case) -> Outcome {
    let started = Instant::now();
    let failure = match tokio::time::timeout(PATIENCE, attempt(checked, case)).await {
        Ok(Ok(differences)) if differences.is_empty() => None,
        Ok(Ok(differences)) => Some(Failure::Differences(differences)),
        Ok(Err(reason)) => Some(Failure::Error(reason)),
        Err(_) => Some(Failure::Error(format!("the pipeline did not come to its end within {PATIENCE:?}"))),
    };
    Outcome { name: case.name.clone(), location: case.location.clone(), elapsed: started.elapsed(), failure }
}

async fn attempt(checked: &Checked, case: &Case) -> Result<Vec<Difference>, String> {
    let folder = tempfile::Builder::new().prefix("millstream-test-").tempdir();
    let folder = folder.map_err(|error| format!("making a temporary directory: {error}"))?;
    let mut config = Config::new(folder.path());
    for (key, value) in SETTINGS {
        config.set(key, value).map_err(|error| error.to_string())?;
    }
    let broker = Broker::start(config).await.map_err(|error| format!("starting the broker: {error}"))?;
    let result = run_on(&broker, checked, case).await;
    if let Err(error) = broker.shutdown().await {
        tracing::debug!(%error, "stopping a case's broker");
    }
    result
}

async fn run_on(broker: &Broker, checked: &Checked, case: &Case) -> Result<Vec<Difference>, String> {
    let cluster = Cluster::Local(broker.local());
    let client =
        Client::connect(cluster, ClientConfig::default()).await.map_err(|error| error.to_string())?;
    let clock_ms = case.at_ms();
    millstream_streams::row::clock::set_virtual(clock_ms);
    topics::prepare(&client, checked).await.map_err(|error| error.to_string())?;
    give(&client, checked, case, clock_ms).await?;
    let kept: BTreeMap<String, Kept> =
        checked.pipeline.sinks.iter().map(|sink| (sink.name.clone(), Kept::default())).collect();
    let declaration = stand_in(checked, case, clock_ms, &kept)?;
    let run =
        PipelineRun::start_as(client.clone(), checked, declaration, true, EngineConfig::default()).await;
    let (run, _) = run.map_err(|error| error.to_string())?;
    let finished = run.finish().await;
    run.stop().await;
    finished.map_err(|error| error.to_string())?;
    let mut differences = Vec::new();
    for (place, expected) in &case.expect {
        let seen = match kept.get(&place.value).filter(|_| !is_topic(checked, &place.value)) {
            Some(kept) => kept.seen(),
            None => written(&client, checked, &place.value).await?,
        };
        differences.extend(compare(&place.value, expected, seen, case));
    }
    Ok(differences)
}

/// Whether a name means a topic (or a stream or table of the SQL): that reading wins over a source or sink of the name.
fn is_topic(checked: &Checked, name: &str) -> bool {
    let pipeline = &checked.pipeline;
    pipeline.topic(name).is_some()
        || checked.plan.topic_of(name).is_some()
        || pipeline.sources.iter().any(|source| source.topic() == Some(name))
}

/// Writes what the case gives to topics.
async fn give(client: &Client, checked: &Checked, case: &Case, clock_ms: Option<i64>) -> Result<(), String> {
    let producer = client.producer(ProducerConfig::default());
    for (place, records) in &case.given {
        if !is_topic(checked, &place.value) {
            continue;
        }
        let topic = checked.topic_of(&place.value);
        topics::ensure(client, topic).await.map_err(|error| error.to_string())?;
        let plain = has_plain_values(checked, topic);
        for record in records {
            let made = records::made(record, plain, clock_ms);
            let record = Record {
                topic: topic.to_owned(),
                partition: None,
                key: made.key,
                value: made.value,
                headers: made.headers,
                timestamp_ms: made.timestamp_ms,
            };
            let sent = producer.send(record).await.map_err(|error| error.to_string())?;
            drop(sent);
        }
    }
    producer.flush().await.map_err(|error| error.to_string())
}

/// Whether text in the file is the value itself rather than a JSON string.
fn has_plain_values(checked: &Checked, topic: &str) -> bool {
    let format = checked.pipeline.topic(topic).and_then(|topic| topic.format);
    matches!(format, Some(Format::Csv | Format::Raw))
}

/// The pipeline's sources and sinks with stand-ins in place of their connectors. Sources that are not given do not run.
fn stand_in(
    checked: &Checked,
    case: &Case,
    clock_ms: Option<i64>,
    kept: &BTreeMap<String, Kept>,
) -> Result<Declaration, String> {
    let mut declaration = Declaration::of(&checked.pipeline).map_err(|error| error.to_string())?;
    let given = |name: &str| -> Option<&Vec<CaseRecord>> {
        let found = case.given.iter().find(|(place, _)| place.value == name)?;
        (!is_topic(checked, name)).then_some(&found.1)
    };
    declaration.sources.retain(|source| given(&source.name).is_some());
    for source in &mut declaration.sources {
        let records = given(&source.name).into_iter().flatten();
        let made = records.map(|record| records::made(record, true, clock_ms)).collect();
        source.plugin = handle(GivenRecords::new(made));
        source.settings = serde_json::json!({});
    }
    for SinkDeclaration { name, plugin, settings, .. } in &mut declaration.sinks {
        let keeper = kept.get(name).cloned().unwrap_or_default();
        *plugin = handle(keeper);
        *settings = serde_json::json!({});
    }
    Ok(declaration)
}

fn handle(plugin: impl Plugin + 'static) -> Handle {
    Handle::Loaded(Arc::new(plugin))
}

/// What a topic holds now; of a table, the latest of each key.
async fn written(client: &Client, checked: &Checked, name: &str) -> Result<Vec<Seen>, String> {
    let topic = checked.topic_of(name);
    let seen = records::read(client, topic).await?;
    let declared = checked.pipeline.topic(topic).and_then(|topic| topic.config.get("cleanup.policy"));
    let is_table = checked.plan.topics().iter().any(|need| need.name == topic && need.compacted)
        || declared.is_some_and(|policy| policy.value.contains("compact"));
    Ok(if is_table { records::latest(seen) } else { seen })
}

/// A shared list.
type Shared<T> = Arc<parking_lot::Mutex<Vec<T>>>;
