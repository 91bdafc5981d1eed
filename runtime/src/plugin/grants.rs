//! What a pipeline file lets a component touch. Nothing is the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Memory of an instance where the file does not say.
pub const DEFAULT_MEMORY_BYTES: usize = 128 << 20;

/// The most memory that can be granted to an instance.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;

/// Processor time of one call where the file does not say.
pub const DEFAULT_CPU: Duration = Duration::from_secs(1);

/// The most processor time that can be granted to one call.
pub const CPU_MAX: Duration = Duration::from_secs(60);

/// The most time that any call may take, waiting included.
pub const WALL: Duration = Duration::from_secs(60);

/// The kinds of grants that an import or a description can ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    Net,
    Http,
    Fs,
    Secret(String),
}

impl Grant {
    /// The line of the pipeline file that gives it.
    pub fn remedy(&self) -> String {
        match self {
            Grant::Net => "allow: { net: [\"host:port\"] }".to_owned(),
            Grant::Http => "allow: { http: [\"https://host\"] }".to_owned(),
            Grant::Fs => "allow: { fs: [\"folder\"] }".to_owned(),
            Grant::Secret(name) => format!("allow: {{ secrets: [{name}] }}"),
        }
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Grant::Net => to.write_str("`net`"),
            Grant::Http => to.write_str("`http`"),
            Grant::Fs => to.write_str("`fs`"),
            Grant::Secret(name) => write!(to, "`secrets` {name}"),
        }
    }
}

/// `allow:` of a source, sink or step.
#[derive(Clone, PartialEq, Eq)]
pub struct Grants {
    /// `host:port` each.
    pub net: Vec<String>,
    /// Origins: `https://host` or `https://host:port`, with a path prefix if given.
    pub http: Vec<String>,
    pub folders: Vec<Folder>,
    /// Names and values.
    pub secrets: BTreeMap<String, String>,
    pub memory_bytes: usize,
    /// Of one call.
    pub cpu: Duration,
    /// Of one call, waiting included. No file can change it.
    pub wall: Duration,
}

/// A granted folder. The component sees it under the path as the file wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub path: PathBuf,
    pub seen_as: String,
    pub writable: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Grants {
            net: Vec::new(),
            http: Vec::new(),
            folders: Vec::new(),
            secrets: BTreeMap::new(),
            memory_bytes: DEFAULT_MEMORY_BYTES,
            cpu: DEFAULT_CPU,
            wall: WALL,
        }
    }
}

impl Grants {
    /// The same with folders that start at `base`.
    #[must_use]
    pub fn at(&self, base: &Path) -> Grants {
        let mut grants = self.clone();
        for folder in &mut grants.folders {
            folder.path = base.join(&folder.path);
        }
        grants
    }

    /// Links everything and allows no address: to look at a component without its pipeline.
    pub fn that_reach_nothing() -> Grants {
        let nowhere = "nowhere.invalid:1";
        Grants {
            net: vec![nowhere.to_owned()],
            http: vec![format!("https://{nowhere}")],
            ..Grants::default()
        }
    }

    pub fn has(&self, grant: &Grant) -> bool {
        match grant {
            Grant::Net => !self.net.is_empty(),
            Grant::Http => !self.http.is_empty(),
            Grant::Fs => !self.folders.is_empty(),
            Grant::Secret(name) => self.secrets.contains_key(name),
        }
    }
}

/// Secrets show by name only.
impl std::fmt::Debug for Grants {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Grants")
            .field("net", &self.net)
            .field("http", &self.http)
            .field("folders", &self.folders)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .field("memory_bytes", &self.memory_bytes)
            .field("cpu", &self.cpu)
            .finish()
    }
}
