//! What `use:` and `wasm:` name: a built-in by its name, a component by its path or address.
//!
//! A component is loaded once per process and grants: validation and the run share it.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use millstream_sdk::plugin::Plugin;

use super::download::{self, DownloadError};
use super::grants::{Grant, Grants};
use super::native;
use super::wasm::{self, ComponentError};

/// A plugin, wherever it comes from.
#[derive(Clone)]
pub enum Handle {
    BuiltIn(&'static dyn Plugin),
    Loaded(Arc<dyn Plugin>),
}

/// Why there is no plugin behind a name.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no plugin `{0}`")]
    Unknown(String),
    #[error("reading {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{name} {source}")]
    Download { name: String, source: DownloadError },
    #[error("{name}: {source}")]
    Component { name: String, source: ComponentError },
}

/// Whether a name means a component rather than a built-in plugin.
pub fn is_component(name: &str) -> bool {
    name.contains('/') || name.ends_with(".wasm")
}

/// The plugin that `name` means. Paths start at `base`; grants are for components.
pub fn find(name: &str, base: &Path, grants: &Grants) -> Result<Handle, LoadError> {
    if !is_component(name) {
        return native::find(name).ok_or_else(|| LoadError::Unknown(name.to_owned()));
    }
    let bytes = read(name, base)?;
    let loaded = wasm::load(&bytes, &grants.at(base));
    let loaded = loaded.map_err(|source| LoadError::Component { name: name.to_owned(), source })?;
    Ok(Handle::Loaded(Arc::new(loaded)))
}

/// A plugin to be looked at, and the grants that it wants.
pub struct Inspected {
    pub plugin: Handle,
    pub wants: Vec<Grant>,
}

/// The plugin that `name` means, whatever it wants; it reaches nothing outside.
pub fn inspect(name: &str, base: &Path) -> Result<Inspected, LoadError> {
    if !is_component(name) {
        let plugin = native::find(name).ok_or_else(|| LoadError::Unknown(name.to_owned()))?;
        return Ok(Inspected { plugin, wants: Vec::new() });
    }
    let loaded = wasm::inspect(&read(name, base)?);
    let loaded = loaded.map_err(|source| LoadError::Component { name: name.to_owned(), source })?;
    let wants = loaded.wants().to_vec();
    Ok(Inspected { plugin: Handle::Loaded(Arc::new(loaded)), wants })
}

/// The bytes of a component.
fn read(name: &str, base: &Path) -> Result<Vec<u8>, LoadError> {
    if download::is_address(name) {
        let failed = |source| LoadError::Download { name: name.to_owned(), source };
        let fetched = wasm::aside(download::fetch(name));
        let fetched =
            fetched.map_err(|reason| failed(DownloadError::Fetch { url: name.to_owned(), reason }))?;
        return fetched.map_err(failed);
    }
    let path = base.join(name);
    std::fs::read(&path).map_err(|source| LoadError::Read { path: path.display().to_string(), source })
}

impl From<&'static dyn Plugin> for Handle {
    fn from(plugin: &'static dyn Plugin) -> Handle {
        Handle::BuiltIn(plugin)
    }
}

impl Deref for Handle {
    type Target = dyn Plugin;

    fn deref(&self) -> &Self::Target {
        match self {
            Handle::BuiltIn(plugin) => *plugin,
            Handle::Loaded(plugin) => plugin.as_ref(),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.describe().name)
    }
}

/// The same plugin, not one that is alike.
impl PartialEq for Handle {
    fn eq(&self, other: &Handle) -> bool {
        std::ptr::addr_eq(&raw const **self, &raw const **other)
    }
}

impl Eq for Handle {}
