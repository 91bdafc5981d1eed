//! Compiled components on disk, by digest of the component, engine version and flags.
//!
//! A compiled component is machine code that is run as it is, so it comes from a folder that nobody else can write, and
//! from nowhere else.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

/// Names another folder for caches.
const CACHE_VARIABLE: &str = "MILLSTREAM_CACHE";

/// Compiles a component, or takes what an earlier process compiled of the same bytes.
pub fn compile(engine: &Engine, bytes: &[u8], digest: &str) -> wasmtime::Result<Component> {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let name = format!("{digest}-{:016x}.cwasm", hasher.finish());
    let folder = match own_folder("components") {
        Ok(folder) => folder,
        Err(reason) => {
            tracing::warn!(reason, "compiled components are not kept");
            return Component::from_binary(engine, bytes);
        }
    };
    let path = folder.join(name);
    if path.exists() {
        match read(engine, &path) {
            Ok(component) => return Ok(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiling anew what could not be read")
            }
        }
    }
    let component = Component::from_binary(engine, bytes)?;
    if let Err(error) = write(&folder, &path, &component.serialize()?) {
        tracing::warn!(path = %path.display(), %error, "the compiled component was not kept");
    }
    Ok(component)
}

#[expect(unsafe_code, reason = "the file is our own serialization: see own_folder")]
fn read(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // Safety: only this user can write to the folder, and files appear in it by rename, whole.
    unsafe { Component::deserialize_file(engine, path) }
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = folder.join(format!(".{}.part", std::process::id()));
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// A folder for caches that belongs to this user and that nobody else can write to.
pub fn own_folder(name: &str) -> Result<PathBuf, String> {
    let set =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set(CACHE_VARIABLE)
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("millstream")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/millstream")))
        .ok_or_else(|| format!("no folder for caches: set {CACHE_VARIABLE}"))?;
    let folder = root.join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    keep_to_ourselves(&folder).map_err(failed)?;
    Ok(folder)
}

#[cfg(unix)]
fn keep_to_ourselves(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // Fails for a folder of somebody else, which is the point.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn keep_to_ourselves(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}
