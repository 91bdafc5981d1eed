//! Requests of a source: one connection that is kept, redirects, and what an answer's status means.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millstream_sdk::error::{ConnectorError, ErrorClass};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Origin, Url};

use super::tls;

/// Most redirects that are followed for one request.
const REDIRECTS_MAX: usize = 5;

/// How much of a refusal is read for its reason, and how much of that is told.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const REASON_BYTES_MAX: usize = 300;

/// The pause after a 429 or 503 that names none.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: Method,
    pub url: Url,
    /// What the configuration says of who we are and what we want: other servers are not told.
    pub headers: HeaderMap,
    pub accept: &'static str,
    pub body: Bytes,
}

/// Asks servers, one at a time.
pub struct HttpClient {
    tls: TlsConnector,
    timeout: Duration,
    kept: Option<(Origin, SendRequest<Full<Bytes>>)>,
}

impl HttpClient {
    pub fn new(authorities: Option<&Path>, timeout: Duration) -> Result<HttpClient, ConnectorError> {
        Ok(HttpClient { tls: tls::connector(authorities)?, timeout, kept: None })
    }

    /// The answer's head, after redirects; its body is still to come. Nothing but 2xx and 304 comes back.
    pub async fn fetch(&mut self, ask: &Ask) -> Result<Response<Incoming>, ConnectorError> {
        let mut ask = ask.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&ask).await?;
            let status = response.status();
            if status.is_success() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            match response.headers().get(LOCATION).filter(|_| status.is_redirection()) {
                Some(location) => ask = redirected(&ask, status, location)?,
                None => return Err(refused(&ask.url, response).await),
            }
        }
        Err(ConnectorError::config(format!(
            "{} leads to more than {REDIRECTS_MAX} redirects",
            told(&ask.url)
        )))
    }

    async fn send(&mut self, ask: &Ask) -> Result<Response<Incoming>, ConnectorError> {
        let exchanged = tokio::time::timeout(self.timeout, self.exchange(ask)).await;
        let limit = self.timeout;
        let outcome = exchanged.unwrap_or_else(|_| Err(format!("no answer within {limit:?}").into()));
        outcome.map_err(|error| {
            self.kept = None;
            ConnectorError::retryable(format!("asking {}", told(&ask.url))).caused_by(error)
        })
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Response<Incoming>, Failure> {
        let origin = ask.url.origin();
        let mut connection = match self.kept.take() {
            Some((of, connection)) if of == origin && !connection.is_closed() => connection,
            _ => self.connect(&ask.url).await?,
        };
        if let Err(error) = connection.ready().await {
            tracing::debug!(%error, "a kept connection had ended");
            connection = self.connect(&ask.url).await?;
            connection.ready().await?;
        }
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, &ask.url[url::Position::BeforeHost..url::Position::AfterPort]);
        if !ask.headers.contains_key(ACCEPT) {
            request = request.header(ACCEPT, ask.accept);
        }
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let response = connection.send_request(request.body(Full::new(ask.body.clone()))?).await?;
        self.kept = Some((origin, connection));
        Ok(response)
    }

    async fn connect(&self, url: &Url) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let host = url.host_str().ok_or("the URL names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or("the URL names no port")?;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        match url.scheme() {
            "https" => Ok(talk(self.tls.connect(ServerName::try_from(host)?, stream).await?).await?),
            _ => Ok(talk(stream).await?),
        }
    }
}

/// Speaks HTTP/1.1 over a stream that is connected; the connection ends with the sender.
pub(super) async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> hyper::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The same request at another place. Another server is not told who we are.
fn redirected(ask: &Ask, status: StatusCode, location: &HeaderValue) -> Result<Ask, ConnectorError> {
    let wrong = || ConnectorError::config(format!("{} leads to a place that is no http URL", told(&ask.url)));
    let url = location.to_str().ok().and_then(|text| ask.url.join(text).ok()).ok_or_else(wrong)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let mut next = Ask { url, ..ask.clone() };
    if next.url.origin() != ask.url.origin() {
        next.headers.clear();
    }
    let becomes_get = status == StatusCode::SEE_OTHER
        || (matches!(status, StatusCode::FOUND | StatusCode::MOVED_PERMANENTLY)
            && ask.method == Method::POST);
    if becomes_get {
        next.method = Method::GET;
        next.body = Bytes::new();
    }
    Ok(next)
}

/// What a refusal means for the task.
async fn refused(url: &Url, response: Response<Incoming>) -> ConnectorError {
    let status = response.status();
    let delay = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let reason = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    let reason = reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].trim();
    let said = format!("{} answered {status}: {reason}", told(url));
    let said = said.trim_end_matches([' ', ':']).to_owned();
    match (status, delay) {
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, delay) => {
            ConnectorError::throttled(delay.unwrap_or(DEFAULT_DELAY), said)
        }
        (status, Some(delay)) if status.is_server_error() => ConnectorError::throttled(delay, said),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => ConnectorError::auth(said),
        (status, _) if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT => {
            ConnectorError::config(said)
        }
        _ => ConnectorError::new(ErrorClass::Retryable, said),
    }
}

/// A URL as people are shown it: a query may hold what is nobody's business.
pub fn told(url: &Url) -> &str {
    &url[..url::Position::AfterPath]
}

/// Seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((date.to_utc() - Utc::now()).to_std().unwrap_or(Duration::ZERO))
}

/// Headers of the configuration, and what says who we are.
pub fn headers(
    given: &std::collections::BTreeMap<String, String>,
    authorization: Option<String>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let named = given.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let authorization = authorization.map(|value| ("authorization", value));
    for (name, value) in named.chain(authorization) {
        let bad = |error: &dyn std::fmt::Display| format!("header `{name}`: {error}");
        let mut value = HeaderValue::from_str(&value).map_err(|error| bad(&error))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(&error))?, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::retry_after;

    #[test]
    fn pauses_are_seconds_or_dates() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        let past = retry_after("Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(100)).to_rfc2822();
        assert!(retry_after(&soon).unwrap() > Duration::from_secs(90));
        assert_eq!(retry_after("later"), None);
    }
}
