//! Many files, by a path with placeholders, committed together.
//!
//! One journal in the folder that they share holds the topic positions and, for each file that the last transaction wrote
//! to, its committed length. A file gets its first byte of a transaction only once the journal lists it, so that every
//! tail that was not committed is known and cut off on opening. Files that rest are in no journal: they can be moved away.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::sink::{Rejection, SinkBatch, SinkPosition, TopicPartition, Written};
use serde::{Deserialize, Serialize};

use super::encode::Encoder;
use super::identity::Inode;
use super::options::{Existing, SinkOptions, Tombstones};
use super::output::{JournalPosition, lock, sync_folder};
use super::source::file_error;
use super::template::Template;

/// Most files that are open at a time; the one that was used longest ago is closed for the next.
const OPEN_FILES_MAX: usize = 128;

/// How much is gathered for one file, and for all of them, before it is written.
const FILE_BUFFER_BYTES: usize = 1 << 20;
const BUFFERED_BYTES_MAX: usize = 16 << 20;

/// The journal's format; a reader refuses what it does not know.
const JOURNAL_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    version: u32,
    positions: Vec<JournalPosition>,
    files: Vec<JournalFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct JournalFile {
    path: String,
    length: u64,
    /// Under its provisional name until that length is committed.
    is_new: bool,
}

/// The files of one sink.
pub struct Files {
    options: Arc<SinkOptions>,
    template: Template,
    root: PathBuf,
    journal: PathBuf,
    /// Held as long as the sink is open.
    _lock: File,
    positions: BTreeMap<TopicPartition, i64>,
    parts: BTreeMap<String, Part>,
    buffered: usize,
    uses: u64,
    transaction: u64,
}

/// One file of the current transaction, or of one before.
struct Part {
    file: Option<File>,
    encoder: Encoder,
    buffer: Vec<u8>,
    committed: u64,
    written: u64,
    is_new: bool,
    is_dirty: bool,
    is_in_journal: bool,
    used: u64,
    /// The transaction in which it was looked at last: between two, somebody may move it away.
    looked_at: u64,
}

impl Files {
    /// Opens what was committed last. `keeps` says whether its positions belong to what is about to be written.
    pub fn open(
        options: Arc<SinkOptions>,
        base: &Path,
        template: &Template,
        keeps: impl Fn(&[SinkPosition]) -> bool,
    ) -> Result<Files, ConnectorError> {
        let (folder, template) = template.split();
        let root = base.join(folder);
        fs::create_dir_all(&root).map_err(|error| file_error("making", &root, error))?;
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = options.path[folder.len()..].chars().map(plain).take(100).collect();
        let journal = root.join(format!(".{name}.millstream"));
        let lock_path = root.join(format!(".{name}.millstream-lock"));
        let locked = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let locked = locked.map_err(|error| file_error("opening", &lock_path, error))?;
        lock(&locked, &root)?;
        let mut files = Files {
            options,
            template,
            root,
            journal,
            _lock: locked,
            positions: BTreeMap::new(),
            parts: BTreeMap::new(),
            buffered: 0,
            uses: 0,
            transaction: 0,
        };
        files.recover(keeps)?;
        Ok(files)
    }

    pub fn positions(&self) -> impl Iterator<Item = SinkPosition> {
        self.positions.iter().map(|(partition, next_offset)| SinkPosition {
            partition: partition.clone(),
            next_offset: *next_offset,
        })
    }

    pub fn write(&mut self, batch: &SinkBatch) -> Result<Written, ConnectorError> {
        let mut rejected = Vec::new();
        for (row, record) in batch.batch.rows().enumerate() {
            if record.value.is_none() && self.options.tombstones == Tombstones::Skip {
                continue;
            }
            let path = match self.template.render(&batch.topic, batch.partition, record) {
                Ok(path) => path,
                Err(reason) => {
                    rejected.push(Rejection { row, reason });
                    continue;
                }
            };
            let part = self.part(&path)?;
            let before = part.buffer.len();
            if let Err(reason) = part.encoder.encode(record.value, &mut part.buffer) {
                rejected.push(Rejection { row, reason });
                continue;
            }
            part.is_dirty = true;
            let (grown, is_full) = (part.buffer.len() - before, part.buffer.len() >= FILE_BUFFER_BYTES);
            self.buffered += grown;
            if is_full {
                self.announce()?;
                self.flush(&path)?;
            } else if self.buffered >= BUFFERED_BYTES_MAX {
                self.flush_all()?;
            }
        }
        Ok(Written { durable: false, rejected })
    }

    pub fn commit(&mut self, positions: Vec<SinkPosition>) -> Result<Written, ConnectorError> {
        self.flush_all()?;
        for (path, part) in self.parts.iter().filter(|(_, part)| part.is_dirty) {
            if let Some(file) = &part.file {
                file.sync_data().map_err(|error| file_error("flushing", &self.root.join(path), error))?;
            }
        }
        for SinkPosition { partition, next_offset } in positions {
            self.positions.insert(partition, next_offset);
        }
        let dirty = self.parts.iter().filter(|(_, part)| part.is_dirty);
        let listed = dirty.map(|(path, part)| JournalFile {
            path: path.clone(),
            length: part.written,
            is_new: part.is_new,
        });
        self.write_journal(listed.collect())?;
        let root = self.root.clone();
        for (path, part) in &mut self.parts {
            if part.is_dirty && part.is_new {
                name(&root.join(path))?;
                part.is_new = false;
            }
            part.committed = part.written;
            part.is_in_journal = part.is_dirty;
            part.is_dirty = false;
        }
        self.transaction += 1;
        self.forget_resting();
        Ok(Written { durable: true, rejected: Vec::new() })
    }

    /// Brings the files to what was committed last.
    fn recover(&mut self, keeps: impl Fn(&[SinkPosition]) -> bool) -> Result<(), ConnectorError> {
        let journal = self.read_journal()?;
        let is_first = journal.is_none();
        if let Some(journal) = journal {
            for file in &journal.files {
                restore(&self.root.join(&file.path), file)?;
            }
            let broken =
                || ConnectorError::fatal(format!("reading {}: a topic id is broken", self.journal.display()));
            let positions: Option<Vec<_>> = journal.positions.iter().map(JournalPosition::decode).collect();
            let positions = positions.ok_or_else(broken)?;
            if keeps(&positions) {
                let held = positions.into_iter();
                self.positions = held.map(|position| (position.partition, position.next_offset)).collect();
                return Ok(());
            }
        }
        match self.options.existing {
            Existing::Append => {}
            Existing::Fail if is_first => {
                if let Some(path) = self.existing()?.first() {
                    return Err(ConnectorError::config(format!(
                        "{} is already there and was not written by this sink; move it away, or set `existing: \
                         replace` or `append`",
                        path.display()
                    )));
                }
            }
            Existing::Fail => {
                return Err(ConnectorError::config(format!(
                    "the files in {} were written from another topic or cluster; move them away together with {}, or \
                     set `existing: replace` or `append`",
                    self.root.display(),
                    self.journal.display()
                )));
            }
            Existing::Replace => {
                for path in self.existing()? {
                    fs::remove_file(&path).map_err(|error| file_error("removing", &path, error))?;
                }
            }
        }
        self.write_journal(Vec::new())
    }

    /// Files that are where ours go.
    fn existing(&self) -> Result<Vec<PathBuf>, ConnectorError> {
        let root = glob::Pattern::escape(&self.root.to_string_lossy());
        let pattern = format!("{}/{}", root.trim_end_matches('/'), self.template.pattern());
        let found = glob::glob(&pattern)
            .map_err(|error| ConnectorError::config(format!("matching {pattern}")).caused_by(error))?;
        found
            .filter(|path| path.as_ref().map_or(true, |path| path.is_file()))
            .collect::<Result<_, _>>()
            .map_err(|error| ConnectorError::retryable(format!("listing {pattern}")).caused_by(error))
    }

    fn part(&mut self, path: &str) -> Result<&mut Part, ConnectorError> {
        self.uses += 1;
        let used = self.uses;
        let full = self.root.join(path);
        let known = self.parts.get(path);
        if known.is_none_or(|part| part.looked_at != self.transaction && !part.is_still(&full)) {
            let part = Part::at(&full, &self.options)?;
            self.buffered += part.buffer.len();
            self.parts.insert(path.to_owned(), part);
        }
        let part =
            self.parts.get_mut(path).ok_or_else(|| ConnectorError::fatal("a file that was just opened"))?;
        (part.used, part.looked_at) = (used, self.transaction);
        Ok(part)
    }

    /// Lists in the journal what is about to be written to.
    fn announce(&mut self) -> Result<(), ConnectorError> {
        let is_new_to_it = |part: &Part| part.is_dirty && !part.is_in_journal;
        if !self.parts.values().any(is_new_to_it) {
            return Ok(());
        }
        let listed = self.parts.iter().filter(|(_, part)| part.is_dirty || part.is_in_journal);
        let listed = listed.map(|(path, part)| JournalFile {
            path: path.clone(),
            length: part.committed,
            is_new: part.is_new,
        });
        self.write_journal(listed.collect())?;
        self.parts.values_mut().filter(|part| part.is_dirty).for_each(|part| part.is_in_journal = true);
        Ok(())
    }

    fn flush_all(&mut self) -> Result<(), ConnectorError> {
        self.announce()?;
        let full = self.parts.iter().filter(|(_, part)| part.is_dirty && !part.buffer.is_empty());
        let full: Vec<String> = full.map(|(path, _)| path.clone()).collect();
        full.iter().try_for_each(|path| self.flush(path))
    }

    /// Writes what is gathered for one file, which the journal lists.
    fn flush(&mut self, path: &str) -> Result<(), ConnectorError> {
        self.make_room(path)?;
        let Some(part) = self.parts.get_mut(path) else { return Ok(()) };
        let path = self.root.join(path);
        let failed = |error| file_error("writing", &path, error);
        let file = match &mut part.file {
            Some(file) => file,
            none => none.insert(part.is_new.then(|| provisional(&path)).map_or_else(
                || reopen(&path, part.written),
                |provisional| make(&path, &provisional, part.written),
            )?),
        };
        file.write_all(&part.buffer).map_err(failed)?;
        part.written += part.buffer.len() as u64;
        self.buffered -= part.buffer.len();
        part.buffer.clear();
        Ok(())
    }

    /// Closes the file that was used longest ago when there are too many.
    fn make_room(&mut self, wanted: &str) -> Result<(), ConnectorError> {
        let open = self.parts.iter().filter(|(path, part)| part.file.is_some() && *path != wanted);
        let open: Vec<(&String, u64)> = open.map(|(path, part)| (path, part.used)).collect();
        if open.len() < OPEN_FILES_MAX {
            return Ok(());
        }
        let oldest = open.iter().min_by_key(|(_, used)| *used).map(|(path, _)| (*path).clone());
        if let Some(path) = oldest
            && let Some(file) = self.parts.get_mut(&path).and_then(|part| part.file.take())
        {
            file.sync_data().map_err(|error| file_error("flushing", &self.root.join(&path), error))?;
        }
        Ok(())
    }

    /// Keeps the files that were used last.
    fn forget_resting(&mut self) {
        let mut resting: Vec<(u64, String)> = self
            .parts
            .iter()
            .filter(|(_, part)| part.buffer.is_empty())
            .map(|(path, part)| (part.used, path.clone()))
            .collect();
        resting.sort();
        let surplus = resting.len().saturating_sub(OPEN_FILES_MAX);
        for (_, path) in &resting[..surplus] {
            self.parts.remove(path);
        }
    }

    fn read_journal(&self) -> Result<Option<Journal>, ConnectorError> {
        let text = match fs::read(&self.journal) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("reading", &self.journal, error)),
        };
        let broken =
            |why: String| ConnectorError::fatal(format!("reading {}: {why}", self.journal.display()));
        let journal: Journal = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        match journal.version {
            JOURNAL_VERSION => Ok(Some(journal)),
            other => Err(broken(format!("version {other} is not known here"))),
        }
    }

    fn write_journal(&self, files: Vec<JournalFile>) -> Result<(), ConnectorError> {
        let failed = |error| file_error("writing", &self.journal, error);
        let positions = self.positions().map(|position| JournalPosition::from(&position)).collect();
        let journal = Journal { version: JOURNAL_VERSION, positions, files };
        let text = serde_json::to_vec(&journal).map_err(|error| failed(error.into()))?;
        let new = self.journal.with_extension("millstream-journal-new");
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_data()).map_err(failed)?;
        fs::rename(&new, &self.journal).and_then(|()| sync_folder(&self.root)).map_err(failed)
    }
}

impl Part {
    /// A file that is there, or that is still to be made.
    fn at(path: &Path, options: &SinkOptions) -> Result<Part, ConnectorError> {
        let (written, is_new) = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => (metadata.len(), false),
            Ok(_) => return Err(ConnectorError::config(format!("{} is a folder", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => (0, true),
            Err(error) => return Err(file_error("looking at", path, error)),
        };
        let encoder = Encoder::new(options, None);
        let mut buffer = Vec::new();
        if written == 0 {
            encoder.begin(&mut buffer);
        }
        Ok(Part {
            file: None,
            encoder,
            buffer,
            committed: written,
            written,
            is_new,
            is_dirty: false,
            is_in_journal: false,
            used: 0,
            looked_at: 0,
        })
    }

    /// Whether the file under its name is the one that was committed.
    fn is_still(&self, path: &Path) -> bool {
        let Ok(found) = fs::metadata(path) else { return self.is_new };
        let ours = self.file.as_ref().map(File::metadata);
        let same = ours.is_none_or(|ours| ours.is_ok_and(|ours| Inode::of(&ours) == Inode::of(&found)));
        same && found.len() == self.committed
    }
}

/// What a file is called until its first commit.
fn provisional(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.millstream-new"))
}

fn make(path: &Path, provisional: &Path, written: u64) -> Result<File, ConnectorError> {
    let failed = |error| file_error("making", path, error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).open(provisional).map_err(failed)?;
    file.set_len(written).and_then(|()| file.seek(SeekFrom::Start(written))).map_err(failed)?;
    Ok(file)
}

fn reopen(path: &Path, written: u64) -> Result<File, ConnectorError> {
    let failed = |error| file_error("opening", path, error);
    let mut file = OpenOptions::new().write(true).open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(written)).map_err(failed)?;
    Ok(file)
}

/// Gives a file its name.
fn name(path: &Path) -> Result<(), ConnectorError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::rename(provisional(path), path)
        .and_then(|()| sync_folder(folder))
        .map_err(|error| file_error("naming", path, error))
}

/// Undoes what was not committed of a file, and finishes what was.
fn restore(path: &Path, file: &JournalFile) -> Result<(), ConnectorError> {
    let failed = |error| file_error("restoring", path, error);
    if file.is_new {
        let provisional = provisional(path);
        match fs::metadata(&provisional) {
            Ok(_) if file.length == 0 => return fs::remove_file(&provisional).map_err(failed),
            Ok(_) => {
                cut(&provisional, path, file.length)?;
                return name(path);
            }
            Err(error) if error.kind() == ErrorKind::NotFound && file.length == 0 => return Ok(()),
            // It has its name already.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    cut(path, path, file.length)
}

fn cut(at: &Path, path: &Path, length: u64) -> Result<(), ConnectorError> {
    let found = match OpenOptions::new().write(true).open(at) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(file_error("opening", at, error)),
    };
    let failed = |error| file_error("opening", at, error);
    let there =
        found.as_ref().map(File::metadata).transpose().map_err(failed)?.map_or(0, |found| found.len());
    match found {
        Some(file) if there > length => file.set_len(length).and_then(|()| file.sync_data()).map_err(failed),
        Some(_) if there == length => Ok(()),
        _ => Err(ConnectorError::fatal(format!(
            "{} holds {there} of {length} committed bytes; put it back, or remove the journal in its root folder to go \
             on without it",
            path.display()
        ))),
    }
}
