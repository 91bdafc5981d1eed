use super::*;
use crate::Encoder;
use crate::messages::{
    ApiVersionsRequest, ApiVersionsResponse, HeartbeatResponse, PartitionProduceData, ProduceRequest,
    TopicProduceData,
};

fn join(frame: &EncodedFrame) -> Vec<u8> {
    let bytes = frame.segments.concat();
    assert_eq!(bytes.len(), frame.len);
    bytes
}

fn header(api_key: ApiKey, api_version: i16) -> RequestHeader {
    RequestHeader { api_key, api_version, correlation_id: 7, client_id: Some("me".to_owned()) }
}

#[test]
fn old_versions_have_header_one() {
    let frame =
        encode_request(&header(ApiKey::ApiVersions, 0), &ApiVersionsRequest::default().into()).unwrap();
    assert_eq!(join(&frame), b"\0\0\0\x0c\0\x12\0\0\0\0\0\x07\0\x02me");
}

#[test]
fn flexible_versions_have_header_two_with_an_old_style_client_id() {
    let frame =
        encode_request(&header(ApiKey::ApiVersions, 3), &ApiVersionsRequest::default().into()).unwrap();
    assert_eq!(join(&frame), b"\0\0\0\x10\0\x12\0\x03\0\0\0\x07\0\x02me\0\x01\x01\0");
}

#[test]
fn responses_to_api_versions_keep_header_zero() {
    let frame = encode_response(7, 3, &ApiVersionsResponse::default().into()).unwrap();
    assert_eq!(join(&frame), b"\0\0\0\x0c\0\0\0\x07\0\0\x01\0\0\0\0\0");
    let frame = encode_response(7, 4, &HeartbeatResponse::default().into()).unwrap();
    assert_eq!(join(&frame), b"\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\0");
}

#[test]
fn a_request_reads_back_with_its_header() {
    let records = Bytes::from(vec![9u8; 100_000]);
    let partition = PartitionProduceData { index: 3, records: Some(records.clone()) };
    let topic =
        TopicProduceData { name: "t".to_owned(), partition_data: vec![partition], ..Default::default() };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() };
    let frame = encode_request(&header(ApiKey::Produce, 9), &request.clone().into()).unwrap();
    assert!(frame.segments.iter().any(|segment| segment.as_ptr() == records.as_ptr()), "records are shared");

    let bytes = Bytes::from(join(&frame));
    let length = frame_length([bytes[0], bytes[1], bytes[2], bytes[3]], 1 << 20).unwrap();
    assert_eq!(length + LENGTH_BYTES, bytes.len());
    let mut from = Decoder::new(bytes.slice(LENGTH_BYTES..));
    assert_eq!(decode_request_header(&mut from), Ok(header(ApiKey::Produce, 9)));
    let read = RequestKind::decode(ApiKey::Produce, 9, &mut from).unwrap();
    assert_eq!(read, request.into());
    assert_eq!(from.remaining(), 0);
}

#[test]
fn a_response_header_reads_back() {
    for (version, expected) in [(3, 6), (4, 6)] {
        let frame = encode_response(-5, version, &HeartbeatResponse::default().into()).unwrap();
        let mut from = Decoder::new(Bytes::from(join(&frame)).slice(LENGTH_BYTES..));
        assert_eq!(decode_response_header(ApiKey::Heartbeat, version, &mut from), Ok(-5));
        assert_eq!(from.remaining(), expected + usize::from(version == 4));
    }
}

#[test]
fn lengths_outside_the_limit_are_refused() {
    assert_eq!(frame_length([0, 0, 1, 0], 256), Ok(256));
    assert_eq!(frame_length([0, 0, 1, 1], 256), Err(FrameLengthError { length: 257, limit: 256 }));
    assert_eq!(frame_length([0xff; 4], 256), Err(FrameLengthError { length: -1, limit: 256 }));
}

#[test]
fn an_unknown_api_is_named() {
    let mut to = Encoder::new();
    to.i16(999);
    let error = decode_request_header(&mut Decoder::new(to.into_bytes())).unwrap_err();
    assert_eq!(error.to_string(), "decode RequestHeader.request_api_key at byte 2: no api has the key 999");
}
