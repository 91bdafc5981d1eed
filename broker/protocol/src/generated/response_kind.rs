// Generated from `definitions/` by `tests/codegen`; do not edit.

//! One enum over the responses of all APIs.

use super::*;
use crate::api::kind_conversions;
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message};

/// A response of any API.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseKind {
    Produce(ProduceResponse),
    Fetch(FetchResponse),
    ListOffsets(ListOffsetsResponse),
    Metadata(MetadataResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    FindCoordinator(FindCoordinatorResponse),
    JoinGroup(JoinGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    SyncGroup(SyncGroupResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    SaslHandshake(SaslHandshakeResponse),
    ApiVersions(ApiVersionsResponse),
    CreateTopics(CreateTopicsResponse),
    DeleteTopics(DeleteTopicsResponse),
    DeleteRecords(DeleteRecordsResponse),
    InitProducerId(InitProducerIdResponse),
    OffsetForLeaderEpoch(OffsetForLeaderEpochResponse),
    AddPartitionsToTxn(AddPartitionsToTxnResponse),
    AddOffsetsToTxn(AddOffsetsToTxnResponse),
    EndTxn(EndTxnResponse),
    WriteTxnMarkers(WriteTxnMarkersResponse),
    TxnOffsetCommit(TxnOffsetCommitResponse),
    DescribeAcls(DescribeAclsResponse),
    CreateAcls(CreateAclsResponse),
    DeleteAcls(DeleteAclsResponse),
    DescribeConfigs(DescribeConfigsResponse),
    AlterConfigs(AlterConfigsResponse),
    DescribeLogDirs(DescribeLogDirsResponse),
    SaslAuthenticate(SaslAuthenticateResponse),
    CreatePartitions(CreatePartitionsResponse),
    DeleteGroups(DeleteGroupsResponse),
    ElectLeaders(ElectLeadersResponse),
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse),
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    ListPartitionReassignments(ListPartitionReassignmentsResponse),
    OffsetDelete(OffsetDeleteResponse),
    DescribeClientQuotas(DescribeClientQuotasResponse),
    AlterClientQuotas(AlterClientQuotasResponse),
    DescribeUserScramCredentials(DescribeUserScramCredentialsResponse),
    AlterUserScramCredentials(AlterUserScramCredentialsResponse),
    DescribeQuorum(DescribeQuorumResponse),
    UpdateFeatures(UpdateFeaturesResponse),
    DescribeCluster(DescribeClusterResponse),
    DescribeProducers(DescribeProducersResponse),
    DescribeTransactions(DescribeTransactionsResponse),
    ListTransactions(ListTransactionsResponse),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
    GetTelemetrySubscriptions(GetTelemetrySubscriptionsResponse),
    PushTelemetry(PushTelemetryResponse),
    ListConfigResources(ListConfigResourcesResponse),
    DescribeTopicPartitions(DescribeTopicPartitionsResponse),
}

impl ResponseKind {
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
            ApiKey::Produce => ProduceResponse::decode(from, version).map(Self::Produce),
            ApiKey::Fetch => FetchResponse::decode(from, version).map(Self::Fetch),
            ApiKey::ListOffsets => ListOffsetsResponse::decode(from, version).map(Self::ListOffsets),
            ApiKey::Metadata => MetadataResponse::decode(from, version).map(Self::Metadata),
            ApiKey::OffsetCommit => OffsetCommitResponse::decode(from, version).map(Self::OffsetCommit),
            ApiKey::OffsetFetch => OffsetFetchResponse::decode(from, version).map(Self::OffsetFetch),
            ApiKey::FindCoordinator => {
                FindCoordinatorResponse::decode(from, version).map(Self::FindCoordinator)
            }
            ApiKey::JoinGroup => JoinGroupResponse::decode(from, version).map(Self::JoinGroup),
            ApiKey::Heartbeat => HeartbeatResponse::decode(from, version).map(Self::Heartbeat),
            ApiKey::LeaveGroup => LeaveGroupResponse::decode(from, version).map(Self::LeaveGroup),
            ApiKey::SyncGroup => SyncGroupResponse::decode(from, version).map(Self::SyncGroup),
            ApiKey::DescribeGroups => DescribeGroupsResponse::decode(from, version).map(Self::DescribeGroups),
            ApiKey::ListGroups => ListGroupsResponse::decode(from, version).map(Self::ListGroups),
            ApiKey::SaslHandshake => SaslHandshakeResponse::decode(from, version).map(Self::SaslHandshake),
            ApiKey::ApiVersions => ApiVersionsResponse::decode(from, version).map(Self::ApiVersions),
            ApiKey::CreateTopics => CreateTopicsResponse::decode(from, version).map(Self::CreateTopics),
            ApiKey::DeleteTopics => DeleteTopicsResponse::decode(from, version).map(Self::DeleteTopics),
            ApiKey::DeleteRecords => DeleteRecordsResponse::decode(from, version).map(Self::DeleteRecords),
            ApiKey::InitProducerId => InitProducerIdResponse::decode(from, version).map(Self::InitProducerId),
            ApiKey::OffsetForLeaderEpoch => {
                OffsetForLeaderEpochResponse::decode(from, version).map(Self::OffsetForLeaderEpoch)
            }
            ApiKey::AddPartitionsToTxn => {
                AddPartitionsToTxnResponse::decode(from, version).map(Self::AddPartitionsToTxn)
            }
            ApiKey::AddOffsetsToTxn => {
                AddOffsetsToTxnResponse::decode(from, version).map(Self::AddOffsetsToTxn)
            }
            ApiKey::EndTxn => EndTxnResponse::decode(from, version).map(Self::EndTxn),
            ApiKey::WriteTxnMarkers => {
                WriteTxnMarkersResponse::decode(from, version).map(Self::WriteTxnMarkers)
            }
            ApiKey::TxnOffsetCommit => {
                TxnOffsetCommitResponse::decode(from, version).map(Self::TxnOffsetCommit)
            }
            ApiKey::DescribeAcls => DescribeAclsResponse::decode(from, version).map(Self::DescribeAcls),
            ApiKey::CreateAcls => CreateAclsResponse::decode(from, version).map(Self::CreateAcls),
            ApiKey::DeleteAcls => DeleteAclsResponse::decode(from, version).map(Self::DeleteAcls),
            ApiKey::DescribeConfigs => {
                DescribeConfigsResponse::decode(from, version).map(Self::DescribeConfigs)
            }
            ApiKey::AlterConfigs => AlterConfigsResponse::decode(from, version).map(Self::AlterConfigs),
            ApiKey::DescribeLogDirs => {
                DescribeLogDirsResponse::decode(from, version).map(Self::DescribeLogDirs)
            }
            ApiKey::SaslAuthenticate => {
                SaslAuthenticateResponse::decode(from, version).map(Self::SaslAuthenticate)
            }
            ApiKey::CreatePartitions => {
                CreatePartitionsResponse::decode(from, version).map(Self::CreatePartitions)
            }
            ApiKey::DeleteGroups => DeleteGroupsResponse::decode(from, version).map(Self::DeleteGroups),
            ApiKey::ElectLeaders => ElectLeadersResponse::decode(from, version).map(Self::ElectLeaders),
            ApiKey::IncrementalAlterConfigs => {
                IncrementalAlterConfigsResponse::decode(from, version).map(Self::IncrementalAlterConfigs)
            }
            ApiKey::AlterPartitionReassignments => AlterPartitionReassignmentsResponse::decode(from, version)
                .map(Self::AlterPartitionReassignments),
            ApiKey::ListPartitionReassignments => ListPartitionReassignmentsResponse::decode(from, version)
                .map(Self::ListPartitionReassignments),
            ApiKey::OffsetDelete => OffsetDeleteResponse::decode(from, version).map(Self::OffsetDelete),
            ApiKey::DescribeClientQuotas => {
                DescribeClientQuotasResponse::decode(from, version).map(Self::DescribeClientQuotas)
            }
            ApiKey::AlterClientQuotas => {
                AlterClientQuotasResponse::decode(from, version).map(Self::AlterClientQuotas)
            }
            ApiKey::DescribeUserScramCredentials => {
                DescribeUserScramCredentialsResponse::decode(from, version)
                    .map(Self::DescribeUserScramCredentials)
            }
            ApiKey::AlterUserScramCredentials => {
                AlterUserScramCredentialsResponse::decode(from, version).map(Self::AlterUserScramCredentials)
            }
            ApiKey::DescribeQuorum => DescribeQuorumResponse::decode(from, version).map(Self::DescribeQuorum),
            ApiKey::UpdateFeatures => UpdateFeaturesResponse::decode(from, version).map(Self::UpdateFeatures),
            ApiKey::DescribeCluster => {
                DescribeClusterResponse::decode(from, version).map(Self::DescribeCluster)
            }
            ApiKey::DescribeProducers => {
                DescribeProducersResponse::decode(from, version).map(Self::DescribeProducers)
            }
            ApiKey::DescribeTransactions => {
                DescribeTransactionsResponse::decode(from, version).map(Self::DescribeTransactions)
            }
            ApiKey::ListTransactions => {
                ListTransactionsResponse::decode(from, version).map(Self::ListTransactions)
            }
            ApiKey::ConsumerGroupHeartbeat => {
                ConsumerGroupHeartbeatResponse::decode(from, version).map(Self::ConsumerGroupHeartbeat)
            }
            ApiKey::ConsumerGroupDescribe => {
                ConsumerGroupDescribeResponse::decode(from, version).map(Self::ConsumerGroupDescribe)
            }
            ApiKey::GetTelemetrySubscriptions => {
                GetTelemetrySubscriptionsResponse::decode(from, version).map(Self::GetTelemetrySubscriptions)
            }
            ApiKey::PushTelemetry => PushTelemetryResponse::decode(from, version).map(Self::PushTelemetry),
            ApiKey::ListConfigResources => {
                ListConfigResourcesResponse::decode(from, version).map(Self::ListConfigResources)
            }
            ApiKey::DescribeTopicPartitions => {
                DescribeTopicPartitionsResponse::decode(from, version).map(Self::DescribeTopicPartitions)
            }
        }
    }
}

kind_conversions!(ResponseKind: Produce(ProduceResponse), Fetch(FetchResponse), ListOffsets(ListOffsetsResponse), Metadata(MetadataResponse), OffsetCommit(OffsetCommitResponse), OffsetFetch(OffsetFetchResponse), FindCoordinator(FindCoordinatorResponse), JoinGroup(JoinGroupResponse), Heartbeat(HeartbeatResponse), LeaveGroup(LeaveGroupResponse), SyncGroup(SyncGroupResponse), DescribeGroups(DescribeGroupsResponse), ListGroups(ListGroupsResponse), SaslHandshake(SaslHandshakeResponse), ApiVersions(ApiVersionsResponse), CreateTopics(CreateTopicsResponse), DeleteTopics(DeleteTopicsResponse), DeleteRecords(DeleteRecordsResponse), InitProducerId(InitProducerIdResponse), OffsetForLeaderEpoch(OffsetForLeaderEpochResponse), AddPartitionsToTxn(AddPartitionsToTxnResponse), AddOffsetsToTxn(AddOffsetsToTxnResponse), EndTxn(EndTxnResponse), WriteTxnMarkers(WriteTxnMarkersResponse), TxnOffsetCommit(TxnOffsetCommitResponse), DescribeAcls(DescribeAclsResponse), CreateAcls(CreateAclsResponse), DeleteAcls(DeleteAclsResponse), DescribeConfigs(DescribeConfigsResponse), AlterConfigs(AlterConfigsResponse), DescribeLogDirs(DescribeLogDirsResponse), SaslAuthenticate(SaslAuthenticateResponse), CreatePartitions(CreatePartitionsResponse), DeleteGroups(DeleteGroupsResponse), ElectLeaders(ElectLeadersResponse), IncrementalAlterConfigs(IncrementalAlterConfigsResponse), AlterPartitionReassignments(AlterPartitionReassignmentsResponse), ListPartitionReassignments(ListPartitionReassignmentsResponse), OffsetDelete(OffsetDeleteResponse), DescribeClientQuotas(DescribeClientQuotasResponse), AlterClientQuotas(AlterClientQuotasResponse), DescribeUserScramCredentials(DescribeUserScramCredentialsResponse), AlterUserScramCredentials(AlterUserScramCredentialsResponse), DescribeQuorum(DescribeQuorumResponse), UpdateFeatures(UpdateFeaturesResponse), DescribeCluster(DescribeClusterResponse), DescribeProducers(DescribeProducersResponse), DescribeTransactions(DescribeTransactionsResponse), ListTransactions(ListTransactionsResponse), ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse), ConsumerGroupDescribe(ConsumerGroupDescribeResponse), GetTelemetrySubscriptions(GetTelemetrySubscriptionsResponse), PushTelemetry(PushTelemetryResponse), ListConfigResources(ListConfigResourcesResponse), DescribeTopicPartitions(DescribeTopicPartitionsResponse), );
