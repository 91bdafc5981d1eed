//! Record batches against the published `kafka-protocol` crate, under every compression.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records as theirs;
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::{BatchBuilder, Producer, batches};

const LIMIT: usize = 1 << 24;

/// A record as plain values: timestamp, key, value, headers.
type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn plain_records() -> Vec<Plain> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let mut records: Vec<Plain> = (0..2_000)
        .map(|number: i64| {
            let value = format!("value number {number} of a compressible kind");
            (
                1_700_000_000_000 + number * 3,
                Some(number.to_be_bytes().to_vec()),
                Some(value.into_bytes()),
                vec![],
            )
        })
        .collect();
    records.push((1_699_999_999_999, None, None, vec![]));
    records.push((
        1_700_000_000_001,
        Some(vec![]),
        Some(vec![]),
        vec![header("a", Some(b"1")), header("b", None)],
    ));
    records.push((1_700_000_000_002, None, Some(vec![0xab; 70_000]), vec![header("", Some(b""))]));
    records
}

fn build(compression: Compression, records: &[Plain]) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    builder.set_producer(Producer { id: 77, epoch: 3, base_sequence: 12 });
    for (timestamp_ms, key, value, headers) in records {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        builder.append(*timestamp_ms, key.as_deref(), value.as_deref(), &headers).unwrap();
    }
    builder.finish().unwrap()
}

/// One small batch per compression.
pub fn samples() -> Vec<Bytes> {
    let records = plain_records();
    let tail = &records[records.len() - 10..];
    let small: Vec<Plain> =
        tail.iter().filter(|record| record.2.as_ref().is_none_or(|v| v.len() < 100)).cloned().collect();
    Compression::ALL.into_iter().map(|compression| build(compression, &small)).collect()
}

#[test]
fn they_read_what_we_write() {
    for compression in Compression::ALL {
        let expected = plain_records();
        let mut bytes = build(compression, &expected);
        let found = theirs::RecordBatchDecoder::decode(&mut bytes).unwrap();
        assert_eq!(found.records.len(), expected.len());
        for (index, (record, expected)) in found.records.iter().zip(&expected).enumerate() {
            assert_eq!((record.offset, record.timestamp), (index as i64, expected.0), "{compression}");
            assert_eq!((record.producer_id, record.producer_epoch), (77, 3));
            assert_eq!(record.sequence, 12 + index as i32);
            assert_eq!(record.key.as_deref(), expected.1.as_deref());
            assert_eq!(record.value.as_deref(), expected.2.as_deref());
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_ref().map(|value| value.to_vec())))
                .collect();
            assert_eq!(headers, expected.3);
        }
    }
}

#[test]
fn we_read_what_they_write() {
    for (compression, name) in [
        (theirs::Compression::None, "none"),
        (theirs::Compression::Gzip, "gzip"),
        (theirs::Compression::Snappy, "snappy"),
        (theirs::Compression::Lz4, "lz4"),
        (theirs::Compression::Zstd, "zstd"),
    ] {
        let records: Vec<theirs::Record> = (0..).zip(plain_records()).map(their_record).collect();
        let mut bytes = BytesMut::new();
        let options = theirs::RecordEncodeOptions { version: 2, compression };
        theirs::RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();

        let mut found = Vec::new();
        for batch in batches(bytes.freeze()) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            assert_eq!(batch.header().compression().unwrap().name(), name);
            let set = batch.records(LIMIT).unwrap();
            set.validate().unwrap();
            for record in &set {
                let record = record.unwrap();
                let headers = record.headers.map(|header| {
                    let header = header.unwrap();
                    (header.key.into_owned(), header.value.map(<[u8]>::to_vec))
                });
                let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
                assert_eq!(record.offset, found.len() as i64);
                found.push((record.timestamp_ms, key, value, headers.collect()));
            }
        }
        assert_eq!(found, plain_records(), "{name}");
    }
}

fn their_record((offset, (timestamp, key, value, headers)): (i64, Plain)) -> theirs::Record {
    theirs::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: 5,
        producer_epoch: 1,
        timestamp_type: theirs::TimestampType::Creation,
        offset,
        sequence: offset as i32,
        timestamp,
        key: key.map(Bytes::from),
        value: value.map(Bytes::from),
        headers: headers
            .into_iter()
            .map(|(name, value)| {
                (kafka_protocol::protocol::StrBytes::from_string(name), value.map(Bytes::from))
            })
            .collect(),
    }
}
