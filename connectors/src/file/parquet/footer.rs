//! The end of a Parquet file, looked at before a library is let near it: is the file whole, and does its footer hold sizes and
//! depths that can be true.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::super::identity::Head;
use super::thrift::{Broken, I32, LIST, STRUCT, Scanner};

/// Largest footer that is read.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// Deepest nesting of columns.
const COLUMN_DEPTH_MAX: usize = 64;

/// How much of a file's end tells it from another: most footers are shorter, and say where everything lies in the file.
const TAIL_BYTES: u64 = 64 << 10;

const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";

/// What the outside of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Whole,
    /// It begins as a Parquet file, or has not begun, and does not end as one.
    Unfinished,
    /// Why it is none that can be read here.
    Unreadable(String),
}

/// Whether a file has its footer, and whether that can be read.
pub fn look(file: &File) -> io::Result<Found> {
    let length = file.metadata()?.len();
    let mut start = [0; 4];
    let read = length.min(4) as usize;
    file.read_exact_at(&mut start[..read], 0)?;
    if start[..read] != MAGIC[..read] {
        let reason = match &start == MAGIC_ENCRYPTED {
            true => "its footer is encrypted, which is not supported",
            false => "it does not begin as a Parquet file",
        };
        return Ok(Found::Unreadable(reason.to_owned()));
    }
    // Magic, footer, its length, magic.
    if length < 12 {
        return Ok(Found::Unfinished);
    }
    let mut end = [0; 8];
    file.read_exact_at(&mut end, length - 8)?;
    let [a, b, c, d, magic @ ..] = end;
    if magic != *MAGIC {
        return Ok(Found::Unfinished);
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer > length - 12 {
        let reason = format!("its footer of {footer} bytes is longer than the file of {length}");
        return Ok(Found::Unreadable(reason));
    }
    if footer > FOOTER_BYTES_MAX {
        let reason =
            format!("its footer of {footer} bytes is longer than the {FOOTER_BYTES_MAX} that are read");
        return Ok(Found::Unreadable(reason));
    }
    let mut text = vec![0; footer as usize];
    file.read_exact_at(&mut text, length - 8 - footer)?;
    Ok(check(&text).map_or_else(Found::Unreadable, |()| Found::Whole))
}

/// A checksum of a whole file's end, with its length: two files that agree in it are one.
pub fn identity(file: &File) -> io::Result<Head> {
    let length = file.metadata()?.len();
    let bytes = length.min(TAIL_BYTES);
    let mut tail = vec![0; bytes as usize];
    file.read_exact_at(&mut tail, length - bytes)?;
    Ok(Head::of_bytes(length, &tail))
}

/// Walks over the footer: `FileMetaData`, whose second field lists the columns depth first.
fn check(footer: &[u8]) -> Result<(), String> {
    let broken = |broken: Broken| format!("its footer is broken: {}", broken.reason());
    let mut scanner = Scanner::new(footer);
    let mut last = 0;
    while let Some((number, kind)) = scanner.field(last).map_err(broken)? {
        match (number, kind) {
            (2, LIST) => check_columns(&mut scanner)?,
            _ => scanner.skip(kind).map_err(broken)?,
        }
        last = number;
    }
    Ok(())
}

fn check_columns(scanner: &mut Scanner<'_>) -> Result<(), String> {
    let broken = |broken: Broken| format!("its list of columns is broken: {}", broken.reason());
    let (elements, kind) = scanner.list().map_err(broken)?;
    if kind != STRUCT {
        return Err(broken(Broken::Unknown));
    }
    // How many children are still to come at each level.
    let mut open: Vec<usize> = Vec::new();
    for index in 0..elements {
        let children = children(scanner).map_err(broken)?;
        if children > elements - index - 1 {
            return Err("its list of columns is broken: a group has more columns than there are".to_owned());
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > COLUMN_DEPTH_MAX {
            return Err(format!("its columns are nested deeper than {COLUMN_DEPTH_MAX} levels"));
        }
    }
    Ok(())
}

/// How many children a `SchemaElement` says to have.
fn children(scanner: &mut Scanner<'_>) -> Result<usize, Broken> {
    let (mut last, mut children) = (0, 0);
    while let Some((number, kind)) = scanner.field(last)? {
        match (number, kind) {
            (5, I32) => children = usize::try_from(scanner.integer()?).map_err(|_| Broken::Unknown)?,
            _ => scanner.skip(kind)?,
        }
        last = number;
    }
    Ok(children)
}
