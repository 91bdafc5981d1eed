use std::collections::BTreeMap;

use super::*;

#[test]
fn defaults_are_valid_and_kafkas() {
    let config = Config::new("data");
    assert_eq!(config.default_partitions, 1);
    assert_eq!(config.offsets_partitions, 50);
    assert_eq!(config.topic_defaults, TopicConfig::default());
    for key in topic_keys() {
        TopicConfig::check(key.name, key.default).unwrap();
    }
}

#[test]
fn stronger_retention_unit_wins_whatever_the_order() {
    let mut config = Config::new("data");
    config.set("log.retention.ms", "5").unwrap();
    config.set("log.retention.hours", "1").unwrap();
    assert_eq!(config.topic_defaults.retention_ms, 5);
}

#[test]
fn unknown_key_names_the_closest() {
    let error = Config::new("data").set("num.partition", "3").unwrap_err();
    assert_eq!(error.to_string(), "unknown setting \"num.partition\"; did you mean \"num.partitions\"?");
    let error = TopicConfig::check("retention.msec", "3").unwrap_err();
    assert_eq!(error.to_string(), "unknown setting \"retention.msec\"; did you mean \"retention.ms\"?");
}

#[test]
fn bad_value_says_what_was_expected() {
    let mut config = Config::new("data");
    let error = config.set("num.partitions", "0").unwrap_err();
    assert_eq!(error.to_string(), "cannot use \"0\" for num.partitions: expected a value of at least 1");
    assert_eq!(config.default_partitions, 1, "a refused value changes nothing");
}

#[test]
fn topic_override_beats_server_default() {
    let mut config = Config::new("data");
    config.set("log.retention.hours", "2").unwrap();
    let overrides = BTreeMap::from([("retention.ms".to_owned(), "77".to_owned())]);
    assert_eq!(TopicConfig::resolve(&config.topic_defaults, &BTreeMap::new()).retention_ms, 7_200_000);
    assert_eq!(TopicConfig::resolve(&config.topic_defaults, &overrides).retention_ms, 77);
    let key = topic_keys().iter().find(|key| key.name == "retention.ms").unwrap();
    assert_eq!(key.default_value(&config), ("7200000".to_owned(), Some("log.retention.hours")));
}

#[test]
fn listeners_parse_and_refuse() {
    let mut config = Config::new("data");
    config.set("listeners", "PLAINTEXT://:9092, controller://[::1]:9093").unwrap();
    assert!(config.listeners[0].is_wildcard());
    assert_eq!(config.listeners[1].to_string(), "CONTROLLER://::1:9093");
    assert!(config.set("listeners", "nonsense").is_err());
}

#[test]
fn stock_settings_without_effect_are_accepted() {
    let mut config = Config::new("data");
    for key in ["num.io.threads", "replica.lag.time.max.ms", "process.roles"] {
        config.set(key, "x").unwrap();
    }
}
