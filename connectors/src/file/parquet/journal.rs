//! What a sink of Parquet files has committed, in a hidden folder beside them: the journal, a lock, and the files that have no
//! name yet.
//!
//! A commit is the journal's replacement. It holds the topic positions and which finished files take which names; opening
//! gives those that have none yet theirs, and drops the files that no commit knows.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use millstream_sdk::error::ConnectorError;
use millstream_sdk::sink::SinkPosition;
use serde::{Deserialize, Serialize};

use super::super::output::{JournalPosition, lock, sync_folder};
use super::super::source::file_error;

/// The journal's format; a reader refuses what it does not know.
const JOURNAL_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// How many commits have given files names.
    rounds: u64,
    /// The number of the next file.
    next_file: u64,
    positions: Vec<JournalPosition>,
    /// Files to be named.
    names: Vec<Named>,
    /// Files of others to be removed.
    removed: Vec<String>,
}

/// A finished file, by its number in the hidden folder, and the name it gets, within the root folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub file: u64,
    pub path: String,
}

/// What is committed.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    pub rounds: u64,
    pub next_file: u64,
    pub positions: Vec<SinkPosition>,
}

pub struct Journal {
    root: PathBuf,
    folder: PathBuf,
    /// Held as long as the sink is open.
    _lock: File,
}

impl Journal {
    /// Opens the hidden folder `.NAME.millstream` in `root`, finishes what was committed and drops the rest; `None` as the
    /// committed where nothing ever was.
    pub fn open(root: PathBuf, name: &str) -> Result<(Journal, Option<Committed>), ConnectorError> {
        let folder = root.join(format!(".{name}.millstream"));
        if folder.is_file() {
            let message = format!(
                "{} was written in another format: move it away together with {}",
                root.join(name).display(),
                folder.display()
            );
            return Err(ConnectorError::config(message));
        }
        fs::create_dir_all(&folder).map_err(|error| file_error("making", &folder, error))?;
        let at = folder.join("lock");
        let locked = OpenOptions::new().create(true).truncate(false).write(true).open(&at);
        let locked = locked.map_err(|error| file_error("opening", &at, error))?;
        lock(&locked, &root.join(name))?;
        let journal = Journal { root, folder, _lock: locked };
        let committed = journal.recover()?;
        Ok((journal, committed))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file is until it has its name.
    pub fn unnamed(&self, file: u64) -> PathBuf {
        self.folder.join(file.to_string())
    }

    /// Commits positions and names, and gives the files their names.
    pub fn commit(
        &self,
        committed: &Committed,
        names: Vec<Named>,
        removed: Vec<String>,
    ) -> Result<(), ConnectorError> {
        if !names.is_empty() {
            sync_folder(&self.folder).map_err(|error| file_error("flushing", &self.folder, error))?;
        }
        let stored = Stored {
            version: JOURNAL_VERSION,
            rounds: committed.rounds,
            next_file: committed.next_file,
            positions: committed.positions.iter().map(JournalPosition::from).collect(),
            names,
            removed,
        };
        self.write(&stored)?;
        self.finish(stored)
    }

    fn recover(&self) -> Result<Option<Committed>, ConnectorError> {
        let Some(stored) = self.read()? else {
            self.drop_others()?;
            return Ok(None);
        };
        let broken =
            || ConnectorError::fatal(format!("reading {}: a topic id is broken", self.path().display()));
        let positions: Option<Vec<_>> = stored.positions.iter().map(JournalPosition::decode).collect();
        let positions = positions.ok_or_else(broken)?;
        let committed = Committed { rounds: stored.rounds, next_file: stored.next_file, positions };
        self.finish(stored)?;
        self.drop_others()?;
        Ok(Some(committed))
    }

    /// Does what the journal says is to be done with files, which may be done in part.
    fn finish(&self, mut stored: Stored) -> Result<(), ConnectorError> {
        for Named { file, path } in &stored.names {
            let (from, to) = (self.unnamed(*file), self.root.join(path));
            let failed = |error| file_error("naming", &to, error);
            let folder = to.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder).map_err(failed)?;
            match fs::rename(&from, &to) {
                Ok(()) => sync_folder(folder).map_err(failed)?,
                // It has its name already, and may even have been taken away since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if stored.removed.is_empty() {
            return Ok(());
        }
        for path in stored.removed.drain(..) {
            let path = self.root.join(path);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(file_error("removing", &path, error));
                }
                _ => {}
            }
        }
        // Once: files that get such names later are none of those.
        stored.names.clear();
        self.write(&stored)
    }

    /// Removes files that no commit knows.
    fn drop_others(&self) -> Result<(), ConnectorError> {
        let failed = |error| file_error("clearing", &self.folder, error);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.parse::<u64>().is_ok() {
                tracing::debug!(path = %entry.path().display(), "dropping what was not committed");
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.folder.join("journal")
    }

    fn read(&self) -> Result<Option<Stored>, ConnectorError> {
        let path = self.path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("reading", &path, error)),
        };
        let broken = |why: String| ConnectorError::fatal(format!("reading {}: {why}", path.display()));
        let stored: Stored = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        match stored.version {
            JOURNAL_VERSION => Ok(Some(stored)),
            other => Err(broken(format!("version {other} is not known here"))),
        }
    }

    fn write(&self, stored: &Stored) -> Result<(), ConnectorError> {
        let failed = |error: std::io::Error| file_error("writing", &self.path(), error);
        let text = serde_json::to_vec(stored).map_err(|error| failed(error.into()))?;
        let new = self.folder.join("journal-new");
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_data()).map_err(failed)?;
        fs::rename(&new, self.path()).and_then(|()| sync_folder(&self.folder)).map_err(failed)
    }
}
