//! `plugin new/list/describe/test`.

use std::fs;

use serde_json::Value;
use tempfile::tempdir;

use super::misbehaving;
use crate::cli::millstream;

#[test]
fn a_component_is_described_and_held_against_the_contract() {
    let folder = tempdir().unwrap();
    fs::copy(misbehaving(), folder.path().join("plugin.wasm")).unwrap();
    let told = millstream(folder.path(), &["plugin", "describe", "./plugin.wasm", "--json"]).succeeded();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (told["name"].as_str(), told["roles"][0]["role"].as_str()),
        (Some("misbehaving"), Some("transform"))
    );
    assert_eq!(told["roles"][0]["config_schema"]["required"][0], "act");
    let good = ["plugin", "test", "./plugin.wasm", "--with", "{\"act\":\"keep\"}"];
    let told = millstream(folder.path(), &good).succeeded();
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{told}");
    let bad = ["plugin", "test", "./plugin.wasm", "--with", "{\"act\":\"panic\"}"];
    let told = millstream(folder.path(), &bad);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("FAILED") && told.stdout.contains("as asked"), "{told:?}");
}

#[test]
fn a_new_plugin_has_its_name_and_the_contract_in_it() {
    let folder = tempdir().unwrap();
    for (language, file) in [("rust", "src/lib.rs"), ("python", "app.py"), ("js", "plugin.js")] {
        let name = format!("my-{language}");
        millstream(folder.path(), &["plugin", "new", "--lang", language, &name]).succeeded();
        let made = folder.path().join(&name);
        let text = fs::read_to_string(made.join(file)).unwrap();
        assert!(text.contains(&format!("\"{name}\"")) && !text.contains("\"numbers\", \"0.1.0\""), "{text}");
        assert!(made.join("contract/wit/connect.wit").exists());
        let again = millstream(folder.path(), &["plugin", "new", "--lang", language, &name]);
        assert_eq!(again.code, Some(2), "{again:?}");
    }
    let refused = millstream(folder.path(), &["plugin", "new", "--lang", "rust", "No Good"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[test]
fn built_in_plugins_are_listed() {
    let folder = tempdir().unwrap();
    let told = millstream(folder.path(), &["plugin", "list"]).succeeded();
    assert!(told.contains("generator") && told.contains("blackhole"), "{told}");
}
