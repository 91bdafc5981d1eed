//! A server asked again and again, page by page. A position says which page is next, or behind which cursor.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::{Response, StatusCode};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::source::{BadRecord, PollLimits, Polled, Position, Source, SourceReader, Split};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::client::{Ask, HttpClient, told};
use super::page;
use super::source_options::{AskOptions, Mode};
use super::stream;

/// Most pages of one round: a server whose pages never end is told so.
const PAGES_MAX: u32 = 1_000_000;

/// Where the source is, as it is stored. New fields need defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The page to ask for, within a round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// What the server said of the first page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The last event's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Lets a server say that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
}

impl Place {
    pub fn position(&self) -> Result<Position, ConnectorError> {
        let text = serde_json::to_vec(self);
        let text = text.map_err(|error| ConnectorError::fatal("writing a position").caused_by(error))?;
        Ok(Position(Bytes::from(text)))
    }
}

pub struct AskSource {
    options: Arc<AskOptions>,
}

impl AskSource {
    pub fn new(options: AskOptions) -> AskSource {
        AskSource { options: Arc::new(options) }
    }
}

#[async_trait]
impl Source for AskSource {
    fn is_bounded(&self) -> bool {
        !self.options.follow
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("answers").labelled(told(&self.options.url))])
    }

    async fn open(
        &self,
        _split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let place = match position {
            None => Place::default(),
            Some(position) => serde_json::from_slice(&position.0)
                .map_err(|error| ConnectorError::fatal("reading a stored position").caused_by(error))?,
        };
        let authorities: Option<&PathBuf> = self.options.ca.as_ref();
        let client = HttpClient::new(authorities.map(PathBuf::as_path), self.options.timeout)?;
        let options = Arc::clone(&self.options);
        Ok(match self.options.mode {
            Mode::Sse => Box::new(stream::StreamReader::open(options, client, place)),
            Mode::Poll => Box::new(Pages {
                options,
                place,
                client: Some(client),
                asking: None,
                due: Instant::now(),
                pages: 0,
                is_over: false,
            }),
        })
    }
}

struct Pages {
    options: Arc<AskOptions>,
    place: Place,
    /// Lent to the question that is open.
    client: Option<HttpClient>,
    asking: Option<AbortOnDropHandle<Result<(HttpClient, Page), ConnectorError>>>,
    due: Instant,
    /// Read in this round.
    pages: u32,
    is_over: bool,
}

/// One answer.
struct Page {
    url: Url,
    /// The server says that nothing has changed.
    is_unchanged: bool,
    headers: HeaderMap,
    body: Bytes,
}

impl Pages {
    /// The page that is next.
    fn url(&self) -> Result<Url, ConnectorError> {
        if let Some(next) = &self.place.next {
            let parsed = Url::parse(next);
            return parsed.map_err(|error| ConnectorError::fatal("reading a stored URL").caused_by(error));
        }
        let mut url = self.options.url.clone();
        if let (Some(name), Some(cursor)) = (&self.options.cursor_parameter, &self.place.cursor) {
            let others: Vec<_> = url
                .query_pairs()
                .filter(|(key, _)| key != name)
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect();
            url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, cursor);
        }
        Ok(url)
    }

    /// Asks in a task of its own: a poll that ends takes nothing with it.
    fn ask(&mut self) -> Result<(), ConnectorError> {
        let Some(mut client) = self.client.take() else { return Ok(()) };
        let url = self.url()?;
        let mut headers = self.options.headers.clone();
        if let Some(seen) =
            self.place.seen.as_ref().filter(|seen| self.pages == 0 && seen.url == url.as_str())
        {
            let said = [(IF_NONE_MATCH, &seen.etag), (IF_MODIFIED_SINCE, &seen.modified)];
            for (name, value) in said {
                if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
                    headers.insert(name, value);
                }
            }
        }
        let (method, body) = (self.options.method.clone(), self.options.body.clone());
        let ask = Ask { method, url: url.clone(), headers, accept: "*/*", body };
        let (limit, patience) = (self.options.body_bytes, self.options.timeout);
        self.asking = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let response = client.fetch(&ask).await?;
            let read = tokio::time::timeout(patience, read(url, response, limit));
            let late = |_| ConnectorError::retryable(format!("{} sends its page too slowly", told(&ask.url)));
            Ok((client, read.await.map_err(late)??))
        })));
        Ok(())
    }

    /// Moves behind a page, and makes records of it.
    fn take(&mut self, page: Page) -> Result<Polled, ConnectorError> {
        let is_first = self.pages == 0;
        self.pages += 1;
        let before = self.place.clone();
        if page.is_unchanged {
            self.end_round();
            return Ok(Polled { end_of_split: self.is_over, ..Polled::default() });
        }
        if is_first && self.place.next.is_none() {
            self.place.seen = seen(&page);
        }
        let mut polled = Polled::default();
        let mut builder = BatchBuilder::new();
        let mut has_records = false;
        match self.records(&page) {
            Ok(values) => {
                has_records = !values.is_empty();
                values.iter().for_each(|value| builder.push(None, Some(value), None));
            }
            Err(reason) => {
                let origin = told(&page.url).to_owned();
                polled.bad.push(BadRecord { raw: page.body.clone(), origin, reason });
            }
        }
        polled.batch = builder.finish();
        if !self.advance(&page, has_records)? {
            self.end_round();
        } else if self.pages >= PAGES_MAX {
            return Err(ConnectorError::config(format!(
                "{} names a next page for ever",
                told(&self.options.url)
            )));
        }
        polled.end_of_split = self.is_over;
        if self.place != before || !polled.batch.is_empty() || !polled.bad.is_empty() {
            polled.position = Some(self.place.position()?);
        }
        Ok(polled)
    }

    fn records(&self, page: &Page) -> Result<Vec<Bytes>, String> {
        match page.body.is_empty() {
            true => Ok(Vec::new()),
            false => page::records(self.options.format, self.options.records.as_deref(), &page.body),
        }
    }

    /// Whether there is another page, which the place names then.
    fn advance(&mut self, page: &Page, has_records: bool) -> Result<bool, ConnectorError> {
        let named = match self.options.next.as_deref() {
            None => None,
            Some("link") => page::next_link(&page.headers),
            Some(pointer) => page::cursor(&page.body, pointer),
        };
        self.place.next = None;
        let Some(named) = named else { return Ok(false) };
        if self.options.cursor_parameter.is_some() {
            let is_new = self.place.cursor.as_ref() != Some(&named);
            self.place.cursor = Some(named);
            return Ok(is_new && has_records);
        }
        let wrong = |error| {
            ConnectorError::config(format!(
                "{} names a next page `{named}`, which is no URL",
                told(&page.url)
            ))
            .caused_by(error)
        };
        let next = page.url.join(&named).map_err(wrong)?;
        if next.origin() != self.options.url.origin() {
            return Err(ConnectorError::config(format!(
                "{} names a next page of another server, {}: it is not told what `url` may know",
                told(&page.url),
                told(&next)
            )));
        }
        if next == page.url {
            return Ok(false);
        }
        self.place.next = Some(next.to_string());
        Ok(true)
    }

    fn end_round(&mut self) {
        self.place.next = None;
        self.pages = 0;
        self.is_over = !self.options.follow;
        self.due = Instant::now() + self.options.interval;
    }
}

async fn read(
    url: Url,
    response: Response<hyper::body::Incoming>,
    limit: usize,
) -> Result<Page, ConnectorError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            return ConnectorError::config(format!(
                "{} sends more than {limit} bytes: raise `body_bytes`",
                told(&url)
            ));
        }
        ConnectorError::retryable(format!("reading {}", told(&url))).caused_by(error)
    })?;
    let is_unchanged = head.status == StatusCode::NOT_MODIFIED;
    Ok(Page { url, is_unchanged, headers: head.headers, body: body.to_bytes() })
}

fn seen(page: &Page) -> Option<Seen> {
    let text = |name| page.headers.get(name)?.to_str().ok().map(str::to_owned);
    let (etag, modified) = (text(ETAG), text(LAST_MODIFIED));
    (etag.is_some() || modified.is_some()).then(|| Seen { url: page.url.to_string(), etag, modified })
}

#[async_trait]
impl SourceReader for Pages {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        if self.is_over {
            return Ok(Polled { end_of_split: true, ..Polled::default() });
        }
        let until = Instant::now() + limits.wait;
        if self.asking.is_none() {
            if self.due > until {
                tokio::time::sleep_until(until).await;
                return Ok(Polled::default());
            }
            tokio::time::sleep_until(self.due).await;
            self.ask()?;
        }
        let Some(asking) = &mut self.asking else { return Ok(Polled::default()) };
        // A question just asked has a moment to be answered, so that pages follow one another.
        let patience = limits.wait.max(Duration::from_millis(1));
        let Ok(answered) = tokio::time::timeout(patience, asking).await else { return Ok(Polled::default()) };
        self.asking = None;
        let (client, page) =
            answered.map_err(|error| ConnectorError::fatal("asking a server").caused_by(error))??;
        self.client = Some(client);
        self.take(page)
    }
}
