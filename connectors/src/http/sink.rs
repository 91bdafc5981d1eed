//! Records as requests, in order, over one connection that is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use millstream_sdk::error::{ConnectorError, ErrorClass};
use millstream_sdk::record::Column;
use millstream_sdk::sink::{Delivery, Rejection, Sink, SinkBatch, SinkPosition, TopicPartition, Written};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client::talk;
use super::tls;

/// How much of an answer is read for its reason.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How much of it is told.
const REASON_BYTES_MAX: usize = 300;

/// The pause that a 429 or 503 without `Retry-After` asks for.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// How often one request in the middle of a batch is sent before the batch fails, and the first pause between two, doubled
/// each time.
const TRIES: u32 = 6;
const RETRY_DELAY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    url: String,
    method: String,
    batch: usize,
    format: Format,
    headers: BTreeMap<String, String>,
    timeout_ms: u64,
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Lines,
}

/// Where a URL leads.
#[derive(Debug, Clone)]
pub struct Target {
    https: bool,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    pub fn parse(url: &str) -> Result<Target, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("`{url}` is no URL such as https://host:port/path")),
        };
        let host = uri.host().ok_or_else(|| format!("`{url}` names no host"))?.to_owned();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Target { https, host, port, path })
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// As the Host header has it: without the port that goes without saying.
    fn authority(&self) -> String {
        match (self.https, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

pub struct HttpSink {
    options: Options,
    target: Target,
    /// Where the URL is https.
    tls: Option<TlsConnector>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl HttpSink {
    pub fn new(options: Options, base: &Path) -> Result<HttpSink, ConnectorError> {
        let target = Target::parse(&options.url).map_err(ConnectorError::config)?;
        let authorities = options.ca.as_ref().map(|path| base.join(path));
        let tls = target.https.then(|| tls::connector(authorities.as_deref())).transpose()?;
        Ok(HttpSink { options, target, tls, connection: None })
    }

    async fn send(&mut self, body: Bytes) -> Result<Answer, ConnectorError> {
        let limit = Duration::from_millis(self.options.timeout_ms);
        let sending = format!("sending to {}", self.options.url);
        let exchanged = tokio::time::timeout(limit, self.exchange(body)).await;
        let outcome = exchanged.unwrap_or_else(|_| Err(format!("no answer within {limit:?}").into()));
        outcome.map_err(|error| {
            self.connection = None;
            ConnectorError::retryable(sending).caused_by(error)
        })
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut kept = match self.connection.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => {
                let host = self.target.host.trim_matches(['[', ']']);
                let stream = TcpStream::connect((host, self.target.port)).await?;
                match &self.tls {
                    None => talk(stream).await?,
                    Some(tls) => {
                        talk(tls.connect(ServerName::try_from(host.to_owned())?, stream).await?).await?
                    }
                }
            }
        };
        kept.ready().await?;
        let kind =
            if self.options.format == Format::Json { "application/json" } else { "application/x-ndjson" };
        let mut request = Request::builder()
            .method(self.options.method.as_str())
            .uri(&self.target.path)
            .header(HOST, self.target.authority())
            .header(CONTENT_TYPE, kind);
        for (name, value) in &self.options.headers {
            request = request.header(name, value);
        }
        let response = kept.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let delay = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let reason =
            body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
        let reason = reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].trim().to_owned();
        self.connection = Some(kept);
        Ok(Answer { status, reason, delay: delay.map(Duration::from_secs) })
    }

    /// Sends a request; gives why it was refused. What passes by itself is waited for if records of the batch have been taken
    /// before: an error would have them sent again, and a server that says no to every hundredth request would never see
    /// the end of the batch.
    async fn deliver(&mut self, body: Bytes, is_begun: bool) -> Result<Option<String>, ConnectorError> {
        let mut tries = 0;
        loop {
            let answer = self.send(body.clone()).await;
            let error = match answer.and_then(|answer| answer.judge(&self.options.url)) {
                Ok(taken) => return Ok(taken),
                Err(error) => error,
            };
            tries += 1;
            let pause = match error.class() {
                ErrorClass::Throttled { delay } => delay,
                ErrorClass::Retryable => RETRY_DELAY * 2_u32.pow(tries),
                _ => return Err(error),
            };
            if !is_begun || tries >= TRIES {
                return Err(error);
            }
            tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "a request waits to be sent again");
            tokio::time::sleep(pause).await;
        }
    }

    /// The body of records `from..to`. A record without a value is JSON's null or an empty line.
    fn body(&self, values: &Column, from: usize, to: usize) -> Bytes {
        let mut body = Vec::new();
        let as_list = self.options.format == Format::Json && self.options.batch > 1;
        for row in from..to {
            if as_list {
                body.push(if row == from { b'[' } else { b',' });
            } else if row > from {
                body.push(b'\n');
            }
            let missing: &[u8] = if self.options.format == Format::Json { b"null" } else { b"" };
            body.extend_from_slice(values.get(row).unwrap_or(missing));
        }
        if as_list {
            body.push(b']');
        }
        Bytes::from(body)
    }
}

struct Answer {
    status: StatusCode,
    reason: String,
    delay: Option<Duration>,
}

impl Answer {
    /// `Ok(None)` when it was taken, `Ok(Some(reason))` when these records are refused.
    fn judge(self, url: &str) -> Result<Option<String>, ConnectorError> {
        let said = format!("{url} answered {}: {}", self.status, self.reason);
        let said = said.trim_end_matches([' ', ':']).to_owned();
        match self.status {
            status if status.is_success() => Ok(None),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(ConnectorError::throttled(self.delay.unwrap_or(DEFAULT_DELAY), said))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ConnectorError::auth(said)),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(ConnectorError::config(said)),
            status
                if status.is_server_error()
                    || status == StatusCode::REQUEST_TIMEOUT
                    || status.is_redirection() =>
            {
                Err(ConnectorError::new(ErrorClass::Retryable, said))
            }
            _ => Ok(Some(said)),
        }
    }
}

#[async_trait]
impl Sink for HttpSink {
    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    async fn open(&mut self, _partitions: &[TopicPartition]) -> Result<Vec<SinkPosition>, ConnectorError> {
        self.connection = None;
        Ok(Vec::new())
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<Written, ConnectorError> {
        let values = batch.batch.values();
        let mut rejected = Vec::new();
        let mut from = 0;
        while from < values.len() {
            let to = (from + self.options.batch).min(values.len());
            match self.deliver(self.body(values, from, to), from > 0).await? {
                None => {}
                Some(reason) if to - from == 1 => rejected.push(Rejection { row: from, reason }),
                Some(_) => {
                    // One of them is the reason: each by itself shows which.
                    for row in from..to {
                        let body = self.body(values, row, row + 1);
                        if let Some(reason) = self.deliver(body, row > 0).await? {
                            rejected.push(Rejection { row, reason });
                        }
                    }
                }
            }
            from = to;
        }
        Ok(Written { durable: true, rejected })
    }

    async fn commit(&mut self, _positions: &[SinkPosition]) -> Result<(), ConnectorError> {
        Ok(())
    }
}
