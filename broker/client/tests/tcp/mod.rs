//! The TCP transport against a listener that answers as the test says.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use millstream_client::transport::{TcpConfig, TcpTransport, Transport, TransportError};
use millstream_protocol::messages::*;
use millstream_protocol::{ResponseKind, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn connected(config: TcpConfig) -> (TcpTransport, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (transport, accepted) = tokio::join!(TcpTransport::connect(&address, config), listener.accept());
    (transport.unwrap(), accepted.unwrap().0)
}

/// Reads a request frame and gives its correlation id.
async fn read_request(stream: &mut TcpStream) -> i32 {
    let length = stream.read_i32().await.unwrap();
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.unwrap();
    i32::from_be_bytes(frame[4..8].try_into().unwrap())
}

async fn answer(stream: &mut TcpStream, correlation_id: i32, throttle_time_ms: i32) {
    let response = HeartbeatResponse { throttle_time_ms, error_code: 0 };
    let encoded = frame::encode_response(correlation_id, 4, &response.into()).unwrap();
    for segment in encoded.segments {
        stream.write_all(&segment).await.unwrap();
    }
}

fn heartbeat() -> millstream_protocol::RequestKind {
    HeartbeatRequest::default().into()
}

#[tokio::test]
async fn requests_are_pipelined_and_answers_find_their_callers() {
    let (transport, mut node) = connected(TcpConfig::default()).await;
    let calls: Vec<_> = (0..10).map(|_| transport.call(heartbeat(), 4)).collect();
    // All ten are on the wire before the first answer.
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(read_request(&mut node).await);
    }
    for (position, id) in ids.iter().enumerate() {
        answer(&mut node, *id, position as i32).await;
    }
    for (position, call) in calls.into_iter().enumerate() {
        let response = HeartbeatResponse::try_from(call.await.unwrap()).unwrap();
        assert_eq!(response.throttle_time_ms, position as i32);
    }
}

#[tokio::test]
async fn a_lost_connection_fails_every_waiting_call_and_the_next() {
    let (transport, node) = connected(TcpConfig::default()).await;
    let first = transport.call(heartbeat(), 4);
    let second = transport.call(heartbeat(), 4);
    drop(node);
    for call in [first, second, transport.call(heartbeat(), 4)] {
        assert!(matches!(call.await, Err(TransportError::Closed { .. })));
    }
    assert!(!transport.is_open());
}

#[tokio::test]
async fn an_unanswered_request_times_out_and_ends_the_connection() {
    let config = TcpConfig { request_timeout: Duration::from_millis(50), ..TcpConfig::default() };
    let (transport, _node) = connected(config).await;
    let result = transport.call(heartbeat(), 4).await;
    assert!(matches!(result, Err(TransportError::Timeout { api: "Heartbeat", .. })), "{result:?}");
    assert!(!transport.is_open());
}

#[tokio::test]
async fn too_many_waiting_requests_are_refused_by_name() {
    let config = TcpConfig { in_flight_max: 2, ..TcpConfig::default() };
    let (transport, _node) = connected(config).await;
    let _waiting = [transport.call(heartbeat(), 4), transport.call(heartbeat(), 4)];
    assert!(matches!(transport.call(heartbeat(), 4).await, Err(TransportError::Full { limit: 2, .. })));
}

#[tokio::test]
async fn answers_out_of_order_and_endless_frames_end_the_connection() {
    let (transport, mut node) = connected(TcpConfig::default()).await;
    let call = transport.call(heartbeat(), 4);
    let id = read_request(&mut node).await;
    answer(&mut node, id + 1, 0).await;
    assert!(matches!(call.await, Err(TransportError::Closed { .. })));
    let (transport, mut node) = connected(TcpConfig::default()).await;
    let call = transport.call(heartbeat(), 4);
    node.write_all(&i32::MAX.to_be_bytes()).await.unwrap();
    let error = call.await.unwrap_err().to_string();
    assert!(error.contains("is longer than"), "{error}");
}

#[tokio::test]
async fn an_old_node_answers_api_versions_in_version_zero() {
    let (transport, mut node) = connected(TcpConfig::default()).await;
    let call = transport.call(ApiVersionsRequest::default().into(), 3);
    let id = read_request(&mut node).await;
    let mut response = BytesMut::new();
    response.put_i32(10);
    response.put_i32(id);
    response.put_i16(35);
    response.put_i32(0);
    node.write_all(&response).await.unwrap();
    let ResponseKind::ApiVersions(response) = call.await.unwrap() else { panic!("another response") };
    assert_eq!(response.error_code, 35);
}

#[tokio::test]
async fn acks_zero_is_done_once_it_is_sent() {
    let (transport, mut node) = connected(TcpConfig::default()).await;
    let request = ProduceRequest { acks: 0, ..ProduceRequest::default() };
    transport.call(request.into(), 9).await.unwrap();
    assert_eq!(read_request(&mut node).await, 0);
}
