//! Components from elsewhere: by https with their digest, or from an OCI registry. Kept by digest, so each is fetched once.

mod http;
mod oci;

use std::path::Path;

pub use http::{connect, is_inner};

use super::wasm::{digest, own_folder};

/// Largest file that is fetched.
const FILE_BYTES_MAX: usize = 256 << 20;

/// Why a component could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("needs the digest of what is meant: add @sha256:…")]
    NoDigest,
    #[error("is no address: {0}")]
    Address(String),
    #[error("plain http is for this machine only; use https")]
    PlainHttp,
    #[error("fetching {url}: {reason}")]
    Fetch { url: String, reason: String },
    #[error("fetching {url}: status {status}{hint}")]
    Status { url: String, status: u16, hint: &'static str },
    #[error("{url} has the digest sha256:{found}, not sha256:{wanted}: it is another file than was meant")]
    OtherDigest { url: String, found: String, wanted: String },
    #[error("the manifest of {url}: {reason}")]
    Manifest { url: String, reason: String },
}

/// Whether a name of a plugin is an address.
pub fn is_address(name: &str) -> bool {
    name.contains("://")
}

/// The bytes behind `https://…@sha256:…` or `oci://registry/name:tag@sha256:…`.
pub async fn fetch(name: &str) -> Result<Vec<u8>, DownloadError> {
    let Some((address, wanted)) = name.rsplit_once("@sha256:") else { return Err(DownloadError::NoDigest) };
    if wanted.len() != 64 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(DownloadError::Address(format!(
            "sha256:{wanted} is not a digest of 64 hexadecimal digits"
        )));
    }
    let wanted = wanted.to_ascii_lowercase();
    match address.strip_prefix("oci://") {
        Some(image) => {
            let component = oci::component_of(image, &wanted).await?;
            let url = component.url;
            kept(&component.digest, &url, oci::blob(&url, component.token)).await
        }
        None => kept(&wanted, address, http::get_all(address, &[])).await,
    }
}

/// A file by digest: from the cache, or fetched, checked and put there.
async fn kept(
    wanted: &str,
    url: &str,
    fetch: impl Future<Output = Result<Vec<u8>, DownloadError>>,
) -> Result<Vec<u8>, DownloadError> {
    let path = own_folder("downloads").map(|folder| folder.join(wanted));
    let found = path.as_ref().ok().and_then(|path| std::fs::read(path).ok());
    if let Some(bytes) = found.filter(|bytes| digest(bytes) == wanted) {
        return Ok(bytes);
    }
    let bytes = fetch.await?;
    check(&bytes, wanted, url)?;
    if let Err(reason) = path.and_then(|path| keep(&path, &bytes)) {
        tracing::warn!(url, reason, "the file was not kept and will be fetched again");
    }
    Ok(bytes)
}

fn check(bytes: &[u8], wanted: &str, url: &str) -> Result<(), DownloadError> {
    let found = digest(bytes);
    match found == wanted {
        true => Ok(()),
        false => Err(DownloadError::OtherDigest { url: url.to_owned(), found, wanted: wanted.to_owned() }),
    }
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
