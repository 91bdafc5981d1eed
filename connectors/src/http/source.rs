//! Requests as records. A request waits until the transaction that holds its records is committed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{BatchBuilder, ColumnBuilder};
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::page::{self, Format};
use super::tls;

/// Most requests whose records wait to be read.
const WAITING_MAX: usize = 256;

/// Most connections at a time.
const CONNECTIONS_MAX: usize = 1024;

/// How long a request waits for its commit.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// How long a caller may take for TLS.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    pub path: String,
    pub format: Format,
    pub token: Option<String>,
    pub body_bytes: usize,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

pub struct HttpSource {
    options: Arc<Options>,
    base: PathBuf,
}

impl HttpSource {
    pub fn new(options: Options, base: &Path) -> Result<HttpSource, ConnectorError> {
        if options.certificate.is_some() != options.key.is_some() {
            return Err(ConnectorError::config("https needs both `certificate` and `key`"));
        }
        Ok(HttpSource { options: Arc::new(options), base: base.to_path_buf() })
    }

    /// What is shown to callers; read at each opening, so that a renewed certificate needs only a restart.
    fn tls(&self) -> Result<Option<TlsAcceptor>, ConnectorError> {
        let files = self.options.certificate.as_ref().zip(self.options.key.as_ref());
        files.map(|(chain, key)| tls::acceptor(&self.base.join(chain), &self.base.join(key))).transpose()
    }
}

#[async_trait]
impl Source for HttpSource {
    fn is_bounded(&self) -> bool {
        false
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        Ok(vec![Split::new("requests")])
    }

    async fn open(
        &self,
        _split: &Split,
        _position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let tls = self.tls()?;
        let listener = TcpListener::bind(self.options.listen).await.map_err(|error| {
            ConnectorError::retryable(format!("listening on {}", self.options.listen)).caused_by(error)
        })?;
        let (sender, requests) = mpsc::channel(WAITING_MAX);
        let server = tokio::spawn(serve(listener, tls, Arc::clone(&self.options), sender));
        Ok(Box::new(Reader { requests, server, taken: VecDeque::new(), next: AtomicU64::new(0) }))
    }
}

/// One request's records, and who waits for their commit.
struct Posted {
    values: Vec<Bytes>,
    answer: oneshot::Sender<()>,
}

struct Reader {
    requests: mpsc::Receiver<Posted>,
    server: JoinHandle<()>,
    /// Requests that were read, by the position behind them.
    taken: VecDeque<(u64, oneshot::Sender<()>)>,
    next: AtomicU64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Whoever waits for an answer is told to try again: their senders go with the reader.
        self.server.abort();
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let mut values = ColumnBuilder::default();
        let mut first = match tokio::time::timeout(limits.wait, self.requests.recv()).await {
            Err(_) => return Ok(Polled::default()),
            Ok(None) => return Err(ConnectorError::retryable("the server of the source has ended")),
            Ok(first) => first,
        };
        let mut position = None;
        while let Some(Posted { values: posted, answer }) = first.take() {
            posted.iter().for_each(|value| values.push_value(value));
            let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
            self.taken.push_back((number, answer));
            position = Some(number);
            if values.len() < limits.max_records && values.byte_len() < limits.max_bytes {
                first = self.requests.try_recv().ok();
            }
        }
        let mut builder = BatchBuilder::new();
        values.finish().iter().for_each(|value| builder.push(None, value, None));
        let position = position.map(|number| Position(Bytes::from(number.to_string())));
        Ok(Polled { batch: builder.finish(), position, ..Polled::default() })
    }

    async fn committed(&mut self, position: &Position) -> Result<(), ConnectorError> {
        let number: u64 = std::str::from_utf8(&position.0)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| ConnectorError::fatal("reading a position of requests"))?;
        while self.taken.front().is_some_and(|(taken, _)| *taken <= number) {
            if let Some((_, answer)) = self.taken.pop_front()
                && answer.send(()).is_err()
            {
                tracing::debug!("a caller went away before its answer");
            }
        }
        Ok(())
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    options: Arc<Options>,
    requests: mpsc::Sender<Posted>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                continue;
            }
        };
        let (options, requests, tls) = (Arc::clone(&options), requests.clone(), tls.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (options, requests) = (Arc::clone(&options), requests.clone());
                async move { Ok::<_, std::convert::Infallible>(answer(request, &options, &requests).await) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            let outcome = match tls {
                None => server
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .map_err(|error| error.to_string()),
                Some(tls) => match tokio::time::timeout(HANDSHAKE_PATIENCE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let served = server.serve_connection(TokioIo::new(stream), service).await;
                        served.map_err(|error| error.to_string())
                    }
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("no TLS handshake in time".to_owned()),
                },
            };
            if let Err(error) = outcome {
                tracing::debug!(error, "a connection ended");
            }
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    options: &Options,
    requests: &mpsc::Sender<Posted>,
) -> Response<Full<Bytes>> {
    match take(request, options, requests).await {
        Ok(()) => said(StatusCode::NO_CONTENT, ""),
        Err((status, reason)) => said(status, &reason),
    }
}

fn said(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reason.to_owned())));
    *response.status_mut() = status;
    response
}

async fn take(
    request: Request<Incoming>,
    options: &Options,
    requests: &mpsc::Sender<Posted>,
) -> Result<(), (StatusCode, String)> {
    if request.uri().path() != options.path {
        return Err((StatusCode::NOT_FOUND, format!("records are taken at {}", options.path)));
    }
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "POST or PUT".to_owned()));
    }
    if let Some(token) = &options.token {
        let given = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
        if !given.is_some_and(|given| same(&given, format!("Bearer {token}").as_bytes())) {
            return Err((StatusCode::UNAUTHORIZED, "another bearer token is needed".to_owned()));
        }
    }
    let body = Limited::new(request.into_body(), options.body_bytes).collect().await;
    let body = body.map_err(|error| (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?.to_bytes();
    let values =
        page::records(options.format, None, &body).map_err(|reason| (StatusCode::BAD_REQUEST, reason))?;
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, "not committed in time; send it again".to_owned());
    let (sender, committed) = oneshot::channel();
    let waited = async {
        requests.send(Posted { values, answer: sender }).await.map_err(|_| busy())?;
        committed.await.map_err(|_| busy())
    };
    tokio::time::timeout(COMMIT_PATIENCE, waited).await.unwrap_or_else(|_| Err(busy()))
}

/// Takes the same time wherever two tokens differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}
