//! Components in pipelines: built from source, run, and stopped when they misbehave.

mod commands;
mod downloads;
mod grants;
mod hostile;
mod network;
mod pipelines;
mod web;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The component made of a crate, built at most once per source and compiler.
fn build(krate: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cache =
        std::env::var_os("MILLSTREAM_GUESTS").map_or_else(|| root.join(".cache/guests"), PathBuf::from);
    let output = Command::new(root.join("connectors/sdk/guest/build"))
        .arg(root.join(krate))
        .arg(cache)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the build script starts");
    assert!(output.status.success(), "{krate} was not built; the reason is above");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The component that does what its `act` setting says.
fn misbehaving() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("runtime/tests/plugins/guest"))
}
