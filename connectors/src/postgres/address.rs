//! Where a server is and how to get in: one URL for ordinary sessions and for replication, TLS as libpq's `sslmode`
//! means it. Both kinds of session run over the sockets made here.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use millstream_sdk::error::ConnectorError;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::tls;

/// Makes the texts of values the same in every session.
const SETTINGS: &str = "-c datestyle=ISO -c intervalstyle=iso_8601 -c timezone=UTC -c bytea_output=hex \
     -c extra_float_digits=1 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0";

/// How long a server may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    mode: SslMode,
    root_certificates: Option<PathBuf>,
}

/// libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A connection of any kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Socket for S {}

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`, or libpq's `key=value` form.
    pub fn parse(url: &str) -> Result<Address, String> {
        let (plain, tls_options) = without_tls_options(url);
        let mut mode = SslMode::Prefer;
        let mut root_certificates = None;
        for (name, value) in tls_options {
            match name {
                "sslmode" => mode = SslMode::parse(value)?,
                _ => root_certificates = Some(PathBuf::from(value)),
            }
        }
        let mut config = Config::from_str(&plain).map_err(|error| error.to_string())?;
        if config.get_hosts().is_empty() {
            return Err("it names no host".to_owned());
        }
        if config.get_user().is_none() {
            return Err("it names no user".to_owned());
        }
        // The socket is encrypted already when the driver gets it.
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        let options = config.get_options().map(|given| format!("{given} {SETTINGS}"));
        config.options(options.as_deref().unwrap_or(SETTINGS));
        Ok(Address { config, mode, root_certificates })
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(self.user())
    }

    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub fn password(&self) -> &[u8] {
        self.config.get_password().unwrap_or_default()
    }

    pub fn options(&self) -> &str {
        self.config.get_options().unwrap_or(SETTINGS)
    }

    pub fn driver_config(&self) -> Config {
        self.config.clone()
    }

    /// Opens a socket to the first host that answers, encrypted where the mode says so.
    pub async fn dial(&self) -> Result<Box<dyn Socket>, ConnectorError> {
        let mut last = ConnectorError::config("connecting to PostgreSQL: the URL names no host");
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let ports = self.config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match tokio::time::timeout(CONNECT_PATIENCE, self.dial_one(host, port)).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(error)) => last = error,
                Err(_) => {
                    last = ConnectorError::retryable(format!(
                        "connecting to PostgreSQL at {}: no answer",
                        shown(host, port)
                    ))
                }
            }
        }
        Err(last)
    }

    async fn dial_one(&self, host: &Host, port: u16) -> Result<Box<dyn Socket>, ConnectorError> {
        let attempt = || format!("connecting to PostgreSQL at {}", shown(host, port));
        let failed = |error: std::io::Error| ConnectorError::retryable(attempt()).caused_by(error);
        let name = match host {
            Host::Unix(folder) => {
                let path = folder.join(format!(".s.PGSQL.{port}"));
                return Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?));
            }
            Host::Tcp(name) => name,
        };
        let mut socket = TcpStream::connect((name.as_str(), port)).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        if self.mode == SslMode::Disable {
            return Ok(Box::new(socket));
        }
        let mut request = BytesMut::new();
        frontend::ssl_request(&mut request);
        socket.write_all(&request).await.map_err(failed)?;
        match socket.read_u8().await.map_err(failed)? {
            b'S' => {}
            _ if self.mode == SslMode::Prefer => return Ok(Box::new(socket)),
            _ => {
                return Err(ConnectorError::config(format!(
                    "{}: it offers no TLS, which sslmode asks for",
                    attempt()
                )));
            }
        }
        let config: Arc<ClientConfig> = tls::config(self.mode, self.root_certificates.as_deref())?;
        let name = ServerName::try_from(name.clone())
            .map_err(|error| ConnectorError::config(attempt()).caused_by(error))?;
        let connector = tokio_rustls::TlsConnector::from(config);
        let socket = connector.connect(name, socket).await;
        Ok(Box::new(socket.map_err(|error| ConnectorError::config(attempt()).caused_by(error))?))
    }
}

impl SslMode {
    fn parse(text: &str) -> Result<SslMode, String> {
        Ok(match text {
            "disable" => SslMode::Disable,
            "allow" | "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            other => {
                return Err(format!(
                    "sslmode `{other}` is none of disable, prefer, require, verify-ca, verify-full"
                ));
            }
        })
    }
}

fn shown(host: &Host, port: u16) -> String {
    match host {
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(folder) => folder.display().to_string(),
    }
}

/// The URL without what only we understand, and that.
fn without_tls_options(url: &str) -> (String, Vec<(&str, &str)>) {
    let is_ours = |pair: &&str| pair.starts_with("sslmode=") || pair.starts_with("sslrootcert=");
    let (base, pairs, separator) = match url.split_once('?') {
        Some((base, query)) => (base, query.split('&').collect::<Vec<_>>(), "&"),
        None if url.contains("://") => return (url.to_owned(), Vec::new()),
        None => ("", url.split_whitespace().collect(), " "),
    };
    let ours = pairs.iter().copied().filter(is_ours).filter_map(|pair| pair.split_once('=')).collect();
    let kept: Vec<&str> = pairs.into_iter().filter(|pair| !is_ours(pair)).collect();
    let plain = match (separator, kept.is_empty()) {
        ("&", true) => base.to_owned(),
        ("&", false) => format!("{base}?{}", kept.join("&")),
        _ => kept.join(" "),
    };
    (plain, ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_wrong_ones_say_why() {
        let address = Address::parse(
            "postgres://me:pw@db:5433/shop?sslmode=verify-full&connect_timeout=3&sslrootcert=/ca.pem",
        )
        .unwrap();
        assert_eq!((address.mode, address.database(), address.user()), (SslMode::VerifyFull, "shop", "me"));
        assert_eq!(address.root_certificates, Some(PathBuf::from("/ca.pem")));
        let address = Address::parse("host=/run/pg user=me sslmode=disable").unwrap();
        assert_eq!((address.mode, address.database()), (SslMode::Disable, "me"));
        for (url, reason) in [
            ("postgres://me@db/x?sslmode=maybe", "sslmode `maybe`"),
            ("postgres:///x?user=me", "no host"),
            ("postgres://db/x", "no user"),
            ("mysql://db", "invalid"),
        ] {
            let Err(error) = Address::parse(url) else { panic!("{url} is accepted") };
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
