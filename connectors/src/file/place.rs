//! Where in which file reading goes on: the position as it is stored, and how its file is found again.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use bytes::Bytes;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::source::Position;
use serde::{Deserialize, Serialize};

use super::identity::{Head, Inode, births, born_ns, find_sibling, next_generation};
use super::lines::Blocks;
use super::options::{Compression, SourceOptions, Truncation};
use super::source::file_error;

/// A position as it is stored: JSON, so that people can read it in the offsets topic. New fields need defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: Inode,
    pub offset: u64,
    pub line: u64,
    pub head: Head,
    /// When the file came to be, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born_ns: Option<u64>,
    /// Generations of the same birth that come before the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Inode>,
}

impl Place {
    pub fn encode(&self) -> Result<Position, ConnectorError> {
        serde_json::to_vec(self)
            .map(|text| Position(Bytes::from(text)))
            .map_err(|error| ConnectorError::fatal("writing a file position").caused_by(error))
    }

    /// Whether that is the file: inodes are used again, so its birth must agree where it is known.
    fn is_of(&self, metadata: &Metadata) -> bool {
        let same_birth = match (self.born_ns, born_ns(metadata)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        Inode::of(metadata) == self.file && same_birth
    }

    pub fn decode(position: &Position) -> Result<Place, ConnectorError> {
        serde_json::from_slice(&position.0)
            .map_err(|error| ConnectorError::fatal("reading a stored file position").caused_by(error))
    }
}

/// Where reading starts: a file, the place in it if it still holds there, and what was born with it and comes before.
pub struct Start {
    pub file: File,
    pub place: Option<Place>,
    pub passed: Vec<Inode>,
}

impl Start {
    /// At the start of a file.
    fn anew(file: File, passed: Vec<Inode>) -> Start {
        Start { file, place: None, passed }
    }

    fn at(file: File, place: Place) -> Start {
        let passed = place.passed.clone();
        Start { file, place: Some(place), passed }
    }
}

/// The file a place is in, or the one to begin with. `holds` says whether a file is still the one that the place is in.
pub fn find(
    path: &Path,
    place: Option<Place>,
    options: &SourceOptions,
    switches: bool,
    holds: impl Fn(&Place, &File) -> io::Result<bool>,
) -> Result<Start, ConnectorError> {
    let failed = |error| file_error("opening", path, error);
    let Some(place) = place else {
        return first(path, switches).map_err(failed);
    };
    let current = File::open(path);
    let continues = |file: &File| holds(&place, file);
    if let Ok(file) = &current
        && place.is_of(&file.metadata().map_err(failed)?)
    {
        let file = current.map_err(failed)?;
        if continues(&file).map_err(failed)? {
            return Ok(Start::at(file, place));
        }
        refuse_truncation(options, path, place.offset)?;
        tracing::warn!(path = %path.display(), "file was rewritten in place; reading it from its start");
        return Ok(Start::anew(file, place.passed));
    }
    if let Some(rotated) = find_sibling(path, place.file).map_err(failed)? {
        let failed = |error| file_error("reading", &rotated.path, error);
        if place.is_of(&rotated.file.metadata().map_err(failed)?)
            && continues(&rotated.file).map_err(failed)?
        {
            return Ok(Start::at(rotated.file, place));
        }
    }
    if let Ok(file) = &current
        && place.head.bytes > 0
        && continues(file).map_err(failed)?
    {
        return Ok(Start::at(current.map_err(failed)?, Place { passed: Vec::new(), ..place }));
    }
    // It is gone. What rotation has left of its successors comes first.
    let passed: Vec<Inode> = place.passed.iter().copied().chain([place.file]).collect();
    let oldest = match place.born_ns.filter(|_| switches) {
        Some(born) => next_generation(path, born, &passed).map_err(failed)?,
        None => None,
    };
    let gone = "the file that was read last is gone; reading the next from its start";
    let file = match oldest {
        Some(next) => {
            tracing::warn!(path = %path.display(), next = %next.path.display(), "{gone}");
            next.file
        }
        None => {
            tracing::warn!(path = %path.display(), "{gone}");
            current.map_err(failed)?
        }
    };
    let same_birth = born_ns(&file.metadata().map_err(failed)?) == place.born_ns;
    Ok(Start::anew(file, if same_birth { passed } else { Vec::new() }))
}

/// The file that continues one, once rotation or a writer has put it there; `ours` are that one and those before it of the
/// same birth. While the successor is empty, the writer may still be writing to the old one.
pub fn successor(path: &Path, born_ns: Option<u64>, ours: &[Inode]) -> Result<Option<File>, ConnectorError> {
    let failed = |doing: &str, error| file_error(doing, path, error);
    let current = match File::open(path) {
        Ok(file) => file,
        // Between the rename and the creation of the new file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("opening", error)),
    };
    let metadata = current.metadata().map_err(|error| failed("looking at", error))?;
    if ours.last() == Some(&Inode::of(&metadata)) {
        return Ok(None);
    }
    let between = match born_ns {
        Some(born) => next_generation(path, born, ours)
            .map_err(|error| failed("looking for rotated files beside", error))?,
        None => None,
    };
    if let Some(found) = between.filter(|found| found.path != path) {
        return Ok(Some(found.file));
    }
    // Renamed meanwhile: the next look finds it under its new name.
    let still = path.metadata().is_ok_and(|now| Inode::of(&now) == Inode::of(&metadata));
    Ok((still && metadata.len() > 0).then_some(current))
}

/// The file to begin with where nothing was read yet. Rotated ones that lie there already are none of ours.
fn first(path: &Path, switches: bool) -> io::Result<Start> {
    // Before the file is opened: what comes to be later is younger than it.
    let older = if switches { births(path)? } else { Vec::new() };
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let (inode, born) = (Inode::of(&metadata), born_ns(&metadata));
    let passed = older.into_iter().filter(|(other, theirs)| *other != inode && *theirs == born);
    Ok(Start::anew(file, passed.map(|(other, _)| other).collect()))
}

/// The error of a file that was cut in place, unless the options take that.
pub fn refuse_truncation(options: &SourceOptions, path: &Path, offset: u64) -> Result<(), ConnectorError> {
    match options.on_truncate {
        Truncation::Restart => Ok(()),
        Truncation::Fail => Err(ConnectorError::fatal(format!(
            "{} was truncated or rewritten in place after {offset} bytes of it were read, so lines may be lost; let \
             logrotate rename it (`create` in place of `copytruncate`), or set `on_truncate: restart`",
            path.display()
        ))),
    }
}

/// Whether a file is to be unpacked: gzip says so by its first two bytes.
pub fn is_packed(file: &File, compression: Compression) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut start = [0; 2];
    Ok(match compression {
        Compression::None => false,
        Compression::Gzip => true,
        Compression::Auto => file.read_at(&mut start, 0)? == 2 && start == [0x1f, 0x8b],
    })
}

/// Whether a text file holds what lay before the place.
pub fn holds_text(place: &Place, file: &File, compression: Compression) -> io::Result<bool> {
    let packed = is_packed(file, compression)?;
    Ok((packed || file.metadata()?.len() >= place.offset) && place.head.matches(file)?)
}

pub fn open_blocks(file: File, packed: bool, offset: u64) -> io::Result<Blocks> {
    if packed { Blocks::unpacking(file, offset) } else { Blocks::new(file, offset) }
}
