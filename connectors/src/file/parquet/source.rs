//! A Parquet file being read: waits for its footer, gives its rows, goes on with the file that takes its place.
//!
//! The position counts rows, and the file is told from others by a checksum of its end: a file is written once, and its footer
//! says where everything lies.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{Batch, ColumnBuilder};
use millstream_sdk::source::{BadRecord, PollLimits, Polled, Position};

use super::super::identity::{Head, Inode, born_ns};
use super::super::options::SourceOptions;
use super::super::place::{Place, Start, find, refuse_truncation, successor};
use super::super::source::{ReadFile, file_error};
use super::footer::{self, Found};
use super::table::Table;

pub struct ParquetTail {
    options: Arc<SourceOptions>,
    path: PathBuf,
    /// Whether another file that appears at `path` continues this one.
    switches: bool,
    file: Arc<File>,
    inode: Inode,
    born_ns: Option<u64>,
    /// Generations of the same birth that come before it.
    passed: Vec<Inode>,
    /// Set once the file has its footer.
    table: Option<Table>,
    /// Tells the file from others; of no bytes until it has its footer.
    head: Head,
    /// What its length and time of change were then.
    seen: (u64, i64, i64),
    /// The row to begin with once it has its footer.
    start: u64,
    /// The place that was last reported.
    reported: Option<u64>,
    warned: bool,
}

const UNKNOWN: Head = Head { bytes: 0, hash: 0 };

impl ParquetTail {
    pub fn open(
        options: Arc<SourceOptions>,
        path: PathBuf,
        place: Option<Place>,
        switches: bool,
    ) -> Result<ParquetTail, ConnectorError> {
        let Start { file, place, passed } = find(&path, place, &options, switches, holds)?;
        let metadata = file.metadata().map_err(|error| file_error("looking at", &path, error))?;
        if metadata.is_dir() {
            let message = format!("{} is a folder; name a file, or {}/*", path.display(), path.display());
            return Err(ConnectorError::config(message));
        }
        let start = place.as_ref().map_or(0, |place| place.offset);
        Ok(ParquetTail {
            options,
            path,
            switches,
            file: Arc::new(file),
            inode: Inode::of(&metadata),
            born_ns: born_ns(&metadata),
            passed,
            table: None,
            head: UNKNOWN,
            seen: (0, 0, 0),
            start,
            reported: place.map(|place| place.offset),
            warned: false,
        })
    }

    /// Reads the footer; false while the file has none and may still get one.
    fn prepare(&mut self) -> Result<bool, ConnectorError> {
        if self.table.is_some() {
            return Ok(true);
        }
        match footer::look(&self.file).map_err(|error| self.failed("reading", error))? {
            Found::Whole => {}
            Found::Unfinished if self.options.follow => {
                if !std::mem::replace(&mut self.warned, true) {
                    tracing::info!(path = %self.path.display(), "waiting for the footer of a Parquet file");
                }
                return Ok(false);
            }
            Found::Unfinished => {
                return Err(ConnectorError::config(format!(
                    "{} has no footer: it was cut, or is still being written (with `follow: true` it is waited for)",
                    self.path.display()
                )));
            }
            Found::Unreadable(reason) => {
                let message = format!("{} cannot be read as Parquet: {reason}", self.path.display());
                return Err(ConnectorError::config(message));
            }
        }
        self.head = footer::identity(&self.file).map_err(|error| self.failed("reading", error))?;
        self.seen = self.looks()?;
        let columns = self.options.columns.as_deref();
        self.table = Some(Table::open(Arc::clone(&self.file), &self.path, columns, self.start)?);
        Ok(true)
    }

    /// What to do with a file that was read to its end, or that has none yet; true when there is more to read.
    fn go_on(&mut self) -> Result<bool, ConnectorError> {
        let successor = match self.switches {
            true => successor(&self.path, self.born_ns, &self.passed_with_ours())?,
            false => None,
        };
        if let Some(file) = successor {
            if self.table.is_none() {
                tracing::warn!(path = %self.path.display(), "a Parquet file was replaced before it had its footer");
            }
            self.restart(file)?;
            return Ok(true);
        }
        if self.table.is_none() || self.looks()? == self.seen {
            return Ok(false);
        }
        // It was written to since: another table under the same name, unless only its times were changed.
        self.seen = self.looks()?;
        if footer::identity(&self.file).map_err(|error| self.failed("reading", error))? == self.head {
            return Ok(false);
        }
        refuse_truncation(&self.options, &self.path, self.head.bytes)?;
        tracing::warn!(path = %self.path.display(), "file was rewritten in place; reading it from its start");
        let same = self.file.try_clone().map_err(|error| self.failed("opening", error))?;
        self.restart(same)?;
        Ok(true)
    }

    fn restart(&mut self, file: File) -> Result<(), ConnectorError> {
        let metadata = file.metadata().map_err(|error| self.failed("looking at", error))?;
        let (inode, born) = (Inode::of(&metadata), born_ns(&metadata));
        if inode != self.inode {
            self.passed = if born == self.born_ns { self.passed_with_ours() } else { Vec::new() };
        }
        (self.inode, self.born_ns, self.file) = (inode, born, Arc::new(file));
        (self.table, self.head, self.start, self.reported, self.warned) = (None, UNKNOWN, 0, None, false);
        Ok(())
    }

    /// Whether nothing more can come of it.
    fn is_over(&self) -> Result<bool, ConnectorError> {
        if !self.options.follow {
            return Ok(true);
        }
        if self.switches {
            return Ok(false);
        }
        let links = self.file.metadata().map_err(|error| self.failed("looking at", error))?.nlink();
        Ok(self.table.is_some() || links == 0)
    }

    /// The position, if it moved since it was last asked for.
    fn moved(&mut self) -> Result<Option<Position>, ConnectorError> {
        let row = self.table.as_ref().map_or(self.start, Table::next);
        if self.reported == Some(row) {
            return Ok(None);
        }
        self.reported = Some(row);
        let (file, head, born_ns, passed) = (self.inode, self.head, self.born_ns, self.passed.clone());
        Place { file, offset: row, line: row, head, born_ns, passed }.encode().map(Some)
    }

    /// What is left of the file, as far as rows tell.
    fn lag_bytes(&self) -> Option<u64> {
        let length = self.file.metadata().ok()?.len();
        let Some(table) = &self.table else { return Some(length) };
        let left = u128::from(table.rows() - table.next());
        u64::try_from(u128::from(length) * left / u128::from(table.rows().max(1))).ok()
    }

    fn looks(&self) -> Result<(u64, i64, i64), ConnectorError> {
        let metadata = self.file.metadata().map_err(|error| self.failed("looking at", error))?;
        Ok((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    }

    fn passed_with_ours(&self) -> Vec<Inode> {
        self.passed.iter().copied().chain([self.inode]).collect()
    }

    fn failed(&self, doing: &str, error: io::Error) -> ConnectorError {
        file_error(doing, &self.path, error)
    }
}

impl ReadFile for ParquetTail {
    fn read(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let mut values =
            ColumnBuilder::with_capacity(limits.max_records.min(16 << 10), limits.max_bytes.min(2 << 20));
        let mut bad: Vec<BadRecord> = Vec::new();
        let end_of_split = loop {
            if self.prepare()?
                && let Some(table) = &mut self.table
            {
                table.read(limits, &mut values, &mut bad)?;
                if table.next() < table.rows() || !values.is_empty() || !bad.is_empty() {
                    // What comes of the file after its last row is for the next poll to say.
                    break !self.options.follow && table.next() == table.rows();
                }
            }
            if self.reported.is_none() {
                // Even before anything is read of it: from then on nothing of it is missed, whatever it is called later.
                break self.is_over()?;
            }
            if !self.go_on()? {
                break self.is_over()?;
            }
        };
        Ok(Polled {
            batch: Batch::of_values(values.finish()),
            bad,
            position: self.moved()?,
            end_of_split,
            lag_bytes: self.lag_bytes(),
        })
    }
}

/// Whether a file is still the one that a place is in. One that had no footer then had no rows either.
fn holds(place: &Place, file: &File) -> io::Result<bool> {
    Ok(place.head.bytes == 0 || footer::identity(file)? == place.head)
}
