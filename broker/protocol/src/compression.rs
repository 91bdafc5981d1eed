//! The four compressions of record batches, in Kafka's framings.
//!
//! gzip; snappy in the chunked framing of the `xerial` Java library (a bare snappy block is accepted too); the
//! LZ4 frame format; zstd. Decompression stops at a limit that the caller gives.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use thiserror::Error;

mod snappy;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, Error)]
pub enum CompressionError {
    /// The attributes of a batch name a compression that does not exist.
    #[error("read batch attributes: {0} is no compression")]
    UnknownId(u8),
    /// The decompressed records would take more room than allowed.
    #[error("decompress {compression} records: more than {limit_bytes} bytes come out")]
    TooLarge { compression: Compression, limit_bytes: usize },
    /// The bytes are not what the compression writes.
    #[error("decompress {compression} records: the bytes are damaged")]
    Corrupt { compression: Compression, source: io::Error },
    /// The compressor failed.
    #[error("compress records with {compression}")]
    Compress { compression: Compression, source: io::Error },
}

/// Text that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no compression; choose none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression(String);

/// zstd's own default level, which the Java client uses too.
const ZSTD_LEVEL: i32 = 3;

/// The most that gzip can do.
const GZIP_LEVEL_MAX: u32 = 9;

/// Largest window that a zstd frame may ask for, as a power of two: zstd's own default of 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Smallest window that zstd knows, as a power of two.
const ZSTD_WINDOW_LOG_MIN: u32 = 10;

/// First guess of how much larger decompressed records are.
const EXPANSION_GUESS: usize = 4;

impl Compression {
    /// Every compression, by ascending id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in the attributes of a batch.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The compression with this number.
    pub fn from_id(id: u8) -> Result<Self, CompressionError> {
        Self::ALL.get(usize::from(id)).copied().ok_or(CompressionError::UnknownId(id))
    }

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Appends `input`, compressed, to `output`.
    pub fn compress(self, input: &[u8], output: &mut Vec<u8>) -> Result<(), CompressionError> {
        self.compress_at(None, input, output)
    }

    /// [`Compression::compress`] at a level of gzip (0 to 9) or zstd; the others have one level here.
    pub fn compress_at(
        self,
        level: Option<i32>,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let result = match self {
            Self::None => {
                output.extend_from_slice(input);
                Ok(())
            }
            Self::Gzip => compress_gzip(level, input, output),
            Self::Snappy => snappy::compress(input, output),
            Self::Lz4 => compress_lz4(input, output),
            Self::Zstd => compress_zstd(level.unwrap_or(ZSTD_LEVEL), input, output),
        };
        result.map_err(|source| CompressionError::Compress { compression: self, source })
    }

    /// What `input` was before compression; an error as soon as more than `limit_bytes` come out.
    pub fn decompress(self, input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, CompressionError> {
        match self {
            Self::None if input.len() > limit_bytes => Err(self.too_large(limit_bytes)),
            Self::None => Ok(input.to_vec()),
            Self::Gzip => self.drain(flate2::bufread::MultiGzDecoder::new(input), input, limit_bytes),
            Self::Snappy => match snappy::decompress(input, limit_bytes) {
                Ok(Some(output)) => Ok(output),
                Ok(None) => Err(self.too_large(limit_bytes)),
                Err(source) => Err(CompressionError::Corrupt { compression: self, source }),
            },
            Self::Lz4 => self.drain(lz4_flex::frame::FrameDecoder::new(input), input, limit_bytes),
            Self::Zstd => {
                let corrupt = |source| CompressionError::Corrupt { compression: self, source };
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(corrupt)?;
                // No honest frame needs a window larger than everything that may come out of it.
                let window = limit_bytes.max(1).next_power_of_two().trailing_zeros();
                let window = window.clamp(ZSTD_WINDOW_LOG_MIN, ZSTD_WINDOW_LOG_MAX);
                decoder.window_log_max(window).map_err(corrupt)?;
                self.drain(decoder, input, limit_bytes)
            }
        }
    }

    fn drain(
        self,
        decoder: impl Read,
        input: &[u8],
        limit_bytes: usize,
    ) -> Result<Vec<u8>, CompressionError> {
        let mut output = Vec::with_capacity(input.len().saturating_mul(EXPANSION_GUESS).min(limit_bytes));
        // One byte more than allowed shows that the limit was passed.
        let mut bounded = decoder.take(limit_bytes as u64 + 1);
        bounded
            .read_to_end(&mut output)
            .map_err(|source| CompressionError::Corrupt { compression: self, source })?;
        if output.len() > limit_bytes { Err(self.too_large(limit_bytes)) } else { Ok(output) }
    }

    fn too_large(self, limit_bytes: usize) -> CompressionError {
        CompressionError::TooLarge { compression: self, limit_bytes }
    }
}

fn compress_gzip(level: Option<i32>, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let level = level.and_then(|level| u32::try_from(level).ok()).filter(|level| *level <= GZIP_LEVEL_MAX);
    let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(output, level);
    encoder.write_all(input)?;
    encoder.finish()?;
    Ok(())
}

fn compress_lz4(input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    // The Java client reads independent blocks only.
    let mut frame = lz4_flex::frame::FrameInfo::new();
    frame.block_mode = lz4_flex::frame::BlockMode::Independent;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, output);
    encoder.write_all(input)?;
    encoder.finish().map_err(io::Error::other)?;
    Ok(())
}

thread_local! {
    /// A compressor takes a megabyte and more to set up, so each thread keeps its own, with the level it is set to.
    static ZSTD: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
}

fn compress_zstd(level: i32, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    ZSTD.with_borrow_mut(|slot| {
        let (set_to, compressor) = match slot {
            Some(known) => known,
            None => slot.insert((level, zstd::bulk::Compressor::new(level)?)),
        };
        if *set_to != level {
            compressor.set_compression_level(level)?;
            *set_to = level;
        }
        output.extend_from_slice(&compressor.compress(input)?);
        Ok(())
    })
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| UnknownCompression(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
