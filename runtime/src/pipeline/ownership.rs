//! Which process runs a pipeline, where several were given the same one and a cluster that they share.
//!
//! Each stands for the one seat of the group `millstream-owner-<pipeline>`. Who holds it runs the pipeline, the others
//! stand by. A process that starts again is recognised by its place (`instance_id`) and is back at once. An embedded node
//! needs none of this: its data directory is locked.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use millstream_client::{Client, Election, ElectionConfig, Lease, Seat};
use millstream_protocol::ErrorCode;

/// Most processes with one pipeline on one machine that are recognised when they start again.
const PLACES_MAX: usize = 16;

/// Longest part of an instance id that is the machine's name; Kafka allows 249 bytes for all of it.
const HOST_BYTES_MAX: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    #[error(
        "the cluster refuses group {group_id}, by which processes agree on who runs the pipeline ({code}): allow READ and \
         DESCRIBE on it"
    )]
    Refused { group_id: String, code: ErrorCode },
}

/// This process among those that may run the pipeline.
pub struct Ownership {
    election: Election,
    term: u64,
    /// Locked as long as the process lives: the next one here takes another place.
    _place: Option<File>,
}

impl Ownership {
    /// Stands for the pipeline of that name, whose file is in `directory`.
    pub fn stand(client: &Client, pipeline: &str, directory: &Path) -> Self {
        let host = host();
        let (instance_id, place) = take_place(&host, pipeline, directory);
        let name = format!("process {} on {host}", std::process::id());
        let group_id = format!("millstream-owner-{pipeline}");
        let election = client.stand(ElectionConfig::new(group_id, instance_id, name));
        Self { election, term: 0, _place: place }
    }

    /// Waits until this process owns the pipeline; `stands_by` is told whenever another one is found to.
    pub async fn acquired(&mut self, mut stands_by: impl FnMut(&str)) -> Result<Lease, OwnershipError> {
        let mut seat = self.election.seat();
        loop {
            match seat {
                Seat::Held { term } => {
                    self.term = term;
                    return Ok(self.election.lease());
                }
                Seat::Taken { by } => stands_by(&by),
                Seat::Refused { group_id, code } => return Err(OwnershipError::Refused { group_id, code }),
                Seat::Unknown => {}
            }
            seat = self.election.changed().await;
        }
    }

    /// Ready once another process may own the pipeline. While the cluster does not answer nobody can; the lease alone says
    /// then that nothing may be written.
    pub async fn lost(&mut self) {
        while self.election.seat() == (Seat::Held { term: self.term }) {
            self.election.changed().await;
        }
    }

    /// Another process may own the pipeline from now on.
    pub async fn leave(self) {
        self.election.leave().await;
    }
}

/// An id that a process which starts again in this directory has too, and no other that lives.
fn take_place(host: &str, pipeline: &str, directory: &Path) -> (String, Option<File>) {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let mut hasher = DefaultHasher::new();
    (host, pipeline, directory).hash(&mut hasher);
    let place = format!("{host}-{:016x}", hasher.finish());
    for number in 0..PLACES_MAX {
        let path = std::env::temp_dir().join(format!("millstream-{place}-{number}.lock"));
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        if let Ok(file) = opened
            && file.try_lock().is_ok()
        {
            return (format!("{place}-{number}"), Some(file));
        }
    }
    tracing::debug!(
        "no place can be locked in the temporary directory: a restart will wait for the session to end"
    );
    (format!("{place}-{}", millstream_protocol::Uuid::random()), None)
}

/// The machine's name, as an instance id may hold it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let name: String = name.trim().chars().map(|letter| if allowed(letter) { letter } else { '-' }).collect();
    match name.is_empty() {
        true => "host".to_owned(),
        false => name.chars().take(HOST_BYTES_MAX).collect(),
    }
}
