//! Why a group refuses a request: one enum per operation, each with its one map to Kafka's codes.

use millstream_protocol::ErrorCode;
use thiserror::Error;

use crate::coordinator::AppendError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JoinError {
    #[error("join needs a group id that is not empty")]
    InvalidGroupId,
    #[error("session timeout lies outside group.min.session.timeout.ms and group.max.session.timeout.ms")]
    InvalidSessionTimeout,
    #[error("the group's members share none of the offered protocols, or use another protocol type")]
    InconsistentProtocol,
    #[error("join again with the member id given here")]
    MemberIdRequired,
    #[error("the group does not know this member; join again without a member id")]
    UnknownMember,
    #[error("another member took over this group instance id; stop this one")]
    FencedInstance,
    #[error("the group has group.max.size members already")]
    GroupFull,
    #[error("a newer join of the same member replaced this one")]
    Replaced,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl JoinError {
    pub fn code(self) -> ErrorCode {
        match self {
            JoinError::InvalidGroupId => ErrorCode::InvalidGroupId,
            JoinError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            JoinError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
            JoinError::MemberIdRequired => ErrorCode::MemberIdRequired,
            JoinError::UnknownMember => ErrorCode::UnknownMemberId,
            JoinError::FencedInstance => ErrorCode::FencedInstanceId,
            JoinError::GroupFull => ErrorCode::GroupMaxSizeReached,
            JoinError::Replaced => ErrorCode::RebalanceInProgress,
            JoinError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SyncError {
    #[error("sync needs a group id that is not empty")]
    InvalidGroupId,
    #[error("the group does not know this member; join again")]
    UnknownMember,
    #[error("another member took over this group instance id; stop this one")]
    FencedInstance,
    #[error("the group is in another generation; join again")]
    IllegalGeneration,
    #[error("the group chose another protocol; join again")]
    InconsistentProtocol,
    #[error("the group rebalances; join again")]
    Rebalance,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl SyncError {
    pub fn code(self) -> ErrorCode {
        match self {
            SyncError::InvalidGroupId => ErrorCode::InvalidGroupId,
            SyncError::UnknownMember => ErrorCode::UnknownMemberId,
            SyncError::FencedInstance => ErrorCode::FencedInstanceId,
            SyncError::IllegalGeneration => ErrorCode::IllegalGeneration,
            SyncError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
            SyncError::Rebalance => ErrorCode::RebalanceInProgress,
            SyncError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeartbeatError {
    #[error("heartbeat needs a group id that is not empty")]
    InvalidGroupId,
    #[error("the group does not know this member; join again")]
    UnknownMember,
    #[error("another member took over this group instance id; stop this one")]
    FencedInstance,
    #[error("the group is in another generation; join again")]
    IllegalGeneration,
    #[error("the group rebalances; join again")]
    Rebalance,
}

impl HeartbeatError {
    pub fn code(self) -> ErrorCode {
        match self {
            HeartbeatError::InvalidGroupId => ErrorCode::InvalidGroupId,
            HeartbeatError::UnknownMember => ErrorCode::UnknownMemberId,
            HeartbeatError::FencedInstance => ErrorCode::FencedInstanceId,
            HeartbeatError::IllegalGeneration => ErrorCode::IllegalGeneration,
            HeartbeatError::Rebalance => ErrorCode::RebalanceInProgress,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LeaveError {
    #[error("leave needs a group id that is not empty")]
    InvalidGroupId,
    #[error("the group does not know this member")]
    UnknownMember,
    #[error("another member took over this group instance id")]
    FencedInstance,
}

impl LeaveError {
    pub fn code(self) -> ErrorCode {
        match self {
            LeaveError::InvalidGroupId => ErrorCode::InvalidGroupId,
            LeaveError::UnknownMember => ErrorCode::UnknownMemberId,
            LeaveError::FencedInstance => ErrorCode::FencedInstanceId,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CommitError {
    #[error("commit needs a group id that is not empty")]
    InvalidGroupId,
    #[error("the group does not know this member; only members of a group that has some may commit")]
    UnknownMember,
    #[error("another member took over this group instance id; stop this one")]
    FencedInstance,
    #[error("the group is in another generation; join again before committing")]
    IllegalGeneration,
    #[error("the group rebalances and has not given out its assignment yet")]
    Rebalance,
    #[error("the member's epoch is not the group's; commit again once the next heartbeat is answered")]
    StaleEpoch,
    #[error("there is no such topic")]
    UnknownTopic,
    #[error("the offset's metadata is longer than offset.metadata.max.bytes")]
    MetadataTooLarge,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl CommitError {
    pub fn code(self) -> ErrorCode {
        match self {
            CommitError::InvalidGroupId => ErrorCode::InvalidGroupId,
            CommitError::UnknownMember => ErrorCode::UnknownMemberId,
            CommitError::FencedInstance => ErrorCode::FencedInstanceId,
            CommitError::IllegalGeneration => ErrorCode::IllegalGeneration,
            CommitError::Rebalance => ErrorCode::RebalanceInProgress,
            CommitError::StaleEpoch => ErrorCode::StaleMemberEpoch,
            CommitError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
            CommitError::MetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            CommitError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FetchOffsetError {
    #[error("an open transaction has offsets pending here; retry when it has ended")]
    Unstable,
    #[error("the group does not know this member")]
    UnknownMember,
    #[error("the member's epoch is not the group's")]
    StaleEpoch,
}

impl FetchOffsetError {
    pub fn code(self) -> ErrorCode {
        match self {
            FetchOffsetError::Unstable => ErrorCode::UnstableOffsetCommit,
            FetchOffsetError::UnknownMember => ErrorCode::UnknownMemberId,
            FetchOffsetError::StaleEpoch => ErrorCode::StaleMemberEpoch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeleteGroupError {
    #[error("delete needs a group id that is not empty")]
    InvalidGroupId,
    #[error("there is no such group")]
    NotFound,
    #[error("the group has members; stop them first")]
    NotEmpty,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl DeleteGroupError {
    pub fn code(self) -> ErrorCode {
        match self {
            DeleteGroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
            DeleteGroupError::NotFound => ErrorCode::GroupIdNotFound,
            DeleteGroupError::NotEmpty => ErrorCode::NonEmptyGroup,
            DeleteGroupError::Append(error) => error.code(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeleteOffsetError {
    #[error("offset delete needs a group id that is not empty")]
    InvalidGroupId,
    #[error("there is no such group")]
    NotFound,
    #[error("the group has members whose subscription is not known; stop them first")]
    NotEmpty,
    #[error("a member of the group subscribes to the topic")]
    Subscribed,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl DeleteOffsetError {
    pub fn code(self) -> ErrorCode {
        match self {
            DeleteOffsetError::InvalidGroupId => ErrorCode::InvalidGroupId,
            DeleteOffsetError::NotFound => ErrorCode::GroupIdNotFound,
            DeleteOffsetError::NotEmpty => ErrorCode::NonEmptyGroup,
            DeleteOffsetError::Subscribed => ErrorCode::GroupSubscribedToTopic,
            DeleteOffsetError::Append(error) => error.code(),
        }
    }
}
