//! A segment's transaction index (`.txnindex`, version 0): aborted transactions whose marker lies in the segment.

use std::io::IoSlice;
use std::path::Path;

use super::disk::{Attempt, Disk, DiskError};
use crate::partition::transaction::AbortedTransaction;

const VERSION: i16 = 0;
const ENTRY_BYTES: usize = 34;

/// Appends one entry, without flushing.
pub fn append(disk: &dyn Disk, path: &Path, aborted: &AbortedTransaction) -> Result<(), DiskError> {
    let file = disk.open(path).attempt("open", path)?;
    file.append(&mut [IoSlice::new(&encode(aborted))]).attempt("append to", path)
}

/// All entries of one file; a torn or foreign entry ends the list with a report, as recovery rebuilds the index.
pub fn read(disk: &dyn Disk, path: &Path) -> Result<Vec<AbortedTransaction>, DiskError> {
    let bytes = disk.read(path).attempt("read", path)?;
    let mut entries = Vec::new();
    for chunk in bytes.chunks(ENTRY_BYTES) {
        match decode(chunk) {
            Some(entry) => entries.push(entry),
            None => {
                tracing::warn!(path = %path.display(), entry = entries.len(), "transaction index has a malformed entry");
                break;
            }
        }
    }
    Ok(entries)
}

fn encode(aborted: &AbortedTransaction) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[0..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes[2..10].copy_from_slice(&aborted.producer_id.to_be_bytes());
    bytes[10..18].copy_from_slice(&aborted.first_offset.to_be_bytes());
    bytes[18..26].copy_from_slice(&aborted.last_offset.to_be_bytes());
    bytes[26..34].copy_from_slice(&aborted.last_stable_offset.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<AbortedTransaction> {
    let bytes: &[u8; ENTRY_BYTES] = bytes.first_chunk()?;
    let number = |at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|chunk| i64::from_be_bytes(*chunk))
    };
    if bytes[0..2] != VERSION.to_be_bytes() {
        return None;
    }
    Some(AbortedTransaction {
        producer_id: number(2)?,
        first_offset: number(10)?,
        last_offset: number(18)?,
        last_stable_offset: number(26)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_and_a_torn_one_is_none() {
        let aborted =
            AbortedTransaction { producer_id: 5, first_offset: 10, last_offset: 20, last_stable_offset: 15 };
        let bytes = encode(&aborted);
        assert_eq!(decode(&bytes), Some(aborted));
        assert_eq!(decode(&bytes[..33]), None);
    }
}
