//! Why a next-generation group refuses a request.

use millstream_protocol::ErrorCode;
use thiserror::Error;

use crate::coordinator::AppendError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConsumerHeartbeatError {
    /// Worded as Kafka words it.
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the group does not know this member; join again")]
    UnknownMember,
    #[error("the member's epoch is not the group's; give all partitions up and join again with epoch 0")]
    FencedEpoch,
    #[error("another member took over this group instance id; stop this one")]
    FencedInstance,
    #[error("the group instance id is still in use by another member; stop that one first")]
    UnreleasedInstance,
    #[error("the group has group.consumer.max.size members already")]
    GroupFull,
    #[error("the assignor is not one of group.consumer.assignors; this broker knows uniform and range")]
    Assignor,
    #[error("the pattern is no regular expression in RE2's syntax, or too large a one")]
    Pattern,
    #[error("the group is a classic group that cannot be migrated: see group.consumer.migration.policy")]
    ClassicGroup,
    #[error("the classic group rebalances and can change its protocol when that is done; retry")]
    Changing,
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl ConsumerHeartbeatError {
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::UnknownMember => ErrorCode::UnknownMemberId,
            Self::FencedEpoch => ErrorCode::FencedMemberEpoch,
            Self::FencedInstance => ErrorCode::FencedInstanceId,
            Self::UnreleasedInstance => ErrorCode::UnreleasedInstanceId,
            Self::GroupFull => ErrorCode::GroupMaxSizeReached,
            Self::Assignor => ErrorCode::UnsupportedAssignor,
            Self::Pattern => ErrorCode::InvalidRegularExpression,
            Self::ClassicGroup => ErrorCode::GroupIdNotFound,
            Self::Changing => ErrorCode::CoordinatorLoadInProgress,
            Self::Append(error) => error.code(),
        }
    }
}
