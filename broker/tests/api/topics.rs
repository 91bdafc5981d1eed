use millstream_protocol::messages::*;
use millstream_protocol::{ErrorCode, Uuid};

use crate::harness::{TestBroker, Way, appended, batch, create, fetch, only, produce, records};

fn named(name: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), ..Default::default() }
}

async fn topic_id(way: &mut Way, name: &str) -> Uuid {
    way.call(named(name), 12).await.topics[0].topic_id
}

#[tokio::test]
async fn metadata_creates_a_topic_when_it_may() {
    let broker = TestBroker::start_with(&[("num.partitions", "3")]).await;
    for mut way in broker.ways().await {
        let topic = way.name();
        let forbidden = MetadataRequest { allow_auto_topic_creation: false, ..named(topic) };
        let response = way.call(forbidden, 12).await;
        assert_eq!(response.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
        let response = way.call(named(topic), 12).await;
        assert_eq!(response.topics[0].error_code, 0);
        assert_eq!(response.topics[0].partitions.len(), 3);
        let response = way.call(named("no/slash"), 12).await;
        assert_eq!(response.topics[0].error_code, ErrorCode::InvalidTopicException.code());
    }
}

#[tokio::test]
async fn metadata_tells_where_this_listener_is() {
    let broker = TestBroker::start_with(&[("listeners", "PLAINTEXT://0.0.0.0:0")]).await;
    let port = broker.broker.addr().unwrap().port();
    let mut connection = crate::harness::Connection::open(([127, 0, 0, 1], port).into()).await;
    connection.send(MetadataRequest::default(), 12).await;
    let response = connection.receive(millstream_protocol::ApiKey::Metadata, 12).await.unwrap();
    let response = MetadataResponse::try_from(response).unwrap();
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("127.0.0.1", i32::from(port)));
}

#[tokio::test]
async fn topics_are_reached_by_id() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        let id = topic_id(&mut way, topic).await;
        let mut request = produce("", 0, batch(&["a"]), -1);
        request.topic_data[0].topic_id = id;
        assert_eq!(appended(&way.call(request.clone(), 13).await).error_code, 0);
        let mut reading = fetch("", 0, 0);
        reading.topics[0].topic_id = id;
        let response = way.call(reading, 16).await;
        assert_eq!(records(only(&response).records.as_ref().unwrap()).len(), 1);
        request.topic_data[0].topic_id = Uuid::from_bytes([9; 16]);
        let response = way.call(request, 13).await;
        assert_eq!(appended(&response).error_code, ErrorCode::UnknownTopicId.code());
    }
}

#[tokio::test]
async fn a_topic_made_again_has_a_new_id_and_no_records() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 2), 7).await;
        let id = topic_id(&mut way, topic).await;
        way.call(produce(topic, 0, batch(&["a"]), -1), 9).await;
        let request = DeleteTopicsRequest { topic_names: vec![topic.to_owned()], ..Default::default() };
        assert_eq!(way.call(request, 5).await.responses[0].error_code, 0);
        assert_eq!(way.call(create(topic, 2), 7).await.topics[0].error_code, 0);
        assert_ne!(topic_id(&mut way, topic).await, id);
        let response = way.call(produce(topic, 0, batch(&["b"]), -1), 9).await;
        assert_eq!(appended(&response).base_offset, 0);
    }
}

#[tokio::test]
async fn a_restart_keeps_ids_partitions_and_settings() {
    let broker = TestBroker::start().await;
    let mut way = Way::Tcp(broker.connect().await);
    let mut request = create("t", 3);
    request.topics[0].configs =
        vec![CreatableTopicConfig { name: "retention.ms".to_owned(), value: Some("1234".to_owned()) }];
    way.call(request, 7).await;
    let id = topic_id(&mut way, "t").await;
    let cluster_id = broker.broker.cluster_id().to_owned();
    let broker = broker.restart().await;
    let mut way = Way::Tcp(broker.connect().await);
    assert_eq!(topic_id(&mut way, "t").await, id);
    assert_eq!(broker.broker.cluster_id(), cluster_id);
    let setting = describe(&mut way, "t", "retention.ms").await;
    assert_eq!((setting.value.as_deref(), setting.config_source), (Some("1234"), 1));
}

#[tokio::test]
async fn settings_change_and_go_back() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        for (operation, value, expected, source) in [
            (0, Some("compact"), "compact", 1),
            (2, Some("delete"), "compact,delete", 1),
            (3, Some("compact"), "delete", 1),
            (1, None, "delete", 5),
        ] {
            let config = IncrementalAlterableConfig {
                name: "cleanup.policy".to_owned(),
                config_operation: operation,
                value: value.map(str::to_owned),
            };
            let resource = IncrementalAlterConfigsResource {
                resource_type: 2,
                resource_name: topic.to_owned(),
                configs: vec![config],
            };
            let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
            assert_eq!(way.call(request, 1).await.responses[0].error_code, 0);
            let setting = describe(&mut way, topic, "cleanup.policy").await;
            assert_eq!((setting.value.as_deref(), setting.config_source), (Some(expected), source));
        }
    }
}

#[tokio::test]
async fn partitions_are_added() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        for (count, error) in [(3, ErrorCode::None), (2, ErrorCode::InvalidPartitions)] {
            let grown = CreatePartitionsTopic { name: topic.to_owned(), count, assignments: None };
            let request = CreatePartitionsRequest { topics: vec![grown], ..Default::default() };
            assert_eq!(way.call(request, 3).await.results[0].error_code, error.code());
        }
        assert_eq!(appended(&way.call(produce(topic, 2, batch(&["a"]), -1), 9).await).error_code, 0);
    }
}

#[tokio::test]
async fn refused_topics_say_why() {
    let broker = TestBroker::start().await;
    for mut way in broker.ways().await {
        let topic = way.name();
        way.call(create(topic, 1), 7).await;
        for (request, error) in [
            (create(topic, 1), ErrorCode::TopicAlreadyExists),
            (create("bad name", 1), ErrorCode::InvalidTopicException),
            (create("none", 0), ErrorCode::InvalidPartitions),
            (create("many", i32::MAX), ErrorCode::PolicyViolation),
        ] {
            let result = &way.call(request, 7).await.topics[0];
            assert_eq!(result.error_code, error.code());
            assert!(result.error_message.is_some());
        }
    }
}

async fn describe(way: &mut Way, topic: &str, key: &str) -> DescribeConfigsResourceResult {
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: topic.to_owned(),
        configuration_keys: Some(vec![key.to_owned()]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    way.call(request, 4).await.results.remove(0).configs.remove(0)
}

#[tokio::test]
async fn a_clean_stop_frees_the_folder_while_clients_still_hold_on() {
    let broker = TestBroker::start().await;
    let held = broker.broker.local();
    broker.broker.shutdown().await.unwrap();
    let again = crate::harness::start(broker.folder.path(), &[]).await;
    assert!(!held.is_open());
    again.shutdown().await.unwrap();
}
