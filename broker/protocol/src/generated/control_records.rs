// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Key and value of control records, each preceded by its version as int16: type 0 aborts, 1 commits.

use crate::primitives::{decodable, encodable};
use crate::{DecodeError, Decoder, EncodeError, Encoder, Message};

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ControlRecordTypeSchema {
    pub kind: i16,
}

impl ControlRecordTypeSchema {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for ControlRecordTypeSchema {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("ControlRecordTypeSchema", version, 0, 0)?;
        to.i16(self.kind);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "ControlRecordTypeSchema", version, 0, 0)?;
        from.at("ControlRecordTypeSchema.kind");
        let kind = from.i16()?;
        Ok(Self { kind })
    }
}

/// Versions 0 to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndTxnMarker {
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// Lowest version that can be encoded and decoded.
    pub const MIN_VERSION: i16 = 0;
    /// Highest version that can be encoded and decoded.
    pub const MAX_VERSION: i16 = 0;
}

impl Message for EndTxnMarker {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("EndTxnMarker", version, 0, 0)?;
        to.i32(self.coordinator_epoch);
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "EndTxnMarker", version, 0, 0)?;
        from.at("EndTxnMarker.coordinator_epoch");
        let coordinator_epoch = from.i32()?;
        Ok(Self { coordinator_epoch })
    }
}
