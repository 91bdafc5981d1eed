//! What a copy on disk is of, and whether it can be used.

use std::time::Duration;

/// A copy that was written shortly before tombstones may go is not trusted: clocks differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(300);

/// The changelog as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changelog {
    /// Tells a topic from another that had its name; zeros where the cluster has no such ids.
    pub topic_id: [u8; 16],
    pub first_offset: i64,
    /// Behind the last committed record.
    pub end_offset: i64,
    /// `delete.retention.ms`: how long compaction keeps the records that say a key is gone.
    pub tombstones_kept_ms: i64,
}

/// Which changelog a copy is of, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub topic_id: [u8; 16],
    /// Of the first record that the copy does not have.
    pub offset: i64,
    /// When it was written, milliseconds since 1970.
    pub stored_ms: i64,
}

/// What to do at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Read the changelog from here.
    Follow(i64),
    /// Throw the copy away and read the whole changelog; the text says why.
    StartOver(String),
}

impl Verdict {
    pub fn is_to_follow(&self) -> bool {
        matches!(self, Verdict::Follow(_))
    }
}

impl Mark {
    pub fn first(changelog: &Changelog) -> Mark {
        Mark { topic_id: changelog.topic_id, offset: changelog.first_offset, stored_ms: 0 }
    }

    /// Version, topic id, offset, time of writing.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend_from_slice(&self.topic_id);
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.stored_ms.to_le_bytes());
        bytes
    }

    /// `None` for what this program did not write.
    pub fn read(bytes: &[u8]) -> Option<Mark> {
        let (version, rest) = bytes.split_first()?;
        let (topic_id, rest) = rest.split_first_chunk::<16>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (stored_ms, rest) = rest.split_first_chunk::<8>()?;
        (*version == 1 && rest.is_empty()).then(|| Mark {
            topic_id: *topic_id,
            offset: i64::from_le_bytes(*offset),
            stored_ms: i64::from_le_bytes(*stored_ms),
        })
    }

    /// Whether reading the changelog from the mark's offset gives the state that the whole changelog gives.
    ///
    /// It does not where the topic is another, where it begins behind the offset or ends before it, and where a tombstone
    /// behind the offset may have been compacted away: one that was written after the copy was, is kept for
    /// `delete.retention.ms` at least.
    pub fn judge(mark: Option<&Mark>, changelog: &Changelog, now_ms: i64) -> Verdict {
        let Some(mark) = mark else { return Verdict::StartOver("there is no copy of it here".to_owned()) };
        let (offset, first, end) = (mark.offset, changelog.first_offset, changelog.end_offset);
        let over = |reason: String| Verdict::StartOver(reason);
        if mark.topic_id != changelog.topic_id {
            return over("the topic was deleted and created again".to_owned());
        }
        if offset < first {
            return over(format!("the topic begins at offset {first}, and the copy ends at {offset}"));
        }
        if offset > end {
            return over(format!("the topic ends at offset {end}, and the copy at {offset}"));
        }
        // The offset is behind the last change of a transaction, where the record that commits it stands.
        if end - offset <= 1 {
            return Verdict::Follow(offset);
        }
        let margin_ms = i64::try_from(CLOCK_MARGIN.as_millis()).unwrap_or(i64::MAX);
        let age_ms = now_ms.saturating_sub(mark.stored_ms);
        if age_ms < -margin_ms {
            return over("the copy was written later than now, by this machine's clock".to_owned());
        }
        if age_ms.saturating_add(margin_ms) >= changelog.tombstones_kept_ms {
            return over(format!(
                "the copy is {} s old, and the topic keeps tombstones for {} s",
                age_ms / 1_000,
                changelog.tombstones_kept_ms / 1_000
            ));
        }
        Verdict::Follow(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn changelog() -> Changelog {
        Changelog { topic_id: [7; 16], first_offset: 10, end_offset: 100, tombstones_kept_ms: 86_400_000 }
    }

    fn mark() -> Mark {
        Mark { topic_id: [7; 16], offset: 50, stored_ms: NOW_MS - 60_000 }
    }

    fn reason(mark: Mark, changelog: &Changelog) -> String {
        match Mark::judge(Some(&mark), changelog, NOW_MS) {
            Verdict::StartOver(reason) => reason,
            Verdict::Follow(offset) => panic!("follows from {offset}"),
        }
    }

    #[test]
    fn a_copy_that_lags_is_followed() {
        assert_eq!(Mark::judge(Some(&mark()), &changelog(), NOW_MS), Verdict::Follow(50));
        let whole = Mark { offset: 99, stored_ms: 0, ..mark() };
        assert_eq!(Mark::judge(Some(&whole), &changelog(), NOW_MS), Verdict::Follow(99), "however old");
    }

    #[test]
    fn a_copy_that_cannot_be_followed_is_built_again_and_says_why() {
        assert!(matches!(Mark::judge(None, &changelog(), NOW_MS), Verdict::StartOver(_)));
        assert!(reason(Mark { topic_id: [8; 16], ..mark() }, &changelog()).contains("created again"));
        assert!(reason(Mark { offset: 9, ..mark() }, &changelog()).contains("begins at offset 10"));
        assert!(reason(Mark { offset: 101, ..mark() }, &changelog()).contains("ends at offset 100"));
        let old = Mark { stored_ms: NOW_MS - 86_200_000, ..mark() };
        assert_eq!(
            reason(old, &changelog()),
            "the copy is 86200 s old, and the topic keeps tombstones for 86400 s"
        );
        assert!(reason(Mark { stored_ms: NOW_MS + 600_000, ..mark() }, &changelog()).contains("clock"));
    }

    #[test]
    fn a_mark_is_read_back_and_a_strange_one_is_none() {
        let bytes = mark().write();
        assert_eq!(Mark::read(&bytes), Some(mark()));
        assert_eq!(bytes.len(), 33);
        assert_eq!(Mark::read(&[]), None);
        assert_eq!(Mark::read(&[&[2], &bytes[1..]].concat()), None);
        assert_eq!(Mark::read(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
