//! Rows in the order of a column that rises, page by page. A position is the cursor of the last row, as JSON.
//!
//! Rows of one cursor are never cut apart, so that "above the last cursor" misses none of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::plugin::Surroundings;
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::source::{BadRecord, PollLimits, Polled, Position, Source, SourceReader, Split};

use super::database::{Cursor, Database, Found, Place};
use super::options::{SourceOptions, ZeroDates};

pub(super) struct Rows {
    options: SourceOptions,
    place: Place,
    base: PathBuf,
}

impl Rows {
    pub fn new(options: SourceOptions, at: &Surroundings) -> Result<Rows, ConnectorError> {
        let place = Place::parse(&options.url).map_err(ConnectorError::config)?;
        Ok(Rows { options, place, base: at.base_directory.clone() })
    }

    fn relation(&self) -> String {
        match (&self.options.table, &self.options.query) {
            (Some(table), _) => self.place.quoted_table(table),
            (None, Some(query)) => format!("({})", query.trim().trim_end_matches(';')),
            (None, None) => String::new(),
        }
    }

    async fn cursor(&self, database: &mut Database) -> Result<String, ConnectorError> {
        match (&self.options.cursor, &self.options.table) {
            (Some(cursor), _) => Ok(cursor.clone()),
            (None, Some(table)) => database.primary_key(table).await?.ok_or_else(|| {
                ConnectorError::config(format!(
                    "{table} has no primary key of one column; name the column that rises from row to row with `cursor`"
                ))
            }),
            (None, None) => Err(ConnectorError::config("a query needs `cursor`")),
        }
    }
}

#[async_trait]
impl Source for Rows {
    fn is_bounded(&self) -> bool {
        !self.options.follow
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        let name = self.options.table.clone().unwrap_or_else(|| "query".to_owned());
        Ok(vec![Split::new("rows").labelled(name)])
    }

    async fn open(
        &self,
        _split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let last = match position {
            Some(position) => Some(
                serde_json::from_slice(&position.0)
                    .map_err(|error| ConnectorError::fatal("reading a stored cursor").caused_by(error))?,
            ),
            None => None,
        };
        let zero_dates = self.options.zero_dates == ZeroDates::Null;
        let mut database = Database::open(&self.place, &self.options.url, &self.base, zero_dates).await?;
        let cursor = self.place.quoted(&self.cursor(&mut database).await?);
        Ok(Box::new(Reader {
            database,
            relation: self.relation(),
            cursor,
            last,
            page_rows: self.options.page_rows,
            follow: self.options.follow,
            interval: Duration::from_millis(self.options.interval_ms),
            next: Instant::now(),
        }))
    }
}

struct Reader {
    database: Database,
    relation: String,
    /// As SQL has it.
    cursor: String,
    last: Option<Cursor>,
    page_rows: usize,
    follow: bool,
    interval: Duration,
    /// When the database is asked again.
    next: Instant,
}

impl Reader {
    /// The next rows, and whether they are the last for now.
    async fn page(&mut self, rows: usize) -> Result<(Vec<Found>, bool), ConnectorError> {
        let above = match &self.last {
            Some(last) => format!("q.{} > {}", self.cursor, self.database.literal(last)),
            None => format!("q.{} IS NOT NULL", self.cursor),
        };
        let (relation, cursor) = (self.relation.clone(), self.cursor.clone());
        let mut found = self.database.rows(&relation, &cursor, &above, Some(rows + 1)).await?;
        if found.len() <= rows {
            return Ok((found, true));
        }
        let Some(end) = found.last().cloned() else { return Ok((found, true)) };
        let whole = found.iter().position(|row| row.shares_cursor(&end)).unwrap_or(0);
        if whole > 0 {
            found.truncate(whole);
            return Ok((found, false));
        }
        // All of them have one cursor: they come together, however many.
        let same = format!("q.{cursor} = {}", self.database.literal(&end.cursor));
        Ok((self.database.rows(&relation, &cursor, &same, None).await?, false))
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let pause = self.next.saturating_duration_since(Instant::now());
        if pause > limits.wait {
            tokio::time::sleep(limits.wait).await;
            return Ok(Polled::default());
        }
        tokio::time::sleep(pause).await;
        let (found, is_last) = self.page(self.page_rows.min(limits.max_records.max(1))).await?;
        if is_last {
            self.next = Instant::now() + self.interval;
        }
        let end_of_split = is_last && !self.follow;
        let Some(last) = found.last() else { return Ok(Polled { end_of_split, ..Polled::default() }) };
        let position = serde_json::to_vec(&last.cursor)
            .map_err(|error| ConnectorError::fatal("writing a cursor").caused_by(error))?;
        self.last = Some(last.cursor.clone());
        let mut builder = BatchBuilder::new();
        let mut bad = Vec::new();
        for row in found {
            match row.bad {
                None => builder.push(None, Some(&row.json), None),
                Some(reason) => {
                    let origin = format!("the row of cursor {}", row.cursor.value);
                    bad.push(BadRecord { raw: Bytes::from(row.json), origin, reason });
                }
            }
        }
        Ok(Polled {
            batch: builder.finish(),
            bad,
            position: Some(Position(Bytes::from(position))),
            end_of_split,
            ..Polled::default()
        })
    }
}
