//! What a component may dial: nothing, unless it is granted.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::tempdir;

use super::build;
use crate::cli::{Finished, millstream};

fn dialling() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("runtime/tests/plugins/dialling"))
}

fn run(command: &[&str], address: &str, allow: &str) -> Finished {
    let folder = tempdir().unwrap();
    fs::copy(dialling(), folder.path().join("plugin.wasm")).unwrap();
    fs::write(folder.path().join("in.jsonl"), "{\"id\":1}\n").unwrap();
    let text = format!(
        "name: dial\nsources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n      \
         - wasm: ./plugin.wasm\n        with: {{ address: \"{address}\" }}\n        allow: {allow}\n"
    );
    fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    millstream(folder.path(), command)
}

const RUN: [&str; 7] =
    ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];

#[test]
fn an_import_without_its_grant_is_named_by_validate() {
    let told = run(&["validate", "pipeline.yaml"], "127.0.0.1:1", "{}");
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("imports wasi:sockets/"), "{told:?}");
    assert!(told.stderr.contains("needs the grant `net`: add allow: { net:"), "{told:?}");
}

#[test]
fn only_granted_addresses_are_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = run(&RUN, &address, "{ net: [\"127.0.0.1:1\", \"nowhere.invalid:*\"] }");
    assert_eq!(told.code, Some(1), "{told:?}");
    let expected = format!(
        "plugin dialling (pipeline dial, node in), transforming: dialled {address}, which it is not granted"
    );
    assert!(told.stderr.contains(&expected), "{told:?}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody came through");
    listener.set_nonblocking(false).unwrap();
    for grant in [address.clone(), address.replace("127.0.0.1", "localhost"), "localhost:*".to_owned()] {
        let listener = listener.try_clone().unwrap();
        let hello = std::thread::spawn(move || {
            let mut said = String::new();
            listener.accept().unwrap().0.read_to_string(&mut said).unwrap();
            said
        });
        run(&RUN, &address, &format!("{{ net: [\"{grant}\"] }}")).succeeded();
        assert_eq!(hello.join().unwrap(), "hello");
    }
}
