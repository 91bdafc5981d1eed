//! Reads primitive types from a buffer, never trusting a length: every one is checked against the bytes that
//! remain before anything is allocated, and byte strings are handed out as slices of the buffer.

use bytes::Bytes;
use thiserror::Error;

use crate::{Message, Uuid};

/// Room made for array items ahead of reading them; longer arrays grow as their items arrive.
const PREALLOCATED_ITEMS_MAX: usize = 256;

/// Why bytes cannot be read as a message, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("decode {field} at byte {position}: {problem}")]
pub struct DecodeError {
    /// The structure and field that was being read, such as `FetchTopic.partitions`.
    pub field: &'static str,
    /// Bytes from the start of the buffer to where reading stopped.
    pub position: usize,
    /// What is wrong there.
    pub problem: DecodeProblem,
}

/// What is wrong with bytes that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeProblem {
    #[error("{needed} bytes are needed, {remaining} remain")]
    Truncated { needed: usize, remaining: usize },
    #[error("{count} items cannot fit into the {remaining} bytes that remain")]
    CountTooLarge { count: usize, remaining: usize },
    #[error("the length {0} is negative")]
    NegativeLength(i64),
    #[error("it is null, but this version demands a value")]
    NullNotAllowed,
    #[error("the varint is longer than its type")]
    VarintTooLong,
    #[error("the string is not UTF-8")]
    InvalidUtf8,
    #[error("the tag {0} is out of order")]
    TagOutOfOrder(u32),
    #[error("the tagged field leaves {0} bytes unread")]
    TagNotConsumed(usize),
    #[error("no api has the key {0}")]
    UnknownApiKey(i16),
    #[error("version {version} is outside {min}-{max}")]
    UnsupportedVersion { version: i16, min: i16, max: i16 },
}

/// Reads values one after the other.
#[derive(Debug, Clone)]
pub struct Decoder {
    buffer: Bytes,
    position: usize,
    /// Where `buffer` starts in the outermost one, so that positions in errors count from there.
    base: usize,
    field: &'static str,
}

impl Decoder {
    /// A decoder at the start of `buffer`.
    pub fn new(buffer: Bytes) -> Self {
        Self { buffer, position: 0, base: 0, field: "message" }
    }

    /// Bytes not yet read.
    pub fn remaining(&self) -> usize {
        self.buffer.len() - self.position
    }

    /// Names the field that is read next, for errors.
    #[inline]
    pub(crate) fn at(&mut self, field: &'static str) {
        self.field = field;
    }

    pub(crate) fn error(&self, problem: DecodeProblem) -> DecodeError {
        DecodeError { field: self.field, position: self.base + self.position, problem }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.buffer.get(self.position..).and_then(|rest| rest.first_chunk::<N>());
        match bytes {
            Some(bytes) => {
                let bytes = *bytes;
                self.position += N;
                Ok(bytes)
            }
            None => Err(self.error(DecodeProblem::Truncated { needed: N, remaining: self.remaining() })),
        }
    }

    fn span(&mut self, length: usize) -> Result<std::ops::Range<usize>, DecodeError> {
        if length > self.remaining() {
            return Err(self.error(DecodeProblem::Truncated { needed: length, remaining: self.remaining() }));
        }
        let start = self.position;
        self.position += length;
        Ok(start..self.position)
    }
}

/// Fixed-size values and lengths.
impl Decoder {
    /// One signed byte.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// Two bytes, most significant first.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// Two bytes, unsigned, most significant first.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Four bytes, most significant first.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// Eight bytes, most significant first.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Eight bytes, IEEE 754, most significant first.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.fixed().map(f64::from_be_bytes)
    }

    /// One byte; everything but 0 is true.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.fixed().map(|[byte]| byte != 0)
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.fixed().map(Uuid::from_bytes)
    }

    /// One to five bytes, seven bits each, least significant first.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            if shift == 28 && byte > 0x0f {
                return Err(self.error(DecodeProblem::VarintTooLong));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// A length, or none for null; `old_form` reads it when the version is not compact.
    fn length(
        &mut self,
        compact: bool,
        old_form: impl FnOnce(&mut Self) -> Result<i64, DecodeError>,
    ) -> Result<Option<usize>, DecodeError> {
        if compact {
            return Ok(self.unsigned_varint()?.checked_sub(1).map(|length| length as usize));
        }
        match old_form(self)? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(self.error(DecodeProblem::NegativeLength(length))),
            },
        }
    }

    /// Lets a null through only where the version allows it.
    fn demand<T>(&self, value: Option<T>, nullable: bool) -> Result<Option<T>, DecodeError> {
        match value {
            None if !nullable => Err(self.error(DecodeProblem::NullNotAllowed)),
            value => Ok(value),
        }
    }
}

/// Strings, byte strings, arrays, nullable structures.
impl Decoder {
    /// A string that cannot be null.
    pub fn string(&mut self, compact: bool) -> Result<String, DecodeError> {
        match self.nullable_string(false, compact)? {
            Some(value) => Ok(value),
            None => Err(self.error(DecodeProblem::NullNotAllowed)),
        }
    }

    /// A string that may be null if the version says so (`nullable`).
    pub fn nullable_string(&mut self, nullable: bool, compact: bool) -> Result<Option<String>, DecodeError> {
        let length = self.length(compact, |from| from.i16().map(i64::from))?;
        let Some(length) = self.demand(length, nullable)? else { return Ok(None) };
        let span = self.span(length)?;
        match std::str::from_utf8(&self.buffer[span]) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(self.error(DecodeProblem::InvalidUtf8)),
        }
    }

    /// A byte string that cannot be null, as a slice of the buffer.
    pub fn bytes(&mut self, compact: bool) -> Result<Bytes, DecodeError> {
        match self.nullable_bytes(false, compact)? {
            Some(value) => Ok(value),
            None => Err(self.error(DecodeProblem::NullNotAllowed)),
        }
    }

    /// A byte string that may be null if the version says so (`nullable`), as a slice of the buffer.
    pub fn nullable_bytes(&mut self, nullable: bool, compact: bool) -> Result<Option<Bytes>, DecodeError> {
        let length = self.length(compact, |from| from.i32().map(i64::from))?;
        let Some(length) = self.demand(length, nullable)? else { return Ok(None) };
        let span = self.span(length)?;
        Ok(Some(self.buffer.slice(span)))
    }

    /// A count and then that many items, each at least `item_bytes_min` bytes long and read by `read`.
    pub fn array<T>(
        &mut self,
        compact: bool,
        item_bytes_min: usize,
        read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        match self.nullable_array(false, compact, item_bytes_min, read)? {
            Some(items) => Ok(items),
            None => Err(self.error(DecodeProblem::NullNotAllowed)),
        }
    }

    /// An array that may be null if the version says so (`nullable`).
    pub fn nullable_array<T>(
        &mut self,
        nullable: bool,
        compact: bool,
        item_bytes_min: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let count = self.length(compact, |from| from.i32().map(i64::from))?;
        let Some(count) = self.demand(count, nullable)? else { return Ok(None) };
        if count > self.remaining() / item_bytes_min.max(1) {
            return Err(self.error(DecodeProblem::CountTooLarge { count, remaining: self.remaining() }));
        }
        let mut items = Vec::with_capacity(count.min(PREALLOCATED_ITEMS_MAX));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(Some(items))
    }

    /// A structure behind one byte that tells whether it is there (negative: null).
    pub(crate) fn nullable_struct<T: Message>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 { Ok(None) } else { T::decode(self, version).map(Some) }
    }

    /// Tagged fields: `read` gets each tag with a decoder over its value and returns whether it knew the tag.
    pub(crate) fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.unsigned_varint()?;
        let mut previous = None;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            if previous.is_some_and(|previous| tag <= previous) {
                return Err(self.error(DecodeProblem::TagOutOfOrder(tag)));
            }
            previous = Some(tag);
            let length = self.unsigned_varint()? as usize;
            let start = self.base + self.position;
            let span = self.span(length)?;
            let mut value =
                Self { buffer: self.buffer.slice(span), position: 0, base: start, field: self.field };
            if read(tag, &mut value)? && value.remaining() > 0 {
                return Err(value.error(DecodeProblem::TagNotConsumed(value.remaining())));
            }
        }
        Ok(())
    }

    /// Tagged fields where none is known.
    pub fn skip_tags(&mut self) -> Result<(), DecodeError> {
        self.tags(|_, _| Ok(false))
    }
}

/// Refuses to decode a message in a version that it does not have.
pub(crate) fn decodable(
    from: &mut Decoder,
    message: &'static str,
    version: i16,
    min: i16,
    max: i16,
) -> Result<(), DecodeError> {
    from.at(message);
    if (min..=max).contains(&version) {
        Ok(())
    } else {
        Err(from.error(DecodeProblem::UnsupportedVersion { version, min, max }))
    }
}
