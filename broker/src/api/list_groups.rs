//! ListGroups (key 16), versions 0–5: the groups on this node, by state (KIP-518) and type (KIP-848) if asked.

use std::sync::Arc;

use millstream_protocol::messages::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::Call;
use crate::coordinator::group::GroupListing;
use crate::node::Node;

fn type_of(group: &GroupListing) -> &'static str {
    if group.is_consumer { "consumer" } else { "classic" }
}

pub(super) async fn handle(node: Arc<Node>, call: Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let groups = match node.coordinators.list_groups().await {
        Ok(groups) => groups,
        Err(unavailable) => {
            return ListGroupsResponse { error_code: unavailable.code().code(), ..Default::default() };
        }
    };
    let wanted = |names: &[String], name: &str| {
        names.is_empty() || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let listed = groups
        .into_iter()
        .filter(|group| wanted(&request.states_filter, group.state.name()))
        .filter(|group| wanted(&request.types_filter, type_of(group)))
        .map(|group| listed(group, call.version));
    ListGroupsResponse { groups: listed.collect(), ..Default::default() }
}

fn listed(group: GroupListing, version: i16) -> ListedGroup {
    let from = |first: i16, text: &str| if version >= first { text.to_owned() } else { String::new() };
    let kind = type_of(&group);
    ListedGroup {
        group_id: group.group_id,
        protocol_type: group.protocol_type,
        group_state: from(4, group.state.name()),
        group_type: from(5, kind),
    }
}
