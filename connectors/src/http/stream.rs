//! A stream of server-sent events. A position is the last event's id, behind which the stream is opened anew.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::BatchBuilder;
use millstream_sdk::source::{BadRecord, PollLimits, Polled, SourceReader};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::client::{Ask, HttpClient, told};
use super::events::{Event, EventParser};
use super::page::Format;
use super::poll::Place;
use super::source_options::AskOptions;
use crate::json;

/// Most pieces of a stream whose events wait to be read.
const PIECES_MAX: usize = 8;

/// The pause before a stream that ended is opened anew, unless it names another.
const RETRY: Duration = Duration::from_secs(3);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub struct StreamReader {
    options: Arc<AskOptions>,
    place: Place,
    events: mpsc::Receiver<Vec<Event>>,
    listening: Option<AbortOnDropHandle<Result<(), ConnectorError>>>,
}

impl StreamReader {
    pub fn open(options: Arc<AskOptions>, client: HttpClient, place: Place) -> StreamReader {
        let (sender, events) = mpsc::channel(PIECES_MAX);
        let listener = Listener {
            options: Arc::clone(&options),
            client,
            parser: EventParser::new(options.body_bytes, place.event.clone().unwrap_or_default()),
            retry: RETRY,
            events: sender,
        };
        let listening = Some(AbortOnDropHandle::new(tokio::spawn(listener.run())));
        StreamReader { options, place, events, listening }
    }

    fn take(&mut self, events: Vec<Event>, builder: &mut BatchBuilder, polled: &mut Polled) {
        for event in events {
            self.place.event = (!event.id.is_empty()).then(|| event.id.clone());
            let Some(data) = event.data else { continue };
            if self.options.format == Format::Json
                && let Err(error) = json::validate(&data)
            {
                let origin = format!("{} event {}", told(&self.options.url), event.id);
                polled.bad.push(BadRecord { raw: data.into(), origin, reason: error.to_string() });
                continue;
            }
            if !event.id.is_empty() {
                builder.push_header("id", Some(event.id.as_bytes()));
            }
            if !event.name.is_empty() {
                builder.push_header("event", Some(event.name.as_bytes()));
            }
            builder.push(None, Some(&data), None);
        }
    }

    /// The stream is over; says why, once.
    async fn ended(&mut self, wait: Duration) -> Result<Polled, ConnectorError> {
        if let Some(listening) = self.listening.take() {
            let outcome = listening.await;
            outcome.map_err(|error| ConnectorError::fatal("reading a stream").caused_by(error))??;
        }
        if self.options.follow {
            tokio::time::sleep(wait).await;
        }
        Ok(Polled { end_of_split: !self.options.follow, ..Polled::default() })
    }
}

#[async_trait]
impl SourceReader for StreamReader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let mut first = match tokio::time::timeout(limits.wait, self.events.recv()).await {
            Err(_) => return Ok(Polled::default()),
            Ok(None) => return self.ended(limits.wait).await,
            Ok(first) => first,
        };
        let mut builder = BatchBuilder::new();
        let mut polled = Polled::default();
        while let Some(events) = first.take() {
            self.take(events, &mut builder, &mut polled);
            if builder.len() < limits.max_records && builder.byte_len() < limits.max_bytes {
                first = self.events.try_recv().ok();
            }
        }
        polled.batch = builder.finish();
        polled.position = Some(self.place.position()?);
        Ok(polled)
    }
}

/// Keeps the stream open.
struct Listener {
    options: Arc<AskOptions>,
    client: HttpClient,
    parser: EventParser,
    retry: Duration,
    events: mpsc::Sender<Vec<Event>>,
}

/// Why a stream is over that did not fail.
enum Over {
    /// It ended: there may be more.
    Ended,
    /// The server wants no more questions, or nobody listens to us.
    Closed,
}

impl Listener {
    async fn run(mut self) -> Result<(), ConnectorError> {
        loop {
            match self.listen().await? {
                Over::Ended if self.options.follow => tokio::time::sleep(self.retry).await,
                Over::Ended | Over::Closed => return Ok(()),
            }
        }
    }

    /// Opens the stream behind the last event and reads it to its end.
    async fn listen(&mut self) -> Result<Over, ConnectorError> {
        let mut headers = self.options.headers.clone();
        if let Ok(id) = HeaderValue::from_bytes(self.parser.id().as_bytes())
            && !id.is_empty()
        {
            headers.insert(LAST_EVENT_ID, id);
        }
        let (method, body) = (self.options.method.clone(), self.options.body.clone());
        let ask = Ask { method, url: self.options.url.clone(), headers, accept: "text/event-stream", body };
        let response = self.client.fetch(&ask).await?;
        if response.status() == StatusCode::NO_CONTENT {
            tracing::info!(url = told(&ask.url), "the server wants the stream not to be opened anew");
            return Ok(Over::Closed);
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let plain = kind.split(';').next().unwrap_or_default().trim();
        if !plain.eq_ignore_ascii_case("text/event-stream") {
            return Err(ConnectorError::config(format!(
                "{} answers `{kind}`, not text/event-stream",
                told(&ask.url)
            )));
        }
        self.parser.restart();
        let mut body = response.into_body();
        while let Some(piece) = self.next_piece(&mut body).await? {
            let mut events = Vec::new();
            self.parser.feed(&piece, &mut events).map_err(|error| {
                ConnectorError::config(format!("{}: {error}: raise `body_bytes`", told(&self.options.url)))
            })?;
            self.retry = self.parser.retry.unwrap_or(self.retry);
            if !events.is_empty() && self.events.send(events).await.is_err() {
                return Ok(Over::Closed);
            }
        }
        Ok(Over::Ended)
    }

    async fn next_piece(&self, body: &mut Incoming) -> Result<Option<Bytes>, ConnectorError> {
        loop {
            let frame = match self.options.silence {
                None => body.frame().await,
                Some(silence) => tokio::time::timeout(silence, body.frame()).await.map_err(|_| {
                    ConnectorError::retryable(format!(
                        "{} said nothing for {silence:?}",
                        told(&self.options.url)
                    ))
                })?,
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    let reading = format!("reading {}", told(&self.options.url));
                    return Err(ConnectorError::retryable(reading).caused_by(error));
                }
            }
        }
    }
}
