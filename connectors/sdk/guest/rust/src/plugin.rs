//! The traits of a plugin and its roles.

use crate::bindings::exports::millstream::connect as exports;
use crate::bindings::millstream::connect::types;
use crate::{Batch, BatchBuilder, Error, Record};

pub use exports::plugin::{Capability, Delivery, Diagnostic, Role};
pub use exports::sink::{Position, TopicPartition};
pub use exports::source::{PollLimits, Split};
pub use types::Place;

/// A component's plugin. A role that it does not play is [`Nothing`] and missing from the description.
pub trait Plugin: 'static {
    type Source: Source;
    type Sink: Sink;
    type Transform: Transform;

    fn describe() -> Description;

    /// Checks a configuration (JSON) that agrees with the role's schema, without touching anything outside.
    fn validate(role: Role, config: &str) -> Vec<Diagnostic> {
        let _ = (role, config);
        Vec::new()
    }
}

/// What a plugin says of itself.
pub struct Description {
    pub(crate) parts: exports::plugin::Description,
}

impl Description {
    /// `name`: lower-case letters, digits and hyphens.
    pub fn new(name: &str, version: &str) -> Description {
        Description {
            parts: exports::plugin::Description {
                name: name.to_owned(),
                version: version.to_owned(),
                doc: String::new(),
                roles: Vec::new(),
                wants: Vec::new(),
            },
        }
    }

    #[must_use]
    pub fn doc(mut self, doc: &str) -> Description {
        doc.clone_into(&mut self.parts.doc);
        self
    }

    /// Plays the role of a source; `config_schema` is a JSON Schema of an object.
    #[must_use]
    pub fn source(self, doc: &str, config_schema: &str) -> Description {
        self.role(Role::Source, doc, config_schema, None)
    }

    #[must_use]
    pub fn sink(self, doc: &str, config_schema: &str, delivery: Delivery) -> Description {
        self.role(Role::Sink, doc, config_schema, Some(delivery))
    }

    #[must_use]
    pub fn transform(self, doc: &str, config_schema: &str) -> Description {
        self.role(Role::Transform, doc, config_schema, None)
    }

    /// Cannot work without this grant.
    #[must_use]
    pub fn wants(mut self, capability: Capability) -> Description {
        self.parts.wants.push(capability);
        self
    }

    fn role(mut self, role: Role, doc: &str, config_schema: &str, delivery: Option<Delivery>) -> Description {
        let (doc, config_schema) = (doc.to_owned(), config_schema.to_owned());
        self.parts.roles.push(exports::plugin::RoleDescription { role, doc, config_schema, delivery });
        self
    }
}

pub trait Source: Sized + 'static {
    type Reader: Reader;

    /// `config` is JSON.
    fn configure(config: &str, at: &Place) -> Result<Self, Error>;

    /// Whether every split ends.
    fn is_bounded(&self) -> bool;

    fn splits(&self) -> Result<Vec<Split>, Error>;

    /// Opens a split at a position it gave earlier, or at its beginning.
    fn open(&self, split: Split, position: Option<Vec<u8>>) -> Result<Self::Reader, Error>;
}

/// Reads one split.
pub trait Reader: Sized + 'static {
    fn poll(&mut self, limits: PollLimits) -> Result<Polled, Error>;

    /// Everything up to the position is durable: what lies upstream of it may be let go.
    fn committed(&mut self, position: Vec<u8>) -> Result<(), Error> {
        let _ = position;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// What a poll returns. An empty batch means that nothing came within the wait.
pub struct Polled {
    pub records: Batch,
    /// After this batch; `None` while it has not moved.
    pub position: Option<Vec<u8>>,
    pub end_of_split: bool,
    pub lag_bytes: Option<u64>,
}

pub trait Sink: Sized + 'static {
    fn configure(config: &str, at: &Place) -> Result<Self, Error>;

    /// Gets ready for these partitions. A transactional sink returns the positions that it holds.
    fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<Vec<Position>, Error> {
        let _ = partitions;
        Ok(Vec::new())
    }

    fn write(&mut self, records: &SinkBatch) -> Result<Written, Error>;

    /// Makes everything written so far durable, and with it (transactional sinks) the positions.
    fn commit(&mut self, positions: Vec<Position>) -> Result<(), Error>;

    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Records of one partition in offset order.
pub struct SinkBatch {
    pub topic: String,
    pub partition: i32,
    /// The offset of each record.
    pub offsets: Vec<i64>,
    pub records: Batch,
}

/// What became of a batch.
#[derive(Default)]
pub struct Written {
    /// Already safe in the target; otherwise the next commit makes it so.
    pub durable: bool,
    pub(crate) rejected: Vec<types::Rejection>,
}

impl Written {
    /// Everything was taken.
    pub fn all(durable: bool) -> Written {
        Written { durable, rejected: Vec::new() }
    }

    /// One record was not taken. Rows must rise.
    pub fn reject(&mut self, row: usize, reason: impl std::fmt::Display) {
        self.rejected.push(types::Rejection { row: row as u32, reason: reason.to_string() });
    }
}

pub trait Transform: Sized + 'static {
    fn configure(config: &str, at: &Place) -> Result<Self, Error>;

    fn apply(&mut self, records: &Batch) -> Result<Transformed, Error>;
}

/// What a transform made of a batch.
pub struct Transformed {
    pub(crate) parts: exports::transform::Transformed,
}

impl Transformed {
    /// A pure filter: the records for which `keep` says yes stay as they are. Nothing is copied.
    pub fn keep(records: &Batch, keep: impl FnMut(Record<'_>) -> bool) -> Transformed {
        let mut bits = vec![0u8; records.len().div_ceil(8)];
        for (row, kept) in records.iter().map(keep).enumerate() {
            bits[row / 8] |= u8::from(kept) << (row % 8);
        }
        let output = exports::transform::Output::Verdicts(bits);
        Transformed { parts: exports::transform::Transformed { output, rejected: Vec::new() } }
    }

    /// An answer as the contract has it, for tests of what the host does about bad ones.
    #[doc(hidden)]
    pub fn from_parts(parts: exports::transform::Transformed) -> Transformed {
        Transformed { parts }
    }

    /// Zero or more records from each record: `edit` appends them to the builder, or gives a reason why it cannot.
    pub fn edit(
        records: &Batch,
        mut edit: impl FnMut(Record<'_>, &mut BatchBuilder) -> Result<(), String>,
    ) -> Transformed {
        let mut builder = BatchBuilder::with_capacity(records.len(), records.value_bytes() * 5 / 4);
        let mut origins = Vec::with_capacity(records.len());
        let mut rejected = Vec::new();
        for (row, record) in records.iter().enumerate() {
            if let Err(reason) = edit(record, &mut builder) {
                rejected.push(types::Rejection { row: row as u32, reason });
            }
            origins.resize(builder.len(), row as u32);
        }
        let output = exports::transform::Output::Records(exports::transform::Records {
            records: builder.finish().into_parts(),
            origins,
        });
        Transformed { parts: exports::transform::Transformed { output, rejected } }
    }
}

/// In place of a role that the plugin does not play.
pub struct Nothing;

const NOT_PLAYED: &str = "the plugin does not play this role";

impl Source for Nothing {
    type Reader = Nothing;

    fn configure(_config: &str, _at: &Place) -> Result<Nothing, Error> {
        Err(Error::config(NOT_PLAYED))
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>, Error> {
        Err(Error::config(NOT_PLAYED))
    }

    fn open(&self, _split: Split, _position: Option<Vec<u8>>) -> Result<Nothing, Error> {
        Err(Error::config(NOT_PLAYED))
    }
}

impl Reader for Nothing {
    fn poll(&mut self, _limits: PollLimits) -> Result<Polled, Error> {
        Err(Error::config(NOT_PLAYED))
    }
}

impl Sink for Nothing {
    fn configure(_config: &str, _at: &Place) -> Result<Nothing, Error> {
        Err(Error::config(NOT_PLAYED))
    }

    fn write(&mut self, _records: &SinkBatch) -> Result<Written, Error> {
        Err(Error::config(NOT_PLAYED))
    }

    fn commit(&mut self, _positions: Vec<Position>) -> Result<(), Error> {
        Err(Error::config(NOT_PLAYED))
    }
}

impl Transform for Nothing {
    fn configure(_config: &str, _at: &Place) -> Result<Nothing, Error> {
        Err(Error::config(NOT_PLAYED))
    }

    fn apply(&mut self, _records: &Batch) -> Result<Transformed, Error> {
        Err(Error::config(NOT_PLAYED))
    }
}
