//! Kafka wire codec and record batches: bytes in, structs out, no I/O.
//!
//! `messages` holds one struct per Kafka message, generated from `definitions/`; `frame` puts headers and
//! lengths around them; `record_batch` reads and builds the batches inside Produce and Fetch, which the
//! messages carry as untouched [`bytes::Bytes`]. Left out: sockets, clocks, tasks, and any judgement about
//! which versions a broker offers.

pub mod frame;
pub mod messages;
pub mod record_batch;

pub mod compression;

mod api;
mod error_code;
mod generated;
mod primitives;
mod uuid;

pub use api::{Message, Request, Response, UnexpectedKind, UnknownApiKey};
pub use error_code::ErrorCode;
pub use generated::api_key::ApiKey;
pub use generated::request_kind::RequestKind;
pub use generated::response_kind::ResponseKind;
pub use primitives::{DecodeError, DecodeProblem, Decoder, EncodeError, Encoder};
pub use uuid::Uuid;
