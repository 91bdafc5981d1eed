// Generated from `definitions/` by `tests/codegen`; do not edit.

//! One enum over the requests of all APIs.

use super::*;
use crate::api::kind_conversions;
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message};

/// A request of any API.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestKind {
    Produce(ProduceRequest),
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    FindCoordinator(FindCoordinatorRequest),
    JoinGroup(JoinGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    SyncGroup(SyncGroupRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    SaslHandshake(SaslHandshakeRequest),
    ApiVersions(ApiVersionsRequest),
    CreateTopics(CreateTopicsRequest),
    DeleteTopics(DeleteTopicsRequest),
    DeleteRecords(DeleteRecordsRequest),
    InitProducerId(InitProducerIdRequest),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    AddPartitionsToTxn(AddPartitionsToTxnRequest),
    AddOffsetsToTxn(AddOffsetsToTxnRequest),
    EndTxn(EndTxnRequest),
    WriteTxnMarkers(WriteTxnMarkersRequest),
    TxnOffsetCommit(TxnOffsetCommitRequest),
    DescribeAcls(DescribeAclsRequest),
    CreateAcls(CreateAclsRequest),
    DeleteAcls(DeleteAclsRequest),
    DescribeConfigs(DescribeConfigsRequest),
    AlterConfigs(AlterConfigsRequest),
    DescribeLogDirs(DescribeLogDirsRequest),
    SaslAuthenticate(SaslAuthenticateRequest),
    CreatePartitions(CreatePartitionsRequest),
    DeleteGroups(DeleteGroupsRequest),
    ElectLeaders(ElectLeadersRequest),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ListPartitionReassignments(ListPartitionReassignmentsRequest),
    OffsetDelete(OffsetDeleteRequest),
    DescribeClientQuotas(DescribeClientQuotasRequest),
    AlterClientQuotas(AlterClientQuotasRequest),
    DescribeUserScramCredentials(DescribeUserScramCredentialsRequest),
    AlterUserScramCredentials(AlterUserScramCredentialsRequest),
    DescribeQuorum(DescribeQuorumRequest),
    UpdateFeatures(UpdateFeaturesRequest),
    DescribeCluster(DescribeClusterRequest),
    DescribeProducers(DescribeProducersRequest),
    DescribeTransactions(DescribeTransactionsRequest),
    ListTransactions(ListTransactionsRequest),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest),
    GetTelemetrySubscriptions(GetTelemetrySubscriptionsRequest),
    PushTelemetry(PushTelemetryRequest),
    ListConfigResources(ListConfigResourcesRequest),
    DescribeTopicPartitions(DescribeTopicPartitionsRequest),
}

impl RequestKind {
    /// The API that it belongs to.
    pub const fn key(&self) -> ApiKey {
        match self {
            Self::Produce(_) => ApiKey::Produce,
            Self::Fetch(_) => ApiKey::Fetch,
            Self::ListOffsets(_) => ApiKey::ListOffsets,
            Self::Metadata(_) => ApiKey::Metadata,
            Self::OffsetCommit(_) => ApiKey::OffsetCommit,
            Self::OffsetFetch(_) => ApiKey::OffsetFetch,
            Self::FindCoordinator(_) => ApiKey::FindCoordinator,
            Self::JoinGroup(_) => ApiKey::JoinGroup,
            Self::Heartbeat(_) => ApiKey::Heartbeat,
            Self::LeaveGroup(_) => ApiKey::LeaveGroup,
            Self::SyncGroup(_) => ApiKey::SyncGroup,
            Self::DescribeGroups(_) => ApiKey::DescribeGroups,
            Self::ListGroups(_) => ApiKey::ListGroups,
            Self::SaslHandshake(_) => ApiKey::SaslHandshake,
            Self::ApiVersions(_) => ApiKey::ApiVersions,
            Self::CreateTopics(_) => ApiKey::CreateTopics,
            Self::DeleteTopics(_) => ApiKey::DeleteTopics,
            Self::DeleteRecords(_) => ApiKey::DeleteRecords,
            Self::InitProducerId(_) => ApiKey::InitProducerId,
            Self::OffsetForLeaderEpoch(_) => ApiKey::OffsetForLeaderEpoch,
            Self::AddPartitionsToTxn(_) => ApiKey::AddPartitionsToTxn,
            Self::AddOffsetsToTxn(_) => ApiKey::AddOffsetsToTxn,
            Self::EndTxn(_) => ApiKey::EndTxn,
            Self::WriteTxnMarkers(_) => ApiKey::WriteTxnMarkers,
            Self::TxnOffsetCommit(_) => ApiKey::TxnOffsetCommit,
            Self::DescribeAcls(_) => ApiKey::DescribeAcls,
            Self::CreateAcls(_) => ApiKey::CreateAcls,
            Self::DeleteAcls(_) => ApiKey::DeleteAcls,
            Self::DescribeConfigs(_) => ApiKey::DescribeConfigs,
            Self::AlterConfigs(_) => ApiKey::AlterConfigs,
            Self::DescribeLogDirs(_) => ApiKey::DescribeLogDirs,
            Self::SaslAuthenticate(_) => ApiKey::SaslAuthenticate,
            Self::CreatePartitions(_) => ApiKey::CreatePartitions,
            Self::DeleteGroups(_) => ApiKey::DeleteGroups,
            Self::ElectLeaders(_) => ApiKey::ElectLeaders,
            Self::IncrementalAlterConfigs(_) => ApiKey::IncrementalAlterConfigs,
            Self::AlterPartitionReassignments(_) => ApiKey::AlterPartitionReassignments,
            Self::ListPartitionReassignments(_) => ApiKey::ListPartitionReassignments,
            Self::OffsetDelete(_) => ApiKey::OffsetDelete,
            Self::DescribeClientQuotas(_) => ApiKey::DescribeClientQuotas,
            Self::AlterClientQuotas(_) => ApiKey::AlterClientQuotas,
            Self::DescribeUserScramCredentials(_) => ApiKey::DescribeUserScramCredentials,
            Self::AlterUserScramCredentials(_) => ApiKey::AlterUserScramCredentials,
            Self::DescribeQuorum(_) => ApiKey::DescribeQuorum,
            Self::UpdateFeatures(_) => ApiKey::UpdateFeatures,
            Self::DescribeCluster(_) => ApiKey::DescribeCluster,
            Self::DescribeProducers(_) => ApiKey::DescribeProducers,
            Self::DescribeTransactions(_) => ApiKey::DescribeTransactions,
            Self::ListTransactions(_) => ApiKey::ListTransactions,
            Self::ConsumerGroupHeartbeat(_) => ApiKey::ConsumerGroupHeartbeat,
            Self::ConsumerGroupDescribe(_) => ApiKey::ConsumerGroupDescribe,
            Self::GetTelemetrySubscriptions(_) => ApiKey::GetTelemetrySubscriptions,
            Self::PushTelemetry(_) => ApiKey::PushTelemetry,
            Self::ListConfigResources(_) => ApiKey::ListConfigResources,
            Self::DescribeTopicPartitions(_) => ApiKey::DescribeTopicPartitions,
        }
    }

    /// Appends the wire form of `version`, without header.
    pub fn encode(&self, to: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        match self {
            Self::Produce(message) => message.encode(to, version),
            Self::Fetch(message) => message.encode(to, version),
            Self::ListOffsets(message) => message.encode(to, version),
            Self::Metadata(message) => message.encode(to, version),
            Self::OffsetCommit(message) => message.encode(to, version),
            Self::OffsetFetch(message) => message.encode(to, version),
            Self::FindCoordinator(message) => message.encode(to, version),
            Self::JoinGroup(message) => message.encode(to, version),
            Self::Heartbeat(message) => message.encode(to, version),
            Self::LeaveGroup(message) => message.encode(to, version),
            Self::SyncGroup(message) => message.encode(to, version),
            Self::DescribeGroups(message) => message.encode(to, version),
            Self::ListGroups(message) => message.encode(to, version),
            Self::SaslHandshake(message) => message.encode(to, version),
            Self::ApiVersions(message) => message.encode(to, version),
            Self::CreateTopics(message) => message.encode(to, version),
            Self::DeleteTopics(message) => message.encode(to, version),
            Self::DeleteRecords(message) => message.encode(to, version),
            Self::InitProducerId(message) => message.encode(to, version),
            Self::OffsetForLeaderEpoch(message) => message.encode(to, version),
            Self::AddPartitionsToTxn(message) => message.encode(to, version),
            Self::AddOffsetsToTxn(message) => message.encode(to, version),
            Self::EndTxn(message) => message.encode(to, version),
            Self::WriteTxnMarkers(message) => message.encode(to, version),
            Self::TxnOffsetCommit(message) => message.encode(to, version),
            Self::DescribeAcls(message) => message.encode(to, version),
            Self::CreateAcls(message) => message.encode(to, version),
            Self::DeleteAcls(message) => message.encode(to, version),
            Self::DescribeConfigs(message) => message.encode(to, version),
            Self::AlterConfigs(message) => message.encode(to, version),
            Self::DescribeLogDirs(message) => message.encode(to, version),
            Self::SaslAuthenticate(message) => message.encode(to, version),
            Self::CreatePartitions(message) => message.encode(to, version),
            Self::DeleteGroups(message) => message.encode(to, version),
            Self::ElectLeaders(message) => message.encode(to, version),
            Self::IncrementalAlterConfigs(message) => message.encode(to, version),
            Self::AlterPartitionReassignments(message) => message.encode(to, version),
            Self::ListPartitionReassignments(message) => message.encode(to, version),
            Self::OffsetDelete(message) => message.encode(to, version),
            Self::DescribeClientQuotas(message) => message.encode(to, version),
            Self::AlterClientQuotas(message) => message.encode(to, version),
            Self::DescribeUserScramCredentials(message) => message.encode(to, version),
            Self::AlterUserScramCredentials(message) => message.encode(to, version),
            Self::DescribeQuorum(message) => message.encode(to, version),
            Self::UpdateFeatures(message) => message.encode(to, version),
            Self::DescribeCluster(message) => message.encode(to, version),
            Self::DescribeProducers(message) => message.encode(to, version),
            Self::DescribeTransactions(message) => message.encode(to, version),
            Self::ListTransactions(message) => message.encode(to, version),
            Self::ConsumerGroupHeartbeat(message) => message.encode(to, version),
            Self::ConsumerGroupDescribe(message) => message.encode(to, version),
            Self::GetTelemetrySubscriptions(message) => message.encode(to, version),
            Self::PushTelemetry(message) => message.encode(to, version),
            Self::ListConfigResources(message) => message.encode(to, version),
            Self::DescribeTopicPartitions(message) => message.encode(to, version),
        }
    }

    /// Reads the wire form of `version`, without header.
    pub fn decode(key: ApiKey, version: i16, from: &mut Decoder) -> Result<Self, DecodeError> {
        match key {
            ApiKey::Produce => ProduceRequest::decode(from, version).map(Self::Produce),
            ApiKey::Fetch => FetchRequest::decode(from, version).map(Self::Fetch),
            ApiKey::ListOffsets => ListOffsetsRequest::decode(from, version).map(Self::ListOffsets),
            ApiKey::Metadata => MetadataRequest::decode(from, version).map(Self::Metadata),
            ApiKey::OffsetCommit => OffsetCommitRequest::decode(from, version).map(Self::OffsetCommit),
            ApiKey::OffsetFetch => OffsetFetchRequest::decode(from, version).map(Self::OffsetFetch),
            ApiKey::FindCoordinator => {
                FindCoordinatorRequest::decode(from, version).map(Self::FindCoordinator)
            }
            ApiKey::JoinGroup => JoinGroupRequest::decode(from, version).map(Self::JoinGroup),
            ApiKey::Heartbeat => HeartbeatRequest::decode(from, version).map(Self::Heartbeat),
            ApiKey::LeaveGroup => LeaveGroupRequest::decode(from, version).map(Self::LeaveGroup),
            ApiKey::SyncGroup => SyncGroupRequest::decode(from, version).map(Self::SyncGroup),
            ApiKey::DescribeGroups => DescribeGroupsRequest::decode(from, version).map(Self::DescribeGroups),
            ApiKey::ListGroups => ListGroupsRequest::decode(from, version).map(Self::ListGroups),
            ApiKey::SaslHandshake => SaslHandshakeRequest::decode(from, version).map(Self::SaslHandshake),
            ApiKey::ApiVersions => ApiVersionsRequest::decode(from, version).map(Self::ApiVersions),
            ApiKey::CreateTopics => CreateTopicsRequest::decode(from, version).map(Self::CreateTopics),
            ApiKey::DeleteTopics => DeleteTopicsRequest::decode(from, version).map(Self::DeleteTopics),
            ApiKey::DeleteRecords => DeleteRecordsRequest::decode(from, version).map(Self::DeleteRecords),
            ApiKey::InitProducerId => InitProducerIdRequest::decode(from, version).map(Self::InitProducerId),
            ApiKey::OffsetForLeaderEpoch => {
                OffsetForLeaderEpochRequest::decode(from, version).map(Self::OffsetForLeaderEpoch)
            }
            ApiKey::AddPartitionsToTxn => {
                AddPartitionsToTxnRequest::decode(from, version).map(Self::AddPartitionsToTxn)
            }
            ApiKey::AddOffsetsToTxn => {
                AddOffsetsToTxnRequest::decode(from, version).map(Self::AddOffsetsToTxn)
            }
            ApiKey::EndTxn => EndTxnRequest::decode(from, version).map(Self::EndTxn),
            ApiKey::WriteTxnMarkers => {
                WriteTxnMarkersRequest::decode(from, version).map(Self::WriteTxnMarkers)
            }
            ApiKey::TxnOffsetCommit => {
                TxnOffsetCommitRequest::decode(from, version).map(Self::TxnOffsetCommit)
            }
            ApiKey::DescribeAcls => DescribeAclsRequest::decode(from, version).map(Self::DescribeAcls),
            ApiKey::CreateAcls => CreateAclsRequest::decode(from, version).map(Self::CreateAcls),
            ApiKey::DeleteAcls => DeleteAclsRequest::decode(from, version).map(Self::DeleteAcls),
            ApiKey::DescribeConfigs => {
                DescribeConfigsRequest::decode(from, version).map(Self::DescribeConfigs)
            }
            ApiKey::AlterConfigs => AlterConfigsRequest::decode(from, version).map(Self::AlterConfigs),
            ApiKey::DescribeLogDirs => {
                DescribeLogDirsRequest::decode(from, version).map(Self::DescribeLogDirs)
            }
            ApiKey::SaslAuthenticate => {
                SaslAuthenticateRequest::decode(from, version).map(Self::SaslAuthenticate)
            }
            ApiKey::CreatePartitions => {
                CreatePartitionsRequest::decode(from, version).map(Self::CreatePartitions)
            }
            ApiKey::DeleteGroups => DeleteGroupsRequest::decode(from, version).map(Self::DeleteGroups),
            ApiKey::ElectLeaders => ElectLeadersRequest::decode(from, version).map(Self::ElectLeaders),
            ApiKey::IncrementalAlterConfigs => {
                IncrementalAlterConfigsRequest::decode(from, version).map(Self::IncrementalAlterConfigs)
            }
            ApiKey::AlterPartitionReassignments => AlterPartitionReassignmentsRequest::decode(from, version)
                .map(Self::AlterPartitionReassignments),
            ApiKey::ListPartitionReassignments => {
                ListPartitionReassignmentsRequest::decode(from, version).map(Self::ListPartitionReassignments)
            }
            ApiKey::OffsetDelete => OffsetDeleteRequest::decode(from, version).map(Self::OffsetDelete),
            ApiKey::DescribeClientQuotas => {
                DescribeClientQuotasRequest::decode(from, version).map(Self::DescribeClientQuotas)
            }
            ApiKey::AlterClientQuotas => {
                AlterClientQuotasRequest::decode(from, version).map(Self::AlterClientQuotas)
            }
            ApiKey::DescribeUserScramCredentials => {
                DescribeUserScramCredentialsRequest::decode(from, version)
                    .map(Self::DescribeUserScramCredentials)
            }
            ApiKey::AlterUserScramCredentials => {
                AlterUserScramCredentialsRequest::decode(from, version).map(Self::AlterUserScramCredentials)
            }
            ApiKey::DescribeQuorum => DescribeQuorumRequest::decode(from, version).map(Self::DescribeQuorum),
            ApiKey::UpdateFeatures => UpdateFeaturesRequest::decode(from, version).map(Self::UpdateFeatures),
            ApiKey::DescribeCluster => {
                DescribeClusterRequest::decode(from, version).map(Self::DescribeCluster)
            }
            ApiKey::DescribeProducers => {
                DescribeProducersRequest::decode(from, version).map(Self::DescribeProducers)
            }
            ApiKey::DescribeTransactions => {
                DescribeTransactionsRequest::decode(from, version).map(Self::DescribeTransactions)
            }
            ApiKey::ListTransactions => {
                ListTransactionsRequest::decode(from, version).map(Self::ListTransactions)
            }
            ApiKey::ConsumerGroupHeartbeat => {
                ConsumerGroupHeartbeatRequest::decode(from, version).map(Self::ConsumerGroupHeartbeat)
            }
            ApiKey::ConsumerGroupDescribe => {
                ConsumerGroupDescribeRequest::decode(from, version).map(Self::ConsumerGroupDescribe)
            }
            ApiKey::GetTelemetrySubscriptions => {
                GetTelemetrySubscriptionsRequest::decode(from, version).map(Self::GetTelemetrySubscriptions)
            }
            ApiKey::PushTelemetry => PushTelemetryRequest::decode(from, version).map(Self::PushTelemetry),
            ApiKey::ListConfigResources => {
                ListConfigResourcesRequest::decode(from, version).map(Self::ListConfigResources)
            }
            ApiKey::DescribeTopicPartitions => {
                DescribeTopicPartitionsRequest::decode(from, version).map(Self::DescribeTopicPartitions)
            }
        }
    }
}

kind_conversions!(RequestKind: Produce(ProduceRequest), Fetch(FetchRequest), ListOffsets(ListOffsetsRequest), Metadata(MetadataRequest), OffsetCommit(OffsetCommitRequest), OffsetFetch(OffsetFetchRequest), FindCoordinator(FindCoordinatorRequest), JoinGroup(JoinGroupRequest), Heartbeat(HeartbeatRequest), LeaveGroup(LeaveGroupRequest), SyncGroup(SyncGroupRequest), DescribeGroups(DescribeGroupsRequest), ListGroups(ListGroupsRequest), SaslHandshake(SaslHandshakeRequest), ApiVersions(ApiVersionsRequest), CreateTopics(CreateTopicsRequest), DeleteTopics(DeleteTopicsRequest), DeleteRecords(DeleteRecordsRequest), InitProducerId(InitProducerIdRequest), OffsetForLeaderEpoch(OffsetForLeaderEpochRequest), AddPartitionsToTxn(AddPartitionsToTxnRequest), AddOffsetsToTxn(AddOffsetsToTxnRequest), EndTxn(EndTxnRequest), WriteTxnMarkers(WriteTxnMarkersRequest), TxnOffsetCommit(TxnOffsetCommitRequest), DescribeAcls(DescribeAclsRequest), CreateAcls(CreateAclsRequest), DeleteAcls(DeleteAclsRequest), DescribeConfigs(DescribeConfigsRequest), AlterConfigs(AlterConfigsRequest), DescribeLogDirs(DescribeLogDirsRequest), SaslAuthenticate(SaslAuthenticateRequest), CreatePartitions(CreatePartitionsRequest), DeleteGroups(DeleteGroupsRequest), ElectLeaders(ElectLeadersRequest), IncrementalAlterConfigs(IncrementalAlterConfigsRequest), AlterPartitionReassignments(AlterPartitionReassignmentsRequest), ListPartitionReassignments(ListPartitionReassignmentsRequest), OffsetDelete(OffsetDeleteRequest), DescribeClientQuotas(DescribeClientQuotasRequest), AlterClientQuotas(AlterClientQuotasRequest), DescribeUserScramCredentials(DescribeUserScramCredentialsRequest), AlterUserScramCredentials(AlterUserScramCredentialsRequest), DescribeQuorum(DescribeQuorumRequest), UpdateFeatures(UpdateFeaturesRequest), DescribeCluster(DescribeClusterRequest), DescribeProducers(DescribeProducersRequest), DescribeTransactions(DescribeTransactionsRequest), ListTransactions(ListTransactionsRequest), ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest), ConsumerGroupDescribe(ConsumerGroupDescribeRequest), GetTelemetrySubscriptions(GetTelemetrySubscriptionsRequest), PushTelemetry(PushTelemetryRequest), ListConfigResources(ListConfigResourcesRequest), DescribeTopicPartitions(DescribeTopicPartitionsRequest), );
