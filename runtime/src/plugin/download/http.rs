//! The little of HTTP that fetching needs: connections to checked addresses, GET, redirects.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{HOST, LOCATION};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::{DownloadError, FILE_BYTES_MAX};

/// Most redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// Longest that a connection may take to come about, and a whole answer to arrive.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
const ANSWER_PATIENCE: Duration = Duration::from_secs(120);

/// Names a file of certificates that are trusted beside the usual ones.
const TRUST_VARIABLE: &str = "SSL_CERT_FILE";

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An answer and where it came from after redirects.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// An address of this machine or link, which a name on the internet must not lead to.
pub fn is_inner(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast()
        }
    }
}

/// Connects to one of `addresses`; with TLS for `host` if asked.
pub async fn connect(host: &str, addresses: &[SocketAddr], tls: bool) -> std::io::Result<Box<dyn Stream>> {
    let dial = async {
        let stream = TcpStream::connect(addresses).await?;
        if !tls {
            return Ok(Box::new(stream) as Box<dyn Stream>);
        }
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?;
        let config = TLS.as_ref().map_err(|reason| std::io::Error::other(reason.clone()))?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    tokio::time::timeout(CONNECT_PATIENCE, dial).await?
}

static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    if let Some(path) = std::env::var_os(TRUST_VARIABLE) {
        let failed = |error: rustls::pki_types::pem::Error| format!("{TRUST_VARIABLE}: {error}");
        for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
            roots.add(certificate.map_err(failed)?).map_err(|error| format!("{TRUST_VARIABLE}: {error}"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
});

/// The body of a successful answer.
pub async fn get_all(url: &str, headers: &[(&str, String)]) -> Result<Vec<u8>, DownloadError> {
    let answer = get(url, headers).await?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        status => Err(DownloadError::Status { url: url.to_owned(), status: status.as_u16(), hint: "" }),
    }
}

/// GET, following redirects. Authorization stays with the host that it was meant for.
pub async fn get(url: &str, headers: &[(&str, String)]) -> Result<Answer, DownloadError> {
    let mut uri = parse(url)?;
    let first_host = uri.authority().cloned();
    for _ in 0..=REDIRECTS_MAX {
        let same_host = uri.authority() == first_host.as_ref();
        let sent = headers.iter().filter(|(name, _)| same_host || *name != "authorization");
        let asked = tokio::time::timeout(ANSWER_PATIENCE, ask(&uri, sent)).await;
        let failed = |reason: String| DownloadError::Fetch { url: uri.to_string(), reason };
        let answer =
            asked.map_err(|_| failed(format!("no answer within {ANSWER_PATIENCE:?}")))?.map_err(failed)?;
        let location = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection());
        let Some(location) = location else { return Ok(answer) };
        let next = location.to_str().map_err(|error| failed(format!("redirected to nowhere: {error}")))?;
        uri = match next.starts_with('/') {
            true => parse(&format!("{}{next}", origin(&uri)))?,
            false => parse(next)?,
        };
    }
    Err(DownloadError::Fetch { url: url.to_owned(), reason: format!("more than {REDIRECTS_MAX} redirects") })
}

pub fn origin(uri: &Uri) -> String {
    format!("{}://{}", uri.scheme_str().unwrap_or("https"), uri.authority().map_or("", |host| host.as_str()))
}

fn parse(url: &str) -> Result<Uri, DownloadError> {
    let uri: Uri = url.parse().map_err(|error| DownloadError::Address(format!("{url}: {error}")))?;
    let host = uri.host().ok_or_else(|| DownloadError::Address(format!("{url} has no host")))?;
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_this_machine(host) => Ok(uri),
        Some("http") => Err(DownloadError::PlainHttp),
        _ => Err(DownloadError::Address(format!("{url} is neither https:// nor oci://"))),
    }
}

/// Whether a host is written as this machine.
pub fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || literal.is_ok_and(|address| address.is_loopback())
}

async fn ask<'a>(uri: &Uri, headers: impl Iterator<Item = &'a (&'a str, String)>) -> Result<Answer, String> {
    let host = uri.host().unwrap_or_default();
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let resolved = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
    let addresses: Vec<SocketAddr> =
        resolved.map_err(|error| format!("looking {host} up: {error}"))?.collect();
    let stream = connect(host, &addresses, tls).await.map_err(|error| format!("connecting: {error}"))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(path).header(HOST, uri.authority().map_or(host, |all| all.as_str()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let (parts, body) = sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
    let body = Limited::new(body, FILE_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() })
}
