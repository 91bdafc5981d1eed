//! Thrift's compact protocol walked over without building values: sizes are held against the bytes there are before a library
//! reserves memory by them, and nesting against a bound before one recurses.

/// Deepest nesting of structures; Parquet's own needs five.
const DEPTH_MAX: usize = 32;

const BOOLEAN_TRUE: u8 = 1;
const BOOLEAN_FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Why bytes are no such structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It goes on behind the bytes.
    Short,
    Deep,
    Unknown,
}

impl Broken {
    pub fn reason(self) -> &'static str {
        match self {
            Broken::Short => "a size in it is larger than it is itself",
            Broken::Deep => "it is nested too deeply",
            Broken::Unknown => "it holds what the format does not know",
        }
    }
}

/// A place in bytes.
#[derive(Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner { bytes, at: 0 }
    }

    /// The next field of a structure, its number and type; `None` at its end. `last` is the number of the one before.
    pub fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>, Broken> {
        let head = self.byte()?;
        let kind = head & 15;
        match (head >> 4, kind) {
            (_, 0) => Ok(None),
            (0, kind) => Ok(Some((self.integer()? as i16, kind))),
            (step, kind) => Ok(Some((last.wrapping_add(i16::from(step)), kind))),
        }
    }

    /// How many elements a list has, each at least a byte, and their type.
    pub fn list(&mut self) -> Result<(usize, u8), Broken> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        Ok((self.fits(count)?, head & 15))
    }

    /// A whole number of any width.
    pub fn integer(&mut self) -> Result<i64, Broken> {
        let folded = self.varint()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Passes over a value.
    pub fn skip(&mut self, kind: u8) -> Result<(), Broken> {
        self.skip_within(kind, 0)
    }

    fn skip_within(&mut self, kind: u8, depth: usize) -> Result<(), Broken> {
        if depth == DEPTH_MAX {
            return Err(Broken::Deep);
        }
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.advance(8),
            UUID => self.advance(16),
            BINARY => {
                let length = self.varint()?;
                let length = self.fits(length)?;
                self.advance(length)
            }
            LIST | SET => {
                let (count, element) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(element, depth + 1))
            }
            MAP => {
                let count = self.varint()?;
                let count = self.fits(count)?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 15, depth + 1)
                })
            }
            STRUCT => {
                let mut last = 0;
                while let Some((number, kind)) = self.field(last)? {
                    self.skip_within(kind, depth + 1)?;
                    last = number;
                }
                Ok(())
            }
            _ => Err(Broken::Unknown),
        }
    }

    /// Within a collection a boolean has a byte of its own.
    fn skip_element(&mut self, kind: u8, depth: usize) -> Result<(), Broken> {
        match kind {
            BOOLEAN_TRUE | BOOLEAN_FALSE => self.advance(1),
            kind => self.skip_within(kind, depth),
        }
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(Broken::Unknown)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = *self.bytes.get(self.at).ok_or(Broken::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn advance(&mut self, bytes: usize) -> Result<(), Broken> {
        self.fits(bytes as u64)?;
        self.at += bytes;
        Ok(())
    }

    fn fits(&self, count: u64) -> Result<usize, Broken> {
        match usize::try_from(count) {
            Ok(count) if count <= self.bytes.len() - self.at => Ok(count),
            _ => Err(Broken::Short),
        }
    }
}
