//! ApiVersions (key 18), versions 0–5: what this broker serves and at which feature levels.
//!
//! A request of a version above ours is answered in version 0 with UNSUPPORTED_VERSION and our range (KIP-511);
//! the response header never carries tags. Produce is advertised from 0 although only 3 and later are served:
//! librdkafka derives features from the low end (KAFKA-18659). KIPs: 35, 482, 511, 584, 1242.

use std::sync::Arc;

use millstream_protocol::messages::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use millstream_protocol::{ApiKey, ErrorCode, ResponseKind};

use super::{Api, Call};
use crate::cluster::FEATURES;
use crate::node::Node;

pub(super) async fn handle(node: Arc<Node>, call: Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
    if call.version >= 3 && !is_software_name(&request.client_software_name, &request.client_software_version)
    {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    let other_cluster = request.cluster_id.is_some_and(|id| id != node.cluster.identity().cluster_id);
    let other_node = request.node_id != -1 && request.node_id != node.config.node_id;
    if call.version >= 5 && (other_cluster || other_node) {
        return ApiVersionsResponse {
            error_code: ErrorCode::RebootstrapRequired.code(),
            ..Default::default()
        };
    }
    let image = node.cluster.image();
    // librdkafka before version 4 of this API cannot read a feature whose lowest level is 0 (KIP-1022).
    let supported = FEATURES.iter().filter(|feature| call.version >= 4 || feature.min_level > 0);
    ApiVersionsResponse {
        api_keys: super::all().iter().map(advertised).collect(),
        supported_features: supported
            .map(|feature| SupportedFeatureKey {
                name: feature.name.to_owned(),
                min_version: feature.min_level,
                max_version: feature.max_level,
            })
            .collect(),
        finalized_features_epoch: i64::try_from(image.version).unwrap_or(i64::MAX),
        finalized_features: image
            .features
            .iter()
            .filter(|(_, level)| **level > 0)
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.clone(),
                max_version_level: *level,
                min_version_level: *level,
            })
            .collect(),
        ..Default::default()
    }
}

/// The answer to a version that we don't know, to be sent in version 0.
pub(crate) fn unsupported() -> ResponseKind {
    let own = super::find(ApiKey::ApiVersions).map(advertised);
    let error_code = ErrorCode::UnsupportedVersion.code();
    ApiVersionsResponse { error_code, api_keys: own.into_iter().collect(), ..Default::default() }.into()
}

fn advertised(api: &Api) -> ApiVersion {
    let min_version = if api.key == ApiKey::Produce { 0 } else { api.min_version };
    ApiVersion { api_key: api.key.code(), min_version, max_version: api.max_version }
}

/// KIP-511: letters, digits, dots and dashes, beginning and ending with a letter or digit.
fn is_software_name(name: &str, version: &str) -> bool {
    [name, version].iter().all(|text| {
        let inner = text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-".contains(&letter));
        let ends = [text.bytes().next(), text.bytes().last()];
        inner && ends.iter().all(|end| end.is_some_and(|letter| letter.is_ascii_alphanumeric()))
    })
}
