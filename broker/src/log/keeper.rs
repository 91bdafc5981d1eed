//! A log folder's housekeeping, on its own thread so that no produce waits for it: retention, producer expiry,
//! checkpoints, idle handles, and unlinking what was renamed out of the way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::directory::Shared;
use super::disk::{Attempt, DiskError};

/// Longest sleep between two looks at what is to be unlinked.
const UNLINK_EVERY: Duration = Duration::from_secs(10);

pub struct Keeper {
    shared: Arc<Shared>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    doomed: Vec<Doomed>,
}

/// Something renamed that goes for good at `due_ms`.
struct Doomed {
    path: PathBuf,
    is_folder: bool,
    due_ms: i64,
}

impl Keeper {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::default(), wake: Condvar::new() }
    }

    /// Works until stopped.
    pub fn run(&self) {
        let config = &self.shared.config;
        let (mut checked, mut stored) = (Instant::now(), Instant::now());
        loop {
            let pause = UNLINK_EVERY.min(config.retention_check_every).min(config.checkpoint_every);
            {
                let mut state = self.state.lock();
                if !state.stopping {
                    self.wake.wait_for(&mut state, pause);
                }
                if state.stopping {
                    return;
                }
            }
            if checked.elapsed() >= config.retention_check_every {
                self.expire();
                checked = Instant::now();
            }
            if stored.elapsed() >= config.checkpoint_every {
                self.store_checkpoints();
                stored = Instant::now();
            }
            self.unlink_due(self.shared.now_ms());
        }
    }

    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.wake.notify_all();
    }

    /// One round of everything.
    pub fn round(&self) {
        self.expire();
        self.store_checkpoints();
        self.unlink_due(self.shared.now_ms());
    }

    /// Has a renamed partition folder removed.
    pub fn remove_folder_later(&self, path: PathBuf) {
        let due_ms = self.shared.now_ms();
        self.state.lock().doomed.push(Doomed { path, is_folder: true, due_ms });
        self.wake.notify_one();
    }

    /// Has a renamed file removed at `due_ms`.
    pub fn remove_file_later(&self, path: PathBuf, due_ms: i64) {
        self.state.lock().doomed.push(Doomed { path, is_folder: false, due_ms });
    }

    /// Removes all that waits for it, whatever its delay: a start would do the same.
    pub fn unlink_all(&self) {
        self.unlink_due(i64::MAX);
    }

    fn expire(&self) {
        let now_ms = self.shared.now_ms();
        let oldest_ms = now_ms.saturating_sub(self.shared.config.producer_expiration_ms);
        for partition in self.shared.all() {
            match partition.retire_expired(now_ms) {
                Ok(files) => {
                    let (due_ms, segments) = {
                        let mut inner = partition.inner.lock();
                        inner.state.producers.expire(oldest_ms);
                        let due_ms = now_ms.saturating_add(inner.log.config().file_delete_delay_ms);
                        (due_ms, inner.log.segments().to_vec())
                    };
                    segments.iter().for_each(|segment| segment.release_idle());
                    let doomed = files.into_iter().map(|path| Doomed { path, is_folder: false, due_ms });
                    self.state.lock().doomed.extend(doomed);
                }
                Err(error) => {
                    tracing::warn!(partition = %partition.name(), %error, "retention failed, will retry")
                }
            }
        }
    }

    fn store_checkpoints(&self) {
        let stored = self.shared.store_log_starts().and_then(|()| self.shared.store_recovery_points());
        if let Err(error) = stored {
            tracing::warn!(%error, "checkpoints are not stored, the next start will check more");
        }
    }

    fn unlink_due(&self, now_ms: i64) {
        let due: Vec<Doomed> = {
            let mut state = self.state.lock();
            state.doomed.extract_if(.., |doomed| doomed.due_ms <= now_ms).collect()
        };
        for doomed in due {
            if let Err(error) = self.unlink(&doomed) {
                tracing::warn!(%error, "a deleted file stays until the next start");
            }
        }
    }

    fn unlink(&self, doomed: &Doomed) -> Result<(), DiskError> {
        let disk = &*self.shared.disk;
        let removed = if doomed.is_folder {
            disk.remove_directory(&doomed.path)
        } else {
            disk.remove_file(&doomed.path)
        };
        match removed {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.attempt("remove", &doomed.path),
        }
    }
}
