//! `plugin new`: a folder that builds, with the contract and the glue of its language in it.
//!
//! The files are those of the examples, so what people start from is what CI runs.

use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::output::Output;

/// Longest name of a plugin.
const NAME_BYTES_MAX: usize = 64;

#[derive(clap::Args)]
pub struct Arguments {
    /// The language it is written in.
    #[arg(long, value_enum)]
    lang: Language,
    /// Its name: lower-case letters, digits and hyphens. Also the folder's name.
    name: String,
    /// Where the folder goes.
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Language {
    Rust,
    Python,
    #[value(alias = "javascript")]
    Js,
}

/// A file of a template: its path in the new folder, its text, and whether it is a script.
type Template = (&'static str, &'static str);

macro_rules! file {
    ($path:literal, $from:literal) => {
        ($path, include_str!(concat!("../../../../", $from)))
    };
}

const RUST: &[Template] = &[
    file!("Cargo.toml", "examples/plugin-rust/Cargo.toml"),
    file!("src/lib.rs", "examples/plugin-rust/src/lib.rs"),
    file!("pipeline.yaml", "examples/plugin-rust/pipeline.yaml"),
    file!("build", "examples/plugin-rust/build"),
    file!("contract/Cargo.toml", "connectors/sdk/guest/rust/Cargo.toml"),
    file!("contract/src/lib.rs", "connectors/sdk/guest/rust/src/lib.rs"),
    file!("contract/src/batch.rs", "connectors/sdk/guest/rust/src/batch.rs"),
    file!("contract/src/error.rs", "connectors/sdk/guest/rust/src/error.rs"),
    file!("contract/src/export.rs", "connectors/sdk/guest/rust/src/export.rs"),
    file!("contract/src/host.rs", "connectors/sdk/guest/rust/src/host.rs"),
    file!("contract/src/plugin.rs", "connectors/sdk/guest/rust/src/plugin.rs"),
];

const PYTHON: &[Template] = &[
    file!("app.py", "examples/plugin-python/app.py"),
    file!("source.py", "examples/plugin-python/source.py"),
    file!("transform.py", "examples/plugin-python/transform.py"),
    file!("sink.py", "examples/plugin-python/sink.py"),
    file!("pipeline.yaml", "examples/plugin-python/pipeline.yaml"),
    file!("build", "examples/plugin-python/build"),
    file!("contract/millstream.py", "connectors/sdk/guest/python/millstream.py"),
];

const JAVASCRIPT: &[Template] = &[
    file!("plugin.js", "examples/plugin-javascript/plugin.js"),
    file!("package.json", "examples/plugin-javascript/package.json"),
    file!("pipeline.yaml", "examples/plugin-javascript/pipeline.yaml"),
    file!("build", "examples/plugin-javascript/build"),
    file!("contract/millstream.js", "connectors/sdk/guest/javascript/millstream.js"),
];

const WIT: Template = file!("contract/wit/connect.wit", "connectors/sdk/wit/connect.wit");

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    check_name(&arguments.name)?;
    let folder = arguments.directory.join(&arguments.name);
    if folder.exists() {
        return Err(Failure::bad_input(format!("{} is there already", folder.display())));
    }
    let (files, needs) = match arguments.lang {
        Language::Rust => (RUST, "Rust (rustup target add wasm32-wasip2)"),
        Language::Python => (PYTHON, "Python 3.10 or newer"),
        Language::Js => (JAVASCRIPT, "Node 20 or newer"),
    };
    for (path, text) in files.iter().chain([&WIT]) {
        write(&folder.join(path), &named(path, text, &arguments.name))?;
    }
    let output = Output::for_people();
    output.line(&format!("{} is there; it needs {needs}. Next:", folder.display()))?;
    for next in [
        format!("cd {}", folder.display()),
        "./build".to_owned(),
        "millstream plugin test ./plugin.wasm --with 'transform={\"of\":7}'".to_owned(),
        "millstream run pipeline.yaml --until-done".to_owned(),
    ] {
        output.line(&format!("  {next}"))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Failure> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if starts_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(legal) {
        return Ok(());
    }
    let reason = "a plugin's name starts with a letter and is 1 to 64 lower-case letters, digits or '-'";
    Err(Failure::bad_input(format!("{reason}, not \"{name}\"")))
}

/// The template with the plugin's name in place of the example's, and the contract beside it.
fn named(path: &str, text: &str, name: &str) -> String {
    if path.starts_with("contract/") {
        return text.to_owned();
    }
    text.replace("../../connectors/sdk/guest/rust", "contract")
        .replace("name = \"numbers\"", &format!("name = \"{name}\""))
        .replace("name=\"numbers\"", &format!("name=\"{name}\""))
        .replace("name: \"numbers\"", &format!("name: \"{name}\""))
        .replace("\"name\": \"numbers\"", &format!("\"name\": \"{name}\""))
        .replace("name: numbers", &format!("name: {name}"))
        .replace("Description::new(\"numbers\"", &format!("Description::new(\"{name}\""))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("writing {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)?;
    match text.starts_with("#!") {
        true => make_executable(path).map_err(failed),
        false => Ok(()),
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}
