//! Pulling one component out of an OCI registry, by the digest of its manifest.
//!
//! Left out: tags without a digest, and registries that want a login.

use hyper::StatusCode;
use hyper::header::WWW_AUTHENTICATE;
use serde_json::Value;

use super::http::{self, is_this_machine};
use super::{DownloadError, check};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST_OF_DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const COMPONENT: &str = "application/wasm";

/// Where a component lies.
pub struct Component {
    pub url: String,
    pub digest: String,
    pub token: Option<String>,
}

/// Finds the component's layer in the manifest with this digest. `image` is `registry/name:tag`.
pub async fn component_of(image: &str, digest: &str) -> Result<Component, DownloadError> {
    let Some((registry, name)) = image.split_once('/').filter(|(registry, _)| !registry.is_empty()) else {
        return Err(DownloadError::Address(format!("oci://{image} is not oci://registry/name@sha256:…")));
    };
    // The digest says everything; a tag beside it is for people.
    let name = name.split(':').next().unwrap_or(name);
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    let scheme = if is_this_machine(host) { "http" } else { "https" };
    let base = format!("{scheme}://{registry}/v2/{name}");
    let url = format!("{base}/manifests/sha256:{digest}");
    let (manifest, token) = get(&url, &format!("{MANIFEST}, {MANIFEST_OF_DOCKER}"), None).await?;
    check(&manifest, digest, &url)?;
    let bad = |reason: String| DownloadError::Manifest { url: url.clone(), reason };
    let manifest: Value = serde_json::from_slice(&manifest).map_err(|error| bad(error.to_string()))?;
    let layers = manifest["layers"].as_array().ok_or_else(|| bad("it lists no layers".to_owned()))?;
    let is_component = |layer: &&Value| layer["mediaType"] == COMPONENT;
    let layer = match layers.as_slice() {
        [only] => only,
        several => {
            let found = several.iter().find(is_component);
            found.ok_or_else(|| bad(format!("none of {} layers is {COMPONENT}", several.len())))?
        }
    };
    let digest = layer["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
    let digest = digest.ok_or_else(|| bad("its layer has no sha256 digest".to_owned()))?;
    Ok(Component { url: format!("{base}/blobs/sha256:{digest}"), digest: digest.to_owned(), token })
}

/// The bytes of a layer.
pub async fn blob(url: &str, token: Option<String>) -> Result<Vec<u8>, DownloadError> {
    Ok(get(url, COMPONENT, token).await?.0)
}

/// GET with whatever token the registry asks for; the token comes back for the next request.
async fn get(
    url: &str,
    accept: &str,
    token: Option<String>,
) -> Result<(Vec<u8>, Option<String>), DownloadError> {
    let mut token = token;
    for _ in 0..2 {
        let mut headers = vec![("accept", accept.to_owned())];
        headers.extend(token.iter().map(|token| ("authorization", format!("Bearer {token}"))));
        let answer = http::get(url, &headers).await?;
        let challenge = answer.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        match (answer.status, challenge) {
            (StatusCode::OK, _) => return Ok((answer.body, token)),
            (StatusCode::UNAUTHORIZED, Some(challenge)) if token.is_none() => {
                token = Some(ask_for_token(url, challenge).await?);
            }
            (status, _) => {
                let hint = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; only public images can be used",
                    StatusCode::NOT_FOUND => "; no such image or digest",
                    _ => "",
                };
                return Err(DownloadError::Status { url: url.to_owned(), status: status.as_u16(), hint });
            }
        }
    }
    Err(DownloadError::Status { url: url.to_owned(), status: 401, hint: "; only public images can be used" })
}

/// The registry's token protocol: `Bearer realm="…",service="…",scope="…"`.
async fn ask_for_token(url: &str, challenge: &str) -> Result<String, DownloadError> {
    let failed = |reason: &str| DownloadError::Fetch { url: url.to_owned(), reason: reason.to_owned() };
    let parameters = challenge.strip_prefix("Bearer ").ok_or_else(|| failed("it wants a login"))?;
    let value = |name: &str| {
        let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let realm = value("realm").ok_or_else(|| failed("it wants a token and does not say from where"))?;
    let query: Vec<String> = ["service", "scope"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}", escaped(value(name)?))))
        .collect();
    let answer = http::get_all(&format!("{realm}?{}", query.join("&")), &[]).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| failed("the token is not JSON"))?;
    let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
    token.map(str::to_owned).ok_or_else(|| failed("it gave no token"))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:/,".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
