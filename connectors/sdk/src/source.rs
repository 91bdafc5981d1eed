//! Where records come from: a source divides itself into splits, and a reader per split is polled for batches.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::ConnectorError;
use crate::record::Batch;

/// A part of a source that is read alone and in order: a file, a table, a partition. The unit of parallelism.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Split {
    /// Stable across restarts: positions are stored under it.
    pub id: String,
    /// What people call it; may change.
    pub label: String,
}

impl Split {
    pub fn new(id: impl Into<String>) -> Split {
        let id = id.into();
        Split { label: id.clone(), id }
    }

    pub fn labelled(mut self, label: impl Into<String>) -> Split {
        self.label = label.into();
        self
    }
}

/// How far a reader has come, in bytes that only the source understands. Stored with the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(pub Bytes);

/// How much one poll may return, and how long it may wait for the first record.
#[derive(Debug, Clone, Copy)]
pub struct PollLimits {
    pub max_records: usize,
    /// Soft: the record that passes it is still part of the batch.
    pub max_bytes: usize,
    pub wait: Duration,
}

/// Something the source read but could not make a record of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    pub raw: Bytes,
    /// Where it was, for people: `file:line`.
    pub origin: String,
    pub reason: String,
}

/// What a poll returned. An empty batch means that nothing came within the wait.
#[derive(Debug, Clone, Default)]
pub struct Polled {
    pub batch: Batch,
    pub bad: Vec<BadRecord>,
    /// The position after this batch and its bad records; `None` while it has not moved since the last poll.
    pub position: Option<Position>,
    /// The split is at its end and stays there; only bounded sources say so.
    pub end_of_split: bool,
    /// How far behind the end of the split the reader still is, where it knows, in bytes.
    pub lag_bytes: Option<u64>,
}

/// Records of a reader as they lie in a topic: rows that follow one another, at offsets that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The first row, counted over all batches that were polled since the last commit.
    pub row: u64,
    pub count: u64,
    pub topic: Arc<str>,
    pub partition: i32,
    /// The offset of the first row.
    pub offset: i64,
}

/// The host's own client of the cluster that records go to. Opaque here: built-in sources that know the host's client
/// may ask for it, components never see it.
#[derive(Clone)]
pub struct HostClient(Arc<dyn Any + Send + Sync>);

impl HostClient {
    pub fn new<T: Send + Sync + 'static>(client: T) -> HostClient {
        HostClient(Arc::new(client))
    }

    pub fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.0.downcast_ref::<T>().cloned()
    }
}

impl fmt::Debug for HostClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostClient")
    }
}

/// A configured source.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether every split ends. The host drains bounded sources and is then done with them.
    fn is_bounded(&self) -> bool;

    /// Called once before anything else, by a host that has a client to lend.
    fn attach(&mut self, host: &HostClient) {
        let _ = host;
    }

    /// What a source does beside its records. The host calls it as soon as the splits were listed, again after the
    /// pause that it returns (`None`: never again), and once more when all splits of a bounded source have ended.
    async fn tend(&self) -> Result<Option<Duration>, ConnectorError> {
        Ok(None)
    }

    /// The splits there are now. An unbounded source may be asked again for new ones.
    async fn splits(&self) -> Result<Vec<Split>, ConnectorError>;

    /// Opens a split at a position it gave earlier, or at its beginning.
    async fn open(
        &self,
        split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError>;
}

/// Reads one split in order.
///
/// After an error or a crash the host drops the reader and opens a new one at the last committed position.
#[async_trait]
pub trait SourceReader: Send {
    /// The next records. Cancelling it (dropping the future) must lose nothing: the next poll goes on.
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError>;

    /// Whether [`SourceReader::placed`] is to be called; the host does so at the price of one more wait per commit.
    fn wants_places(&self) -> bool {
        false
    }

    /// Where the rows since the last commit were written, before they are committed, in order; rows that were dropped on
    /// the way are missing. A position that it returns takes the place of the one polled last.
    fn placed(&mut self, places: &[Placed]) -> Result<Option<Position>, ConnectorError> {
        let _ = places;
        Ok(None)
    }

    /// Everything up to the position is durable here; what lies upstream of it may be let go.
    async fn committed(&mut self, position: &Position) -> Result<(), ConnectorError> {
        let _ = position;
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
