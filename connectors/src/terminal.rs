//! Standard input and output as source and sink.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use millstream_sdk::config::{self, ConfigOption, Kind, Presence};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::{Description, Plugin, Role, RoleDescription, Surroundings};
use millstream_sdk::record::{Batch, ColumnBuilder};
use millstream_sdk::sink::{Delivery, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Stdin as TokioStdin};
use tokio::sync::Mutex;

/// Longest line of standard input.
const MAX_LINE_BYTES: u64 = 16 << 20;

pub struct Stdin;

pub struct Stdout;

impl Plugin for Stdin {
    fn describe(&self) -> Description {
        Description {
            name: "stdin",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Reads standard input, a record per line, to its end.",
            roles: vec![RoleDescription {
                role: Role::Source,
                doc: "At most once across a restart: what was read from standard input cannot be read again.",
                options: &[],
                delivery: Some(Delivery::AtMostOnce),
            }],
        }
    }

    fn source(&self, config: &Value, _at: &Surroundings) -> Result<Box<dyn Source>, ConnectorError> {
        let _: serde_json::Map<String, Value> = config::parse(&[], config)?;
        let input = BufReader::with_capacity(1 << 18, tokio::io::stdin());
        Ok(Box::new(StdinSource { input: Arc::new(Mutex::new(Input { input, line: Vec::new() })) }))
    }
}

struct StdinSource {
    input: Arc<Mutex<Input>>,
}

struct Input {
    input: BufReader<TokioStdin>,
    /// A line of which the end has not come yet.
    line: Vec<u8>,
}

#[async_trait]
impl Source for StdinSource {
    fn is_bounded(&self) -> bool {
        true
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("stdin")])
    }

    async fn open(
        &self,
        _split: &Split,
        _position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        Ok(Box::new(StdinReader { input: Arc::clone(&self.input) }))
    }
}

struct StdinReader {
    input: Arc<Mutex<Input>>,
}

#[async_trait]
impl SourceReader for StdinReader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let mut input = self.input.lock().await;
        let mut values = ColumnBuilder::default();
        let mut end_of_split = false;
        while values.len() < limits.max_records && values.byte_len() < limits.max_bytes {
            // Wait for the first line only; hand over what there is when no more is buffered.
            if !values.is_empty() && !input.input.buffer().contains(&b'\n') {
                break;
            }
            match tokio::time::timeout(limits.wait, input.next_line()).await {
                Err(_) => break,
                Ok(more) => end_of_split = !more?,
            }
            if end_of_split {
                break;
            }
            values.push_value(&input.line);
            input.line.clear();
        }
        Ok(Polled { batch: Batch::of_values(values.finish()), end_of_split, ..Polled::default() })
    }
}

impl Input {
    /// Completes `line`; false at the end of the input. Cancelled, it keeps what it has.
    async fn next_line(&mut self) -> Result<bool, ConnectorError> {
        let failed = |error| ConnectorError::fatal("reading standard input").caused_by(error);
        let left = MAX_LINE_BYTES.saturating_sub(self.line.len() as u64);
        let read = (&mut self.input).take(left).read_until(b'\n', &mut self.line).await.map_err(failed)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(true);
        }
        if read as u64 == left {
            return Err(ConnectorError::fatal("reading standard input: a line is longer than 16 MiB"));
        }
        Ok(!self.line.is_empty())
    }
}

const STDOUT_OPTIONS: &[ConfigOption] = &[ConfigOption {
    name: "show",
    kind: Kind::Choice(&["value", "record"]),
    presence: Presence::Default("\"value\""),
    doc: "value: the value alone; record: topic, partition, offset, key and value, with tabs between",
}];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Show {
    Value,
    Record,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StdoutOptions {
    show: Show,
}

impl Plugin for Stdout {
    fn describe(&self) -> Description {
        Description {
            name: "stdout",
            version: env!("CARGO_PKG_VERSION"),
            doc: "Writes each record as a line to standard output.",
            roles: vec![RoleDescription {
                role: Role::Sink,
                doc: "At-least-once: after a restart the lines since the last commit come again.",
                options: STDOUT_OPTIONS,
                delivery: Some(Delivery::AtLeastOnce),
            }],
        }
    }

    fn sink(&self, config: &Value, _at: &Surroundings) -> Result<Box<dyn Sink>, ConnectorError> {
        let StdoutOptions { show } = config::parse(STDOUT_OPTIONS, config)?;
        Ok(Box::new(StdoutSink { show, lines: Vec::new() }))
    }
}

struct StdoutSink {
    show: Show,
    lines: Vec<u8>,
}

#[async_trait]
impl Sink for StdoutSink {
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        self.lines.clear();
        for (row, offset) in batch.batch.rows().zip(&batch.offsets) {
            if self.show == Show::Record {
                let lead = format!("{}\t{}\t{offset}\t", batch.topic, batch.partition);
                self.lines.extend_from_slice(lead.as_bytes());
                self.lines.extend_from_slice(row.key.unwrap_or(b"null"));
                self.lines.push(b'\t');
            }
            self.lines.extend_from_slice(row.value.unwrap_or(b"null"));
            self.lines.push(b'\n');
        }
        let mut output = std::io::stdout().lock();
        match output.write_all(&self.lines).and_then(|()| output.flush()) {
            Ok(()) => Ok(Written { durable: true, rejected: Vec::new() }),
            Err(error) => Err(ConnectorError::fatal("writing to standard output").caused_by(error)),
        }
    }

    async fn commit(&mut self, _positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        Ok(())
    }
}
