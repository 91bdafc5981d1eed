//! The files of one Parquet sink: rows gathered per path, written in row groups, finished at their limits, committed with the
//! topic positions.
//!
//! A Parquet file is complete or no file at all, so a commit holds back until files are finished: when one has its size, or
//! its first row has waited for the interval, or the sink is told to finish. The log keeps the rows meanwhile; after a crash
//! they are read from it again, and what lies unfinished in the hidden folder is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::Schema;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::Row;
use millstream_sdk::sink::{Rejection, SinkBatch, SinkPosition, TopicPartition, Written};

use super::super::options::{Existing, SinkOptions, Tombstones};
use super::super::template::Template;
use super::columns::{Others, Rows};
use super::journal::{Committed, Journal, Named};
use super::kind::Kind;
use super::writer::Writing;

/// How much is gathered in memory for one row group, and for all of them.
const ROW_GROUP_BYTES_MAX: usize = 64 << 20;
const BUFFERED_BYTES_MAX: usize = 96 << 20;

/// What a path costs in memory before it has rows.
const PART_BYTES: usize = 4 << 10;

/// Most files that are being written at a time, and most paths whose columns are remembered between files.
const OPEN_FILES_MAX: usize = 128;

/// The files of one sink.
pub struct ParquetFiles {
    options: Arc<SinkOptions>,
    kinds: Vec<(String, Kind)>,
    /// `None` writes all records to one path.
    template: Option<Template>,
    name: String,
    journal: Journal,
    committed: Committed,
    partitions: Vec<TopicPartition>,
    /// Where the positions are once everything taken is in finished files.
    taken: BTreeMap<TopicPartition, i64>,
    /// Where they were when a file of the one path got its size, and how many files were finished then.
    boundary: Option<(BTreeMap<TopicPartition, i64>, usize)>,
    parts: BTreeMap<String, Part>,
    finished: Vec<(u64, String)>,
    /// A file has its size: the next commit names all.
    is_due: bool,
    /// Files that are there and are to be replaced.
    replaced: Vec<String>,
    uses: u64,
}

/// One path: the rows in memory, and the file they go to.
struct Part {
    rows: Rows,
    file: Option<(u64, Writing)>,
    /// Rows of the file, those in memory included.
    file_rows: u64,
    /// When the first of them came.
    since: Option<Instant>,
    used: u64,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.file.is_none() && self.rows.len() == 0
    }
}

impl ParquetFiles {
    /// Opens what was committed last. `keeps` says whether its positions belong to what is about to be written.
    pub fn open(
        options: Arc<SinkOptions>,
        base: &Path,
        partitions: &[TopicPartition],
        keeps: impl Fn(&[SinkPosition]) -> bool,
    ) -> Result<ParquetFiles, ConnectorError> {
        let template = Template::parse(&options.path).map_err(ConnectorError::config)?;
        let (root, name, template) = match &template {
            Some(template) => {
                let (folder, rest) = template.split();
                let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
                let name = options.path[folder.len()..].chars().map(plain).take(100).collect();
                (base.join(folder), name, Some(rest))
            }
            None => {
                let path = base.join(&options.path);
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.filter(|_| !path.is_dir()).ok_or_else(|| {
                    ConnectorError::config(format!("{} is a folder; name a file in it", path.display()))
                })?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                (folder.unwrap_or(Path::new(".")).to_path_buf(), name, None)
            }
        };
        let kinds = options.kinds().map_err(ConnectorError::config)?;
        let (journal, committed) = Journal::open(root, &name)?;
        let mut files = ParquetFiles {
            options,
            kinds,
            template,
            name,
            journal,
            committed: committed.clone().unwrap_or_default(),
            partitions: partitions.to_vec(),
            taken: BTreeMap::new(),
            boundary: None,
            parts: BTreeMap::new(),
            finished: Vec::new(),
            is_due: false,
            replaced: Vec::new(),
            uses: 0,
        };
        match committed {
            Some(committed) if keeps(&committed.positions) => {}
            committed => files.begin(committed.is_none())?,
        }
        Ok(files)
    }

    pub fn positions(&self) -> impl Iterator<Item = SinkPosition> {
        self.committed.positions.iter().cloned()
    }

    pub fn write(&mut self, batch: &SinkBatch) -> Result<Written, ConnectorError> {
        let place = self
            .partitions
            .iter()
            .find(|place| place.topic == batch.topic && place.partition == batch.partition);
        let place = place.cloned().ok_or_else(|| {
            ConnectorError::fatal(format!("{} [{}] was not opened", batch.topic, batch.partition))
        })?;
        let mut rejected = Vec::new();
        for (row, record) in batch.batch.rows().enumerate() {
            let offset = batch.offsets.get(row).copied().ok_or_else(|| {
                ConnectorError::fatal(format!(
                    "row {row} of {} [{}] has no offset",
                    batch.topic, batch.partition
                ))
            })?;
            // A transform may have made several rows of a record: a file ends behind the last of them.
            let is_last = batch.offsets.get(row + 1) != Some(&offset);
            match self.taken.get_mut(&place) {
                Some(next) => *next = offset + 1,
                None => _ = self.taken.insert(place.clone(), offset + 1),
            }
            if record.value.is_none() && self.options.tombstones == Tombstones::Skip {
                continue;
            }
            match self.path_of(batch, record) {
                Ok(path) => {
                    if let Some(reason) = self.push(&path, record.value, is_last)? {
                        rejected.push(Rejection { row, reason });
                    }
                }
                Err(reason) => rejected.push(Rejection { row, reason }),
            }
        }
        Ok(Written { durable: false, rejected })
    }

    /// Commits what is in finished files; durable says that nothing is held back.
    pub fn commit(
        &mut self,
        positions: Vec<SinkPosition>,
        finishes: bool,
    ) -> Result<Written, ConnectorError> {
        let wait = Duration::from_millis(self.options.file_interval_ms);
        let is_old = |part: &Part| part.since.is_some_and(|since| since.elapsed() >= wait);
        let is_idle = self.parts.values().all(Part::is_empty);
        if finishes || self.is_due || is_idle || self.parts.values().any(is_old) {
            self.taken.extend(positions.into_iter().map(|at| (at.partition, at.next_offset)));
            self.finish_all()?;
            if finishes && self.committed.rounds == 0 && self.finished.is_empty() {
                self.write_empty()?;
            }
            self.publish(self.taken.clone(), self.finished.len())?;
            return Ok(Written { durable: true, rejected: Vec::new() });
        }
        if let Some((positions, files)) = self.boundary.take() {
            // What was finished of one path lies before what was not.
            self.publish(positions, files)?;
        }
        Ok(Written { durable: false, rejected: Vec::new() })
    }

    fn path_of(&self, batch: &SinkBatch, record: Row<'_>) -> Result<String, String> {
        match &self.template {
            Some(template) => template.render(&batch.topic, batch.partition, record),
            None => Ok(self.name.clone()),
        }
    }

    /// Adds a row to a path's file, which may end behind it; `Some` is why it does not fit.
    fn push(
        &mut self,
        path: &str,
        value: Option<&[u8]>,
        may_end: bool,
    ) -> Result<Option<String>, ConnectorError> {
        self.uses += 1;
        let used = self.uses;
        if !self.parts.contains_key(path) {
            let part = self.new_part();
            self.parts.insert(path.to_owned(), part);
        }
        let Some(part) = self.parts.get_mut(path) else { return Ok(None) };
        if let Err(reason) = part.rows.push(value) {
            return Ok(Some(reason));
        }
        (part.used, part.since) = (used, part.since.or_else(|| Some(Instant::now())));
        part.file_rows += 1;
        let file_bytes = self.options.file_bytes;
        let group_bytes =
            usize::try_from(file_bytes).map_or(ROW_GROUP_BYTES_MAX, |bytes| bytes.min(ROW_GROUP_BYTES_MAX));
        let is_full = may_end && self.options.file_rows.is_some_and(|rows| part.file_rows >= rows);
        if is_full || part.rows.len() >= self.options.row_group_rows || part.rows.bytes() >= group_bytes {
            self.flush(path)?;
            let written =
                self.parts.get(path).and_then(|part| part.file.as_ref()).map(|(_, file)| file.bytes());
            if is_full || (may_end && written >= Some(file_bytes)) {
                self.finish(path)?;
                match self.template {
                    Some(_) => self.is_due = true,
                    None => self.boundary = Some((self.taken.clone(), self.finished.len())),
                }
            }
        }
        if self.buffered() >= BUFFERED_BYTES_MAX {
            self.flush_largest()?;
        }
        Ok(None)
    }

    fn new_part(&self) -> Part {
        let kind_of =
            |name: &String| self.kinds.iter().find(|(other, _)| other == name).map(|(_, kind)| kind.clone());
        let rows = match &self.options.columns {
            Some(names) => Rows::new(names.iter().map(|name| (name.clone(), kind_of(name))), Others::Ignore),
            None => {
                let given = self.kinds.iter();
                Rows::new(given.map(|(name, kind)| (name.clone(), Some(kind.clone()))), Others::Add)
            }
        };
        Part { rows, file: None, file_rows: 0, since: None, used: 0 }
    }

    fn buffered(&self) -> usize {
        // Counting them all would cost each row as much as there are paths.
        match &self.template {
            Some(_) if !self.uses.is_multiple_of(256) => 0,
            _ => self.parts.values().map(|part| PART_BYTES + part.rows.bytes()).sum(),
        }
    }

    fn flush_largest(&mut self) -> Result<(), ConnectorError> {
        while self.parts.values().map(|part| PART_BYTES + part.rows.bytes()).sum::<usize>()
            >= BUFFERED_BYTES_MAX / 2
        {
            let largest = self.parts.iter().max_by_key(|(_, part)| part.rows.bytes());
            let Some((path, _)) = largest.filter(|(_, part)| part.rows.len() > 0) else { break };
            let path = path.clone();
            self.flush(&path)?;
        }
        // Paths without rows in memory are what is left.
        self.forget_resting();
        Ok(())
    }

    /// Writes the rows in memory as a row group, to another file if their columns have changed.
    fn flush(&mut self, path: &str) -> Result<(), ConnectorError> {
        self.make_room(path)?;
        let Some(part) = self.parts.get_mut(path).filter(|part| part.rows.len() > 0) else { return Ok(()) };
        let fields = part.rows.fields();
        if let Some((number, file)) = part.file.take_if(|(_, file)| *file.fields() != fields) {
            file.finish()?;
            self.finished.push((number, path.to_owned()));
            part.file_rows = part.rows.len() as u64;
        }
        let rows = part.rows.take().map_err(|error| {
            ConnectorError::fatal(format!("gathering the rows of {path}")).caused_by(error)
        })?;
        let (_, file) = match &mut part.file {
            Some(file) => file,
            none => {
                let number = self.committed.next_file;
                self.committed.next_file += 1;
                let at = self.journal.unnamed(number);
                let (compression, group) = (self.options.compression, self.options.row_group_rows);
                none.insert((number, Writing::create(at, rows.schema(), compression, group)?))
            }
        };
        file.write(&rows)
    }

    /// Writes the footer of a path's file.
    fn finish(&mut self, path: &str) -> Result<(), ConnectorError> {
        let Some(part) = self.parts.get_mut(path) else { return Ok(()) };
        (part.file_rows, part.since) = (0, None);
        if let Some((number, file)) = part.file.take() {
            file.finish()?;
            self.finished.push((number, path.to_owned()));
        }
        Ok(())
    }

    fn finish_all(&mut self) -> Result<(), ConnectorError> {
        let open = self.parts.iter().filter(|(_, part)| !part.is_empty());
        let open: Vec<String> = open.map(|(path, _)| path.clone()).collect();
        for path in open {
            self.flush(&path)?;
            self.finish(&path)?;
        }
        Ok(())
    }

    /// Finishes the file that was used longest ago when there are too many.
    fn make_room(&mut self, wanted: &str) -> Result<(), ConnectorError> {
        let open = self.parts.iter().filter(|(path, part)| part.file.is_some() && *path != wanted);
        let mut open: Vec<(u64, &String)> = open.map(|(path, part)| (part.used, path)).collect();
        if open.len() < OPEN_FILES_MAX {
            return Ok(());
        }
        open.sort();
        let Some(oldest) = open.first().map(|(_, path)| (*path).clone()) else { return Ok(()) };
        let Some(part) = self.parts.get_mut(&oldest) else { return Ok(()) };
        if let Some((number, file)) = part.file.take() {
            file.finish()?;
            self.finished.push((number, oldest));
            part.file_rows = part.rows.len() as u64;
        }
        Ok(())
    }

    /// Keeps the columns of the paths that were used last.
    fn forget_resting(&mut self) {
        let resting = self.parts.iter().filter(|(_, part)| part.is_empty());
        let mut resting: Vec<(u64, String)> = resting.map(|(path, part)| (part.used, path.clone())).collect();
        resting.sort();
        let surplus = resting.len().saturating_sub(OPEN_FILES_MAX);
        for (_, path) in &resting[..surplus] {
            self.parts.remove(path);
        }
    }

    /// A file without rows, where the columns are given.
    fn write_empty(&mut self) -> Result<(), ConnectorError> {
        let fields = self.new_part().rows.fields();
        if self.template.is_some() || fields.is_empty() {
            return Ok(());
        }
        let number = self.committed.next_file;
        self.committed.next_file += 1;
        let at = self.journal.unnamed(number);
        let (compression, group) = (self.options.compression, self.options.row_group_rows);
        Writing::create(at, Arc::new(Schema::new(fields)), compression, group)?.finish()?;
        self.finished.push((number, self.name.clone()));
        Ok(())
    }

    /// Commits positions with the first of the finished files.
    fn publish(
        &mut self,
        positions: BTreeMap<TopicPartition, i64>,
        files: usize,
    ) -> Result<(), ConnectorError> {
        let mut all: BTreeMap<TopicPartition, i64> =
            self.committed.positions.drain(..).map(|at| (at.partition, at.next_offset)).collect();
        all.extend(positions);
        let all = all.into_iter().map(|(partition, next_offset)| SinkPosition { partition, next_offset });
        self.committed.positions = all.collect();
        let mut names: Vec<Named> = Vec::new();
        let mut used = BTreeSet::new();
        for (file, path) in self.finished.drain(..files).collect::<Vec<_>>() {
            let path = self.free_name(&path, file, &used);
            used.insert(path.clone());
            names.push(Named { file, path });
        }
        let mut removed = std::mem::take(&mut self.replaced);
        removed.retain(|path| !used.contains(path));
        self.committed.rounds += u64::from(!names.is_empty());
        self.journal.commit(&self.committed, names, removed)?;
        self.is_due = false;
        self.boundary = None;
        self.forget_resting();
        Ok(())
    }

    /// The path as it is written for the first file of a sink, with a number for the others.
    fn free_name(&self, path: &str, file: u64, used: &BTreeSet<String>) -> String {
        let is_free = |path: &String| {
            let is_replaced = self.replaced.contains(path);
            !used.contains(path) && (is_replaced || !self.journal.root().join(path).exists())
        };
        let first = Some(path.to_owned()).filter(|path| self.committed.rounds == 0 && is_free(path));
        first.unwrap_or_else(|| {
            let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
            let slash = if folder.is_empty() { "" } else { "/" };
            let (stem, extension) = name
                .rsplit_once('.')
                .map_or((name, String::new()), |(stem, extension)| (stem, format!(".{extension}")));
            let numbered = |extra: String| format!("{folder}{slash}{stem}-{:06}{extra}{extension}", file + 1);
            let mut free = numbered(String::new());
            let mut extra = 1;
            while !is_free(&free) {
                free = numbered(format!("-{extra}"));
                extra += 1;
            }
            free
        })
    }

    /// Where nothing of ours is: what to do with files that are there.
    fn begin(&mut self, is_first: bool) -> Result<(), ConnectorError> {
        let found = self.existing()?;
        let root = self.journal.root();
        match self.options.existing {
            Existing::Append => {}
            Existing::Replace => self.replaced = found,
            Existing::Fail if !is_first => {
                return Err(ConnectorError::config(format!(
                    "the files of {} were written from another topic or cluster; move them away together with the folder \
                     .{}.millstream, or set `existing: replace` or `append`",
                    root.join(&self.name).display(),
                    self.name
                )));
            }
            Existing::Fail => {
                if let Some(path) = found.first() {
                    return Err(ConnectorError::config(format!(
                        "{} is already there and was not written by this sink; move it away, or set `existing: replace` \
                         or `append`",
                        root.join(path).display()
                    )));
                }
            }
        }
        self.committed.positions.clear();
        self.committed.rounds = 0;
        Ok(())
    }

    /// Files that are where ours go, within the root folder.
    fn existing(&self) -> Result<Vec<String>, ConnectorError> {
        let root = self.journal.root();
        let patterns = match &self.template {
            Some(template) => vec![template.pattern()],
            None => {
                let escaped = glob::Pattern::escape(&self.name);
                let numbered = match escaped.rsplit_once('.') {
                    Some((stem, extension)) => format!("{stem}-[0-9][0-9][0-9][0-9][0-9][0-9].{extension}"),
                    None => format!("{escaped}-[0-9][0-9][0-9][0-9][0-9][0-9]"),
                };
                vec![escaped, numbered]
            }
        };
        let escaped = glob::Pattern::escape(&root.to_string_lossy());
        let mut found = Vec::new();
        for pattern in patterns {
            let pattern = format!("{}/{pattern}", escaped.trim_end_matches('/'));
            let paths = glob::glob(&pattern)
                .map_err(|error| ConnectorError::config(format!("matching {pattern}")).caused_by(error))?;
            for path in paths {
                let path: PathBuf = path.map_err(|error| {
                    ConnectorError::retryable(format!("listing {pattern}")).caused_by(error)
                })?;
                if let Ok(within) = path.strip_prefix(root)
                    && path.is_file()
                {
                    found.push(within.to_string_lossy().into_owned());
                }
            }
        }
        Ok(found)
    }
}
