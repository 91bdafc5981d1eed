//! Components by https with their digest and from an OCI registry, served by the test.

use std::fs;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::{TempDir, tempdir};

use super::misbehaving;
use super::web::{Page, Web, certificate};
use crate::cli::{Finished, millstream_with};

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a pipeline with the component of that name, with a cache of its own.
fn run(folder: &Path, command: &str, name: &str) -> Finished {
    fs::write(folder.join("in.jsonl"), "{\"id\":7}\n{\"id\":8}\n").unwrap();
    let text = format!(
        "sources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n      \
         - wasm: \"{name}\"\n        with: {{ act: keep }}\n\
         sinks:\n  out:\n    from: t\n    use: file\n    with: {{ path: out.jsonl, existing: replace }}\n"
    );
    fs::write(folder.join("pipeline.yaml"), text).unwrap();
    let mut arguments = vec![command, "pipeline.yaml"];
    if command == "run" {
        arguments.extend(["--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    }
    let cache = folder.join("cache").display().to_string();
    millstream_with(folder, &arguments, &[("SSL_CERT_FILE", &certificate()), ("XDG_CACHE_HOME", &cache)])
}

fn ran(folder: &Path, name: &str) {
    run(folder, "run", name).succeeded();
    assert_eq!(fs::read_to_string(folder.join("out.jsonl")).unwrap(), "{\"id\":7}\n");
}

#[test]
fn a_component_is_fetched_by_https_once_and_held_to_its_digest() {
    let component = fs::read(misbehaving()).unwrap();
    let wanted = digest(&component);
    let web = Web::start(true);
    let port = web.address.rsplit_once(':').unwrap().1.to_owned();
    web.put("/a.wasm", Page::of(component));
    web.put("/latest.wasm", Page::moved("/a.wasm".to_owned()));
    web.put("/round.wasm", Page::moved("/round.wasm".to_owned()));
    let folder = tempdir().unwrap();
    let base = format!("https://localhost:{port}");
    ran(folder.path(), &format!("{base}/latest.wasm@sha256:{wanted}"));
    assert_eq!(web.asked(), ["/latest.wasm", "/a.wasm"]);
    fs::remove_dir_all(folder.path().join(".millstream")).unwrap();
    ran(folder.path(), &format!("{base}/a.wasm@sha256:{wanted}"));
    assert_eq!(web.asked().len(), 2, "what is kept by its digest is not fetched again");
    let other = "0".repeat(64);
    for (name, message) in [
        (format!("{base}/a.wasm"), "needs the digest of what is meant: add @sha256:".to_owned()),
        (format!("{base}/a.wasm@sha256:12"), "is not a digest of 64 hexadecimal digits".to_owned()),
        (
            format!("{base}/a.wasm@sha256:{other}"),
            format!("has the digest sha256:{wanted}, not sha256:{other}"),
        ),
        (format!("{base}/none.wasm@sha256:{other}"), "/none.wasm: status 404".to_owned()),
        (format!("{base}/round.wasm@sha256:{other}"), "more than 5 redirects".to_owned()),
        (
            format!("http://plugins.example/a.wasm@sha256:{other}"),
            "plain http is for this machine only".to_owned(),
        ),
    ] {
        let told = run(folder.path(), "validate", &name);
        assert_eq!(told.code, Some(2), "{name}: {told:?}");
        assert!(told.stderr.contains(&message), "{name}: {told:?}");
    }
}

/// A registry with one image: manifest and layer, both behind a token.
fn registry(layers: &[(&str, &[u8])]) -> (Web, TempDir, String) {
    let web = Web::start(false);
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"tests\",scope=\"repository:x:pull\"",
        web.address
    );
    let guarded = |page: Page| Page { token: Some(("abc", challenge.clone())), ..page };
    web.put("/token?service=tests&scope=repository:x:pull", Page::of(r#"{"token":"abc"}"#));
    let listed: Vec<_> = layers
        .iter()
        .map(|(kind, bytes)| {
            web.put(format!("/v2/tools/keep/blobs/sha256:{}", digest(bytes)), guarded(Page::of(*bytes)));
            json!({ "mediaType": kind, "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len() })
        })
        .collect();
    let manifest = json!({ "schemaVersion": 2, "layers": listed }).to_string();
    let of_manifest = digest(manifest.as_bytes());
    web.put(format!("/v2/tools/keep/manifests/sha256:{of_manifest}"), guarded(Page::of(manifest)));
    let name = format!("oci://{}/tools/keep:1.0@sha256:{of_manifest}", web.address);
    (web, tempdir().unwrap(), name)
}

#[test]
fn a_component_is_pulled_from_a_registry_by_the_digest_of_its_manifest() {
    let component = fs::read(misbehaving()).unwrap();
    let (web, folder, name) = registry(&[("text/plain", b"read me"), ("application/wasm", &component)]);
    ran(folder.path(), &name);
    let blobs = web.asked().iter().filter(|path| path.contains("/blobs/")).count();
    assert_eq!(blobs, 1, "{:?}", web.asked());
    let told = run(folder.path(), "validate", &name.replace("tools/keep", "tools/none"));
    assert!(told.stderr.contains("status 404; no such image or digest"), "{told:?}");
    let (_web, folder, name) = registry(&[("text/plain", b"read me"), ("text/html", b"and me")]);
    let told = run(folder.path(), "validate", &name);
    assert!(told.stderr.contains("none of 2 layers is application/wasm"), "{told:?}");
}
