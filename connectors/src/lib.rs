//! Built-in sources and sinks.
//!
//! [`plugins`] is the one list of them; what is not in it does not exist. Left out: everything of the host's side
//! (topics, offsets, transactions, retries), which is the connect worker's.

mod blocking;

pub mod blackhole;

pub mod file;
pub mod generator;
pub mod http;
pub mod json;
pub mod kafka;
pub mod postgres;
pub mod sql;
pub mod terminal;

use millstream_sdk::config::markdown_table;
use millstream_sdk::plugin::Plugin;
use millstream_sdk::sink::Delivery;

/// Every built-in plugin, in the order in which documentation lists them.
pub fn plugins() -> &'static [&'static dyn Plugin] {
    &[
        &file::File,
        &kafka::Kafka,
        &http::Http,
        &postgres::PostgresCdc,
        &postgres::Postgres,
        &sql::Sql,
        &generator::Generator,
        &terminal::Stdin,
        &terminal::Stdout,
        &blackhole::Blackhole,
    ]
}

/// The page that describes every connector, `CONNECTORS.md`.
pub fn documentation() -> String {
    let mut text =
        "# Connectors\n\nMade from the connectors' own tables of options: change those, then run\n\
                    `UPDATE_DOCUMENTS=1 cargo test -p millstream-connectors documents`.\n"
            .to_owned();
    for plugin in plugins() {
        let description = plugin.describe();
        text.push_str(&format!("\n## {}\n\n{}\n", description.name, description.doc));
        for role in &description.roles {
            let promise = match role.delivery {
                None | Some(Delivery::Transactional) => "exactly-once",
                Some(other) => other.name(),
            };
            text.push_str(&format!("\n### {} as a {}\n\n", description.name, role.role.name()));
            text.push_str(&format!(
                "Promise: **{promise}**. {}\n\n{}",
                role.doc,
                markdown_table(role.options)
            ));
        }
    }
    text
}

/// The plugin that `use: name` means.
pub fn find(name: &str) -> Option<&'static dyn Plugin> {
    plugins().iter().copied().find(|plugin| plugin.describe().name == name)
}
