//! Reads a file in large blocks and hands out its records as slices of the block.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

/// How much is read at a time.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Longest record; a longer one is reported and skipped up to its end.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// A window over the file: `buffer[start..end]` is read and not yet consumed.
#[derive(Debug)]
pub struct Blocks {
    file: File,
    /// Set for a compressed file: places are then those of the text within.
    unpacked: Option<Box<MultiGzDecoder<BufReader<File>>>>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where `start` lies in the file.
    offset: u64,
}

impl Blocks {
    pub fn new(mut file: File, offset: u64) -> io::Result<Blocks> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Blocks { file, unpacked: None, buffer: vec![0; BLOCK_BYTES], start: 0, end: 0, offset })
    }

    /// Reads a gzip file from `offset` of its text; what lies before it is unpacked once more.
    pub fn unpacking(mut file: File, offset: u64) -> io::Result<Blocks> {
        file.seek(SeekFrom::Start(0))?;
        let mut unpacked =
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file.try_clone()?)));
        let skipped = io::copy(&mut unpacked.by_ref().take(offset), &mut io::sink())?;
        if skipped < offset {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the text is shorter than it was"));
        }
        Ok(Blocks { file, unpacked: Some(unpacked), buffer: vec![0; BLOCK_BYTES], start: 0, end: 0, offset })
    }

    pub fn is_unpacking(&self) -> bool {
        self.unpacked.is_some()
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// What is read and not yet consumed.
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the window starts in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads more behind the window; 0 at the end of the file.
    pub fn refill(&mut self) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            let read = match &mut self.unpacked {
                Some(unpacked) => unpacked.read(&mut self.buffer[self.end..]),
                None => self.file.read(&mut self.buffer[self.end..]),
            };
            match read {
                Ok(read) => {
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A record ends at a line feed.
    Lines,
    /// The same, but not inside a quoted field.
    Csv { delimiter: u8 },
}

/// The first record of a window.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Without its line end.
    pub record: &'a [u8],
    /// With its line end.
    pub consumed: usize,
    /// Line feeds in `consumed`.
    pub lines: u64,
}

impl Framing {
    /// The first whole record of the window. At the end of the file (`at_end`) what is left is a record too.
    pub fn next<'a>(self, window: &'a [u8], at_end: bool) -> Option<Frame<'a>> {
        let (end, lines) = match self {
            Framing::Lines => (memchr::memchr(b'\n', window), 0),
            Framing::Csv { delimiter } => csv_end(window, delimiter),
        };
        let (end, consumed, lines) = match end {
            Some(end) => (end, end + 1, lines + 1),
            None if at_end && !window.is_empty() => (window.len(), window.len(), lines),
            None => return None,
        };
        let record = &window[..end];
        Some(Frame { record: record.strip_suffix(b"\r").unwrap_or(record), consumed, lines })
    }
}

/// The offset of the line feed that ends the first row, and how many lie quoted before it. A quote opens a field
/// only at its start; inside, two stand for one.
fn csv_end(window: &[u8], delimiter: u8) -> (Option<usize>, u64) {
    let mut at = 0;
    let mut lines = 0;
    loop {
        if window.get(at) == Some(&b'"') {
            let Some(close) = memchr::memchr(b'"', &window[at + 1..]).map(|found| at + 1 + found) else {
                return (None, lines + count_lines(&window[at..]));
            };
            lines += count_lines(&window[at..close]);
            at = close + 1;
            if window.get(at) == Some(&b'"') {
                continue;
            }
        }
        match memchr::memchr2(delimiter, b'\n', &window[at.min(window.len())..]) {
            Some(found) if window[at + found] == b'\n' => return (Some(at + found), lines),
            Some(found) => at += found + 1,
            None => return (None, lines),
        }
    }
}

fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(framing: Framing, text: &str) -> Vec<(String, u64)> {
        let mut rest = text.as_bytes();
        let mut found = Vec::new();
        while let Some(frame) = framing.next(rest, true) {
            found.push((String::from_utf8_lossy(frame.record).into_owned(), frame.lines));
            rest = &rest[frame.consumed..];
        }
        found
    }

    fn owned(records: &[(&str, u64)]) -> Vec<(String, u64)> {
        records.iter().map(|(record, lines)| ((*record).to_owned(), *lines)).collect()
    }

    #[test]
    fn lines_end_at_line_feeds() {
        assert_eq!(frames(Framing::Lines, "a\r\n\nb\nc"), owned(&[("a", 1), ("", 1), ("b", 1), ("c", 0)]));
        assert_eq!(Framing::Lines.next(b"abc", false), None);
    }

    #[test]
    fn csv_rows_may_hold_line_feeds_in_quotes() {
        let csv = Framing::Csv { delimiter: b',' };
        assert_eq!(
            frames(csv, "a,\"x\ny\",b\r\n\"q\"\"\n\"\"\",5\" pipe\n\"\"\nlast"),
            owned(&[("a,\"x\ny\",b", 2), ("\"q\"\"\n\"\"\",5\" pipe", 2), ("\"\"", 1), ("last", 0)])
        );
        assert_eq!(csv.next(b"a,\"x\n", false), None);
        assert_eq!(csv.next(b"a,\"x\"", false), None);
    }
}
