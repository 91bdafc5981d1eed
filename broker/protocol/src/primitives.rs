//! Kafka's primitive types: how numbers, strings, arrays and tagged fields look in bytes.
//!
//! "Compact" forms (KIP-482) write lengths as unsigned varints plus one, zero meaning null; the older forms
//! write them as int16 or int32, minus one meaning null. Which one applies is told by each caller.

mod decoder;
mod encoder;

pub(crate) use decoder::decodable;
pub use decoder::{DecodeError, DecodeProblem, Decoder};
pub use encoder::{EncodeError, Encoder};
pub(crate) use encoder::{TagWriter, encodable};
