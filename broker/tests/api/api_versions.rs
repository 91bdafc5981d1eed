use millstream_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use millstream_protocol::{ApiKey, Decoder, ErrorCode, Message};

use crate::harness::TestBroker;

fn request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1.0".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_version_answers_with_the_table() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        for version in 0..=4 {
            let response = way.call(request(), version).await;
            assert_eq!(response.error_code, 0, "{} {version}", way.name());
            let produce = response.api_keys.iter().find(|api| api.api_key == ApiKey::Produce.code()).unwrap();
            assert_eq!((produce.min_version, produce.max_version), (0, 13), "librdkafka needs the 0");
        }
    }
}

#[tokio::test]
async fn features_are_finalized() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let response = way.call(request(), 4).await;
        let levels =
            response.finalized_features.iter().map(|each| (each.name.as_str(), each.max_version_level));
        assert_eq!(levels.collect::<Vec<_>>(), [("group.version", 1), ("transaction.version", 2)]);
    }
}

#[tokio::test]
async fn version_above_ours_is_answered_in_version_0() {
    let broker = TestBroker::start().await;
    let mut connection = broker.connect().await;
    let mut frame = connection.encode(request(), 4).to_vec();
    frame[6..8].copy_from_slice(&99_i16.to_be_bytes());
    connection.write(&frame).await;
    let mut body = Decoder::new(connection.receive_frame().await.unwrap());
    assert_eq!(body.i32().unwrap(), 0, "correlation id");
    let response = millstream_protocol::messages::ApiVersionsResponse::decode(&mut body, 0).unwrap();
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!(response.api_keys[0].api_key, ApiKey::ApiVersions.code());
}

#[tokio::test]
async fn other_unsupported_version_closes_the_connection() {
    let broker = TestBroker::start().await;
    let mut connection = broker.connect().await;
    let mut frame = connection.encode(MetadataRequest::default(), 12).to_vec();
    frame[6..8].copy_from_slice(&99_i16.to_be_bytes());
    connection.write(&frame).await;
    assert_eq!(connection.receive_frame().await, None);
}
