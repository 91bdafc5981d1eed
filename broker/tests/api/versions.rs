//! Every version that is advertised can be asked, and its answer has a wire form.

use std::collections::BTreeSet;

use millstream_protocol::messages::*;
use millstream_protocol::{ApiKey, Request, Uuid};

use crate::harness::{Connection, TestBroker, batch, create, fetch, produce};

const TOPIC: &str = "versions";

/// Asks one API at all its advertised versions. `request` makes the request of a version.
struct Asking<'a> {
    connection: &'a mut Connection,
    advertised: &'a [ApiVersion],
    asked: BTreeSet<i16>,
}

impl Asking<'_> {
    async fn all<R: Request>(&mut self, request: impl Fn(i16) -> R) {
        let key = R::KEY;
        let range = self.advertised.iter().find(|api| api.api_key == key.code()).expect("the API is served");
        for version in range.min_version.max(R::MIN_VERSION)..=range.max_version {
            self.connection.send(request(version), version).await;
            let answered = self.connection.receive(key, version).await;
            assert!(answered.is_some(), "{} version {version} closed the connection", key.name());
        }
        self.asked.insert(key.code());
    }
}

#[tokio::test]
async fn every_version_of_every_api_is_answered() {
    let broker = TestBroker::start().await;
    let mut connection = broker.connect().await;
    connection.send(ApiVersionsRequest::default(), 0).await;
    let advertised = connection.receive(ApiKey::ApiVersions, 0).await.unwrap();
    let advertised = ApiVersionsResponse::try_from(advertised).unwrap().api_keys;
    let asked = BTreeSet::new();
    let mut asking = Asking { connection: &mut connection, advertised: &advertised, asked };
    topics(&mut asking).await;
    records(&mut asking).await;
    groups(&mut asking).await;
    offsets(&mut asking).await;
    transactions(&mut asking).await;
    administration(&mut asking).await;
    let advertised: BTreeSet<i16> = advertised.iter().map(|api| api.api_key).collect();
    let missing: Vec<_> = advertised.difference(&asking.asked).collect();
    assert!(missing.is_empty(), "this test asks nothing of {missing:?}");
}

async fn topics(asking: &mut Asking<'_>) {
    let software = || "test".to_owned();
    asking
        .all(|version| {
            let (client_software_name, client_software_version) =
                if version < 3 { Default::default() } else { (software(), software()) };
            ApiVersionsRequest { client_software_name, client_software_version, ..Default::default() }
        })
        .await;
    asking.all(|version| create(&format!("{TOPIC}{version}"), 2)).await;
    asking.all(|_| create(TOPIC, 2)).await;
    asking
        .all(|version| {
            let named =
                |name: &str| MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() };
            MetadataRequest {
                topics: Some(vec![named(TOPIC), named("not a name")]),
                include_topic_authorized_operations: version >= 8,
                include_cluster_authorized_operations: (8..=10).contains(&version),
                ..Default::default()
            }
        })
        .await;
    asking
        .all(|version| {
            let gone = format!("{TOPIC}{version}");
            let state = DeleteTopicState { name: Some(gone.clone()), ..Default::default() };
            let (topics, topic_names) =
                if version >= 6 { (vec![state], vec![]) } else { (vec![], vec![gone]) };
            DeleteTopicsRequest { topics, topic_names, timeout_ms: 1000 }
        })
        .await;
    asking
        .all(|version| CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic {
                name: TOPIC.to_owned(),
                count: 3 + i32::from(version),
                assignments: None,
            }],
            ..Default::default()
        })
        .await;
}

async fn records(asking: &mut Asking<'_>) {
    asking
        .all(|version| {
            let mut request = produce(TOPIC, 0, batch(&["a"]), -1);
            if version >= 13 {
                request.topic_data[0].name.clear();
                request.topic_data[0].topic_id = Uuid::from_bytes([1; 16]);
            }
            request
        })
        .await;
    asking
        .all(|version| {
            let mut request = fetch(TOPIC, 0, 0);
            request.isolation_level = 1;
            if version >= 7 {
                request.session_epoch = 0;
            }
            request
        })
        .await;
    asking
        .all(|version| {
            let at = |timestamp| ListOffsetsPartition { timestamp, ..Default::default() };
            let mut partitions = vec![at(-1), at(-2), at(0)];
            if version >= 7 {
                partitions.push(at(-3));
            }
            let topics = vec![ListOffsetsTopic { name: TOPIC.to_owned(), partitions }];
            ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }
        })
        .await;
    asking
        .all(|_| OffsetForLeaderEpochRequest {
            topics: vec![OffsetForLeaderTopic {
                topic: TOPIC.to_owned(),
                partitions: vec![OffsetForLeaderPartition::default()],
            }],
            ..Default::default()
        })
        .await;
    asking
        .all(|_| DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: TOPIC.to_owned(),
                partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: 1 }],
            }],
            timeout_ms: 1000,
        })
        .await;
}

async fn groups(asking: &mut Asking<'_>) {
    const GROUP: &str = "group";
    asking
        .all(|version| {
            let names = vec![GROUP.to_owned()];
            let (key, coordinator_keys) =
                if version < 4 { (GROUP.to_owned(), vec![]) } else { (String::new(), names) };
            FindCoordinatorRequest { key, key_type: 0, coordinator_keys }
        })
        .await;
    asking
        .all(|version| JoinGroupRequest {
            // A group of its own, because a second member would wait for the first.
            group_id: format!("{GROUP}{version}"),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 1,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinGroupRequestProtocol {
                name: "range".to_owned(),
                metadata: Default::default(),
            }],
            ..Default::default()
        })
        .await;
    let group_id = || GROUP.to_owned();
    asking.all(|_| SyncGroupRequest { group_id: group_id(), ..Default::default() }).await;
    asking.all(|_| HeartbeatRequest { group_id: group_id(), ..Default::default() }).await;
    asking
        .all(|version| {
            let members = if version >= 3 { vec![MemberIdentity::default()] } else { Vec::new() };
            LeaveGroupRequest { group_id: group_id(), members, ..Default::default() }
        })
        .await;
    asking.all(|_| DescribeGroupsRequest { groups: vec![group_id()], ..Default::default() }).await;
    asking.all(|_| ConsumerGroupHeartbeatRequest { group_id: group_id(), ..Default::default() }).await;
    asking.all(|_| ConsumerGroupDescribeRequest { group_ids: vec![group_id()], ..Default::default() }).await;
    asking.all(|_| ListGroupsRequest::default()).await;
    asking.all(|_| DeleteGroupsRequest { groups_names: vec![group_id()] }).await;
}

async fn offsets(asking: &mut Asking<'_>) {
    let group_id = || "positions".to_owned();
    asking
        .all(|version| OffsetCommitRequest {
            group_id: group_id(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: if version < 10 { TOPIC.to_owned() } else { String::new() },
                partitions: vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }],
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
    asking
        .all(|version| {
            if version >= 8 {
                let name = if version < 10 { TOPIC.to_owned() } else { String::new() };
                let topic =
                    OffsetFetchRequestTopics { name, partition_indexes: vec![0], ..Default::default() };
                let group = OffsetFetchRequestGroup {
                    group_id: group_id(),
                    topics: Some(vec![topic]),
                    ..Default::default()
                };
                return OffsetFetchRequest { groups: vec![group], ..Default::default() };
            }
            let topic = OffsetFetchRequestTopic { name: TOPIC.to_owned(), partition_indexes: vec![0] };
            OffsetFetchRequest { group_id: group_id(), topics: Some(vec![topic]), ..Default::default() }
        })
        .await;
    asking
        .all(|_| OffsetDeleteRequest {
            group_id: group_id(),
            topics: vec![OffsetDeleteRequestTopic {
                name: TOPIC.to_owned(),
                partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
            }],
        })
        .await;
}

async fn transactions(asking: &mut Asking<'_>) {
    let transactional_id = || "transfers".to_owned();
    asking
        .all(|version| {
            let (key, keys) = (transactional_id(), vec![transactional_id()]);
            let (key, coordinator_keys) = if version < 4 { (key, vec![]) } else { (String::new(), keys) };
            FindCoordinatorRequest { key, key_type: i8::from(version >= 1), coordinator_keys }
        })
        .await;
    asking
        .all(|_| InitProducerIdRequest {
            transactional_id: Some(transactional_id()),
            transaction_timeout_ms: 1000,
            ..Default::default()
        })
        .await;
    asking
        .all(|version| {
            let topics = vec![AddPartitionsToTxnTopic { name: TOPIC.to_owned(), partitions: vec![0] }];
            if version < 4 {
                return AddPartitionsToTxnRequest {
                    v3_and_below_transactional_id: transactional_id(),
                    v3_and_below_topics: topics,
                    ..Default::default()
                };
            }
            let transaction = AddPartitionsToTxnTransaction {
                transactional_id: transactional_id(),
                topics,
                ..Default::default()
            };
            AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() }
        })
        .await;
    asking
        .all(|_| AddOffsetsToTxnRequest {
            transactional_id: transactional_id(),
            group_id: "positions".to_owned(),
            ..Default::default()
        })
        .await;
    asking.all(|_| EndTxnRequest { transactional_id: transactional_id(), ..Default::default() }).await;
    asking.all(|_| WriteTxnMarkersRequest::default()).await;
    asking
        .all(|_| TxnOffsetCommitRequest {
            transactional_id: transactional_id(),
            group_id: "positions".to_owned(),
            topics: vec![TxnOffsetCommitRequestTopic {
                name: TOPIC.to_owned(),
                partitions: vec![TxnOffsetCommitRequestPartition::default()],
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
    asking.all(|_| DescribeTransactionsRequest { transactional_ids: vec![transactional_id()] }).await;
    asking.all(|_| ListTransactionsRequest::default()).await;
}

async fn administration(asking: &mut Asking<'_>) {
    let topic = || DescribeConfigsResource {
        resource_type: 2,
        resource_name: TOPIC.to_owned(),
        configuration_keys: None,
    };
    let node = || DescribeConfigsResource { resource_type: 4, resource_name: "1".to_owned(), ..topic() };
    asking
        .all(|version| DescribeConfigsRequest {
            resources: vec![topic(), node()],
            include_synonyms: true,
            include_documentation: version >= 3,
        })
        .await;
    asking
        .all(|_| AlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: 2,
                resource_name: TOPIC.to_owned(),
                configs: Vec::new(),
            }],
            validate_only: false,
        })
        .await;
    asking
        .all(|_| IncrementalAlterConfigsRequest {
            resources: vec![IncrementalAlterConfigsResource {
                resource_type: 4,
                resource_name: "1".to_owned(),
                configs: Vec::new(),
            }],
            validate_only: true,
        })
        .await;
    asking.all(|_| DescribeClusterRequest::default()).await;
    cluster(asking).await;
    asking.all(|_| DescribeTopicPartitionsRequest::default()).await;
    asking.all(|_| DescribeLogDirsRequest::default()).await;
    asking
        .all(|_| DescribeProducersRequest {
            topics: vec![DescribeProducersTopicRequest {
                name: TOPIC.to_owned(),
                partition_indexes: vec![0, 99],
            }],
        })
        .await;
    asking.all(|_| SaslHandshakeRequest { mechanism: "PLAIN".to_owned() }).await;
}

async fn cluster(asking: &mut Asking<'_>) {
    let partitions = || vec![0, 99];
    asking
        .all(|_| ElectLeadersRequest {
            topic_partitions: Some(vec![ElectLeadersTopicPartitions {
                topic: TOPIC.to_owned(),
                partitions: partitions(),
            }]),
            ..Default::default()
        })
        .await;
    asking
        .all(|_| AlterPartitionReassignmentsRequest {
            topics: vec![ReassignableTopic {
                name: TOPIC.to_owned(),
                partitions: vec![ReassignablePartition { partition_index: 0, replicas: Some(partitions()) }],
            }],
            ..Default::default()
        })
        .await;
    asking.all(|_| ListPartitionReassignmentsRequest::default()).await;
    asking.all(|_| DescribeClientQuotasRequest::default()).await;
    let users = || Some(vec![UserName { name: "nobody".to_owned() }]);
    asking.all(|_| DescribeUserScramCredentialsRequest { users: users() }).await;
    asking
        .all(|_| DescribeQuorumRequest {
            topics: ["__cluster_metadata", TOPIC]
                .map(|topic_name| DescribeQuorumTopicData {
                    topic_name: topic_name.to_owned(),
                    partitions: vec![DescribeQuorumPartitionData { partition_index: 0 }],
                })
                .into(),
        })
        .await;
    asking
        .all(|version| {
            let mut update = FeatureUpdateKey {
                feature: "transaction.version".to_owned(),
                max_version_level: 2,
                ..Default::default()
            };
            if version == 0 {
                update.allow_downgrade = true;
            }
            UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() }
        })
        .await;
    asking.all(|_| ListConfigResourcesRequest::default()).await;
}
