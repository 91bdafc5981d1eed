//! Features: behaviour that the whole cluster switches together, at a level (KIP-584).

use super::image::MetadataImage;
use super::record::MetadataRecord;

/// A feature that this code knows, and the levels at which it can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min_level: i16,
    pub(crate) max_level: i16,
}

/// Every feature. A new cluster starts at the highest levels.
pub(crate) const FEATURES: &[Feature] = &[
    Feature { name: GROUP_VERSION, min_level: 0, max_level: 1 },
    Feature { name: "transaction.version", min_level: 0, max_level: 2 },
];

/// At level 1 there are next-generation consumer groups (KIP-848).
pub(crate) const GROUP_VERSION: &str = "group.version";

/// One change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeatureChange {
    pub(crate) name: String,
    pub(crate) level: i16,
    pub(crate) may_downgrade: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FeatureError {
    #[error("no feature is named")]
    Empty,
    #[error("feature {0:?} is named twice")]
    Twice(String),
    #[error("invalid update version {level} for feature {name}: this cluster does not know the feature")]
    Unknown { name: String, level: i16 },
    #[error(
        "invalid update version {level} for feature {name}: levels {min_level} to {max_level} are supported"
    )]
    Level { name: String, level: i16, min_level: i16, max_level: i16 },
    #[error("feature {name} is at level {current}; going down to {level} must be asked for as a downgrade")]
    Downgrade { name: String, current: i16, level: i16 },
}

/// The records of some changes, all or none.
pub(crate) fn change(
    image: &MetadataImage,
    changes: &[FeatureChange],
) -> Result<Vec<MetadataRecord>, FeatureError> {
    if changes.is_empty() {
        return Err(FeatureError::Empty);
    }
    let mut records = Vec::new();
    for (position, FeatureChange { name, level, may_downgrade }) in changes.iter().enumerate() {
        let (name, level) = (name.clone(), *level);
        if changes.iter().take(position).any(|before| before.name == name) {
            return Err(FeatureError::Twice(name));
        }
        let Some(known) = FEATURES.iter().find(|known| known.name == name) else {
            return Err(FeatureError::Unknown { name, level });
        };
        let Feature { min_level, max_level, .. } = *known;
        if !(min_level..=max_level).contains(&level) {
            return Err(FeatureError::Level { name, level, min_level, max_level });
        }
        let current = image.features.get(&name).copied().unwrap_or(0);
        if level < current && !may_downgrade {
            return Err(FeatureError::Downgrade { name, current, level });
        }
        if level != current {
            records.push(MetadataRecord::Feature { name, level });
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, level: i16, may_downgrade: bool) -> Vec<FeatureChange> {
        vec![FeatureChange { name: name.to_owned(), level, may_downgrade }]
    }

    #[test]
    fn levels_go_up_freely_and_down_when_asked() {
        let at_two = MetadataRecord::Feature { name: "transaction.version".into(), level: 2 };
        let image = MetadataImage::default();
        let up = change(&image, &asked("transaction.version", 2, false)).unwrap();
        assert_eq!(up, std::slice::from_ref(&at_two));
        let image = image.apply(&[at_two]).unwrap();
        assert_eq!(change(&image, &asked("transaction.version", 2, false)), Ok(Vec::new()));
        let down = change(&image, &asked("transaction.version", 1, false));
        assert!(matches!(down, Err(FeatureError::Downgrade { current: 2, level: 1, .. })));
        assert_eq!(change(&image, &asked("transaction.version", 1, true)).unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_known_is_refused_with_everything_beside_it() {
        let image = MetadataImage::default();
        let mut changes = asked("transaction.version", 2, false);
        changes.extend(asked("no.such", 1, false));
        assert!(matches!(change(&image, &changes), Err(FeatureError::Unknown { .. })));
        assert!(matches!(
            change(&image, &asked("transaction.version", 3, false)),
            Err(FeatureError::Level { .. })
        ));
        assert_eq!(change(&image, &[]), Err(FeatureError::Empty));
    }
}
