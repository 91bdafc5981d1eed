//! Turns `definitions/` into `src/generated/`.
//!
//! The generated files are committed. This test fails when they differ from what the definitions say; run it
//! with `MILLSTREAM_BLESS=1` to write them anew.

pub mod definition;
mod error_codes;
mod kinds;
mod structs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use definition::{Definition, Message};

/// Fields above which a definition becomes two files.
const MODULE_FIELDS_MAX: usize = 55;

/// Head of every generated file.
const HEAD: &str = "// Generated from `definitions/` by `tests/codegen`; do not edit.\n\n";

#[test]
fn generated_code_matches_the_definitions() {
    let folder = crate_folder().join("src/generated");
    let expected = generate();
    if std::env::var_os("MILLSTREAM_BLESS").is_some() {
        write_folder(&folder, &expected);
    }
    let mut drifted: Vec<&String> = expected
        .iter()
        .filter(|(name, text)| read(&folder.join(name)) != **text)
        .map(|(name, _)| name)
        .collect();
    let present = std::fs::read_dir(&folder).expect("generated folder").flatten();
    let names: Vec<String> = present.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    drifted.extend(names.iter().filter(|name| !expected.contains_key(*name)));
    assert!(drifted.is_empty(), "differ from the definitions (MILLSTREAM_BLESS=1 writes them): {drifted:?}");
}

/// The folder of this crate.
pub fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// File names and contents of `src/generated/`.
fn generate() -> BTreeMap<String, String> {
    let definitions = definition::read_all();
    let mut files = BTreeMap::new();
    for module in modules(&definitions) {
        files.insert(format!("{}.rs", module.name), structs::emit(module.definition, module.messages));
    }
    files.extend(kinds::emit(&definitions));
    files.insert("error_codes.rs".to_owned(), error_codes::emit());
    files.insert("mod.rs".to_owned(), emit_module_list(&definitions));
    files.into_iter().map(|(name, text)| (name, rustfmt(&format!("{HEAD}{text}")))).collect()
}

/// A generated file of structures.
struct Module<'a> {
    name: String,
    definition: &'a Definition,
    messages: &'a [Message],
}

/// One module per definition, or two where request and response together would make too long a file.
fn modules(definitions: &[Definition]) -> Vec<Module<'_>> {
    let mut modules = Vec::new();
    for definition in definitions {
        let messages = definition.messages.as_slice();
        let name = &definition.module;
        let fields =
            messages.iter().flat_map(|message| &message.structs).map(|structure| structure.fields.len());
        if definition.api.is_some() && fields.sum::<usize>() > MODULE_FIELDS_MAX {
            let (request, response) = messages.split_at(1);
            modules.push(Module { name: format!("{name}_request"), definition, messages: request });
            modules.push(Module { name: format!("{name}_response"), definition, messages: response });
        } else {
            modules.push(Module { name: name.clone(), definition, messages });
        }
    }
    modules
}

fn emit_module_list(definitions: &[Definition]) -> String {
    let mut text = String::from(
        "pub(crate) mod api_key;\npub(crate) mod request_kind;\npub(crate) mod response_kind;\npub(crate) mod error_codes;\n",
    );
    let modules = modules(definitions);
    for module in &modules {
        writeln!(text, "mod {};", module.name).unwrap();
    }
    text.push('\n');
    for module in &modules {
        let names = module.messages.iter().flat_map(|message| &message.structs);
        let names: Vec<&str> = names.map(|structure| structure.name.as_str()).collect();
        writeln!(text, "pub use {}::{{{}}};", module.name, names.join(", ")).unwrap();
    }
    text
}

fn rustfmt(text: &str) -> String {
    let workspace = crate_folder().join("../..");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(workspace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt is part of the toolchain");
    let mut stdin = child.stdin.take().expect("piped");
    let input = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("rustfmt runs");
    writer.join().expect("writer").expect("rustfmt reads its input");
    assert!(output.status.success(), "rustfmt refuses the generated text:\n{text}");
    String::from_utf8(output.stdout).expect("rustfmt writes UTF-8")
}

fn write_folder(folder: &Path, files: &BTreeMap<String, String>) {
    std::fs::create_dir_all(folder).expect("generated folder");
    for entry in std::fs::read_dir(folder).expect("generated folder").flatten() {
        if !files.contains_key(entry.file_name().to_string_lossy().as_ref()) {
            std::fs::remove_file(entry.path()).expect("remove a file that is no longer generated");
        }
    }
    for (name, text) in files {
        if read(&folder.join(name)) != *text {
            std::fs::write(folder.join(name), text).expect("write a generated file");
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
