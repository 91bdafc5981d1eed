//! Broken files, by the thousand: every one is read, or refused with its name; none brings the process down.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::ColumnBuilder;
use millstream_sdk::source::PollLimits;
use tempfile::tempdir;

use super::footer::{self, Found};
use super::table::Table;

const LIMITS: PollLimits = PollLimits { max_records: 500, max_bytes: 1 << 20, wait: Duration::ZERO };

fn made(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/file/parquet").join(name)).unwrap()
}

/// How many rows a file has, read to its end.
fn rows(path: &Path) -> Result<u64, ConnectorError> {
    let file = Arc::new(File::open(path).unwrap());
    match footer::look(&file).unwrap() {
        Found::Whole => {}
        Found::Unfinished => return Err(ConnectorError::config(format!("{} unfinished", path.display()))),
        Found::Unreadable(reason) => {
            return Err(ConnectorError::config(format!("{} {reason}", path.display())));
        }
    }
    let mut table = Table::open(file, path, None, 0)?;
    // What a broken footer says of rows is no reason to read for ever.
    while table.next() < table.rows().min(100_000) {
        let mut values = ColumnBuilder::default();
        table.read(LIMITS, &mut values, &mut Vec::new())?;
    }
    Ok(table.next())
}

fn check(path: &Path, bytes: &[u8]) -> bool {
    fs::write(path, bytes).unwrap();
    match rows(path) {
        Ok(_) => true,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("x.parquet"), "{said}");
            false
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let whole = made("int96.parquet");
    for length in 0..whole.len() {
        assert!(!check(&path, &whole[..length]), "{length} bytes");
    }
    assert!(check(&path, &whole));
}

#[test]
fn a_file_with_a_byte_changed_is_read_or_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let (mut seed, mut refused) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for name in ["types-v2-lz4.parquet", "types-v1-snappy.parquet", "duckdb.parquet", "groups.parquet"] {
        let whole = made(name);
        for _ in 0..100 {
            let mut bytes = whole.clone();
            // Mostly in the footer, where it does most harm.
            let from = if random() % 4 == 0 { 0 } else { bytes.len() / 2 };
            let at = from + random() as usize % (bytes.len() - from);
            bytes[at] ^= 1 << (random() % 8);
            refused += usize::from(!check(&path, &bytes));
        }
    }
    assert!(refused > 100, "{refused} refused");
}

#[test]
fn sizes_and_depths_that_cannot_be_are_refused_before_memory_is_taken() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let file = |footer: &[u8]| {
        let mut bytes = b"PAR1".to_vec();
        bytes.extend_from_slice(footer);
        bytes.extend_from_slice(&(footer.len() as u32).to_le_bytes());
        bytes.extend_from_slice(b"PAR1");
        bytes
    };
    // Field 2, a list of 2^31 - 1 structures.
    let mut endless = vec![0x29, 0xfc];
    endless.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x07]);
    // A column in a column in a column: field 4 a name, field 5 one child.
    let deep = |levels: usize| {
        let mut footer = vec![0x29, 0xfc];
        let mut count = levels + 1;
        while count > 127 {
            footer.push((count & 127) as u8 | 128);
            count >>= 7;
        }
        footer.push(count as u8);
        (0..levels).for_each(|_| footer.extend_from_slice(&[0x48, 1, b'a', 0x15, 2, 0]));
        footer.extend_from_slice(&[0x15, 2, 0x25, 2, 0x18, 1, b'a', 0, 0]);
        footer
    };
    // One group of 2^30 columns.
    let wide = [0x29, 0x1c, 0x48, 1, b'a', 0x15, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0];
    // Lists within lists within lists, in a field that nobody knows.
    let mut nested = vec![0xf9];
    nested.resize(100_000, 0x19);
    for (footer, reason) in [
        (endless, "a size in it is larger than it is itself"),
        (deep(200_000), "nested deeper than 64 levels"),
        (wide.to_vec(), "a group has more columns than there are"),
        (nested, "nested too deeply"),
    ] {
        fs::write(&path, file(&footer)).unwrap();
        let said = rows(&path).unwrap_err().to_string();
        assert!(said.contains(reason), "{said}");
    }
    let longer = [b"PAR1".as_slice(), &[0; 8], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    fs::write(&path, longer).unwrap();
    assert!(rows(&path).unwrap_err().to_string().contains("is longer than the file"));
}
