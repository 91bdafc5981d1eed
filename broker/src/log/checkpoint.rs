//! Kafka's small text files: offset checkpoints of a log folder, a partition's leader epochs and its topic id, and the
//! marker of a clean stop.
//!
//! All but the marker share one shape: a version line, a count line, and that many lines of space-separated fields.
//! A file that does not parse is an error that names it; whoever opens the log decides what that costs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::disk::{Attempt, Disk, DiskError, replace_file};

/// Offsets up to which each partition is known to be on disk and checked.
pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
/// First offsets that may be read, where they differ from the first segment's.
pub const LOG_START_OFFSETS: &str = "log-start-offset-checkpoint";
/// Offsets before which each compacted partition is clean.
pub const COMPACTED_OFFSETS: &str = "cleaner-offset-checkpoint";
/// Leader epochs of one partition with their first offsets.
pub const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// The topic id of one partition's folder.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// Present only between a clean stop and the next start.
pub const CLEAN_STOP: &str = ".kafka_cleanshutdown";

/// Offsets by partition folder name (`topic-0`).
pub type Offsets = HashMap<String, i64>;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("read {}: line {line} is malformed: {reason}", path.display())]
    Malformed { path: PathBuf, line: usize, reason: &'static str },
}

/// Reads an offset checkpoint; a missing file is an empty one.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, CheckpointError> {
    let mut offsets = HashMap::new();
    for (number, line) in rows(disk, path)? {
        let malformed = |reason| CheckpointError::Malformed { path: path.to_owned(), line: number, reason };
        let fields: Vec<&str> = line.split(' ').collect();
        let [topic, partition, offset] = fields[..] else {
            return Err(malformed("expected topic, partition and offset"));
        };
        let offset = offset.parse().map_err(|_| malformed("the offset is no number"))?;
        offsets.insert(format!("{topic}-{partition}"), offset);
    }
    Ok(offsets)
}

/// Replaces an offset checkpoint.
pub fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &[(String, i64)]) -> Result<(), DiskError> {
    let mut text = format!("0\n{}\n", offsets.len());
    for (name, offset) in offsets {
        let (topic, partition) = name.rsplit_once('-').unwrap_or((name, "0"));
        append_line(&mut text, format_args!("{topic} {partition} {offset}"));
    }
    replace_file(disk, path, text.as_bytes())
}

/// Reads a partition's leader epochs as (epoch, first offset), ascending.
pub fn read_leader_epochs(disk: &dyn Disk, path: &Path) -> Result<Vec<(i32, i64)>, CheckpointError> {
    let mut epochs = Vec::new();
    for (number, line) in rows(disk, path)? {
        let fields = line
            .split_once(' ')
            .and_then(|(epoch, offset)| Some((epoch.parse().ok()?, offset.parse().ok()?)));
        let entry = fields.ok_or_else(|| CheckpointError::Malformed {
            path: path.to_owned(),
            line: number,
            reason: "expected epoch and offset",
        })?;
        epochs.push(entry);
    }
    Ok(epochs)
}

pub fn write_leader_epochs(disk: &dyn Disk, path: &Path, epochs: &[(i32, i64)]) -> Result<(), DiskError> {
    let mut text = format!("0\n{}\n", epochs.len());
    for (epoch, offset) in epochs {
        append_line(&mut text, format_args!("{epoch} {offset}"));
    }
    replace_file(disk, path, text.as_bytes())
}

/// The topic id that a partition folder was made for; `None` when the file is missing.
pub fn read_topic_id(disk: &dyn Disk, path: &Path) -> Result<Option<[u8; 16]>, CheckpointError> {
    let Some(text) = read_text(disk, path)? else { return Ok(None) };
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id: ")).and_then(decode_id);
    id.map(Some).ok_or(CheckpointError::Malformed {
        path: path.to_owned(),
        line: 2,
        reason: "expected topic_id of 22 base64 characters",
    })
}

/// Writes a partition's topic id, to be flushed by the caller with the partition's first flush.
pub fn write_topic_id(disk: &dyn Disk, path: &Path, id: [u8; 16]) -> Result<(), DiskError> {
    let file = disk.open(path).attempt("create", path)?;
    file.truncate(0).attempt("empty", path)?;
    let text = format!("version: 0\ntopic_id: {}\n", encode_id(id));
    file.append(&mut [IoSlice::new(text.as_bytes())]).attempt("write", path)
}

/// Whether the last stop was clean.
pub fn has_clean_stop(disk: &dyn Disk, path: &Path) -> Result<bool, CheckpointError> {
    Ok(read_text(disk, path)?.is_some())
}

pub fn write_clean_stop(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    replace_file(disk, path, b"{\"version\":0,\"brokerEpoch\":-1}")
}

fn append_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Formatting into a String has no way to fail.
    if text.write_fmt(line).is_ok() {
        text.push('\n');
    }
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, CheckpointError> {
    match disk.read(path) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| CheckpointError::Malformed {
            path: path.to_owned(),
            line: 1,
            reason: "the file is not text",
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).attempt("read", path).map_err(CheckpointError::from),
    }
}

/// The rows after the version and count lines, with their line numbers.
fn rows(disk: &dyn Disk, path: &Path) -> Result<Vec<(usize, String)>, CheckpointError> {
    let Some(text) = read_text(disk, path)? else { return Ok(Vec::new()) };
    let malformed = |line, reason| CheckpointError::Malformed { path: path.to_owned(), line, reason };
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(malformed(1, "expected version 0"));
    }
    let count: usize = lines
        .next()
        .and_then(|line| line.parse().ok())
        .ok_or_else(|| malformed(2, "expected the number of entries"))?;
    let rows: Vec<_> = lines.enumerate().map(|(index, line)| (index + 3, line.to_owned())).collect();
    if rows.len() != count {
        return Err(malformed(2, "the number of entries differs"));
    }
    Ok(rows)
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 16 bytes as 22 characters of unpadded URL-safe base64, as Kafka prints uuids.
fn encode_id(id: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(id);
    let mut text: String =
        (0..21).map(|at| BASE64_URL[((bits >> (122 - 6 * at)) & 63) as usize] as char).collect();
    text.push(BASE64_URL[((bits << 4) & 63) as usize] as char);
    text
}

fn decode_id(text: &str) -> Option<[u8; 16]> {
    if text.len() != 22 {
        return None;
    }
    let mut bits: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let value = BASE64_URL.iter().position(|&known| known == byte)? as u128;
        bits = if at < 21 { bits << 6 | value } else { bits << 2 | value >> 4 };
    }
    Some(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::SimulatedDisk;

    #[test]
    fn offsets_come_back_and_bad_files_are_named() {
        let disk = SimulatedDisk::new(1);
        let path = Path::new("/data/recovery-point-offset-checkpoint");
        disk.create_directory(Path::new("/data")).unwrap();
        assert!(read_offsets(&disk, path).unwrap().is_empty());
        write_offsets(&disk, path, &[("a-b-0".into(), 7), ("c-12".into(), 9)]).unwrap();
        assert_eq!(disk.read(path).unwrap(), b"0\n2\na-b 0 7\nc 12 9\n");
        let offsets = read_offsets(&disk, path).unwrap();
        assert_eq!((offsets["a-b-0"], offsets["c-12"]), (7, 9));

        replace_file(&disk, path, b"0\n2\na 0 1\n").unwrap();
        let error = read_offsets(&disk, path).unwrap_err().to_string();
        assert_eq!(
            error,
            "read /data/recovery-point-offset-checkpoint: line 2 is malformed: the number of entries differs"
        );
    }

    #[test]
    fn topic_ids_are_kafkas_base64() {
        let id = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff";
        assert_eq!(encode_id(id), "AAECAwQFBgcICQoLDA0O_w");
        assert_eq!(decode_id("AAECAwQFBgcICQoLDA0O_w"), Some(id));
        assert_eq!(decode_id("short"), None);
    }
}
