//! Frames: a length, a header, a message.
//!
//! Every request and response on a connection is preceded by its length as int32. A request's header names the
//! API, the version and a correlation id, which the response's header repeats. Left out: reading and writing
//! sockets, and matching responses to requests.

use bytes::Bytes;
use thiserror::Error;

use crate::{ApiKey, DecodeError, DecodeProblem, Decoder, EncodeError, Encoder, RequestKind, ResponseKind};

/// Bytes of the length in front of each frame.
pub const LENGTH_BYTES: usize = 4;

/// Room for lengths, headers and small bodies, so that most frames are allocated once.
const FRAME_CAPACITY: usize = 256;

/// What stands in front of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API asked.
    pub api_key: ApiKey,
    /// The version of request and response; may be one that this crate cannot read.
    pub api_version: i16,
    /// Repeated by the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

/// A frame ready to be written: its length in four bytes, header and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// The bytes in order; large records are shared with the message that held them.
    pub segments: Vec<Bytes>,
    /// Bytes in all segments together, including the leading length.
    pub len: usize,
}

/// A length that no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("read a frame: a length of {length} is outside 0-{limit}")]
pub struct FrameLengthError {
    /// The length received.
    pub length: i32,
    /// The largest length that the reader accepts.
    pub limit: usize,
}

/// Bytes that follow the leading length, refused when negative or above `limit`.
pub fn frame_length(prefix: [u8; LENGTH_BYTES], limit: usize) -> Result<usize, FrameLengthError> {
    let length = i32::from_be_bytes(prefix);
    usize::try_from(length).ok().filter(|bytes| *bytes <= limit).ok_or(FrameLengthError { length, limit })
}

/// A request as a frame.
pub fn encode_request(header: &RequestHeader, request: &RequestKind) -> Result<EncodedFrame, EncodeError> {
    let mut to = Encoder::with_capacity(FRAME_CAPACITY);
    to.i32(0);
    to.i16(header.api_key.code());
    to.i16(header.api_version);
    to.i32(header.correlation_id);
    to.at("RequestHeader.client_id");
    // Never compact, so that brokers of any age can read it.
    to.nullable_string(header.client_id.as_deref(), true, false)?;
    if header.api_key.request_header_version(header.api_version) >= 2 {
        to.no_tags();
    }
    request.encode(&mut to, header.api_version)?;
    finish_frame(to)
}

/// A response to the request `correlation_id` of version `api_version` as a frame.
pub fn encode_response(
    correlation_id: i32,
    api_version: i16,
    response: &ResponseKind,
) -> Result<EncodedFrame, EncodeError> {
    let mut to = Encoder::with_capacity(FRAME_CAPACITY);
    to.i32(0);
    to.i32(correlation_id);
    if response.key().response_header_version(api_version) >= 1 {
        to.no_tags();
    }
    response.encode(&mut to, api_version)?;
    finish_frame(to)
}

fn finish_frame(mut to: Encoder) -> Result<EncodedFrame, EncodeError> {
    let len = to.len();
    let length = i32::try_from(len - LENGTH_BYTES)
        .map_err(|_| EncodeError::TooLong { field: "frame", length: len })?;
    to.patch_start(length);
    Ok(EncodedFrame { segments: to.finish(), len })
}

/// Reads the header of a request; `from` starts behind the length and is left at the message.
///
/// An API key that this crate does not know is an error; a version that it does not know is not, because
/// `ApiVersions` must be answered whatever its version.
pub fn decode_request_header(from: &mut Decoder) -> Result<RequestHeader, DecodeError> {
    from.at("RequestHeader.request_api_key");
    let code = from.i16()?;
    let api_key = ApiKey::try_from(code).map_err(|_| from.error(DecodeProblem::UnknownApiKey(code)))?;
    from.at("RequestHeader.request_api_version");
    let api_version = from.i16()?;
    from.at("RequestHeader.correlation_id");
    let correlation_id = from.i32()?;
    from.at("RequestHeader.client_id");
    let client_id = from.nullable_string(true, false)?;
    if api_key.request_header_version(api_version) >= 2 {
        from.skip_tags()?;
    }
    Ok(RequestHeader { api_key, api_version, correlation_id, client_id })
}

/// Reads the header of a response of known API and version and returns the correlation id.
pub fn decode_response_header(
    api_key: ApiKey,
    api_version: i16,
    from: &mut Decoder,
) -> Result<i32, DecodeError> {
    from.at("ResponseHeader.correlation_id");
    let correlation_id = from.i32()?;
    if api_key.response_header_version(api_version) >= 1 {
        from.skip_tags()?;
    }
    Ok(correlation_id)
}

#[cfg(test)]
mod tests;
