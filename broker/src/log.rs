//! The log on disk, in Kafka's layout, and the owners of its partitions.
//!
//! From outside: [`LogDirectory`] opens a folder, [`Partition`] appends and reads. Inside, in reading order: what one
//! append does (`partition`, `intake`, `writer`, `segment`, `index`), how it becomes durable (`flusher`, `progress`), how it is
//! read (`fetch`, `reader`, `scan`, `buffer`), what a start does (`directory`, `recovery`, `checkpoint`,
//! `producer_snapshot`, `transaction_index`), and what time takes away (`retention`, `compaction`, `keeper`). Only
//! `disk` touches the file system. Left out: tiered storage, several folders per broker.

pub mod config;
pub mod directory;
pub mod disk;
pub mod fetch;
pub mod file_range;
pub mod partition;
pub mod progress;

mod buffer;
mod checkpoint;
mod compaction;
mod flusher;
mod index;
mod intake;
mod keeper;
mod producer_snapshot;
mod reader;
mod records;
mod recovery;
mod retention;
mod scan;
mod segment;
mod segments;
#[cfg(test)]
mod tests;
mod transaction_index;
mod writer;

pub use crate::partition::append::Origin;
pub use config::{CleanerConfig, DirectoryConfig, FlushPolicy, LogConfig, Recompression, TimestampType};
pub use directory::{Clock, DirectoryError, Expected, LogDirectory, PartitionName};
pub use fetch::{DeleteRecordsError, FetchData, FoundOffset, Isolation, MAX_TIMESTAMP, ReadError};
pub use file_range::FileRange;
pub use partition::{AppendError, Appended, Partition};
pub use progress::{Durability, DurabilityError, Progress, Standing};
pub use reader::READ_LIMIT_BYTES;
pub use writer::WriteError;
