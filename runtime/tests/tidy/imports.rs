//! Dependencies point one way, and some things only one place knows.

use super::{Source, report, root, sources};

/// Crate folder, and which crates of ours it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("broker/protocol", &[]),
    ("broker/client", &["millstream-protocol"]),
    ("broker", &["millstream-protocol", "millstream-client"]),
    ("connectors/sdk", &[]),
    ("connectors", &["millstream-sdk", "millstream-client"]),
    ("streams", &["millstream-client", "millstream-protocol"]),
    (
        "runtime",
        &[
            "millstream-protocol",
            "millstream-client",
            "millstream-broker",
            "millstream-sdk",
            "millstream-connectors",
            "millstream-streams",
        ],
    ),
];

/// Crate folder, and the libraries it must not pull in.
const NEVER: &[(&str, &[&str])] = &[
    ("broker/protocol", &["tokio", "axum", "arrow", "granit-parser", "clap", "parking_lot"]),
    ("broker/client", &["axum", "arrow", "granit-parser", "clap"]),
    ("broker", &["axum", "arrow", "datafusion", "granit-parser", "clap", "wasmtime"]),
    ("connectors/sdk", &["tokio", "arrow", "axum", "wasmtime"]),
    // Arrow is what the library for Parquet files speaks.
    ("connectors", &["datafusion", "axum", "wasmtime"]),
    ("streams", &["axum", "clap", "granit-parser", "wasmtime"]),
    ("runtime", &["arrow", "datafusion"]),
];

#[test]
fn crates_import_only_what_the_house_allows() {
    let mut findings = Vec::new();
    for (folder, allowed) in MAY_IMPORT {
        let manifest = root().join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("every crate has a manifest");
        for dependency in dependencies(&text) {
            if dependency.starts_with("millstream-") && !allowed.contains(&dependency.as_str()) {
                findings.push(format!("{folder} imports {dependency}"));
            }
            let never = NEVER.iter().find(|(name, _)| name == folder).map_or(&[][..], |(_, never)| never);
            if never.contains(&dependency.as_str()) {
                findings.push(format!("{folder} must not use {dependency}"));
            }
        }
    }
    report(&findings, "dependencies point one way: move the code to the crate that may know it");
}

/// The names under `[dependencies]`; what only tests use may point anywhere.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()))
        .map(str::to_owned)
        .collect()
}

/// What is looked for, the folder it is looked for in, and the files (or folders) that may hold it.
struct OnlyIn {
    what: &'static str,
    marks: &'static [&'static str],
    within: &'static str,
    allowed: &'static [&'static str],
}

const ONLY_IN: &[OnlyIn] = &[
    OnlyIn {
        what: "the file system",
        marks: &["std::fs", "tokio::fs"],
        within: "broker/src/",
        allowed: &["broker/src/log/disk.rs", "broker/src/log/disk/"],
    },
    OnlyIn {
        what: "sockets",
        marks: &["TcpListener", "TcpStream"],
        within: "broker/",
        allowed: &[
            "broker/src/server.rs",
            "broker/src/connection.rs",
            "broker/benches/",
            "broker/src/connection/",
            "broker/client/",
            "broker/src/replication/",
        ],
    },
    OnlyIn {
        what: "protocol requests and responses",
        marks: &["protocol::messages", "RequestKind", "ResponseKind"],
        within: "broker/src/",
        allowed: &[
            "broker/src/coordinator/log_record.rs",
            "broker/src/coordinator/consumer_record.rs",
            "broker/src/api.rs",
            "broker/src/api/",
            "broker/src/connection.rs",
            "broker/src/connection/",
            "broker/src/server.rs",
            "broker/src/lib.rs",
            "broker/src/local.rs",
        ],
    },
    OnlyIn {
        what: "tasks, clocks and randomness",
        marks: &[
            "async fn",
            ".await;",
            ".await?",
            ".await.",
            ".await)",
            ".await ",
            "tokio::",
            "Instant::now",
            "SystemTime::now",
            "thread_rng",
            "Uuid::new",
        ],
        within: "broker/src/coordinator/",
        allowed: &["broker/src/coordinator/shell"],
    },
    OnlyIn {
        what: "Arrow and SQL",
        marks: &["arrow::", "datafusion::", "sqlparser::"],
        within: "",
        allowed: &["streams/", "connectors/src/file/parquet.rs", "connectors/src/file/parquet/"],
    },
    OnlyIn {
        what: "wasmtime",
        marks: &["wasmtime::", "wasmtime_wasi"],
        within: "",
        allowed: &["runtime/src/plugin/wasm/"],
    },
    OnlyIn {
        what: "HTTP, YAML and the command line",
        marks: &["axum::", "granit_parser::", "clap::"],
        within: "",
        allowed: &["runtime/"],
    },
];

#[test]
fn some_things_only_one_place_knows() {
    let sources = sources();
    let findings: Vec<String> =
        ONLY_IN.iter().flat_map(|rule| sources.iter().filter_map(|source| breach(rule, source))).collect();
    report(&findings, "see the module rules: the code belongs where the thing is known");
}

fn breach(rule: &OnlyIn, source: &Source) -> Option<String> {
    let here = source.path.starts_with(rule.within) && !source.path.starts_with("runtime/tests/tidy");
    let allowed = rule.allowed.iter().any(|place| source.path.starts_with(place));
    if !here || allowed {
        return None;
    }
    let code = source.code();
    let (number, line) = code.lines().enumerate().find(|(_, line)| {
        !line.trim_start().starts_with("//") && rule.marks.iter().any(|mark| line.contains(mark))
    })?;
    Some(format!("{}:{}: {} in `{}`", source.path, number + 1, rule.what, line.trim()))
}
