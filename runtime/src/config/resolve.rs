//! Values that come from outside the file: `!env NAME`, `!secret NAME`, `!file PATH`, `${NAME}` and
//! `${NAME:-default}`.
//!
//! Resolution happens after parsing and inside scalar values only, so a value can never change the
//! file's structure. `$${` writes a literal `${`. Scripts under a `rhai` key are left alone: `${…}` is
//! that language's own notation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Location, Report};
use super::suggest::did_you_mean;
use super::yaml::{Data, Form, Node, Scalar, TextOrigin};
use crate::pipelines::Override;

/// Largest file that `!file` reads.
pub const INCLUDED_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

const TAGS: [&str; 3] = ["env", "secret", "file"];

/// Where names are looked up: `--set` first, then the process's environment.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub settings: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    /// Holds one file per secret; looked into when the environment lacks the name.
    pub secrets_directory: Option<PathBuf>,
    /// Texts by path, in place of this machine's files: what another one sent.
    pub files: Option<Arc<BTreeMap<PathBuf, String>>>,
    /// Sources and sinks in place of those of the files, by name.
    pub overrides: Arc<BTreeMap<String, Option<Override>>>,
}

impl Surroundings {
    /// The process's own environment; secrets also from the directory `MILLSTREAM_SECRETS` names
    /// (`/run/secrets` without it).
    pub fn of_process(settings: BTreeMap<String, String>) -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let secrets_directory =
            environment.get("MILLSTREAM_SECRETS").cloned().unwrap_or_else(|| "/run/secrets".to_owned());
        let secrets_directory = Some(PathBuf::from(secrets_directory));
        Self { settings, environment, secrets_directory, ..Self::default() }
    }

    /// Reads a text file as [`read_bounded`], or what was sent in its place.
    pub fn read(&self, path: &Path) -> Result<String, String> {
        match &self.files {
            Some(files) => {
                files.get(path).cloned().ok_or_else(|| "it was not sent with the pipeline".to_owned())
            }
            None => read_bounded(path),
        }
    }

    fn look_up(&self, name: &str) -> Option<&str> {
        self.settings.get(name).or_else(|| self.environment.get(name)).map(String::as_str)
    }

    /// A secret by name: from the settings, the environment, or the directory of secrets.
    pub fn secret(&self, name: &str) -> Option<String> {
        if let Some(value) = self.look_up(name) {
            return Some(value.to_owned());
        }
        // A name is one path segment, so that it can't climb out of the directory.
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let directory = self.secrets_directory.as_ref().filter(|_| plain && !name.starts_with('.'))?;
        let text = std::fs::read_to_string(directory.join(name)).ok()?;
        Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// What to say when a secret is not there.
    pub fn missing_secret(&self, name: &str) -> String {
        match &self.secrets_directory {
            Some(directory) => {
                format!(
                    "secret {name} is neither an environment variable nor a file in {}",
                    directory.display()
                )
            }
            None => format!("secret {name} is not set"),
        }
    }
}

/// Resolves every scalar value below `node`. `directory` is where the file lies: `!file` paths start there.
pub fn resolve(node: &mut Node, surroundings: &Surroundings, directory: &Path, report: &mut Report) {
    match &mut node.data {
        Data::Scalar(scalar) => resolve_scalar(scalar, &node.location, surroundings, directory, report),
        Data::Sequence(items) => {
            for item in items {
                resolve(item, surroundings, directory, report);
            }
        }
        Data::Mapping(entries) => {
            for entry in entries {
                let script = entry.key == "rhai"
                    && matches!(&entry.value.data, Data::Scalar(scalar) if scalar.tag.is_none());
                if !script {
                    resolve(&mut entry.value, surroundings, directory, report);
                }
            }
        }
    }
}

fn resolve_scalar(
    scalar: &mut Scalar,
    location: &Location,
    surroundings: &Surroundings,
    directory: &Path,
    report: &mut Report,
) {
    match scalar.tag.take().as_deref() {
        None => interpolate(scalar, location, surroundings, report),
        Some("env") => match surroundings.look_up(&scalar.text) {
            Some(value) => {
                scalar.text = value.to_owned();
                scalar.form = Form::Supplied;
                scalar.origin = TextOrigin::Opaque(location.clone());
            }
            None => report.error(location, format!("environment variable {} is not set", scalar.text)),
        },
        Some("secret") => match surroundings.secret(&scalar.text) {
            Some(value) => {
                scalar.text = value;
                scalar.form = Form::Secret;
                scalar.origin = TextOrigin::Opaque(location.clone());
            }
            None => report.error(location, surroundings.missing_secret(&scalar.text)),
        },
        Some("file") => include(scalar, location, surroundings, directory, report),
        Some(other) => {
            let hint = did_you_mean(other, TAGS);
            report.error(location, format!("unknown tag !{other}, known are !env, !secret and !file{hint}"));
        }
    }
}

fn include(
    scalar: &mut Scalar,
    location: &Location,
    surroundings: &Surroundings,
    directory: &Path,
    report: &mut Report,
) {
    let path = directory.join(&scalar.text);
    match surroundings.read(&path) {
        Ok(text) => {
            scalar.text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            scalar.form = Form::Supplied;
            let file: Arc<str> = Arc::from(path.display().to_string());
            report.add_text(&file, &text);
            scalar.origin = TextOrigin::File(file);
        }
        Err(reason) => report.error(location, format!("reading {}: {reason}", path.display())),
    }
}

/// Reads a text file of at most [`INCLUDED_FILE_BYTES_MAX`]; the error is a reason to show.
pub fn read_bounded(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason(&error))?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if metadata.len() > INCLUDED_FILE_BYTES_MAX {
        return Err(format!("{} bytes, more than {INCLUDED_FILE_BYTES_MAX}", metadata.len()));
    }
    let bytes = std::fs::read(path).map_err(|error| reason(&error))?;
    String::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Replaces `${NAME}` and `${NAME:-default}`. Anything else after a `$` stays as it is.
fn interpolate(scalar: &mut Scalar, location: &Location, surroundings: &Surroundings, report: &mut Report) {
    if !scalar.text.contains("${") {
        return;
    }
    let text = std::mem::take(&mut scalar.text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut replaced = false;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some((name, default, after)) = reference(from) else {
            out.push_str("${");
            rest = &from[2..];
            continue;
        };
        replaced = true;
        rest = after;
        match (surroundings.look_up(name), default) {
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                let at = scalar.origin.locate(line_of(&text, from), 1);
                let place = if at.line == location.line { location.clone() } else { at };
                let help = "give it with --set or in the environment, or write a default as";
                report.error(&place, format!("{name} is not set; {help} ${{{name}:-value}}"));
            }
        }
    }
    out.push_str(rest);
    scalar.text = out;
    // A plain scalar keeps its freedom of type: `${PARTITIONS:-4}` is a number.
    if replaced && scalar.form == Form::Plain {
        scalar.form = Form::Supplied;
    }
}

/// Splits `${NAME}…` or `${NAME:-default}…` into name, default and what follows.
fn reference(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let inner = text.strip_prefix("${")?;
    let (body, after) = inner.split_once('}')?;
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let first = name.bytes().next()?;
    let well_formed = (first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    well_formed.then_some((name, default, after))
}

/// The line (from 1) on which `part`, a suffix of `whole`, begins.
fn line_of(whole: &str, part: &str) -> u32 {
    let consumed = whole.len().saturating_sub(part.len());
    let breaks = whole.as_bytes().iter().take(consumed).filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::{self, Typed};

    fn resolved(text: &str, directory: &Path) -> (Node, String) {
        let surroundings = Surroundings {
            settings: BTreeMap::from([("HOST".to_owned(), "set".to_owned())]),
            environment: BTreeMap::from([
                ("HOST".to_owned(), "env".to_owned()),
                ("PORT".to_owned(), "92".to_owned()),
                ("TRICK".to_owned(), "a: {b: c}".to_owned()),
            ]),
            secrets_directory: Some(directory.to_path_buf()),
            ..Surroundings::default()
        };
        let mut report = Report::default();
        let mut node = yaml::parse(&Arc::from("f.yaml"), text, &mut report).unwrap();
        resolve(&mut node, &surroundings, directory, &mut report);
        (node, report.render(false))
    }

    fn text_of<'a>(node: &'a Node, key: &str) -> &'a Scalar {
        match &node.get(key).unwrap().data {
            Data::Scalar(scalar) => scalar,
            _ => panic!("{key} is no scalar"),
        }
    }

    #[test]
    fn values_come_from_set_environment_secrets_and_files() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("TOKEN"), "s3cret\n").unwrap();
        std::fs::write(directory.path().join("q.sql"), "SELECT 1\n").unwrap();
        let text = "a: !env PORT\nb: !secret TOKEN\nc: !file q.sql\nd: \"x-${HOST}-${NONE:-d}\"\n\
                    e: ${PORT}\nf: ${TRICK}\ng: $${HOST} ${1} $x\nrhai: print(`${HOST}`)\n";
        let (node, errors) = resolved(text, directory.path());
        assert_eq!(errors, "");
        let expected = [
            ("a", "92"),
            ("b", "s3cret"),
            ("c", "SELECT 1"),
            ("d", "x-set-d"),
            ("e", "92"),
            ("f", "a: {b: c}"),
            ("g", "${HOST} ${1} $x"),
            ("rhai", "print(`${HOST}`)"),
        ];
        for (key, value) in expected {
            assert_eq!(text_of(&node, key).text, value, "{key}");
        }
        assert_eq!(text_of(&node, "e").typed(), Typed::Integer(92));
        assert_eq!(text_of(&node, "b").form, Form::Secret);
    }

    #[test]
    fn missing_values_are_named() {
        let directory = Path::new("/nonexistent");
        let (_, errors) =
            resolved("a: !env NOPE\nb: !secret NOPE\nc: !file nope.txt\nd: ${NOPE}\ne: !evn X\n", directory);
        assert_eq!(
            errors,
            "f.yaml:1:9: environment variable NOPE is not set\n\
             f.yaml:2:12: secret NOPE is neither an environment variable nor a file in /nonexistent\n\
             f.yaml:3:10: reading /nonexistent/nope.txt: no such file\n\
             f.yaml:4:4: NOPE is not set; give it with --set or in the environment, or write a default as ${NOPE:-value}\n\
             f.yaml:5:9: unknown tag !evn, known are !env, !secret and !file; did you mean \"env\"?\n"
        );
    }
}
