//! WebAssembly components as plugins: compiled once, linked to what is granted and nothing else, called within limits,
//! and not believed: every answer is checked.
//!
//! Walk: [`component`] (bytes → compiled, imports held against the grants) → [`instance`] (a store with its limits) →
//! [`transform`] and its siblings (the SDK's traits, call by call) → [`convert`] (columns in, checked columns out).

mod engine;

mod bindings;

mod component;

mod artifact;

mod description;

mod schema;

mod rest;

mod instance;

mod host;

mod fault;

mod convert;

mod plugin;

mod source;

mod sink;

mod transform;

use std::sync::Arc;

pub use artifact::own_folder;
pub use component::{ComponentError, digest};
pub use instance::aside;
pub use rest::resting;

use crate::plugin::Grants;
use plugin::ComponentPlugin;

/// The plugin that a component is. Fails when it is none, is built for another contract, wants what is not granted, or
/// does not describe itself.
pub fn load(bytes: &[u8], grants: &Grants) -> Result<ComponentPlugin, ComponentError> {
    let component = component::load(bytes, grants)?;
    Ok(ComponentPlugin::new(Arc::clone(&component), grants.clone()))
}

/// The plugin that a component is, whatever it wants: to look at it and to try it, with nothing outside within reach.
pub fn inspect(bytes: &[u8]) -> Result<ComponentPlugin, ComponentError> {
    let grants = Grants::that_reach_nothing();
    Ok(ComponentPlugin::new(component::inspect(bytes, &grants)?, grants))
}
