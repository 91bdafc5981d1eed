//! What a topic may be called.

/// Longest name: it becomes a folder name with a suffix.
const NAME_MAX: usize = 249;

const INTERNAL: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether the broker keeps its own state in the topic.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// Why a name is refused; the texts go to users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopicNameError {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    #[error("Topic name is invalid: it cannot be \".\" or \"..\"")]
    Dots,
    #[error("Topic name is invalid: the length of '{0}' is longer than the max length {NAME_MAX}")]
    Long(String),
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Letters(String),
}

pub(crate) fn check(name: &str) -> Result<(), TopicNameError> {
    match name {
        "" => Err(TopicNameError::Empty),
        "." | ".." => Err(TopicNameError::Dots),
        _ if name.len() > NAME_MAX => Err(TopicNameError::Long(name.to_owned())),
        _ if !name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"._-".contains(&letter)) => {
            Err(TopicNameError::Letters(name.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether two names would clash in metric names, where '.' and '_' look alike (Kafka refuses such a pair).
pub(crate) fn collide(left: &str, right: &str) -> bool {
    let alike = |letter: u8| if letter == b'.' { b'_' } else { letter };
    left != right && left.len() == right.len() && left.bytes().map(alike).eq(right.bytes().map(alike))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        check("Orders-2.eu_west").unwrap();
        check(&"a".repeat(249)).unwrap();
        assert_eq!(check(""), Err(TopicNameError::Empty));
        assert_eq!(check(".."), Err(TopicNameError::Dots));
        assert_eq!(check(&"a".repeat(250)), Err(TopicNameError::Long("a".repeat(250))));
        assert!(check("a/b").is_err() && check("a b").is_err() && check("ü").is_err());
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert!(collide("a.b", "a_b") && !collide("a.b", "a.b") && !collide("a.b", "a-b"));
    }
}
