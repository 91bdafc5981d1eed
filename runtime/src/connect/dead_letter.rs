//! Records that cannot be processed: fail, skip, or into a topic of their own with headers that say what happened.

use bytes::Bytes;

use super::declaration::Then;
use super::failure::TaskError;
use super::status::Tally;

/// Prefix of the context headers.
const PREFIX: &str = "__millstream.error.";

/// Longest reason that is stored.
const MAX_REASON_BYTES: usize = 4096;

/// A record that could not be processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// Its own headers; the context comes behind them.
    pub headers: Vec<(String, Option<Bytes>)>,
    pub timestamp_ms: Option<i64>,
    pub reason: String,
    pub origin: Origin,
}

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Outside, as its connector describes it: `file:line`, or a split.
    Source(String),
    Topic {
        topic: String,
        partition: i32,
        offset: i64,
    },
}

/// The policy of one source or sink.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    pub pipeline: String,
    pub node: String,
    pub then: Then,
}

impl DeadLetters {
    /// Decides about a record: to be sent to the topic returned, or skipped, or the end of the task.
    pub fn judge(&self, letter: &mut Letter, tally: &mut Tally) -> Result<Option<&str>, TaskError> {
        match &self.then {
            Then::Fail => {
                Err(TaskError::Record { origin: letter.origin.to_string(), reason: letter.reason.clone() })
            }
            Then::Skip => {
                tracing::debug!(node = self.node, origin = %letter.origin, reason = letter.reason, "skipped a record");
                tally.skipped += 1;
                Ok(None)
            }
            Then::DeadLetter { topic } => {
                let context = self.context(letter);
                letter.headers.extend(context);
                tally.dead_letters += 1;
                Ok(Some(topic))
            }
        }
    }

    fn context(&self, letter: &Letter) -> Vec<(String, Option<Bytes>)> {
        let end = letter.reason.floor_char_boundary(MAX_REASON_BYTES);
        let mut parts = vec![
            ("pipeline", self.pipeline.clone()),
            ("node", self.node.clone()),
            ("reason", letter.reason[..end].to_owned()),
        ];
        match &letter.origin {
            Origin::Source(place) => parts.push(("origin", place.clone())),
            Origin::Topic { topic, partition, offset } => {
                parts.push(("topic", topic.clone()));
                parts.push(("partition", partition.to_string()));
                parts.push(("offset", offset.to_string()));
            }
        }
        parts.into_iter().map(|(name, value)| (format!("{PREFIX}{name}"), Some(Bytes::from(value)))).collect()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Source(place) => to.write_str(place),
            Origin::Topic { topic, partition, offset } => {
                write!(to, "{topic}-{partition} at offset {offset}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            key: None,
            value: Some(Bytes::from("v")),
            headers: vec![("own".to_owned(), None)],
            timestamp_ms: None,
            reason: "no JSON".to_owned(),
            origin: Origin::Topic { topic: "t".to_owned(), partition: 1, offset: 7 },
        }
    }

    fn judge(then: Then) -> (Letter, Tally, Result<Option<String>, String>) {
        let policy = DeadLetters { pipeline: "p".to_owned(), node: "n".to_owned(), then };
        let (mut letter, mut tally) = (letter(), Tally::default());
        let verdict = policy.judge(&mut letter, &mut tally);
        let verdict = verdict.map(|topic| topic.map(str::to_owned)).map_err(|error| error.to_string());
        (letter, tally, verdict)
    }

    #[test]
    fn a_dead_letter_says_where_it_comes_from_and_why() {
        let (letter, tally, verdict) = judge(Then::DeadLetter { topic: "dlq".to_owned() });
        assert_eq!(verdict, Ok(Some("dlq".to_owned())));
        assert_eq!(tally.dead_letters, 1);
        let headers: Vec<String> = letter
            .headers
            .iter()
            .map(|(name, value)| {
                format!("{name}={}", String::from_utf8_lossy(value.as_deref().unwrap_or(b"-")))
            })
            .collect();
        assert_eq!(
            headers,
            [
                "own=-",
                "__millstream.error.pipeline=p",
                "__millstream.error.node=n",
                "__millstream.error.reason=no JSON",
                "__millstream.error.topic=t",
                "__millstream.error.partition=1",
                "__millstream.error.offset=7"
            ]
        );
    }

    #[test]
    fn records_are_skipped_or_stop_the_task_as_told() {
        let (_, tally, verdict) = judge(Then::Skip);
        assert_eq!((verdict, tally.skipped), (Ok(None), 1));
        assert_eq!(judge(Then::Fail).2, Err("t-1 at offset 7: no JSON".to_owned()));
    }
}
