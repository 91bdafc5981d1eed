//! The file source: which files there are, and a reader that follows one of them.
//!
//! A position is device, inode, birth time, byte offset and a checksum of the file's beginning. On opening, the file is
//! found again under its own name, beside it under a rotated one, or as a copy with the same beginning; otherwise what
//! is there now is a new file and is read from its start. Generations that rotation put between the one that was read
//! and the current one are read in the order of their birth, as long as they still lie in the folder uncompressed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::record::{Batch, ColumnBuilder};
use millstream_sdk::source::{BadRecord, PollLimits, Polled, Position, Source, SourceReader, Split};

use super::decode::{self, Decoder};
use super::identity::{Head, Inode, born_ns};
use super::lines::{Blocks, Framing, MAX_RECORD_BYTES};
use super::options::{Format, SourceOptions};
use super::parquet::ParquetTail;
use super::place::{Place, Start, find, holds_text, is_packed, open_blocks, refuse_truncation, successor};
use crate::blocking::Blocking;

/// How often a followed file is looked at for more.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);

/// How much of a bad record is kept for the dead-letter topic.
const MAX_BAD_BYTES: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub struct FileSource {
    options: Arc<SourceOptions>,
    path: PathBuf,
}

impl FileSource {
    pub fn new(options: SourceOptions, base: &Path) -> Result<FileSource, ConnectorError> {
        let path = base.join(&options.path);
        Ok(FileSource { options: Arc::new(options), path })
    }

    fn is_pattern(&self) -> bool {
        self.options.path.contains(['*', '?', '['])
    }

    /// The matching files by path, with the id of each split.
    fn matches(&self) -> Result<Vec<(String, PathBuf)>, ConnectorError> {
        if !self.is_pattern() {
            return Ok(vec![(self.options.path.clone(), self.path.clone())]);
        }
        let pattern = self.path.to_string_lossy();
        let paths = glob::glob(&pattern)
            .map_err(|error| ConnectorError::config(format!("matching {pattern}")).caused_by(error))?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(|error| {
                let at = error.path().to_path_buf();
                file_error("listing", &at, error.into())
            })?;
            let metadata = match path.metadata() {
                Ok(metadata) => metadata,
                // Gone since it was listed, or a link to what is not there.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    tracing::debug!(path = %path.display(), "a name that matches leads to no file");
                    continue;
                }
                Err(error) => return Err(file_error("looking at", &path, error)),
            };
            if metadata.is_file() {
                // By inode, so that a file renamed within the pattern is not read again.
                let Inode { device, inode } = Inode::of(&metadata);
                found.push((format!("{device}:{inode}"), path));
            }
        }
        if found.is_empty() && !self.options.follow {
            return Err(ConnectorError::config(format!("no file matches {pattern}")));
        }
        Ok(found)
    }
}

#[async_trait]
impl Source for FileSource {
    fn is_bounded(&self) -> bool {
        !self.options.follow
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        let matches = self.matches()?;
        let label = |path: &Path| path.to_string_lossy().into_owned();
        Ok(matches.into_iter().map(|(id, path)| Split::new(id).labelled(label(&path))).collect())
    }

    async fn open(
        &self,
        split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let place = position.map(|position| Place::decode(&position)).transpose()?;
        let found = self.matches()?.into_iter().find(|(id, _)| *id == split.id);
        let Some((_, path)) = found else {
            return Err(ConnectorError::retryable(format!("{} is gone", split.label)));
        };
        let switches = self.options.follow && !self.is_pattern();
        let options = Arc::clone(&self.options);
        match options.format {
            Format::Parquet => {
                FileReader::open(move || ParquetTail::open(options, path, place, switches)).await
            }
            Format::Json | Format::Csv | Format::Lines => {
                FileReader::open(move || Tail::open(options, path, place, switches)).await
            }
        }
    }
}

/// A file being read, from the side of the blocking pool.
pub trait ReadFile: Send + 'static {
    /// What there is to read now; without a position when there is nothing.
    fn read(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError>;
}

struct FileReader<File> {
    tail: Blocking<File, Result<Polled, ConnectorError>>,
}

impl<File: ReadFile> FileReader<File> {
    async fn open<Open>(open: Open) -> Result<Box<dyn SourceReader>, ConnectorError>
    where
        Open: FnOnce() -> Result<File, ConnectorError> + Send + 'static,
    {
        let tail = tokio::task::spawn_blocking(open)
            .await
            .map_err(|error| ConnectorError::fatal("opening a file").caused_by(error))??;
        Ok(Box::new(FileReader { tail: Blocking::new(tail) }))
    }
}

#[async_trait]
impl<File: ReadFile> SourceReader for FileReader<File> {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let deadline = Instant::now() + limits.wait;
        loop {
            let polled = self.tail.run(move |tail| tail.read(limits)).await??;
            let left = deadline.saturating_duration_since(Instant::now());
            if polled.position.is_some() || polled.end_of_split || left.is_zero() {
                return Ok(polled);
            }
            tokio::time::sleep(left.min(FOLLOW_INTERVAL)).await;
        }
    }
}

/// One file being read, and the name under which its successor will appear.
struct Tail {
    options: Arc<SourceOptions>,
    framing: Framing,
    path: PathBuf,
    /// Whether another file that appears at `path` continues this one.
    switches: bool,
    inode: Inode,
    born_ns: Option<u64>,
    /// Generations of the same birth that come before it.
    passed: Vec<Inode>,
    head: Head,
    blocks: Blocks,
    decoder: Option<Decoder>,
    line: u64,
    /// The place that was last reported.
    reported: u64,
    /// A successor was seen; the file is read to its end once more before the switch.
    rotated: bool,
    /// The last read ended at the end of the file: before the next one it may have been rewritten in place.
    waited: bool,
}

impl ReadFile for Tail {
    fn read(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        self.read_on(limits)
    }
}

/// What there is to do at the end of the file.
enum AtEnd {
    Wait,
    Finish,
    GoOn,
    Switch(File),
}

impl Tail {
    fn open(
        options: Arc<SourceOptions>,
        path: PathBuf,
        place: Option<Place>,
        switches: bool,
    ) -> Result<Tail, ConnectorError> {
        let compression = options.compression;
        let holds = |place: &Place, file: &File| holds_text(place, file, compression);
        let Start { file, place, passed } = find(&path, place, &options, switches, holds)?;
        let offset = place.as_ref().map_or(0, |place| place.offset);
        let failed = |error| file_error("opening", &path, error);
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            let message = format!("{} is a folder; name a file, or {}/*", path.display(), path.display());
            return Err(ConnectorError::config(message));
        }
        let head = Head::of(&file, offset).map_err(failed)?;
        let packed = is_packed(&file, options.compression).map_err(failed)?;
        let blocks = open_blocks(file, packed, 0).map_err(failed)?;
        let framing = decode::framing(&options);
        let mut tail = Tail {
            options,
            framing,
            path,
            switches,
            inode: Inode::of(&metadata),
            born_ns: born_ns(&metadata),
            passed,
            head,
            blocks,
            decoder: None,
            line: 0,
            // Another file than that of the position is reported even before anything is read of it: from then on
            // nothing of it is missed, whatever it is called later.
            reported: if place.is_some() { offset } else { u64::MAX },
            rotated: false,
            waited: false,
        };
        if let Some(place) = place.filter(|place| place.offset > 0) {
            tail.prepare()?;
            let file = tail.blocks.file().try_clone().map_err(|error| tail.failed("opening", error))?;
            tail.blocks = open_blocks(file, packed, place.offset)
                .map_err(|error| file_error("opening", &tail.path, error))?;
            tail.line = place.line;
        }
        Ok(tail)
    }

    fn read_on(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let rows = limits.max_records.min(16 << 10);
        let mut values = ColumnBuilder::with_capacity(rows, limits.max_bytes.min(2 << 20));
        let mut bad = Vec::new();
        let mut at_end = false;
        let mut end_of_split = false;
        if std::mem::take(&mut self.waited)
            && !self.head.matches(self.blocks.file()).map_err(|error| self.failed("reading", error))?
        {
            self.truncated()?;
        }
        loop {
            if self.prepare()? && self.take_records(limits, at_end, &mut values, &mut bad) {
                break;
            }
            if self.blocks.refill().map_err(|error| self.failed("reading", error))? > 0 {
                continue;
            }
            if at_end {
                end_of_split = true;
                break;
            }
            match self.at_end()? {
                AtEnd::GoOn => {}
                AtEnd::Wait => {
                    self.waited = true;
                    break;
                }
                AtEnd::Finish => at_end = true,
                AtEnd::Switch(file) => {
                    // A last line without its end will not get one any more.
                    self.take_records(limits, true, &mut values, &mut bad);
                    if !self.blocks.window().is_empty() {
                        break;
                    }
                    self.restart(file)?;
                }
            }
        }
        Ok(Polled {
            batch: Batch::of_values(values.finish()),
            bad,
            position: self.moved()?,
            end_of_split,
            lag_bytes: self.lag_bytes(),
        })
    }

    /// Gets past a byte order mark and the header row at the start of a file; false until they are read.
    fn prepare(&mut self) -> Result<bool, ConnectorError> {
        if self.decoder.is_some() {
            return Ok(true);
        }
        let has_header = self.options.format == Format::Csv && self.options.header;
        let mut at_end = false;
        loop {
            let window = self.blocks.window();
            let mark = if window.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let frame = self.framing.next(&window[mark..], at_end);
            let partial_mark = window.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(window);
            if !has_header && (at_end || !partial_mark) {
                self.decoder = Some(Decoder::new(&self.options, None)?);
                self.blocks.consume(mark);
                return Ok(true);
            }
            if let Some(frame) = frame.filter(|_| has_header) {
                self.decoder = Some(Decoder::new(&self.options, Some(frame.record))?);
                self.line += frame.lines;
                let consumed = mark + frame.consumed;
                self.blocks.consume(consumed);
                return Ok(true);
            }
            if at_end {
                return Ok(false);
            }
            if self.blocks.refill().map_err(|error| self.failed("reading", error))? == 0 {
                if self.options.follow {
                    return Ok(false);
                }
                at_end = true;
            }
        }
    }

    /// Decodes what is in the window; true when the batch is full.
    fn take_records(
        &mut self,
        limits: PollLimits,
        at_end: bool,
        values: &mut ColumnBuilder,
        bad: &mut Vec<BadRecord>,
    ) -> bool {
        let Some(decoder) = self.decoder.as_mut() else {
            return false;
        };
        loop {
            if values.len() + bad.len() >= limits.max_records || values.byte_len() >= limits.max_bytes {
                return true;
            }
            let window = self.blocks.window();
            let (raw, consumed, lines, reason) = match self.framing.next(window, at_end) {
                Some(frame) => {
                    let reason = match frame.record.len() > MAX_RECORD_BYTES {
                        true => Some("longer than 16 MiB".to_owned()),
                        false => decoder.decode(frame.record, values).err(),
                    };
                    (frame.record, frame.consumed, frame.lines, reason)
                }
                // Give up on it here; what is left of it shows up as another bad record.
                None if window.len() > MAX_RECORD_BYTES => {
                    (window, window.len(), 0, Some("longer than 16 MiB".to_owned()))
                }
                None => return false,
            };
            if let Some(reason) = reason {
                bad.push(BadRecord {
                    raw: Bytes::copy_from_slice(&raw[..raw.len().min(MAX_BAD_BYTES)]),
                    origin: format!("{}:{}", self.path.display(), self.line + 1),
                    reason,
                });
            }
            self.line += lines;
            self.blocks.consume(consumed);
        }
    }

    /// Decides how it goes on at the end of the file.
    fn at_end(&mut self) -> Result<AtEnd, ConnectorError> {
        let metadata = self.blocks.file().metadata().map_err(|error| self.failed("looking at", error))?;
        if self.blocks.is_unpacking() {
            return self.end_of_packed();
        }
        if metadata.len() < self.blocks.offset() {
            self.truncated()?;
            return Ok(AtEnd::GoOn);
        }
        if !self.options.follow {
            return Ok(AtEnd::Finish);
        }
        if !self.switches {
            use std::os::unix::fs::MetadataExt;
            return Ok(if metadata.nlink() == 0 { AtEnd::Finish } else { AtEnd::Wait });
        }
        let Some(successor) = self.successor()? else {
            self.rotated = false;
            return Ok(AtEnd::Wait);
        };
        if !std::mem::replace(&mut self.rotated, true) {
            // The writer may have written more between our last read and its switch.
            return Ok(AtEnd::GoOn);
        }
        Ok(AtEnd::Switch(successor))
    }

    /// A compressed file is complete: a rotated generation is followed by the next, any other is done.
    fn end_of_packed(&mut self) -> Result<AtEnd, ConnectorError> {
        if !self.options.follow || !self.switches {
            return Ok(AtEnd::Finish);
        }
        let successor = self.successor()?;
        Ok(successor.map_or(AtEnd::Wait, AtEnd::Switch))
    }

    /// The file that continues this one, once rotation has made one.
    fn successor(&self) -> Result<Option<File>, ConnectorError> {
        successor(&self.path, self.born_ns, &self.passed_with_ours())
    }

    /// The file was cut or rewritten in place: it begins anew, or that is an error.
    fn truncated(&mut self) -> Result<(), ConnectorError> {
        let offset = self.blocks.offset();
        refuse_truncation(&self.options, &self.path, offset)?;
        tracing::warn!(path = %self.path.display(), offset, "file was truncated; reading it from its start");
        let same = self.blocks.file().try_clone().map_err(|error| self.failed("opening", error))?;
        self.restart(same)
    }

    fn passed_with_ours(&self) -> Vec<Inode> {
        self.passed.iter().copied().chain([self.inode]).collect()
    }

    /// Starts at the beginning of the same file or of its successor.
    fn restart(&mut self, file: File) -> Result<(), ConnectorError> {
        let metadata = file.metadata().map_err(|error| self.failed("looking at", error))?;
        self.head = Head::of(&file, 0).map_err(|error| self.failed("reading", error))?;
        let packed =
            is_packed(&file, self.options.compression).map_err(|error| self.failed("reading", error))?;
        self.blocks = open_blocks(file, packed, 0).map_err(|error| self.failed("reading", error))?;
        let (inode, born) = (Inode::of(&metadata), born_ns(&metadata));
        if inode != self.inode {
            self.passed = if born == self.born_ns { self.passed_with_ours() } else { Vec::new() };
        }
        self.inode = inode;
        self.born_ns = born;
        self.decoder = None;
        self.line = 0;
        self.rotated = false;
        // Differs from every place in the new file, so that the next report tells of the switch.
        self.reported = u64::MAX;
        Ok(())
    }

    /// The position, if it moved since it was last asked for.
    fn moved(&mut self) -> Result<Option<Position>, ConnectorError> {
        let offset = self.blocks.offset();
        if offset == self.reported {
            return Ok(None);
        }
        if !self.head.is_complete(offset) {
            self.head =
                Head::of(self.blocks.file(), offset).map_err(|error| self.failed("reading", error))?;
        }
        self.reported = offset;
        let Tail { inode, line, head, born_ns, .. } = *self;
        Place { file: inode, offset, line, head, born_ns, passed: self.passed.clone() }.encode().map(Some)
    }

    fn lag_bytes(&self) -> Option<u64> {
        if self.blocks.is_unpacking() {
            return None;
        }
        let length = self.blocks.file().metadata().ok()?.len();
        Some(length.saturating_sub(self.blocks.offset()))
    }

    fn failed(&self, doing: &str, error: io::Error) -> ConnectorError {
        file_error(doing, &self.path, error)
    }
}

/// Classes what the file system says.
pub fn file_error(doing: &str, path: &Path, error: io::Error) -> ConnectorError {
    let class = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            ErrorClass::Config
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorClass::Auth,
        // A compressed file that is none, or broken.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ErrorClass::Fatal,
        _ => ErrorClass::Retryable,
    };
    ConnectorError::new(class, format!("{doing} {}", path.display())).caused_by(error)
}
