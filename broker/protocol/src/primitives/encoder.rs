//! Writes primitive types into a list of byte segments, sharing large byte strings instead of copying them.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{Message, Uuid};

/// Byte strings from this size on become a segment of their own instead of being copied.
const SHARED_BYTES_MIN: usize = 1024;

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The message has no such version.
    #[error("encode {message}: version {version} is outside {min}-{max}")]
    UnsupportedVersion { message: &'static str, version: i16, min: i16, max: i16 },
    /// A field is set that the version cannot carry.
    #[error("encode {field}: it is set, but version {version} cannot carry it")]
    NotInVersion { field: &'static str, version: i16 },
    /// A field is null in a version that demands a value.
    #[error("encode {field}: it is null, but this version demands a value")]
    NullNotAllowed { field: &'static str },
    /// A string, byte string or array is longer than its length field can say.
    #[error("encode {field}: a length of {length} does not fit")]
    TooLong { field: &'static str, length: usize },
}

impl EncodeError {
    pub(crate) fn not_in_version(field: &'static str, version: i16) -> Self {
        Self::NotInVersion { field, version }
    }
}

/// Collects the wire form of messages.
#[derive(Debug, Default)]
pub struct Encoder {
    segments: Vec<Segment>,
    tail: BytesMut,
    /// Bytes in `segments`, without `tail`.
    segments_length: usize,
    field: &'static str,
}

#[derive(Debug)]
enum Segment {
    Owned(BytesMut),
    Shared(Bytes),
}

impl Encoder {
    /// An empty encoder; allocates at the first write.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty encoder with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { tail: BytesMut::with_capacity(bytes), ..Self::default() }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.segments_length + self.tail.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything written, in order; large byte strings are shared with whoever handed them in.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.close_tail();
        self.segments
            .into_iter()
            .map(|segment| match segment {
                Segment::Owned(bytes) => bytes.freeze(),
                Segment::Shared(bytes) => bytes,
            })
            .collect()
    }

    /// Everything written, in one piece; copies when there is more than one segment.
    pub fn into_bytes(self) -> Bytes {
        let length = self.len();
        let mut segments = self.finish();
        if segments.len() == 1 {
            return segments.swap_remove(0);
        }
        let mut joined = BytesMut::with_capacity(length);
        for segment in &segments {
            joined.extend_from_slice(segment);
        }
        joined.freeze()
    }

    /// Overwrites the first four bytes, which the caller wrote as a placeholder before anything else.
    pub(crate) fn patch_start(&mut self, value: i32) {
        let start = match self.segments.first_mut() {
            Some(Segment::Owned(bytes)) => bytes,
            _ => &mut self.tail,
        };
        debug_assert!(start.len() >= 4, "the placeholder comes first");
        if let Some(placeholder) = start.first_chunk_mut::<4>() {
            *placeholder = value.to_be_bytes();
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = self.tail.split();
            self.segments_length += tail.len();
            self.segments.push(Segment::Owned(tail));
        }
    }

    fn append_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            self.tail.extend_from_slice(bytes);
            return;
        }
        self.close_tail();
        self.segments_length += bytes.len();
        self.segments.push(Segment::Shared(bytes.clone()));
    }

    fn append(&mut self, other: Encoder) {
        if other.segments.is_empty() {
            self.tail.extend_from_slice(&other.tail);
            return;
        }
        self.close_tail();
        self.segments_length += other.segments_length;
        self.segments.extend(other.segments);
        self.tail.extend_from_slice(&other.tail);
    }
}

/// Fixed-size values and lengths.
impl Encoder {
    /// Names the field that is written next, for errors.
    #[inline]
    pub(crate) fn at(&mut self, field: &'static str) {
        self.field = field;
    }

    /// One signed byte.
    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    /// Two bytes, most significant first.
    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    /// Two bytes, unsigned, most significant first.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    /// Four bytes, most significant first.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    /// Eight bytes, most significant first.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    /// Eight bytes, IEEE 754, most significant first.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    /// One byte, 0 or 1.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.tail.put_u8(u8::from(value));
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.tail.extend_from_slice(value.as_bytes());
    }

    /// One to five bytes, seven bits each, least significant first.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    fn too_long(&self, length: usize) -> EncodeError {
        EncodeError::TooLong { field: self.field, length }
    }

    fn compact_length(&mut self, length: usize) -> Result<(), EncodeError> {
        let fits = i32::try_from(length).is_ok_and(|length| length < i32::MAX);
        if !fits {
            return Err(self.too_long(length));
        }
        self.unsigned_varint(length as u32 + 1);
        Ok(())
    }

    fn length_i32(&mut self, length: usize) -> Result<(), EncodeError> {
        let length = i32::try_from(length).map_err(|_| self.too_long(length))?;
        self.i32(length);
        Ok(())
    }

    fn length_i16(&mut self, length: usize) -> Result<(), EncodeError> {
        let length = i16::try_from(length).map_err(|_| self.too_long(length))?;
        self.i16(length);
        Ok(())
    }

    fn null(
        &mut self,
        nullable: bool,
        old_form: impl FnOnce(&mut Self),
        compact: bool,
    ) -> Result<(), EncodeError> {
        if !nullable {
            return Err(EncodeError::NullNotAllowed { field: self.field });
        }
        if compact {
            self.unsigned_varint(0);
        } else {
            old_form(self);
        }
        Ok(())
    }
}

/// Strings, byte strings, arrays, nullable structures.
impl Encoder {
    /// A string that cannot be null.
    pub fn string(&mut self, value: &str, compact: bool) -> Result<(), EncodeError> {
        if compact {
            self.compact_length(value.len())?;
        } else {
            self.length_i16(value.len())?;
        }
        self.tail.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// A string that may be null if the version says so (`nullable`).
    pub fn nullable_string(
        &mut self,
        value: Option<&str>,
        nullable: bool,
        compact: bool,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.string(value, compact),
            None => self.null(nullable, |to| to.i16(-1), compact),
        }
    }

    /// A byte string that cannot be null; shared, not copied, when it is large.
    pub fn bytes(&mut self, value: &Bytes, compact: bool) -> Result<(), EncodeError> {
        if compact {
            self.compact_length(value.len())?;
        } else {
            self.length_i32(value.len())?;
        }
        self.append_shared(value);
        Ok(())
    }

    /// A byte string that may be null if the version says so (`nullable`).
    pub fn nullable_bytes(
        &mut self,
        value: Option<&Bytes>,
        nullable: bool,
        compact: bool,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(value, compact),
            None => self.null(nullable, |to| to.i32(-1), compact),
        }
    }

    /// A count and then every item, written by `write`.
    pub fn array<T>(
        &mut self,
        items: &[T],
        compact: bool,
        mut write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if compact {
            self.compact_length(items.len())?;
        } else {
            self.length_i32(items.len())?;
        }
        items.iter().try_for_each(|item| write(self, item))
    }

    /// An array that may be null if the version says so (`nullable`).
    pub fn nullable_array<T>(
        &mut self,
        items: Option<&[T]>,
        nullable: bool,
        compact: bool,
        write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        match items {
            Some(items) => self.array(items, compact, write),
            None => self.null(nullable, |to| to.i32(-1), compact),
        }
    }

    /// A structure behind one byte that tells whether it is there.
    pub(crate) fn nullable_struct<T: Message>(
        &mut self,
        value: Option<&T>,
        version: i16,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => {
                self.i8(1);
                value.encode(self, version)
            }
            None => {
                self.i8(-1);
                Ok(())
            }
        }
    }

    /// An empty set of tagged fields.
    pub fn no_tags(&mut self) {
        self.unsigned_varint(0);
    }
}

/// Gathers tagged fields, which need their count and sizes written first.
#[derive(Debug, Default)]
pub(crate) struct TagWriter {
    count: u32,
    body: Encoder,
}

impl TagWriter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a field; tags must be added in ascending order.
    pub(crate) fn field(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut value = Encoder::new();
        write(&mut value)?;
        let length = u32::try_from(value.len()).map_err(|_| value.too_long(value.len()))?;
        self.count += 1;
        self.body.unsigned_varint(tag);
        self.body.unsigned_varint(length);
        self.body.append(value);
        Ok(())
    }

    pub(crate) fn finish(self, to: &mut Encoder) {
        to.unsigned_varint(self.count);
        to.append(self.body);
    }
}

/// Refuses to encode a message in a version that it does not have.
pub(crate) fn encodable(message: &'static str, version: i16, min: i16, max: i16) -> Result<(), EncodeError> {
    if (min..=max).contains(&version) {
        Ok(())
    } else {
        Err(EncodeError::UnsupportedVersion { message, version, min, max })
    }
}
