//! The file a sink writes and the journal beside it.
//!
//! Data is appended to the file and flushed; then the journal (`.NAME.millstream`), which holds the committed length
//! and the topic positions, is replaced atomically. What lies behind the committed length on opening was never
//! committed and is cut off. A new file is written under `.NAME.millstream-new` and takes its name at its first
//! commit, so that nobody sees it half-written before.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::sink::{SinkPosition, TopicPartition};
use serde::{Deserialize, Serialize};

use super::options::Existing;
use super::source::file_error;

/// The journal's format; a reader refuses what it does not know.
const JOURNAL_VERSION: u32 = 1;

/// What is committed of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    pub length: u64,
    pub columns: Option<Vec<String>>,
    pub positions: Vec<SinkPosition>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    version: u32,
    length: u64,
    #[serde(default)]
    columns: Option<Vec<String>>,
    positions: Vec<JournalPosition>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JournalPosition {
    topic: String,
    /// 32 hexadecimal digits.
    topic_id: String,
    partition: i32,
    next_offset: i64,
}

/// The three names of one output.
#[derive(Debug, Clone)]
pub struct Names {
    pub path: PathBuf,
    folder: PathBuf,
    journal: PathBuf,
    new_journal: PathBuf,
    new_file: PathBuf,
}

/// A line of somebody else's that has no end would become one with ours.
fn ends_with_line_feed(path: &Path) -> Result<bool, ConnectorError> {
    let mut last = [0];
    File::open(path)
        .and_then(|mut file| {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)
        })
        .map_err(|error| file_error("reading the end of", path, error))?;
    Ok(last == *b"\n")
}

impl Names {
    pub fn new(path: PathBuf) -> Result<Names, ConnectorError> {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(ConnectorError::config(format!("{} does not name a file", path.display())));
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let beside = |suffix: &str| folder.join(format!(".{name}.millstream{suffix}"));
        let (journal, new_journal, new_file) = (beside(""), beside("-journal-new"), beside("-new"));
        Ok(Names { path, journal, new_journal, new_file, folder })
    }
}

/// An output open for appending, locked against other writers.
#[derive(Debug)]
pub struct Output {
    names: Names,
    file: File,
    /// Still under its provisional name.
    is_new: bool,
    /// Nothing was ever written by us: the file's beginning is still to come.
    pub is_fresh: bool,
    written: u64,
}

impl Output {
    /// Opens the output as it was committed last. `keeps` says whether its positions belong to what is about to
    /// be written.
    pub fn open(
        names: Names,
        existing: Existing,
        keeps: impl Fn(&Committed) -> bool,
    ) -> Result<(Output, Committed), ConnectorError> {
        fs::create_dir_all(&names.folder).map_err(|error| file_error("making", &names.folder, error))?;
        let committed = read_journal(&names)?;
        let there = match fs::metadata(&names.path) {
            Ok(metadata) if metadata.is_dir() => {
                let message = format!("{} is a folder; name a file in it", names.path.display());
                return Err(ConnectorError::config(message));
            }
            Ok(metadata) => Some(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(file_error("looking at", &names.path, error)),
        };
        match (committed, there) {
            (Some(committed), _) if keeps(&committed) => Output::resume(names, committed, there),
            (None, None) => Output::create(names),
            // What the positions stand for is gone as well.
            (Some(_), None) if !names.new_file.exists() => Output::replace(names),
            (_, _) if existing == Existing::Replace => Output::replace(names),
            (committed, there) if existing == Existing::Append => {
                let length = there.unwrap_or(0);
                let columns = committed.and_then(|committed| committed.columns);
                let is_open_line = length > 0 && !ends_with_line_feed(&names.path)?;
                let committed = Committed { length, columns: None, positions: vec![] };
                let (mut output, _) = Output::resume(names, committed, there)?;
                if is_open_line {
                    output.write(b"\n")?;
                }
                Ok((output, Committed { length, columns, positions: vec![] }))
            }
            (Some(_), _) => Err(ConnectorError::config(format!(
                "{} was written from another topic or cluster; move it away together with {}, or set `existing: \
                 replace` or `append`",
                names.path.display(),
                names.journal.display()
            ))),
            (None, Some(_)) => Err(ConnectorError::config(format!(
                "{} is already there and was not written by this sink; move it away, or set `existing: replace` \
                 or `append`",
                names.path.display()
            ))),
        }
    }

    pub fn path(&self) -> &Path {
        &self.names.path
    }

    /// Appends to what goes behind the committed length.
    pub fn write(&mut self, data: &[u8]) -> Result<(), ConnectorError> {
        self.file.write_all(data).map_err(|error| file_error("writing", &self.names.path, error))?;
        self.written += data.len() as u64;
        Ok(())
    }

    /// Makes everything written durable together with the positions.
    pub fn commit(
        &mut self,
        columns: Option<&[String]>,
        positions: impl Iterator<Item = SinkPosition>,
    ) -> Result<(), ConnectorError> {
        let names = &self.names;
        self.file.sync_data().map_err(|error| file_error("flushing", &names.path, error))?;
        let journal = Journal {
            version: JOURNAL_VERSION,
            length: self.written,
            columns: columns.map(<[String]>::to_vec),
            positions: positions.map(|position| JournalPosition::from(&position)).collect(),
        };
        write_journal(names, &journal)?;
        if self.is_new {
            fs::rename(&names.new_file, &names.path)
                .and_then(|()| sync_folder(&names.folder))
                .map_err(|error| file_error("naming", &names.path, error))?;
            self.is_new = false;
        }
        self.is_fresh = false;
        Ok(())
    }

    fn create(names: Names) -> Result<(Output, Committed), ConnectorError> {
        let failed = |error| file_error("making", &names.path, error);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&names.new_file);
        let file = file.map_err(failed)?;
        lock(&file, &names.path)?;
        file.set_len(0).map_err(failed)?;
        let output = Output { names, file, is_new: true, is_fresh: true, written: 0 };
        Ok((output, Committed::default()))
    }

    /// The old file stays until the first commit of the new one.
    fn replace(names: Names) -> Result<(Output, Committed), ConnectorError> {
        match fs::remove_file(&names.journal) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(file_error("removing", &names.journal, error)),
        }
        Output::create(names)
    }

    fn resume(
        names: Names,
        committed: Committed,
        there: Option<u64>,
    ) -> Result<(Output, Committed), ConnectorError> {
        let is_new = there.is_none();
        let at = if is_new { &names.new_file } else { &names.path };
        let mut file = match OpenOptions::new().write(true).open(at) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(lost(&names, &committed, 0)),
            Err(error) => return Err(file_error("opening", at, error)),
        };
        lock(&file, &names.path)?;
        let failed = |error| file_error("opening", at, error);
        let length = file.metadata().map_err(failed)?.len();
        if length < committed.length {
            return Err(lost(&names, &committed, length));
        }
        if length > committed.length {
            tracing::debug!(path = %names.path.display(), bytes = length - committed.length, "cutting off");
            file.set_len(committed.length).map_err(failed)?;
        }
        file.seek(SeekFrom::Start(committed.length)).map_err(failed)?;
        if is_new {
            // The journal was written, the rename was not.
            fs::rename(&names.new_file, &names.path)
                .and_then(|()| sync_folder(&names.folder))
                .map_err(|error| file_error("naming", &names.path, error))?;
        }
        let written = committed.length;
        Ok((Output { names, file, is_new: false, is_fresh: written == 0, written }, committed))
    }
}

fn lost(names: &Names, committed: &Committed, length: u64) -> ConnectorError {
    ConnectorError::fatal(format!(
        "{} holds {length} of {} committed bytes; put it back, or remove {} to write it anew",
        names.path.display(),
        committed.length,
        names.journal.display()
    ))
}

/// One writer at a time; the lock goes with the file handle, so a killed process holds none.
pub(super) fn lock(file: &File, path: &Path) -> Result<(), ConnectorError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(ConnectorError::retryable(format!("{} is being written by another sink", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(file_error("locking", path, error)),
    }
}

fn read_journal(names: &Names) -> Result<Option<Committed>, ConnectorError> {
    let text = match fs::read(&names.journal) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("reading", &names.journal, error)),
    };
    let broken = |why: String| ConnectorError::fatal(format!("reading {}: {why}", names.journal.display()));
    let journal: Journal = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    if journal.version != JOURNAL_VERSION {
        return Err(broken(format!("version {} is not known here", journal.version)));
    }
    let positions: Option<Vec<_>> = journal.positions.iter().map(JournalPosition::decode).collect();
    let positions = positions.ok_or_else(|| broken("a topic id is broken".to_owned()))?;
    Ok(Some(Committed { length: journal.length, columns: journal.columns, positions }))
}

fn write_journal(names: &Names, journal: &Journal) -> Result<(), ConnectorError> {
    let failed = |error: io::Error| file_error("writing", &names.journal, error);
    let text = serde_json::to_vec(journal).map_err(|error| failed(error.into()))?;
    let mut file = File::create(&names.new_journal).map_err(failed)?;
    file.write_all(&text).and_then(|()| file.sync_data()).map_err(failed)?;
    fs::rename(&names.new_journal, &names.journal).map_err(failed)?;
    sync_folder(&names.folder).map_err(failed)
}

/// A rename is durable once its folder is.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl From<&SinkPosition> for JournalPosition {
    fn from(position: &SinkPosition) -> JournalPosition {
        let TopicPartition { topic, topic_id, partition } = &position.partition;
        JournalPosition {
            topic: topic.to_string(),
            topic_id: topic_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            partition: *partition,
            next_offset: position.next_offset,
        }
    }
}

impl JournalPosition {
    pub(super) fn decode(&self) -> Option<SinkPosition> {
        let topic_id = u128::from_str_radix(&self.topic_id, 16).ok()?.to_be_bytes();
        let partition =
            TopicPartition { topic: Arc::from(self.topic.as_str()), topic_id, partition: self.partition };
        Some(SinkPosition { partition, next_offset: self.next_offset })
    }
}
