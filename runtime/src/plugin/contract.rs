//! What any plugin can be put through: each role is used as the host uses it, with records that are good, odd and bad.
//!
//! Answers that break the contract fail by themselves (`wasm/convert.rs`); here the calls are made that show it, and
//! that a source goes on where it was, and a transform gives the same for the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::plugin::{Plugin, Role, Surroundings};
use millstream_sdk::record::{Batch, BatchBuilder};
use millstream_sdk::sink::{SinkBatch, SinkPosition, TopicPartition};
use millstream_sdk::source::{PollLimits, Position, Source, Split};
use millstream_sdk::transform::{Output, Transform};
use serde_json::{Value, json};

use super::Handle;

/// How much of a source is read.
const POLLS: usize = 3;
const LIMITS: PollLimits =
    PollLimits { max_records: 100, max_bytes: 64 << 10, wait: Duration::from_millis(100) };

/// What the configurations are, by role.
#[derive(Debug, Default)]
pub struct Settings {
    every: Option<Value>,
    own: HashMap<&'static str, Value>,
}

impl Settings {
    /// Reads `JSON` and `ROLE=JSON`.
    pub fn parse(given: &[String]) -> Result<Settings, String> {
        let mut settings = Settings::default();
        for text in given {
            let roles = [Role::Source, Role::Sink, Role::Transform];
            let own = roles
                .iter()
                .find_map(|role| Some((role.name(), text.strip_prefix(role.name())?.strip_prefix('=')?)));
            let json = own.map_or(text.as_str(), |(_, json)| json);
            let value: Value =
                serde_json::from_str(json).map_err(|error| format!("--with {text}: {error}"))?;
            match own {
                Some((role, _)) => drop(settings.own.insert(role, value)),
                None => settings.every = Some(value),
            }
        }
        Ok(settings)
    }

    fn of(&self, role: Role) -> Value {
        self.own.get(role.name()).or(self.every.as_ref()).cloned().unwrap_or_else(|| json!({}))
    }
}

/// One thing that was tried.
#[derive(Debug)]
pub struct Finding {
    pub role: Role,
    pub what: &'static str,
    pub outcome: Result<(), String>,
}

/// Tries every role.
pub async fn check(plugin: &Handle, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for described in plugin.describe().roles {
        let (role, config) = (described.role, settings.of(described.role));
        let mut note = |what, outcome| findings.push(Finding { role, what, outcome });
        let mistakes = plugin.validate(role, &config);
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let accepted =
            if told.is_empty() { Ok(()) } else { Err(format!("{} (give it by --with)", told.join("; "))) };
        let is_accepted = accepted.is_ok();
        note("takes its configuration", accepted);
        if !is_accepted {
            continue;
        }
        match role {
            Role::Source => {
                note("reads splits and goes on where it was", source(&**plugin, &config).await);
            }
            Role::Sink => note("writes, commits and opens again", sink(&**plugin, &config).await),
            Role::Transform => {
                for (what, batch) in batches() {
                    note(what, transform(&**plugin, &config, &batch).await);
                }
            }
        }
    }
    findings
}

fn surroundings() -> Surroundings {
    Surroundings { pipeline: "contract".to_owned(), node: "check".to_owned(), ..Surroundings::default() }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn batches() -> Vec<(&'static str, Batch)> {
    let mut good = BatchBuilder::new();
    for n in 0..1000 {
        good.push(Some(n.to_string().as_bytes()), Some(format!("{{\"n\":{n}}}").as_bytes()), Some(n));
    }
    let mut odd = BatchBuilder::new();
    odd.push_header("name", Some(b"value"));
    odd.push_header("empty", None);
    odd.push(None, None, None);
    odd.push(Some(b""), Some(b""), Some(0));
    odd.push(Some(&[0xff, 0xfe]), Some(&[0xc3, 0x28, 0]), None);
    odd.push(None, Some(b"{\"n\":"), None);
    let mut large = BatchBuilder::new();
    large.push(None, Some(&vec![b'x'; 300 << 10]), None);
    vec![
        ("transforms a thousand JSON records", good.finish()),
        ("takes nulls, empty and broken values, and headers", odd.finish()),
        ("takes a value larger than a call usually is", large.finish()),
    ]
}

/// The same records twice: the answers must be the same. Saying no to a record is an answer, too.
async fn transform(plugin: &dyn Plugin, config: &Value, batch: &Batch) -> Result<(), String> {
    let mut first: Box<dyn Transform> = plugin.transform(config, &surroundings()).map_err(text)?;
    let mut second = plugin.transform(config, &surroundings()).map_err(text)?;
    let (one, other) = (first.apply(batch).await.map_err(text)?, second.apply(batch).await.map_err(text)?);
    if let Some(crashed) = one.rejected.iter().find(|rejection| rejection.reason.starts_with("plugin ")) {
        return Err(crashed.reason.clone());
    }
    let same = one.rejected == other.rejected
        && match (&one.output, &other.output) {
            (Output::Verdicts(one), Output::Verdicts(other)) => one == other,
            (Output::Records { batch: one, origins: from }, Output::Records { batch: other, origins }) => {
                one == other && from == origins
            }
            _ => false,
        };
    if same { Ok(()) } else { Err("two instances gave different answers for the same records".to_owned()) }
}

async fn source(plugin: &dyn Plugin, config: &Value) -> Result<(), String> {
    let source: Arc<dyn Source> = Arc::from(plugin.source(config, &surroundings()).map_err(text)?);
    let splits = source.splits().await.map_err(text)?;
    let again = source.splits().await.map_err(text)?;
    if source.is_bounded() && splits != again {
        return Err("a bounded source listed other splits the second time".to_owned());
    }
    for split in splits.iter().take(POLLS) {
        let (whole, first) = read(&*source, split, None, POLLS).await?;
        let Some((position, read_before)) = first else { continue };
        let (rest, _) = read(&*source, split, Some(position), POLLS - 1).await?;
        let expected = whole.get(read_before..).unwrap_or_default();
        let common = expected.len().min(rest.len());
        if source.is_bounded() && expected.get(..common) != rest.get(..common) {
            return Err(format!("split {} did not go on at its position with the same records", split.label));
        }
    }
    Ok(())
}

type First = Option<(Position, usize)>;

/// Values of some polls, and the position after the first with how many came before it.
async fn read(
    source: &dyn Source,
    split: &Split,
    position: Option<Position>,
    polls: usize,
) -> Result<(Vec<Option<Vec<u8>>>, First), String> {
    let mut reader = source.open(split, position).await.map_err(text)?;
    let (mut values, mut first) = (Vec::new(), None);
    for _ in 0..polls {
        let polled = reader.poll(LIMITS).await.map_err(text)?;
        values.extend(polled.batch.rows().map(|row| row.value.map(<[u8]>::to_vec)));
        if let Some(position) = polled.position {
            reader.committed(&position).await.map_err(text)?;
            first.get_or_insert((position, values.len()));
        }
        if polled.end_of_split {
            break;
        }
    }
    reader.close().await.map_err(text)?;
    Ok((values, first))
}

async fn sink(plugin: &dyn Plugin, config: &Value) -> Result<(), String> {
    let partition = TopicPartition { topic: Arc::from("contract"), topic_id: [7; 16], partition: 0 };
    for _ in 0..2 {
        let mut sink = plugin.sink(config, &surroundings()).map_err(text)?;
        sink.open(std::slice::from_ref(&partition)).await.map_err(text)?;
        let mut next_offset = 0;
        for (_, batch) in batches() {
            let offsets: Vec<i64> = (next_offset..).take(batch.len()).collect();
            next_offset += batch.len() as i64;
            let batch = SinkBatch { topic: Arc::clone(&partition.topic), partition: 0, offsets, batch };
            sink.write(batch).await.or_else(is_about_records)?;
        }
        let position = SinkPosition { partition: partition.clone(), next_offset };
        sink.commit(std::slice::from_ref(&position)).await.map_err(text)?;
        sink.close().await.map_err(text)?;
    }
    Ok(())
}

/// A sink may refuse a record that is no good.
fn is_about_records(error: ConnectorError) -> Result<millstream_sdk::sink::Written, String> {
    match error.class() {
        ErrorClass::Record => Ok(millstream_sdk::sink::Written::default()),
        _ => Err(error.to_string()),
    }
}
