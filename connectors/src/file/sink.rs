//! The file sink: encodes batches into a buffer, appends it, and commits file and positions together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};

use super::encode::Encoder;
use super::options::{Format, SinkOptions};
use super::output::{Names, Output};
use super::parquet::ParquetFiles;
use super::partitioned::Files;
use super::template::Template;
use crate::blocking::Blocking;

/// How much is gathered before it is written to the file.
const BUFFER_BYTES: usize = 1 << 20;

pub struct FileSink {
    options: Arc<SinkOptions>,
    target: Target,
    open: Option<Blocking<Open, Result<Written, ConnectorError>>>,
    /// The last commit left rows for a later one.
    is_holding: bool,
}

/// One file, or one per what its path's placeholders stand for.
#[derive(Clone)]
enum Target {
    File(Names),
    Files {
        base: PathBuf,
        template: Template,
    },
    /// One or many.
    Parquet {
        base: PathBuf,
    },
}

impl FileSink {
    pub fn new(options: SinkOptions, base: &Path) -> Result<FileSink, ConnectorError> {
        let target = match Template::parse(&options.path).map_err(ConnectorError::config)? {
            _ if options.format == Format::Parquet => Target::Parquet { base: base.to_path_buf() },
            None => Target::File(Names::new(base.join(&options.path))?),
            Some(template) => Target::Files { base: base.to_path_buf(), template },
        };
        Ok(FileSink { options: Arc::new(options), target, open: None, is_holding: false })
    }

    async fn run<Work>(&mut self, work: Work) -> Result<Written, ConnectorError>
    where
        Work: FnOnce(&mut Open) -> Result<Written, ConnectorError> + Send + 'static,
    {
        match self.open.as_mut() {
            Some(open) => open.run(work).await?,
            None => Err(ConnectorError::fatal(format!("{} is not open", self.options.path))),
        }
    }
}

#[async_trait]
impl Sink for FileSink {
    fn delivery(&self) -> Delivery {
        Delivery::Transactional
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        // The lock of an earlier opening goes with its handle.
        self.open = None;
        let (options, target, partitions) =
            (Arc::clone(&self.options), self.target.clone(), partitions.to_vec());
        let open = tokio::task::spawn_blocking(move || Open::new(options, target, &partitions))
            .await
            .map_err(|error| ConnectorError::fatal("opening a file").caused_by(error))??;
        let positions = open.positions();
        self.open = Some(Blocking::new(open));
        Ok(positions)
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        self.run(move |open| open.write(&batch)).await
    }

    async fn commit(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let positions = positions.to_vec();
        let written = self.run(move |open| open.commit(positions, false)).await?;
        self.is_holding = !written.durable;
        Ok(())
    }

    fn is_holding(&self) -> bool {
        self.is_holding
    }

    async fn finish(&mut self, positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        let positions = positions.to_vec();
        self.run(move |open| open.commit(positions, true)).await?;
        self.is_holding = false;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.open = None;
        Ok(())
    }
}

enum Open {
    One(One),
    Many(Files),
    Parquet(ParquetFiles),
}

impl Open {
    fn new(
        options: Arc<SinkOptions>,
        target: Target,
        partitions: &[TopicPartition],
    ) -> Result<Open, ConnectorError> {
        match target {
            Target::File(names) => One::new(&options, names, partitions).map(Open::One),
            Target::Files { base, template } => {
                Files::open(options, &base, &template, |held| belongs(held, partitions)).map(Open::Many)
            }
            Target::Parquet { base } => {
                ParquetFiles::open(options, &base, partitions, |held| belongs(held, partitions))
                    .map(Open::Parquet)
            }
        }
    }

    fn positions(&self) -> Vec<SinkPosition> {
        match self {
            Open::One(one) => one.positions().collect(),
            Open::Many(files) => files.positions().collect(),
            Open::Parquet(files) => files.positions().collect(),
        }
    }

    fn write(&mut self, batch: &SinkBatch) -> Result<Written, ConnectorError> {
        match self {
            Open::One(one) => one.write(batch),
            Open::Many(files) => files.write(batch),
            Open::Parquet(files) => files.write(batch),
        }
    }

    fn commit(&mut self, positions: Vec<SinkPosition>, finishes: bool) -> Result<Written, ConnectorError> {
        match self {
            Open::One(one) => one.commit(positions),
            Open::Many(files) => files.commit(positions),
            Open::Parquet(files) => files.commit(positions, finishes),
        }
    }
}

struct One {
    output: Output,
    encoder: Encoder,
    buffer: Vec<u8>,
    positions: BTreeMap<TopicPartition, i64>,
}

impl One {
    fn new(
        options: &SinkOptions,
        names: Names,
        partitions: &[TopicPartition],
    ) -> Result<One, ConnectorError> {
        let (output, committed) =
            Output::open(names, options.existing, |committed| belongs(&committed.positions, partitions))?;
        let columns = match committed.columns {
            None if options.format == Format::Csv && options.header && !output.is_fresh => {
                Some(header_of(&output, options)?)
            }
            known => known,
        };
        let encoder = Encoder::new(options, columns);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        if output.is_fresh {
            encoder.begin(&mut buffer);
        }
        let positions = committed.positions.into_iter();
        let positions = positions.map(|position| (position.partition, position.next_offset)).collect();
        Ok(One { output, encoder, buffer, positions })
    }

    fn positions(&self) -> impl Iterator<Item = SinkPosition> {
        self.positions.iter().map(|(partition, next_offset)| SinkPosition {
            partition: partition.clone(),
            next_offset: *next_offset,
        })
    }

    fn write(&mut self, batch: &SinkBatch) -> Result<Written, ConnectorError> {
        let mut rejected = Vec::new();
        for (row, value) in batch.batch.values().iter().enumerate() {
            if let Err(reason) = self.encoder.encode(value, &mut self.buffer) {
                rejected.push(Rejection { row, reason });
            }
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(Written { durable: false, rejected })
    }

    fn commit(&mut self, positions: Vec<SinkPosition>) -> Result<Written, ConnectorError> {
        self.flush()?;
        for SinkPosition { partition, next_offset } in positions {
            self.positions.insert(partition, next_offset);
        }
        let all: Vec<_> = self.positions().collect();
        self.output.commit(self.encoder.columns(), all.into_iter())?;
        Ok(Written { durable: true, rejected: Vec::new() })
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        self.output.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The columns of a file that somebody else began: what is appended goes under them.
fn header_of(output: &Output, options: &SinkOptions) -> Result<Vec<String>, ConnectorError> {
    let path = output.path();
    let read = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(options.delimiter).unwrap_or(b','))
        .from_path(path)
        .and_then(|mut reader| reader.headers().cloned());
    let header = read.map_err(|error| {
        ConnectorError::config(format!("the header of {} cannot be read", path.display())).caused_by(error)
    })?;
    let found: Vec<String> = header.iter().map(str::to_owned).collect();
    match &options.columns {
        Some(columns) if *columns != found => Err(ConnectorError::config(format!(
            "{} has the columns {}, not {}; name those in `columns`, or write another file",
            path.display(),
            found.join(", "),
            columns.join(", ")
        ))),
        _ => Ok(found),
    }
}

/// Whether what is committed came from these partitions' topics: a topic of the same name but another id is
/// another topic. Where ids are unknown, names must do.
fn belongs(committed: &[SinkPosition], partitions: &[TopicPartition]) -> bool {
    const UNKNOWN: [u8; 16] = [0; 16];
    let mut is_shared = committed.is_empty();
    for SinkPosition { partition, .. } in committed {
        let ids =
            partitions.iter().filter(|other| other.topic == partition.topic).map(|other| other.topic_id);
        for id in ids {
            if id != partition.topic_id && id != UNKNOWN && partition.topic_id != UNKNOWN {
                return false;
            }
            is_shared = true;
        }
    }
    is_shared
}
