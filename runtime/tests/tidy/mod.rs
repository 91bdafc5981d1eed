//! The rules of the house, checked over the tree as text: who may import whom, how long files and functions may
//! grow, that DESIGN.md names files that exist, and that there is one copy of the libraries that must be single.
//! Leaves out what clippy and rustfmt already hold.

mod imports;
mod lengths;
mod lock_file;
mod names;

use std::path::{Path, PathBuf};

/// The checkout's top folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("runtime/ has a parent folder").to_path_buf()
}

/// A Rust source file: its path relative to the checkout, with `/` between the parts, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/testing/")
    }

    /// The text up to the module of unit tests, which may do what the code itself may not.
    fn code(&self) -> &str {
        if self.is_test() {
            ""
        } else {
            self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
        }
    }
}

/// Every Rust file of the workspace's crates.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in ["broker", "connectors", "streams", "runtime"] {
        collect(&root().join(folder), &|path| path.extension().is_some_and(|end| end == "rs"), &mut found);
    }
    assert!(found.len() > 50, "the walk over the tree found only {} Rust files", found.len());
    found
}

/// Every `DESIGN.md` of the workspace.
fn designs() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), &|path| path.file_name().is_some_and(|name| name == "DESIGN.md"), &mut found);
    found
}

fn collect(folder: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<Source>) {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder's entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && name != "node_modules" {
                collect(&path, wanted, found);
            }
        } else if wanted(&path) {
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
            let path =
                path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// Fails with one line a finding, and what to do about it.
fn report(findings: &[String], remedy: &str) {
    assert!(findings.is_empty(), "{} findings:\n  {}\n{remedy}", findings.len(), findings.join("\n  "));
}
