//! Pipeline files that name components.

use std::fs;

use tempfile::tempdir;

use super::misbehaving;
use crate::cli::millstream;

fn pipeline(step: &str) -> String {
    format!(
        "sources:\n  in:\n    use: file\n    with: {{ path: in.jsonl }}\n    to: t\n    transforms:\n{step}\n\
         sinks:\n  out:\n    from: t\n    use: file\n    with: {{ path: out.jsonl }}\n"
    )
}

#[test]
fn a_component_filters_and_edits_records() {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    let lines: String = (0..100).map(|n| format!("{{\"id\":{n}}}\n")).collect();
    fs::write(folder.path().join("in.jsonl"), lines).unwrap();
    let steps = "      - wasm: ./plugin.wasm\n        with: { act: keep }\n      - wasm: ./plugin.wasm\n        with: { act: edit }";
    fs::write(folder.path().join("pipeline.yaml"), pipeline(steps)).unwrap();
    let arguments =
        ["run", "pipeline.yaml", "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    millstream(folder.path(), &arguments).succeeded();
    let written = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let expected: String = (0..100)
        .filter(|n| n % 10 == 7 || n / 10 == 7)
        .map(|n| format!("{{\"id\":{n},\"seen\":true}}\n"))
        .collect();
    assert_eq!(written, expected);
}

#[test]
fn wrong_settings_and_files_that_are_no_plugins_are_named() {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    fs::write(folder.path().join("text.wasm"), "no component").unwrap();
    fs::write(folder.path().join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(folder.path().join("empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    for (step, message) in [
        (
            "- { wasm: ./plugin.wasm, with: { act: keep, actt: x } }",
            "unknown option `actt`; did you mean `act`?",
        ),
        ("- { wasm: ./plugin.wasm }", "missing option `act`"),
        ("- { wasm: ./missing.wasm }", "missing.wasm: No such file"),
        ("- { wasm: ./text.wasm }", "./text.wasm: is not a WebAssembly component"),
        ("- { wasm: ./module.wasm }", "./module.wasm: is a WebAssembly module, not a component"),
        (
            "- { wasm: ./empty.wasm }",
            "./empty.wasm: is no plugin: it does not export millstream:connect/plugin@0.1.0",
        ),
        ("- { wasm: ./plugin.wasm, with: { act: keep }, allow: { memory: 5GiB } }", "between 1MiB and 1GiB"),
        (
            "- { wasm: ./plugin.wasm, with: { act: keep }, allow: { secrets: [NOT_SET] } }",
            "secret NOT_SET is neither",
        ),
        (
            "- { wasm: ./plugin.wasm, with: { act: keep }, allow: { http: [geo.example] } }",
            "is not an origin such as",
        ),
    ] {
        fs::write(folder.path().join("pipeline.yaml"), pipeline(&format!("      {step}"))).unwrap();
        let finished = millstream(folder.path(), &["validate", "pipeline.yaml"]);
        assert_eq!(finished.code, Some(2), "{step}: {finished:?}");
        assert!(finished.stderr.contains(message), "{step}: {finished:?}");
    }
    let source = "sources: { in: { use: ./plugin.wasm, with: { act: keep }, to: t } }\n";
    fs::write(folder.path().join("pipeline.yaml"), source).unwrap();
    let finished = millstream(folder.path(), &["validate", "pipeline.yaml"]);
    assert!(finished.stderr.contains("misbehaving is not a source, only a transform"), "{finished:?}");
}
