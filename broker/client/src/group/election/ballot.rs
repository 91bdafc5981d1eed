//! What candidates pass each other through the coordinator, and how the seat is given.

use bytes::Bytes;
use millstream_protocol::messages::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponseMember, SyncGroupRequestAssignment,
};

use super::ElectionConfig;

pub(super) const PROTOCOL_TYPE: &str = "millstream";
/// Another way to vote, or another layout, needs another name.
const PROTOCOL: &str = "seat-1";

/// A candidate's own word: `claim since_ms name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ballot {
    /// The generation in which the candidate was last known to hold the seat, if it still does; −1 if not.
    pub claim: i32,
    /// When it began to stand, in milliseconds since 1970.
    pub since_ms: u64,
    pub name: String,
}

/// Who holds the seat: `instance_id name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assigned {
    pub instance_id: String,
    pub name: String,
}

impl Ballot {
    fn encode(&self) -> Bytes {
        format!("{} {} {}", self.claim, self.since_ms, self.name).into()
    }

    fn decode(blob: &[u8]) -> Option<Ballot> {
        let mut parts = std::str::from_utf8(blob).ok()?.splitn(3, ' ');
        let (claim, since_ms) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Ballot { claim, since_ms, name: parts.next()?.to_owned() })
    }
}

impl Assigned {
    fn encode(&self) -> Bytes {
        format!("{} {}", self.instance_id, self.name).into()
    }

    pub fn decode(blob: &[u8]) -> Option<Assigned> {
        let (instance_id, name) = std::str::from_utf8(blob).ok()?.split_once(' ')?;
        Some(Assigned { instance_id: instance_id.to_owned(), name: name.to_owned() })
    }
}

pub(super) fn join_request(
    config: &ElectionConfig,
    instance_id: &str,
    member_id: &str,
    ballot: &Ballot,
) -> JoinGroupRequest {
    let clamped_ms = |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    JoinGroupRequest {
        group_id: config.group_id.clone(),
        session_timeout_ms: clamped_ms(config.session_timeout),
        rebalance_timeout_ms: clamped_ms(config.rebalance_timeout()),
        member_id: member_id.to_owned(),
        group_instance_id: Some(instance_id.to_owned()),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocols: vec![JoinGroupRequestProtocol { name: PROTOCOL.to_owned(), metadata: ballot.encode() }],
        reason: None,
    }
}

/// Gives the seat to the newest claim, else to whoever stands the longest, and tells everybody.
pub(super) fn vote(members: &[JoinGroupResponseMember]) -> Vec<SyncGroupRequestAssignment> {
    let candidates = members
        .iter()
        .filter_map(|member| Some((Ballot::decode(&member.metadata)?, member.group_instance_id.as_deref()?)));
    let rank = |(ballot, instance_id): &(Ballot, &str)| {
        (ballot.claim, std::cmp::Reverse((ballot.since_ms, (*instance_id).to_owned())))
    };
    let Some((ballot, instance_id)) = candidates.max_by_key(rank) else { return Vec::new() };
    let assignment = Assigned { instance_id: instance_id.to_owned(), name: ballot.name }.encode();
    let assigned = |member: &JoinGroupResponseMember| SyncGroupRequestAssignment {
        member_id: member.member_id.clone(),
        assignment: assignment.clone(),
    };
    members.iter().map(assigned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(instance_id: &str, claim: i32, since_ms: u64) -> JoinGroupResponseMember {
        let ballot = Ballot { claim, since_ms, name: format!("host of {instance_id}") };
        JoinGroupResponseMember {
            member_id: format!("{instance_id}-1"),
            group_instance_id: Some(instance_id.to_owned()),
            metadata: ballot.encode(),
        }
    }

    fn elected(members: &[JoinGroupResponseMember]) -> String {
        let assignments = vote(members);
        assert_eq!(assignments.len(), members.len(), "everybody is told");
        let assigned: Vec<_> =
            assignments.iter().filter_map(|told| Assigned::decode(&told.assignment)).collect();
        assert!(assigned.iter().all(|told| *told == assigned[0]), "everybody is told the same");
        assert_eq!(assigned[0].name, format!("host of {}", assigned[0].instance_id));
        assigned[0].instance_id.clone()
    }

    #[test]
    fn the_holder_keeps_the_seat_and_the_eldest_gets_a_free_one() {
        assert_eq!(elected(&[member("a", -1, 5), member("b", -1, 3), member("c", -1, 9)]), "b");
        assert_eq!(elected(&[member("a", -1, 5), member("b", -1, 3), member("c", 4, 9)]), "c");
        // A claim that is out of date: it was paused while another was elected.
        assert_eq!(elected(&[member("a", 7, 5), member("b", 4, 3)]), "a");
        assert_eq!(elected(&[member("b", -1, 3), member("a", -1, 3)]), "a");
    }

    #[test]
    fn what_cannot_be_read_is_nobodys_claim() {
        let broken = JoinGroupResponseMember {
            group_instance_id: Some("x".to_owned()),
            metadata: Bytes::from_static(b"\xff"),
            ..Default::default()
        };
        assert!(vote(std::slice::from_ref(&broken)).is_empty());
        assert_eq!(vote(&[broken, member("a", -1, 1)]).len(), 2);
        assert_eq!(Ballot::decode(b"1 2"), None);
        assert_eq!(Assigned::decode(b""), None);
    }
}
