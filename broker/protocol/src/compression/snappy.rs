//! Snappy as Kafka's Java client writes it: a header and chunks, each a length and a snappy block.

use std::io;

/// What the framing starts with.
const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";

/// The magic, then the version and the lowest compatible version, both int32.
const HEADER_BYTES: usize = 16;

/// The version written, and the lowest one that can read it.
const VERSION: i32 = 1;

/// Uncompressed bytes per chunk, as in the Java library.
const CHUNK_BYTES: usize = 32 * 1024;

pub(super) fn compress(input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    output.extend_from_slice(MAGIC);
    output.extend_from_slice(&VERSION.to_be_bytes());
    output.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(CHUNK_BYTES.min(input.len()))];
    for chunk in input.chunks(CHUNK_BYTES) {
        let length = encoder.compress(chunk, &mut block)?;
        let block = block.get(..length).ok_or_else(|| damaged("the compressor overran its buffer"))?;
        output.extend_from_slice(&(length as u32).to_be_bytes());
        output.extend_from_slice(block);
    }
    Ok(())
}

/// None when more than `limit_bytes` would come out.
pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    if !input.starts_with(MAGIC) {
        return Ok(append_block(input, &mut output, limit_bytes)?.then_some(output));
    }
    let mut rest = input.get(HEADER_BYTES..).ok_or_else(|| damaged("the header is cut off"))?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("a length is cut off"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, behind) = behind.split_at_checked(length).ok_or_else(|| damaged("a chunk is cut off"))?;
        if !append_block(block, &mut output, limit_bytes)? {
            return Ok(None);
        }
        rest = behind;
    }
    Ok(Some(output))
}

fn append_block(block: &[u8], output: &mut Vec<u8>, limit_bytes: usize) -> io::Result<bool> {
    // A block says its size first; believe it only up to what snappy can reach and the caller allows.
    let size = snap::raw::decompress_len(block)?;
    if size > limit_bytes.saturating_sub(output.len()) {
        return Ok(false);
    }
    if size > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(damaged("a block claims more than snappy can reach"));
    }
    let start = output.len();
    output.resize(start + size, 0);
    let room = output.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(block, room)?;
    Ok(true)
}

/// A snappy copy element of three bytes yields at most 64 bytes; rounded up generously.
const EXPANSION_MAX: usize = 64;

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
