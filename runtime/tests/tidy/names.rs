//! Names say something, DESIGN.md names files that exist, and the tree speaks of no machine but the reader's.

use super::{designs, report, root, sources};

const EMPTY_NAMES: &[&str] = &["common", "utils", "util", "core", "types", "helpers", "helper", "misc"];

#[test]
fn no_file_or_folder_has_an_empty_name() {
    let findings: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part)))
        .map(|source| source.path)
        .collect();
    report(&findings, "name it by what it holds");
}

#[test]
fn design_documents_name_files_that_exist() {
    let designs = designs();
    assert!(designs.len() >= 5, "found only {} DESIGN.md", designs.len());
    let mut findings = Vec::new();
    for design in &designs {
        let folder = root().join(&design.path).parent().expect("a file has a folder").to_path_buf();
        for name in design.text.split('`').skip(1).step_by(2).filter(|name| names_a_file(name)) {
            let named = name.trim_end_matches('/');
            if !folder.join(named).exists()
                && !root().join(named).exists()
                && !folder.join("src").join(named).exists()
            {
                findings.push(format!("{}: `{name}`", design.path));
            }
        }
    }
    report(
        &findings,
        "the walks are kept true: fix the name, relative to the document, its src/ or the checkout",
    );
}

/// Whether a quoted word of a document is the name of a source file: a path that ends as our files do.
fn names_a_file(word: &str) -> bool {
    word.ends_with(".rs") && !word.contains([' ', '*', '<', '{', '…'])
}

#[test]
fn every_crate_has_a_design_document() {
    let findings: Vec<String> =
        ["broker", "broker/protocol", "broker/client", "connectors", "connectors/sdk", "streams", "runtime"]
            .into_iter()
            .filter(|folder| !root().join(folder).join("DESIGN.md").exists())
            .map(str::to_owned)
            .collect();
    report(&findings, "a newcomer starts from it");
}

#[test]
fn sources_name_no_path_of_one_machine() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| !source.path.starts_with("runtime/tests/tidy")) {
        for (number, line) in source.text.lines().enumerate() {
            if ["/work/", "/root/"].iter().any(|path| line.contains(path)) {
                findings.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    report(&findings, "use a temporary directory, or a path relative to the checkout");
}
