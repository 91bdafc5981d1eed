//! What a component says of itself, once, when it is loaded.

use millstream_sdk::config::ConfigOption;
use millstream_sdk::plugin::{Description, Role, RoleDescription};
use millstream_sdk::sink::Delivery;
use serde_json::Value;
use wasmtime::component::InstancePre;

use super::bindings::exports::millstream::connect::plugin;
use super::component::{ComponentError, Exports};
use super::fault::Fault;
use super::instance::{Instance, Origin, State, aside};
use super::schema;
use crate::plugin::{Grant, Grants};

/// Longest name of a plugin.
const NAME_BYTES_MAX: usize = 64;

/// Longest text about a plugin.
const DOC_BYTES_MAX: usize = 64 << 10;

/// A component's description in the SDK's words, and what it cannot work without.
pub struct Described {
    pub description: Description,
    pub wants: Vec<Grant>,
}

/// Asks a new instance.
pub fn of(pre: &InstancePre<State>, exports: &Exports, grants: &Grants) -> Result<Described, ComponentError> {
    let ask = async {
        let mut instance = Instance::start(pre, grants, Origin::default(), None).await?;
        let guest = instance.load(|store, inner| exports.plugin.load(store, inner))?;
        instance.call(async |store| guest.call_describe(store).await).await
    };
    let answer = match aside(ask) {
        Ok(Ok(answer)) => answer,
        Ok(Err(fault)) => return Err(ComponentError::NotDescribed(fault.to_string())),
        Err(reason) => return Err(ComponentError::NotDescribed(reason)),
    };
    read(answer, exports).map_err(|fault| ComponentError::NotDescribed(fault.to_string()))
}

fn read(answer: plugin::Description, exports: &Exports) -> Result<Described, Fault> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if answer.name.is_empty() || answer.name.len() > NAME_BYTES_MAX || !answer.name.bytes().all(legal) {
        let reason = "the name must be 1 to 64 lower-case letters, digits or '-'";
        return Err(Fault::answer(format!("{reason}, not {:?}", shortened(&answer.name))));
    }
    if answer.roles.is_empty() {
        return Err(Fault::answer("it plays no role"));
    }
    let mut roles: Vec<RoleDescription> = Vec::new();
    for found in answer.roles {
        let described = read_role(found, exports)?;
        if roles.iter().any(|role| role.role == described.role) {
            return Err(Fault::answer(format!("it describes the role {} twice", described.role.name())));
        }
        roles.push(described);
    }
    let wants = answer.wants.into_iter().map(|capability| match capability {
        plugin::Capability::Net => Grant::Net,
        plugin::Capability::Http => Grant::Http,
        plugin::Capability::Fs => Grant::Fs,
        plugin::Capability::Secret(name) => Grant::Secret(name),
    });
    Ok(Described {
        wants: wants.collect(),
        description: Description {
            name: kept(answer.name),
            version: kept(shortened(&answer.version).to_owned()),
            doc: kept(bounded(answer.doc)),
            roles,
        },
    })
}

fn read_role(found: plugin::RoleDescription, exports: &Exports) -> Result<RoleDescription, Fault> {
    let (role, is_exported) = match found.role {
        plugin::Role::Source => (Role::Source, exports.source.is_some()),
        plugin::Role::Sink => (Role::Sink, exports.sink.is_some()),
        plugin::Role::Transform => (Role::Transform, exports.transform.is_some()),
    };
    let name = role.name();
    if !is_exported {
        let reason = format!("it calls itself a {name} and does not export millstream:connect/{name}");
        return Err(Fault::answer(reason));
    }
    let bad_schema = |reason: String| Fault::answer(format!("the config schema of its {name}: {reason}"));
    let schema: Value =
        serde_json::from_str(&found.config_schema).map_err(|error| bad_schema(error.to_string()))?;
    let options: Vec<ConfigOption> = schema::options(&schema).map_err(bad_schema)?;
    let delivery = match (role, found.delivery) {
        (Role::Sink, None) => return Err(Fault::answer("its sink does not say what delivery it promises")),
        (Role::Sink, Some(plugin::Delivery::AtLeastOnce)) => Some(Delivery::AtLeastOnce),
        (Role::Sink, Some(plugin::Delivery::Idempotent)) => Some(Delivery::Idempotent),
        (Role::Sink, Some(plugin::Delivery::Transactional)) => Some(Delivery::Transactional),
        _ => None,
    };
    Ok(RoleDescription { role, doc: kept(bounded(found.doc)), options: Box::leak(options.into()), delivery })
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DOC_BYTES_MAX));
    text
}

/// Descriptions are for as long as the process: a component is described once, when it is first loaded.
pub fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
