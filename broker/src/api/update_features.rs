//! UpdateFeatures (key 57), versions 0–2: raises or lowers the level of a feature for the whole cluster (KIP-584,
//! KIP-778). All changes of a request take effect or none. Version 2 reports one error for the request; before, each
//! feature has its own.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::messages::{UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::Call;
use crate::cluster::{ClusterError, FeatureChange, FeatureError};
use crate::node::Node;

const UPGRADE: i8 = 1;

pub(super) async fn handle(
    node: Arc<Node>,
    call: Call,
    request: UpdateFeaturesRequest,
) -> UpdateFeaturesResponse {
    let changes: Vec<FeatureChange> = request
        .feature_updates
        .into_iter()
        .map(|update| FeatureChange {
            may_downgrade: if call.version == 0 {
                update.allow_downgrade
            } else {
                update.upgrade_type != UPGRADE
            },
            name: update.feature,
            level: update.max_version_level,
        })
        .collect();
    let outcome = node.cluster.change_features(&changes, request.validate_only).await;
    let (error, error_message) = match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(error) => {
            let code = match &error {
                ClusterError::Refused(FeatureError::Empty) => ErrorCode::InvalidRequest,
                ClusterError::Refused(_) => ErrorCode::InvalidUpdateVersion,
                other => super::failure_code(other),
            };
            (code, Some(error.to_string()))
        }
    };
    let mut response =
        UpdateFeaturesResponse { error_code: error.code(), error_message, ..Default::default() };
    if call.version < 2 && error == ErrorCode::None {
        let done = changes.into_iter();
        response.results = done
            .map(|change| UpdatableFeatureResult { feature: change.name, ..Default::default() })
            .collect();
    }
    response
}
