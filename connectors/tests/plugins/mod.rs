//! The generator, and what holds for every plugin.

use std::path::Path;
use std::time::Duration;

use millstream_sdk::config::{Presence, json_schema, parse};
use millstream_sdk::source::PollLimits;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{LIMITS, read_to_end, source, texts};

#[tokio::test]
async fn the_generator_goes_on_exactly_after_a_restart() {
    let folder = tempdir().unwrap();
    let config = json!({ "kind": "orders", "count": 50, "seed": 3 });
    let source = source("generator", config, folder.path());
    let split = &source.splits().await.unwrap()[0];
    let mut whole = source.open(split, None).await.unwrap();
    let (expected, _) = read_to_end(whole.as_mut()).await;
    assert_eq!(expected.len(), 50);
    assert!(expected[0].starts_with("{\"id\":0,\"customer\":"), "{}", expected[0]);
    let (mut read, mut position) = (Vec::new(), None);
    while read.len() < expected.len() {
        let mut reader = source.open(split, position.clone()).await.unwrap();
        let polled = reader.poll(PollLimits { max_records: 7, ..LIMITS }).await.unwrap();
        read.extend(texts(&polled.batch));
        position = polled.position;
    }
    assert_eq!(read, expected);
}

#[tokio::test]
async fn the_generator_pads_and_keeps_its_rate() {
    let folder = tempdir().unwrap();
    let source = source("generator", json!({ "bytes": 100, "rate": 1000 }), folder.path());
    assert!(!source.is_bounded());
    let mut reader = source.open(&source.splits().await.unwrap()[0], None).await.unwrap();
    let limits = PollLimits { wait: Duration::from_millis(10), ..LIMITS };
    let mut polled = reader.poll(limits).await.unwrap();
    while polled.batch.is_empty() {
        polled = reader.poll(limits).await.unwrap();
    }
    assert!(polled.batch.len() < LIMITS.max_records);
    let text = &texts(&polled.batch)[0];
    assert_eq!(text.len(), 100);
    assert_eq!(serde_json::from_str::<Value>(text).unwrap()["n"], 0);
}

#[test]
fn every_plugin_describes_itself_and_its_defaults_pass_its_own_check() {
    for plugin in millstream_connectors::plugins() {
        let description = plugin.describe();
        assert!(!description.roles.is_empty(), "{}", description.name);
        for role in &description.roles {
            json_schema(role.options);
            let mut config = json!({});
            let required = role.options.iter().filter(|option| matches!(option.presence, Presence::Required));
            for option in required {
                config[option.name] = match option.name {
                    "bootstrap" => json!("host:9092"),
                    "topics" => json!(["t"]),
                    "tables" => json!(["public.orders"]),
                    "listen" => json!("127.0.0.1:0"),
                    "url" if description.name.starts_with("postgres") => json!("postgres://me@db/shop"),
                    "url" if description.name == "sql" => json!("sqlite:shop.db"),
                    "url" => json!("http://host/"),
                    _ => json!("x"),
                };
            }
            if description.name == "http" && role.role == millstream_sdk::plugin::Role::Source {
                config["listen"] = json!("127.0.0.1:0");
            }
            if description.name == "sql" && role.role == millstream_sdk::plugin::Role::Source {
                config["table"] = json!("orders");
            }
            let at = format!("{} {}", description.name, role.role.name());
            assert_eq!(plugin.validate(role.role, &config), [], "{at}");
            let filled: Value = parse(role.options, &config).unwrap();
            let mistakes = millstream_sdk::config::check(role.options, &filled);
            assert_eq!(mistakes, [], "{at}");
        }
    }
}

#[test]
fn options_that_make_no_sense_together_are_named() {
    let file = millstream_connectors::find("file").unwrap();
    let mistakes = |config: Value| -> Vec<String> {
        let role = millstream_sdk::plugin::Role::Source;
        file.validate(role, &config).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        mistakes(json!({ "path": "a", "delimiter": ";", "folow": true })),
        [
            "folow: unknown option `folow`; did you mean `follow`?",
            "delimiter: `delimiter` has no meaning for format json"
        ]
    );
    assert_eq!(
        mistakes(json!({ "path": "a", "format": "csv", "header": false, "delimiter": "\"" })),
        [
            "delimiter: \"\\\"\" cannot stand between fields; take , ; | or a tab",
            "header: without a header row the columns need names; add `columns: [first, second]`"
        ]
    );
}

#[test]
fn a_mirror_names_what_it_cannot_mirror() {
    use millstream_sdk::plugin::Role;
    let kafka = millstream_connectors::find("kafka").unwrap();
    let mistakes = |role, more: Value| -> Vec<String> {
        let mut config = json!({ "bootstrap": "h:1" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        kafka.validate(role, &config).iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        mistakes(Role::Source, json!({ "topics": ["t"], "topic_configs": "sync", "groups": ["g"] })),
        [
            "topic_configs: `topic_configs` needs `rename: keep`: it is the topic that `to` names that is written \
             otherwise",
            "groups: `groups` needs `rename: keep` and `partitions: keep`, or a record's offset here cannot be told"
        ]
    );
    let keep = json!({ "topics": ["t"], "rename": "keep", "topic_configs": "sync", "groups": ["g*"] });
    assert_eq!(mistakes(Role::Source, keep), Vec::<String>::new());
    assert_eq!(
        mistakes(Role::Sink, json!({ "groups": ["g"] })),
        [
            "groups: `groups` is for sources: topics and groups are mirrored by a `kafka` source that runs in the other \
          cluster"
        ]
    );
}

#[test]
fn documents_say_what_the_tables_of_options_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONNECTORS.md");
    let made = millstream_connectors::documentation();
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == made,
        "CONNECTORS.md is not what the tables say: run this test with UPDATE_DOCUMENTS=1"
    );
}
