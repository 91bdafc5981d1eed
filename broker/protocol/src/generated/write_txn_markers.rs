// Generated from `definitions/` by `tests/codegen`; do not edit.

//! Sent by the transaction coordinator to leaders: write commit or abort markers (KIP-98).

use crate::primitives::{decodable, encodable};
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, Request, Response};

/// Versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WriteTxnMarkersRequest {
    pub markers: Vec<WritableTxnMarker>,
}

impl Message for WriteTxnMarkersRequest {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("WriteTxnMarkersRequest", version, 1, 2)?;
        to.at("WriteTxnMarkersRequest.markers");
        to.array(&self.markers, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "WriteTxnMarkersRequest", version, 1, 2)?;
        from.at("WriteTxnMarkersRequest.markers");
        let markers = from.array(true, 17, |from| WritableTxnMarker::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { markers })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WritableTxnMarker {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub transaction_result: bool,
    pub topics: Vec<WritableTxnMarkerTopic>,
    pub coordinator_epoch: i32,
    /// From version 2.
    pub transaction_version: i8,
}

impl Message for WritableTxnMarker {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.i16(self.producer_epoch);
        to.bool(self.transaction_result);
        to.at("WritableTxnMarker.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.i32(self.coordinator_epoch);
        if version >= 2 {
            to.i8(self.transaction_version);
        }
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("WritableTxnMarker.producer_id");
        let producer_id = from.i64()?;
        from.at("WritableTxnMarker.producer_epoch");
        let producer_epoch = from.i16()?;
        from.at("WritableTxnMarker.transaction_result");
        let transaction_result = from.bool()?;
        from.at("WritableTxnMarker.topics");
        let topics = from.array(true, 3, |from| WritableTxnMarkerTopic::decode(from, version))?;
        from.at("WritableTxnMarker.coordinator_epoch");
        let coordinator_epoch = from.i32()?;
        let transaction_version = if version >= 2 {
            from.at("WritableTxnMarker.transaction_version");
            from.i8()?
        } else {
            0
        };
        from.skip_tags()?;
        Ok(Self {
            producer_id,
            producer_epoch,
            transaction_result,
            topics,
            coordinator_epoch,
            transaction_version,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WritableTxnMarkerTopic {
    pub name: String,
    pub partition_indexes: Vec<i32>,
}

impl Message for WritableTxnMarkerTopic {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.at("WritableTxnMarkerTopic.name");
        to.string(&self.name, true)?;
        to.at("WritableTxnMarkerTopic.partition_indexes");
        to.array(&self.partition_indexes, true, |to, item| {
            to.i32(*item);
            Ok(())
        })?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("WritableTxnMarkerTopic.name");
        let name = from.string(true)?;
        from.at("WritableTxnMarkerTopic.partition_indexes");
        let partition_indexes = from.array(true, 4, Decoder::i32)?;
        from.skip_tags()?;
        Ok(Self { name, partition_indexes })
    }
}

impl Request for WriteTxnMarkersRequest {
    const KEY: ApiKey = ApiKey::WriteTxnMarkers;
    const MIN_VERSION: i16 = 1;
    const MAX_VERSION: i16 = 2;
    type Response = crate::messages::WriteTxnMarkersResponse;
}

/// Versions 1 to 2.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WriteTxnMarkersResponse {
    pub markers: Vec<WritableTxnMarkerResult>,
}

impl Message for WriteTxnMarkersResponse {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        encodable("WriteTxnMarkersResponse", version, 1, 2)?;
        to.at("WriteTxnMarkersResponse.markers");
        to.array(&self.markers, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        decodable(from, "WriteTxnMarkersResponse", version, 1, 2)?;
        from.at("WriteTxnMarkersResponse.markers");
        let markers = from.array(true, 10, |from| WritableTxnMarkerResult::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { markers })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WritableTxnMarkerResult {
    pub producer_id: i64,
    pub topics: Vec<WritableTxnMarkerTopicResult>,
}

impl Message for WritableTxnMarkerResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.at("WritableTxnMarkerResult.topics");
        to.array(&self.topics, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("WritableTxnMarkerResult.producer_id");
        let producer_id = from.i64()?;
        from.at("WritableTxnMarkerResult.topics");
        let topics = from.array(true, 3, |from| WritableTxnMarkerTopicResult::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { producer_id, topics })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WritableTxnMarkerTopicResult {
    pub name: String,
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

impl Message for WritableTxnMarkerTopicResult {
    fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        to.at("WritableTxnMarkerTopicResult.name");
        to.string(&self.name, true)?;
        to.at("WritableTxnMarkerTopicResult.partitions");
        to.array(&self.partitions, true, |to, item| item.encode(to, version))?;
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        from.at("WritableTxnMarkerTopicResult.name");
        let name = from.string(true)?;
        from.at("WritableTxnMarkerTopicResult.partitions");
        let partitions =
            from.array(true, 7, |from| WritableTxnMarkerPartitionResult::decode(from, version))?;
        from.skip_tags()?;
        Ok(Self { name, partitions })
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WritableTxnMarkerPartitionResult {
    pub partition_index: i32,
    pub error_code: i16,
}

impl Message for WritableTxnMarkerPartitionResult {
    fn encode(&self, to: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.no_tags();
        Ok(())
    }

    fn decode(from: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        from.at("WritableTxnMarkerPartitionResult.partition_index");
        let partition_index = from.i32()?;
        from.at("WritableTxnMarkerPartitionResult.error_code");
        let error_code = from.i16()?;
        from.skip_tags()?;
        Ok(Self { partition_index, error_code })
    }
}

impl Response for WriteTxnMarkersResponse {
    const KEY: ApiKey = ApiKey::WriteTxnMarkers;
}
