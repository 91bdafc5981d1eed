//! From bytes to a component that can be instantiated: compiled, held against the contract and the grants, described.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use super::bindings::exports::millstream::connect as exports;
use super::description::{self, Described};
use super::instance::State;
use super::rest::Rests;
use super::{artifact, engine, host};
use crate::plugin::{Grant, Grants};

/// The version of the contract that is spoken here.
const CONTRACT: &str = "0.1.0";

/// Largest component that is loaded.
const COMPONENT_BYTES_MAX: usize = 256 << 20;

/// What is linked without a grant: it reaches nothing outside. Without a granted folder, there are no files.
const HARMLESS: [&str; 5] = ["wasi:io/", "wasi:cli/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/"];

/// Why bytes are not a plugin that can run here.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("is not a WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("is a WebAssembly module, not a component; build it for wasm32-wasip2")]
    CoreModule,
    #[error("has {0} bytes, the most is {COMPONENT_BYTES_MAX}")]
    TooLarge(usize),
    #[error("is no plugin: it does not export millstream:connect/plugin@{CONTRACT}")]
    NoPlugin,
    #[error("is built for version {0} of the plugin contract; this Millstream knows {CONTRACT}")]
    OtherContract(String),
    #[error("imports {0}, which is offered to no plugin")]
    UnknownImport(String),
    #[error("imports {import}, which needs the grant {grant}: add {}", .grant.remedy())]
    ImportNotGranted { import: String, grant: Grant },
    #[error("wants the grant {grant}: add {}", .grant.remedy())]
    NotGranted { grant: Grant },
    #[error("does not describe itself: {0}")]
    NotDescribed(String),
    #[error("linking: {0}")]
    Link(String),
    #[error("starting the component engine: {0}")]
    Engine(String),
}

/// A component, ready to be instantiated with one set of links.
pub struct Loaded {
    pub pre: InstancePre<State>,
    pub exports: Exports,
    pub described: Described,
    pub rests: Rests,
}

/// The roles' functions, where the component exports them.
pub struct Exports {
    pub plugin: exports::plugin::GuestIndices,
    pub source: Option<exports::source::GuestIndices>,
    pub sink: Option<exports::sink::GuestIndices>,
    pub transform: Option<exports::transform::GuestIndices>,
}

/// What decides about a component's links.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    digest: String,
    net: bool,
    http: bool,
}

/// Components that this process has loaded. Grows with each different component that is named, never with their use.
static LOADED: LazyLock<Mutex<HashMap<Key, Arc<Loaded>>>> = LazyLock::new(Mutex::default);

/// A component whose wants the grants meet.
pub fn load(bytes: &[u8], grants: &Grants) -> Result<Arc<Loaded>, ComponentError> {
    let loaded = inspect(bytes, grants)?;
    match loaded.described.wants.iter().find(|grant| !grants.has(grant)) {
        Some(grant) => Err(ComponentError::NotGranted { grant: grant.clone() }),
        None => Ok(loaded),
    }
}

/// A component that can be linked with the grants.
pub fn inspect(bytes: &[u8], grants: &Grants) -> Result<Arc<Loaded>, ComponentError> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(ComponentError::TooLarge(bytes.len()));
    }
    let digest = digest(bytes);
    let key = Key { digest: digest.clone(), net: grants.has(&Grant::Net), http: grants.has(&Grant::Http) };
    if let Some(loaded) = LOADED.lock().get(&key) {
        return Ok(Arc::clone(loaded));
    }
    let loaded = Arc::new(prepare(bytes, &digest, grants)?);
    LOADED.lock().insert(key, Arc::clone(&loaded));
    Ok(loaded)
}

/// SHA-256, as hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn prepare(bytes: &[u8], digest: &str, grants: &Grants) -> Result<Loaded, ComponentError> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => {}
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => return Err(ComponentError::CoreModule),
        _ => return Err(ComponentError::NotAComponent("it does not start as one".to_owned())),
    }
    let engine = engine::engine().map_err(ComponentError::Engine)?;
    let component = artifact::compile(engine, bytes, digest)
        .map_err(|error| ComponentError::NotAComponent(format!("{error:#}")))?;
    check_exports(engine, &component)?;
    check_imports(engine, &component, grants)?;
    let linker = host::link(engine, grants).map_err(|error| ComponentError::Link(format!("{error:#}")))?;
    let pre = linker.instantiate_pre(&component);
    let pre = pre.map_err(|error| ComponentError::Link(format!("{error:#}")))?;
    let exports = exports(&pre, &component).map_err(|error| ComponentError::Link(format!("{error:#}")))?;
    let described = description::of(&pre, &exports, grants)?;
    Ok(Loaded { pre, exports, described, rests: Rests::default() })
}

fn exports(pre: &InstancePre<State>, component: &Component) -> wasmtime::Result<Exports> {
    let has = |interface: &str| exported(component, interface);
    Ok(Exports {
        plugin: exports::plugin::GuestIndices::new(pre)?,
        source: has("source").then(|| exports::source::GuestIndices::new(pre)).transpose()?,
        sink: has("sink").then(|| exports::sink::GuestIndices::new(pre)).transpose()?,
        transform: has("transform").then(|| exports::transform::GuestIndices::new(pre)).transpose()?,
    })
}

fn exported(component: &Component, interface: &str) -> bool {
    component.get_export_index(None, format!("millstream:connect/{interface}@{CONTRACT}")).is_some()
}

fn check_exports(engine: &Engine, component: &Component) -> Result<(), ComponentError> {
    if exported(component, "plugin") {
        return Ok(());
    }
    let ty = component.component_type();
    let other = ty.exports(engine).find_map(|(name, _)| {
        let rest = name.strip_prefix("millstream:connect/plugin")?;
        Some(rest.trim_start_matches('@').to_owned())
    });
    Err(other.map_or(ComponentError::NoPlugin, ComponentError::OtherContract))
}

fn check_imports(engine: &Engine, component: &Component, grants: &Grants) -> Result<(), ComponentError> {
    for (import, _) in component.component_type().imports(engine) {
        if HARMLESS.iter().any(|known| import.starts_with(known)) {
            continue;
        }
        let grant = if import.starts_with("wasi:sockets/") {
            Grant::Net
        } else if import.starts_with("wasi:http/") {
            Grant::Http
        } else if let Some(ours) = import.strip_prefix("millstream:connect/") {
            match ours.split_once('@') {
                Some((_, CONTRACT)) => continue,
                Some((_, other)) => return Err(ComponentError::OtherContract(other.to_owned())),
                None => return Err(ComponentError::UnknownImport(import.to_owned())),
            }
        } else {
            return Err(ComponentError::UnknownImport(import.to_owned()));
        };
        if !grants.has(&grant) {
            return Err(ComponentError::ImportNotGranted { import: import.to_owned(), grant });
        }
    }
    Ok(())
}
