//! Bytes that no honest peer sends: reading must end with an error or a value, soon and in little memory.

use bytes::Bytes;
use millstream_protocol::frame::decode_request_header;
use millstream_protocol::messages::{FetchRequest, MetadataRequest, ProduceRequest};
use millstream_protocol::record_batch::batches;
use millstream_protocol::{ApiKey, DecodeProblem, Decoder, Message, RequestKind, ResponseKind};

use super::messages::{for_each_sample, round_trip};
use super::random::Random;

const MUTATIONS: usize = 20;
const NOISES: usize = 20_000;
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

#[test]
fn every_message_cut_off_anywhere_is_an_error() {
    for_each_sample(2, |sample| {
        // Long byte strings make thousands of cuts alike; a stride keeps the ends dense.
        let length = sample.bytes.len();
        let stride = 1 + length / 300;
        for cut in (0..length).step_by(stride) {
            let result = round_trip(sample, &mut Decoder::new(sample.bytes.slice(..cut)));
            assert!(result.is_err(), "{} v{} cut at {cut} of {length}", sample.name, sample.version);
        }
    });
}

#[test]
fn damaged_messages_never_panic_and_what_reads_can_be_written() {
    let mut random = Random::new(11);
    for_each_sample(2, |sample| {
        for _ in 0..MUTATIONS {
            let mut bytes = sample.bytes.to_vec();
            for _ in 0..=random.below(3) {
                if let Some(byte) = bytes.len().checked_sub(1).map(|_| random.below(bytes.len())) {
                    bytes[byte] = [0x00, 0x7f, 0x80, 0xff, random.next() as u8][random.below(5)];
                }
            }
            if let Ok(encoded) = round_trip(sample, &mut Decoder::new(bytes.into())) {
                encoded.unwrap_or_else(|error| panic!("{} v{}: {error}", sample.name, sample.version));
            }
        }
    });
}

#[test]
fn noise_never_panics() {
    let mut random = Random::new(12);
    for _ in 0..NOISES {
        let length = random.below(200);
        let bytes = Bytes::from(random.bytes(length));
        let key = ApiKey::ALL[random.below(ApiKey::ALL.len())];
        let (low, high) = key.versions();
        let version = low + random.below((high - low + 1) as usize) as i16;
        drop(RequestKind::decode(key, version, &mut Decoder::new(bytes.clone())));
        drop(ResponseKind::decode(key, version, &mut Decoder::new(bytes.clone())));
        drop(decode_request_header(&mut Decoder::new(bytes)));
    }
}

#[test]
fn damaged_batches_never_panic() {
    let mut random = Random::new(13);
    let samples = super::record_batches::samples();
    for round in 0..NOISES / 4 {
        let mut bytes = samples[round % samples.len()].to_vec();
        for _ in 0..=random.below(4) {
            let position = random.below(bytes.len());
            bytes[position] = random.next() as u8;
        }
        for batch in batches(bytes.into()).flatten() {
            let Ok(records) = batch.records(DECOMPRESSED_BYTES_MAX) else { continue };
            for record in records.iter().flatten() {
                assert!(record.headers.count() <= DECOMPRESSED_BYTES_MAX);
            }
            drop(records.validate());
        }
    }
}

#[test]
fn counts_beyond_the_remaining_bytes_are_refused_before_anything_is_read() {
    let old = MetadataRequest::decode(&mut Decoder::new(Bytes::from_static(b"\x7f\xff\xff\xff\0\0")), 1);
    let error = old.unwrap_err();
    assert_eq!(
        error.to_string(),
        "decode MetadataRequest.topics at byte 4: 2147483647 items cannot fit into the 2 bytes that remain"
    );
    let compact =
        MetadataRequest::decode(&mut Decoder::new(Bytes::from_static(b"\xff\xff\xff\xff\x0f\0\0")), 9);
    assert!(matches!(compact.unwrap_err().problem, DecodeProblem::CountTooLarge { .. }));
}

#[test]
fn lengths_beyond_the_remaining_bytes_are_refused() {
    // Transactional id null, acks, timeout, one topic "t", one partition with 2 GiB of records.
    let bytes = b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\x7f\xff\xff\xff";
    let error = ProduceRequest::decode(&mut Decoder::new(Bytes::from_static(bytes)), 3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "decode PartitionProduceData.records at byte 27: 2147483647 bytes are needed, 0 remain"
    );
    let bytes = b"\xff\xff\xff\xff\0\0\0\0\0\0\0\x01\x80\x00\0\0\0\0";
    let error = ProduceRequest::decode(&mut Decoder::new(Bytes::from_static(bytes)), 3).unwrap_err();
    assert_eq!(error.to_string(), "decode TopicProduceData.name at byte 14: the length -32768 is negative");
}

#[test]
fn varints_longer_than_their_type_are_refused() {
    let endless = Bytes::from_static(&[0xff; 32]);
    let error = MetadataRequest::decode(&mut Decoder::new(endless), 9).unwrap_err();
    assert_eq!(error.problem, DecodeProblem::VarintTooLong);
}

#[test]
fn tags_out_of_order_are_refused() {
    let mut to = millstream_protocol::Encoder::new();
    FetchRequest::default().encode(&mut to, 12).unwrap();
    let mut bytes = to.into_bytes().to_vec();
    bytes.pop();
    bytes.extend([2, 9, 0, 9, 0]);
    let error = FetchRequest::decode(&mut Decoder::new(bytes.into()), 12).unwrap_err();
    assert_eq!(error.problem, DecodeProblem::TagOutOfOrder(9));
}
