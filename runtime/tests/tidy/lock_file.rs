//! One copy of what must be single, and no second copy of anything without a name here.

use std::collections::BTreeMap;

use super::{report, root};

/// Libraries of which two copies would not fit together, or would double what a newcomer builds.
const SINGLE: &[&str] =
    &["arrow", "datafusion", "tokio", "rustls", "serde_json", "bytes", "sqlparser", "object_store"];

/// Libraries that stand twice in the lock file today because two of our dependencies disagree.
const TWICE: &[&str] = &[
    "base64",
    "block-buffer",
    "cpufeatures",
    "crypto-common",
    "digest",
    "embedded-io",
    "fallible-iterator",
    "foldhash",
    "getrandom",
    "hashbrown",
    "io-lifetimes",
    "itertools",
    "lz4_flex",
    "num-bigint",
    "phf",
    "phf_shared",
    "r-efi",
    "rand",
    "rand_core",
    "sha2",
    "spin",
    "syn",
    "wasi",
    "windows-sys",
    "windows-targets",
    "windows_aarch64_gnullvm",
    "windows_aarch64_msvc",
    "windows_i686_gnu",
    "windows_i686_gnullvm",
    "windows_i686_msvc",
    "windows_x86_64_gnu",
    "windows_x86_64_gnullvm",
    "windows_x86_64_msvc",
];

#[test]
fn one_copy_of_each_library() {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is committed");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in text.split("[[package]]").skip(1) {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim_matches(['=', ' ', '"'])).unwrap_or_default()
        };
        versions.entry(field("name")).or_default().push(field("version"));
    }
    assert!(versions.contains_key("arrow"), "the lock file was not understood");
    let twice: Vec<_> = versions.iter().filter(|(_, versions)| versions.len() > 1).collect();
    let findings: Vec<String> = twice
        .iter()
        .filter(|(name, _)| SINGLE.contains(name) || !TWICE.contains(name))
        .map(|(name, versions)| format!("{name}: {}", versions.join(" and ")))
        .collect();
    report(&findings, "`cargo tree -d` shows who asks for which; align them, or name the library in TWICE");
}
