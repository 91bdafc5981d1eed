//! Reads of pieces of a file for the library, each held against the file's length and against the largest page first.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::thrift::{I32, Scanner};

/// Largest page, unpacked. Writers aim for a megabyte.
const PAGE_BYTES_MAX: i64 = 256 << 20;

/// How much of a page's header is looked at: its sizes come first.
const HEADER_BYTES: usize = 64;

/// A file whose column chunks are read.
#[derive(Debug, Clone)]
pub struct Pages {
    pub file: Arc<File>,
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// The library reads headers of pages this way.
    fn get_read(&self, start: u64) -> Result<BufReader<File>> {
        let mut header = [0; HEADER_BYTES];
        let read = self.file.read_at(&mut header, start)?;
        let sizes = sizes(header.get(..read).unwrap_or_default());
        if let Some(size) = sizes.into_iter().flatten().find(|size| !(0..=PAGE_BYTES_MAX).contains(size)) {
            return Err(ParquetError::General(format!(
                "a page of {size} bytes at byte {start}, where at most {PAGE_BYTES_MAX} are read"
            )));
        }
        let mut reader = self.file.try_clone()?;
        reader.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(reader))
    }

    /// And the pages themselves this way.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let there = self.len();
        if start.checked_add(length as u64).is_none_or(|end| end > there) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at byte {start} of a file of {there} bytes"
            )));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(Bytes::from(bytes))
    }
}

/// The unpacked and the packed size of a page. `None` for what is no header: the library also asks for places behind one that
/// it has read already.
fn sizes(header: &[u8]) -> Option<[i64; 2]> {
    let mut scanner = Scanner::new(header);
    let mut next = |number| match scanner.field(number - 1) {
        Ok(Some(found)) if found == (number, I32) => scanner.integer().ok(),
        _ => None,
    };
    let kind = next(1)?;
    let sizes = [next(2)?, next(3)?];
    (0..=3).contains(&kind).then_some(sizes)
}
