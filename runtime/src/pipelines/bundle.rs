//! A pipeline as it was handed to a node: its files' texts, and what was changed since over HTTP. Kept on the node's disk,
//! one JSON file a pipeline, so that it runs again after a restart.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::diagnostic::Report;
use crate::config::pipeline::{self, Checked};
use crate::config::resolve::Surroundings;
use crate::connect::Target;

/// Largest bundle that is taken.
pub const BUNDLE_BYTES_MAX: usize = 32 << 20;

/// The stored format; a reader refuses what it does not know.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    #[serde(default = "version")]
    pub version: u32,
    /// The pipeline files, in the order in which they merge. Paths are those of the machine that sent them.
    pub files: Vec<PathBuf>,
    /// The text of every file that was read: those, and what they include.
    pub texts: BTreeMap<PathBuf, String>,
    /// Values of `--set`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Sources and sinks that were changed by name since: the part as JSON under its section, or `null` when removed.
    #[serde(default)]
    pub overrides: BTreeMap<String, Option<Override>>,
    /// What is wanted of sources and sinks where it is not to run.
    #[serde(default)]
    pub targets: BTreeMap<String, Target>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// `sources` or `sinks`.
    pub section: String,
    pub part: Value,
}

fn version() -> u32 {
    VERSION
}

/// Why a stored bundle is not usable, or cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{attempt} {}: {source}", path.display())]
    Io { attempt: &'static str, path: PathBuf, source: std::io::Error },
    #[error("reading {}: {reason}", path.display())]
    Broken { path: PathBuf, reason: String },
}

impl Bundle {
    /// Reads the files and all they include, as far as that is possible: whether they are right is for the node to say.
    pub fn gather(files: &[PathBuf], settings: BTreeMap<String, String>) -> Result<Bundle, Report> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let files: Vec<PathBuf> = files.iter().map(absolute).collect();
        let surroundings = Surroundings::of_process(settings.clone());
        let mut report = Report::default();
        if pipeline::load(&files, &surroundings, &mut report).is_none() {
            return Err(report);
        }
        let texts = report.texts().map(|(path, text)| (PathBuf::from(path), text.to_owned())).collect();
        let (overrides, targets) = (BTreeMap::new(), BTreeMap::new());
        Ok(Bundle { version: VERSION, files, texts, settings, overrides, targets })
    }

    /// A pipeline of one source or sink that was made over HTTP.
    pub fn of_part(pipeline: &str) -> Bundle {
        let path = PathBuf::from(format!("{pipeline}.json"));
        let text = serde_json::json!({ "name": pipeline }).to_string();
        Bundle {
            version: VERSION,
            files: vec![path.clone()],
            texts: BTreeMap::from([(path, text)]),
            settings: BTreeMap::new(),
            overrides: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// Loads and checks it with this process's environment and secrets.
    pub fn check(&self, report: &mut Report) -> Option<Checked> {
        let mut surroundings = Surroundings::of_process(self.settings.clone());
        surroundings.files = Some(std::sync::Arc::new(self.texts.clone()));
        surroundings.overrides = std::sync::Arc::new(self.overrides.clone());
        pipeline::load_and_check(&self.files, &surroundings, report)
    }

    /// The pipeline's name, as far as the files say it without being right otherwise.
    pub fn name(&self) -> Result<String, String> {
        let mut surroundings = Surroundings::of_process(self.settings.clone());
        surroundings.files = Some(std::sync::Arc::new(self.texts.clone()));
        let mut report = Report::default();
        let loaded = pipeline::load(&self.files, &surroundings, &mut report);
        loaded.map(|pipeline| pipeline.name).ok_or_else(|| report.render(false))
    }

    pub fn target(&self, node: &str) -> Target {
        self.targets.get(node).copied().unwrap_or(Target::Running)
    }
}

/// A pipeline's name, and what is stored of it.
pub type Stored = (String, Result<Bundle, StoreError>);

/// The folder of a node's pipelines.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn open(folder: PathBuf) -> Result<Store, StoreError> {
        std::fs::create_dir_all(&folder).map_err(failed("making", &folder))?;
        Ok(Store { folder })
    }

    /// Every stored bundle, by the pipeline's name.
    pub fn all(&self) -> Result<Vec<Stored>, StoreError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed("listing", &self.folder))? {
            let path = entry.map_err(failed("listing", &self.folder))?.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Some(name) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
            {
                found.push((name, read(&path)));
            }
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(found)
    }

    /// Replaces the stored bundle atomically. Only its owner may read it: settings may hold secrets.
    pub fn put(&self, name: &str, bundle: &Bundle) -> Result<(), StoreError> {
        let (path, new) = (self.path(name), self.folder.join(format!(".{name}.new")));
        let text = serde_json::to_vec_pretty(bundle)
            .map_err(|error| StoreError::Broken { path: path.clone(), reason: error.to_string() })?;
        let write = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(failed("writing", &path))
    }

    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("removing", &self.path(name))(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> Result<Bundle, StoreError> {
    let text = std::fs::read(path).map_err(failed("reading", path))?;
    let broken = |reason: String| StoreError::Broken { path: path.to_path_buf(), reason };
    let bundle: Bundle = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    match bundle.version {
        VERSION => Ok(bundle),
        other => Err(broken(format!("version {other} is not known here"))),
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io { attempt, path: path.clone(), source }
}
