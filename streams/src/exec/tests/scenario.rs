//! Scenarios as text. A file is a list of blocks, each a line that says what it is and the lines below it:
//!
//! - `program`: the statements;
//! - `input TOPIC PARTITION`: records to append, each `KEY VALUE` (`-` for no key or no value), perhaps with headers:
//!   `KEY VALUE # NAME=VALUE NAME=VALUE`;
//! - `finish`: every query reads to the end of its input and closes its windows;
//! - `output TOPIC`: what the topic holds by then, in order, the key of a NULL as `NULL`; with `latest` behind the name, the last value of each key that
//!   is not taken back; with `sorted`, its lines in the order of their text;
//! - `late QUERY COUNT`, `bad QUERY COUNT`, `state QUERY KEYS`: counts by then (only in the plain run where a crash would
//!   count twice).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::model::{Disturbance, Model, ModelLink, Record};
use crate::exec::engine::{BadRecords, InputEnds};
use crate::exec::status::StatusCells;
use crate::exec::task::{self, Finish, Orders, TaskConfig};
use crate::format::NULL_KEY;
use crate::plan::{Plan, PlanContext, Program, QueryPlan};

#[derive(Clone)]
pub struct Scenario {
    name: String,
    plan: Plan,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Input { topic: String, partition: i32, records: Vec<Record> },
    Finish,
    Output { topic: String, latest: bool, sorted: bool, lines: Vec<String> },
    Count { what: String, query: String, expected: u64 },
}

impl Scenario {
    pub fn read(path: &Path) -> Scenario {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("the scenario can be read");
        Scenario::parse(name, &text)
    }

    pub fn parse(name: String, text: &str) -> Scenario {
        let mut program = Program::default();
        let mut steps = Vec::new();
        for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            let lines = block.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
            let Some((head, body)) = lines.split_first() else { continue };
            match head.split(' ').collect::<Vec<_>>().as_slice() {
                ["program"] => {
                    program
                        .extend(&body.join("\n"), &name)
                        .unwrap_or_else(|found| panic!("{name}: {found:?}"));
                }
                ["input", topic, partition] => steps.push(Step::Input {
                    topic: (*topic).to_owned(),
                    partition: partition.parse().expect("a partition's number"),
                    records: body.iter().map(|line| record(line)).collect(),
                }),
                ["finish"] => steps.push(Step::Finish),
                ["output", topic, rest @ ..] => steps.push(Step::Output {
                    topic: (*topic).to_owned(),
                    latest: rest.contains(&"latest"),
                    sorted: rest.contains(&"sorted"),
                    lines: body.iter().map(|line| (*line).to_owned()).collect(),
                }),
                [what @ ("late" | "bad" | "state"), query, count] => steps.push(Step::Count {
                    what: (*what).to_owned(),
                    query: (*query).to_owned(),
                    expected: count.parse().expect("a count"),
                }),
                other => panic!("{name}: {other:?} is no block"),
            }
        }
        let context = PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() };
        let plan = program.plan(&context).unwrap_or_else(|found| panic!("{name}: {found:?}"));
        Scenario { name, plan, steps }
    }

    /// Runs all steps and compares every output. Gives how many steps the tasks took.
    pub async fn run(&self, disturbance: &Disturbance) -> usize {
        let model = self.run_on(disturbance).await;
        let model = model.lock().expect("the model is not poisoned");
        model.steps
    }

    /// Runs all steps, and gives the values of what a topic holds then.
    pub async fn values(&self, disturbance: &Disturbance, topic: &str, latest: bool) -> Vec<String> {
        let model = self.run_on(disturbance).await;
        let value =
            |line: String| line.split_once(' ').map(|(_, value)| value.to_owned()).unwrap_or_default();
        output(&model, topic, latest, false).into_iter().map(value).collect()
    }

    async fn run_on(&self, disturbance: &Disturbance) -> Arc<Mutex<Model>> {
        let model = Arc::new(Mutex::new(Model::default()));
        let mut statuses = BTreeMap::new();
        for query in &self.plan.queries {
            statuses.insert(query.name().to_owned(), StatusCells::new(query.name()));
            for topic in query.output_topics() {
                let output = (topic.to_owned(), 0);
                model.lock().expect("the model is not poisoned").topics.entry(output).or_default();
            }
        }
        for step in &self.steps {
            match step {
                Step::Input { topic, partition, records } => {
                    let mut model = model.lock().expect("the model is not poisoned");
                    let place = (topic.clone(), *partition);
                    model.topics.entry(place).or_default().extend(records.iter().cloned());
                }
                Step::Finish => {
                    for query in &self.plan.queries {
                        finish(&model, query, disturbance, &statuses[query.name()]).await;
                    }
                }
                Step::Output { topic, latest, sorted, lines } => {
                    let sorts = *sorted || !disturbance.is_ordered();
                    let found = output(&model, topic, *latest, sorts).join("\n");
                    let mut expected = lines.clone();
                    if sorts {
                        expected.sort();
                    }
                    let expected = expected.join("\n");
                    assert!(
                        found == expected,
                        "{}: {topic} with {disturbance:?}\nfound:\n{found}\nexpected:\n{expected}",
                        self.name
                    );
                }
                Step::Count { what, query, expected } => {
                    let crashes = format!("{disturbance:?}").contains("crashes: []");
                    let status = &statuses[query.as_str()];
                    let found = match what.as_str() {
                        "late" => status.late_rows.load(Ordering::Relaxed),
                        "bad" => status.bad_rows.load(Ordering::Relaxed),
                        _ => model.lock().expect("the model is not poisoned").state_keys(query) as u64,
                    };
                    if crashes || what == "state" {
                        assert_eq!(found, *expected, "{}: {what} {query} with {disturbance:?}", self.name);
                    }
                }
            }
        }
        model
    }
}

/// What a topic holds.
fn output(model: &Mutex<Model>, topic: &str, latest: bool, sorted: bool) -> Vec<String> {
    let model = model.lock().expect("the model is not poisoned");
    let mut found: Vec<String> =
        model.topics.get(&(topic.to_owned(), 0)).into_iter().flatten().map(line).collect();
    if latest {
        let by_key: BTreeMap<String, String> = found
            .into_iter()
            .map(|line| (line.split(' ').next().unwrap_or_default().to_owned(), line))
            .collect();
        found = by_key.into_values().filter(|line| !line.ends_with(" -")).collect();
    }
    if sorted {
        found.sort();
    }
    found
}

/// Runs the query, again after every crash, until its windows are closed.
async fn finish(model: &Arc<Mutex<Model>>, query: &Arc<QueryPlan>, how: &Disturbance, status: &StatusCells) {
    let ends: InputEnds = {
        let model = model.lock().expect("the model is not poisoned");
        let mut ends = InputEnds::default();
        for ((topic, partition), records) in &model.topics {
            if query.input_topics().contains(&topic.as_str()) {
                ends.entry(topic.clone()).or_default().insert(*partition, records.len() as i64);
            }
        }
        ends
    };
    let config = || TaskConfig {
        commit_interval: how.commit_interval(),
        commit_rows_max: task::TRANSACTION_ROWS_MAX,
        idle_timeout: None,
        bad_records: BadRecords::Skip,
        state: None,
        parallelism: 1,
    };
    let orders = Orders { stop: false, finish: Some(Finish { number: 1, ends: Arc::new(ends) }) };
    let (orders_sender, orders) = watch::channel(orders);
    let (finished, mut done) = watch::channel(0);
    for _ in 0..100 {
        let mut link = ModelLink::new(model.clone(), query.clone(), how.clone());
        let opened = model.lock().expect("the model is not poisoned").opened(query.name());
        let (state, parallelism) = (how.database(opened), how.workers(opened));
        let config = TaskConfig { state, parallelism, ..config() };
        let running = task::run(query, &config, status, &mut link, &orders, &finished);
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                _ = done.changed() => orders_sender.send_modify(|orders| orders.stop = true),
            }
        };
        match ended {
            Ok(()) => return,
            Err(error) if error.to_string().contains("crash at step") => {}
            Err(error) => panic!("{}: {error}", query.name()),
        }
    }
    panic!("{} does not finish", query.name());
}

fn record(line: &str) -> Record {
    let (key, value) = line.split_once(' ').expect("a record is `KEY VALUE`");
    let bytes = |text: &str| (text != "-").then(|| text.as_bytes().to_vec());
    let (value, headers) = value.split_once(" # ").unwrap_or((value, ""));
    let header = |text: &str| {
        let (name, value) = text.split_once('=').expect("a header is `NAME=VALUE`");
        (name.to_owned(), bytes(value))
    };
    (bytes(key), bytes(value), headers.split_whitespace().map(header).collect())
}

fn line((key, value, headers): &Record) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes.as_deref() {
        None => "-".to_owned(),
        Some(NULL_KEY) => "NULL".to_owned(),
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut line = format!("{} {}", text(key), text(value));
    for (place, (name, value)) in headers.iter().enumerate() {
        line.push_str(if place == 0 { " # " } else { " " });
        line.push_str(&format!("{name}={}", text(value)));
    }
    line
}
