//! Components that loop for ever, eat memory, panic or answer nonsense: each is stopped with a named error.

use std::fs;

use tempfile::tempdir;

use super::misbehaving;
use crate::cli::millstream;

/// Runs one record through a step and gives what was said on stderr.
fn failure(act: &str, allow: &str) -> String {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    fs::write(folder.path().join("in.jsonl"), "{\"id\":1}\n").unwrap();
    let text = format!(
        "name: bad\nsources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n      \
         - wasm: ./plugin.wasm\n        with: {{ act: {act} }}\n        allow: {allow}\n"
    );
    fs::write(folder.path().join("pipeline.yaml"), text).unwrap();
    let arguments =
        ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let finished = millstream(folder.path(), &arguments);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    finished.stderr
}

#[test]
fn each_is_stopped_with_a_named_error() {
    for (act, allow, message) in [
        ("loop", "{ cpu: 50ms }", "used more than 50 ms of processor time in one call"),
        ("eat", "{ memory: 16MiB }", "of memory and has 16 MiB"),
        ("panic", "{}", "as asked"),
    ] {
        let told = failure(act, allow);
        assert!(told.contains("plugin misbehaving (pipeline bad, node in)"), "{act}: {told}");
        assert!(told.contains(message), "{act}: {told}");
    }
}
