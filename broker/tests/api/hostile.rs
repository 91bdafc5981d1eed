//! What a stranger may send: each ends that connection with a reason, and nothing else.

use bytes::{BufMut, BytesMut};
use millstream_protocol::ErrorCode;
use millstream_protocol::messages::MetadataRequest;

use crate::harness::{TestBroker, appended, batch, create, produce};

/// Sends bytes on a connection of their own and expects it to be closed, then checks that the broker still serves.
async fn closes(broker: &TestBroker, bytes: &[u8]) {
    let mut connection = broker.connect().await;
    // The broker may close before it has taken everything.
    connection.write_what_it_takes(bytes).await;
    assert_eq!(connection.receive_frame().await, None);
    for mut way in broker.ways().await {
        let response = way.call(MetadataRequest::default(), 12).await;
        assert_eq!(response.brokers.len(), 1, "{}", way.name());
    }
}

#[tokio::test]
async fn random_bytes() {
    let broker = TestBroker::start().await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(1 << 20);
    while bytes.len() < 1 << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    // A positive length within the limit would make the broker wait for the rest of that frame.
    bytes[0] = 0x80;
    closes(&broker, &bytes).await;
}

#[tokio::test]
async fn frame_of_two_gigabytes() {
    let broker = TestBroker::start().await;
    closes(&broker, &i32::MAX.to_be_bytes()).await;
}

#[tokio::test]
async fn negative_frame_length() {
    let broker = TestBroker::start().await;
    closes(&broker, &(-5_i32).to_be_bytes()).await;
}

#[tokio::test]
async fn array_count_beyond_the_bytes() {
    let broker = TestBroker::start().await;
    let mut body = BytesMut::new();
    body.put_i16(3); // Metadata
    body.put_i16(1);
    body.put_i32(0);
    body.put_i16(-1); // no client id
    body.put_i32(i32::MAX); // topics
    let mut frame = BytesMut::new();
    frame.put_i32(body.len() as i32);
    frame.extend_from_slice(&body);
    closes(&broker, &frame).await;
}

#[tokio::test]
async fn unknown_api() {
    let broker = TestBroker::start().await;
    let mut frame = BytesMut::new();
    frame.put_i32(10);
    frame.put_i16(999);
    frame.put_i16(0);
    frame.put_i32(0);
    frame.put_i16(-1);
    closes(&broker, &frame).await;
}

#[tokio::test]
async fn wrong_checksum_is_refused_and_nothing_is_stored() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        let mut damaged = batch(&["a"]).to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        let response = way.call(produce(topic, 0, damaged.into(), -1), 9).await;
        assert_eq!(appended(&response).error_code, ErrorCode::CorruptMessage.code());
        let response = way.call(produce(topic, 0, batch(&["b"]), -1), 9).await;
        assert_eq!((appended(&response).error_code, appended(&response).base_offset), (0, 0));
    }
}
