//! What a component reaches of requests, folders and secrets: what it is granted, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::build;
use super::web::{Page, Web, certificate};
use crate::cli::{Finished, millstream_with};

fn reaching() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("runtime/tests/plugins/reaching"))
}

fn run(command: &[&str], with: &Value, allow: &Value) -> (TempDir, Finished) {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::copy(reaching(), at.join("plugin.wasm")).unwrap();
    fs::write(at.join("in.jsonl"), "{\"id\":1}\n").unwrap();
    fs::create_dir(at.join("lookup")).unwrap();
    fs::write(at.join("lookup/countries.txt"), "NO").unwrap();
    fs::write(at.join("outside.txt"), "private").unwrap();
    let pipeline = json!({
        "name": "reach",
        "sources": { "in": {
            "use": "file", "with": { "path": "in.jsonl" }, "to": "t",
            "transforms": [{ "wasm": "./plugin.wasm", "with": with, "allow": allow }],
        } },
        "sinks": { "out": { "from": "t", "use": "file", "with": { "path": "out.jsonl" } } },
    });
    fs::write(at.join("pipeline.yaml"), pipeline.to_string()).unwrap();
    let finished =
        millstream_with(at, command, &[("SSL_CERT_FILE", &certificate()), ("GEO_KEY", "open sesame")]);
    (folder, finished)
}

const RUN: [&str; 7] =
    ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];

fn output(with: &Value, allow: &Value) -> Value {
    let (folder, finished) = run(&RUN, with, allow);
    finished.succeeded();
    serde_json::from_str(&fs::read_to_string(folder.path().join("out.jsonl")).unwrap()).unwrap()
}

/// Grants of a kind that the component imports and a test does not use.
fn nowhere() -> Value {
    json!(["https://nowhere.invalid"])
}

#[test]
fn an_http_import_without_its_grant_is_named_by_validate() {
    let (_folder, told) = run(&["validate", "pipeline.yaml"], &json!({}), &json!({}));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("imports wasi:http/"), "{told:?}");
    assert!(told.stderr.contains("needs the grant `http`: add allow: { http:"), "{told:?}");
}

#[test]
fn only_granted_origins_are_asked() {
    for tls in [false, true] {
        let web = Web::start(tls);
        web.put("/v1/geo?ip=1", Page::of("Oslo"));
        web.put("/v2", Page::of("secret"));
        let port = web.address.rsplit_once(':').unwrap().1.to_owned();
        let origin = format!("{}://localhost:{port}", if tls { "https" } else { "http" });
        let allow = json!({ "http": [format!("{origin}/v1")] });
        let row = output(&json!({ "fetch": format!("{origin}/v1/geo?ip=1") }), &allow);
        assert_eq!(row, json!({ "fetched": "200 Oslo" }));
        for url in [format!("{origin}/v2"), format!("{origin}/v1/../v2"), "https://other.invalid/".to_owned()]
        {
            let (_folder, told) = run(&RUN, &json!({ "fetch": url }), &allow);
            assert_eq!(told.code, Some(1), "{url}: {told:?}");
            let expected = "plugin reaching (pipeline reach, node in), transforming: dialled GET ";
            assert!(
                told.stderr.contains(expected) && told.stderr.contains("which it is not granted"),
                "{told:?}"
            );
        }
        assert_eq!(web.asked(), ["/v1/geo?ip=1"]);
    }
}

#[test]
fn only_granted_folders_are_seen_and_written_only_if_it_says_so() {
    let read = json!({ "read": "lookup/countries.txt", "write": "lookup/new.txt" });
    let row = output(&read, &json!({ "http": nowhere(), "fs": ["lookup"] }));
    assert_eq!(row["read"], "NO");
    assert_ne!(row["written"], "yes", "{row}");
    let row = output(&read, &json!({ "http": nowhere(), "fs": ["lookup:rw"] }));
    assert_eq!((&row["read"], &row["written"]), (&json!("NO"), &json!("yes")));
    for path in ["outside.txt", "lookup/../outside.txt", "/etc/hostname"] {
        let (_folder, told) =
            run(&RUN, &json!({ "read": path }), &json!({ "http": nowhere(), "fs": ["lookup"] }));
        assert_eq!(told.code, Some(1), "{path}: {told:?}");
    }
}

#[test]
fn only_granted_secrets_are_told() {
    let row = output(&json!({ "secret": "GEO_KEY" }), &json!({ "http": nowhere(), "secrets": ["GEO_KEY"] }));
    assert_eq!(row, json!({ "secret": "open sesame" }));
    let row = output(&json!({ "secret": "GEO_KEY" }), &json!({ "http": nowhere() }));
    assert!(row["secret"].as_str().is_some_and(|told| told.contains("grant")), "{row}");
}
