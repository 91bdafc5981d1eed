//! Built-in sources and sinks.
//!
//! [`plugins`] is the one list of them; what is not in it does not exist. Left out: everything of the host's side
//! (topics, offsets, transactions, retries), which is the connect worker's.

mod blocking;

pub mod blackhole;

pub mod file;
pub mod generator;
pub mod json;
pub mod postgres;
pub mod terminal;

use millstream_sdk::plugin::Plugin;

/// Every built-in plugin, in the order in which documentation lists them.
pub fn plugins() -> &'static [&'static dyn Plugin] {
    &[
        &file::File,
        &generator::Generator,
        &terminal::Stdin,
        &terminal::Stdout,
        &blackhole::Blackhole,
        &postgres::PostgresCdc,
    ]
}

/// The plugin that `use: name` means.
pub fn find(name: &str) -> Option<&'static dyn Plugin> {
    plugins().iter().copied().find(|plugin| plugin.describe().name == name)
}
