//! Dialling, held against the grants at the moment it happens and on the resolved address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::plugin::download::{connect, is_inner};

/// The first address that was dialled without a grant; the instance is stopped for it.
#[derive(Debug, Clone, Default)]
pub struct Denied(Arc<Mutex<Option<String>>>);

impl Denied {
    fn note(&self, address: impl ToString) {
        self.0.lock().get_or_insert_with(|| address.to_string());
    }

    pub fn address(&self) -> Option<String> {
        self.0.lock().clone()
    }
}

/// Whether a socket may be used so. A name on a grant stands for what it resolves to now, except for addresses of
/// this machine or link: those must be granted as themselves.
pub async fn may_use(
    grants: Arc<[String]>,
    address: SocketAddr,
    usage: SocketAddrUse,
    denied: Denied,
) -> bool {
    let is_dialled = match usage {
        // What the system does by itself before a connection.
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
            return address.ip().is_unspecified() && address.port() == 0;
        }
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => true,
        _ => false,
    };
    for grant in grants.iter() {
        let Some((host, port)) = grant.rsplit_once(':') else { continue };
        let same_port = port == "*" || port.parse() == Ok(address.port());
        if is_dialled && same_port && means(host, address).await {
            return true;
        }
    }
    denied.note(address);
    false
}

async fn means(host: &str, address: SocketAddr) -> bool {
    let host = host.trim_matches(['[', ']']);
    let ip = address.ip().to_canonical();
    if let Ok(granted) = host.parse::<IpAddr>() {
        return granted.to_canonical() == ip;
    }
    if host == "localhost" {
        return ip.is_loopback();
    }
    if is_inner(ip) {
        return false;
    }
    match tokio::net::lookup_host((host, address.port())).await {
        Ok(mut resolved) => resolved.any(|resolved| resolved.ip().to_canonical() == ip),
        Err(_) => false,
    }
}

/// HTTP requests, only to granted origins.
pub struct Fence {
    origins: Arc<[String]>,
    denied: Denied,
}

impl Fence {
    pub fn new(origins: &[String], denied: &Denied) -> Fence {
        Fence { origins: origins.into(), denied: denied.clone() }
    }

    fn allows(&self, uri: &Uri) -> bool {
        self.origins.iter().any(|granted| covers(granted, uri))
    }
}

/// Whether a grant such as `https://host/prefix` covers a request.
fn covers(granted: &str, uri: &Uri) -> bool {
    let Ok(granted) = granted.parse::<Uri>() else { return false };
    let prefix = granted.path().trim_end_matches('/');
    let path = uri.path();
    let below = path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let climbs = path.split('/').any(|part| part == ".." || part.eq_ignore_ascii_case("%2e%2e"));
    granted.scheme() == uri.scheme()
        && granted.host().zip(uri.host()).is_some_and(|(granted, host)| granted.eq_ignore_ascii_case(host))
        && port_of(&granted) == port_of(uri)
        && below
        && !climbs
}

fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Fence {
    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Driver,
    ) -> Box<dyn Future<Output = Result<(hyper::Response<WasiBody>, Driver), Error>> + Send> {
        if !self.allows(request.uri()) {
            self.denied.note(format!("{} {}", request.method(), request.uri()));
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let denied = self.denied.clone();
        Box::new(send(request, options, denied))
    }
}

async fn send(
    mut request: hyper::Request<WasiBody>,
    options: Option<RequestOptions>,
    denied: Denied,
) -> Result<(hyper::Response<WasiBody>, Driver), Error> {
    let uri = request.uri().clone();
    let host = uri.host().ok_or(Error::HttpRequestUriInvalid)?;
    let bare = host.trim_matches(['[', ']']);
    let resolved = tokio::net::lookup_host((bare, port_of(&uri))).await;
    let resolved = resolved.map_err(|_| Error::DnsError { rcode: None, info_code: None })?;
    let itself = bare == "localhost" || bare.parse::<IpAddr>().is_ok();
    let (good, bad): (Vec<SocketAddr>, Vec<_>) =
        resolved.partition(|address| itself || !is_inner(address.ip()));
    if let (true, Some(inner)) = (good.is_empty(), bad.first()) {
        denied.note(format!("{inner}, which {host} resolves to"));
        return Err(Error::DestinationIpProhibited);
    }
    let stream = connect(bare, &good, uri.scheme_str() == Some("https")).await.map_err(Error::Connect)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Error::Hyper)?;
    let driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    let sending = sender.send_request(request);
    let response = match options.and_then(|options| options.first_byte_timeout) {
        Some(patience) => {
            tokio::time::timeout(patience, sending).await.map_err(|_| Error::ConnectionReadTimeout)?
        }
        None => sending.await,
    };
    let response = response.map_err(Error::Hyper)?;
    let driver: Driver = Box::new(async move {
        match driver.await {
            Ok(ended) => ended.map_err(Error::Hyper),
            Err(_) => Err(Error::ConnectionTerminated),
        }
    });
    Ok((response.map(|body| body.map_err(Error::Hyper).boxed_unsync()), driver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_covers_its_origin_and_what_lies_below_its_path() {
        for (granted, asked, expected) in [
            ("https://a.example", "https://a.example/x?y", true),
            ("https://a.example", "https://A.example:443/", true),
            ("https://a.example", "http://a.example/", false),
            ("https://a.example", "https://b.a.example/", false),
            ("https://a.example", "https://a.example:8443/", false),
            ("https://a.example/v1", "https://a.example/v1/x", true),
            ("https://a.example/v1", "https://a.example/v11", false),
            ("https://a.example/v1", "https://a.example/v1/../v2", false),
        ] {
            assert_eq!(covers(granted, &asked.parse().unwrap()), expected, "{granted} {asked}");
        }
    }

    #[tokio::test]
    async fn an_address_of_this_machine_is_granted_as_itself_only() {
        let address: SocketAddr = "127.0.0.1:5432".parse().unwrap();
        for (grant, expected) in [
            ("127.0.0.1:5432", true),
            ("localhost:*", true),
            ("127.0.0.1:5433", false),
            ("ip6-localhost:5432", false),
        ] {
            let denied = Denied::default();
            let grants: Arc<[String]> = [grant.to_owned()].into();
            let may = may_use(grants, address, SocketAddrUse::TcpConnect, denied.clone()).await;
            assert_eq!((may, denied.address().is_none()), (expected, expected), "{grant}");
        }
    }
}
