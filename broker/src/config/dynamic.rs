//! Settings that may change while the node runs (KIP-226): the defaults of topics, and those that are understood but
//! have no effect here.

use std::collections::BTreeMap;

use super::{Config, ConfigError, accepted, server_keys, topic_keys};

/// Why a node's setting cannot be changed while it runs.
#[derive(Debug, thiserror::Error)]
pub enum NodeSettingError {
    #[error("Cannot update these configs dynamically: [{0}]; set them at start")]
    Static(String),
    #[error("unknown setting {0:?}")]
    Unknown(String),
    #[error(transparent)]
    Invalid(ConfigError),
}

impl Config {
    /// Whether a key may be changed while the node runs.
    pub fn is_dynamic(key: &str) -> bool {
        topic_keys().iter().any(|topic| topic.synonyms.contains(&key)) || accepted::is_accepted(key)
    }

    /// Checks a change before it is stored.
    ///
    /// # Errors
    /// [`NodeSettingError`] says whether the key or the value is wrong.
    pub fn check_node_setting(&self, key: &str, value: &str) -> Result<(), NodeSettingError> {
        if Self::is_dynamic(key) {
            return self.clone().set(key, value).map_err(NodeSettingError::Invalid);
        }
        if server_keys().iter().any(|known| known.name == key) {
            return Err(NodeSettingError::Static(key.to_owned()));
        }
        Err(NodeSettingError::Unknown(key.to_owned()))
    }

    /// These settings with changes on top, weakest first. Changes were checked when they were stored; one that this
    /// release no longer understands is ignored with a warning rather than keeping the node from starting.
    #[must_use]
    pub fn with_node_settings<'settings>(
        &self,
        layers: impl IntoIterator<Item = &'settings BTreeMap<String, String>>,
    ) -> Config {
        let mut config = self.clone();
        for (key, value) in layers.into_iter().flatten() {
            if let Err(error) = config.set(key, value) {
                tracing::warn!(key, value, %error, "ignoring a stored setting that is not understood");
            }
        }
        config
    }
}
