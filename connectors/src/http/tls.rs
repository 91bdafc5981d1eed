//! TLS of both sides: whom the sink trusts, and what the source shows.

use std::path::Path;
use std::sync::Arc;

use millstream_sdk::error::ConnectorError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Trusts the usual authorities, or only those of a file.
pub fn connector(authorities: Option<&Path>) -> Result<TlsConnector, ConnectorError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates("ca", path)? {
                roots.add(certificate).map_err(|error| {
                    ConnectorError::config(format!("ca: reading {}", path.display())).caused_by(error)
                })?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::fatal("setting up TLS").caused_by(error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

/// Shows a chain of certificates, the server's own first.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ConnectorError> {
    let chain = certificates("certificate", certificate)?;
    let wrong = || format!("key: reading {}", key.display());
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| ConnectorError::config(wrong()).caused_by(error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::fatal("setting up TLS").caused_by(error))?;
    let config = builder
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| ConnectorError::config("key: it does not fit the certificate").caused_by(error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectorError> {
    let wrong = || format!("{option}: reading the certificates in {}", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| ConnectorError::config(wrong()).caused_by(error))?;
    match found.is_empty() {
        true => Err(ConnectorError::config(format!("{}: there are none", wrong()))),
        false => Ok(found),
    }
}
