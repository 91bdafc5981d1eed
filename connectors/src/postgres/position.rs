//! How far a reader has come: a place in the server's log, perhaps inside a large transaction, and what is still missing
//! of the tables' snapshots. Stored as JSON beside the records.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::source::Position;
use serde::{Deserialize, Serialize};

/// A place in the write-ahead log, as PostgreSQL writes it: `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Lsn, String> {
        let parsed = text.split_once('/').and_then(|(high, low)| {
            let half = |digits| u32::from_str_radix(digits, 16).ok();
            Some((u64::from(half(high)?) << 32) | u64::from(half(low)?))
        });
        parsed.map(Lsn).ok_or_else(|| format!("`{text}` is no place in a log"))
    }
}

impl TryFrom<String> for Lsn {
    type Error = String;

    fn try_from(text: String) -> Result<Lsn, String> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> String {
        lsn.to_string()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The server's system identifier: a position means nothing on another.
    pub system: String,
    pub timeline: u32,
    pub slot: String,
    /// Behind the last transaction that is through.
    pub lsn: Lsn,
    /// The transaction that is through in part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub within: Option<Within>,
    /// Every captured table, by `schema.name`: what its snapshot still lacks.
    pub tables: BTreeMap<String, TableProgress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Within {
    /// Of its commit.
    pub commit: Lsn,
    /// How many of its changes are through.
    pub changes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TableProgress {
    /// Nothing is missing: the rest comes with the stream.
    Done,
    /// Rows behind this key are missing; all of them without one.
    After(Option<Vec<String>>),
}

impl Progress {
    pub fn read(position: &Position) -> Result<Progress, ConnectorError> {
        serde_json::from_slice(&position.0)
            .map_err(|error| ConnectorError::fatal("reading a stored PostgreSQL position").caused_by(error))
    }

    pub fn write(&self) -> Result<Position, ConnectorError> {
        let text = serde_json::to_vec(self)
            .map_err(|error| ConnectorError::fatal("writing a PostgreSQL position").caused_by(error))?;
        Ok(Position(Bytes::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_and_its_form_stays() {
        let tables = [
            ("public.done", TableProgress::Done),
            ("public.begun", TableProgress::After(Some(vec!["4".into(), "x".into()]))),
            ("public.fresh", TableProgress::After(None)),
        ];
        let progress = Progress {
            system: "7".into(),
            timeline: 1,
            slot: "s".into(),
            lsn: Lsn(0x16_B374_D848),
            within: Some(Within { commit: Lsn(0x16_B374_D900), changes: 3 }),
            tables: tables.map(|(name, table)| (name.to_owned(), table)).into(),
        };
        let position = progress.write().unwrap();
        let text = String::from_utf8(position.0.to_vec()).unwrap();
        let expected = concat!(
            r#"{"system":"7","timeline":1,"slot":"s","lsn":"16/B374D848","within":{"commit":"16/B374D900","changes":3},"#,
            r#""tables":{"public.begun":{"after":["4","x"]},"public.done":"done","public.fresh":{"after":null}}}"#
        );
        assert_eq!(text, expected);
        assert_eq!(Progress::read(&position).unwrap(), progress);
        assert!(Progress::read(&Position(Bytes::from_static(b"{}"))).is_err());
        assert!("16".parse::<Lsn>().is_err() && "G/1".parse::<Lsn>().is_err());
    }
}
