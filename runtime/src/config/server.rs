//! Settings of a `server`: Kafka's own keys, gathered from a properties file, the environment and the
//! command line, weakest first.
//!
//! Left out: what the keys mean and which exist; that is the broker's own configuration, reached
//! through [`Target`].

use std::path::Path;

use millstream_broker::config::{Config, ConfigError};

use super::resolve::read_bounded;

/// Environment variables that start with `KAFKA_` in Kafka's own images and are no broker settings.
const NOT_SETTINGS: [&str; 10] = [
    "KAFKA_CLUSTER_ID",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
];

/// Where settings come from; later ones win.
#[derive(Debug, Default)]
pub struct Given<'a> {
    pub properties: Option<&'a Path>,
    /// Variables of the environment, all of them: only `KAFKA_…` are looked at.
    pub environment: Vec<(String, String)>,
    /// `--set KEY=VALUE`, and the flags that stand for a key.
    pub settings: Vec<(String, String)>,
}

/// What one run found: warnings don't stop the server, errors do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub warnings: Vec<String>,
    pub errors: Vec<String>,
}

/// Applies everything given to `config`.
pub fn apply(given: &Given<'_>, config: &mut Config) -> Findings {
    let mut findings = Findings::default();
    if let Some(path) = given.properties {
        apply_properties(path, config, &mut findings);
    }
    for (name, value) in &given.environment {
        let Some(key) = key_of_variable(name) else { continue };
        match config.set(&key, value) {
            Ok(()) => {}
            Err(error @ ConfigError::Unknown { .. }) => findings.warnings.push(format!("{name}: {error}")),
            Err(error) => findings.errors.push(format!("{name}: {error}")),
        }
    }
    for (key, value) in &given.settings {
        if let Err(error) = config.set(key, value) {
            findings.errors.push(format!("--set {key}: {error}"));
        }
    }
    findings
}

fn apply_properties(path: &Path, config: &mut Config, findings: &mut Findings) {
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(reason) => {
            findings.errors.push(format!("{}: reading the properties: {reason}", path.display()));
            return;
        }
    };
    for property in parse_properties(&text) {
        let place = format!("{}:{}", path.display(), property.line);
        match config.set(&property.key, &property.value) {
            Ok(()) => {}
            Err(error @ ConfigError::Unknown { .. }) => findings.warnings.push(format!("{place}: {error}")),
            Err(error) => findings.errors.push(format!("{place}: {error}")),
        }
    }
}

/// `KAFKA_NUM_PARTITIONS` → `num.partitions`; as in Kafka's images, `__` stands for `_` and `___` for `-`.
fn key_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix("KAFKA_").filter(|rest| !rest.is_empty())?;
    if NOT_SETTINGS.contains(&name) {
        return None;
    }
    let key = rest.to_lowercase().replace("___", "-").replace("__", "\u{0}").replace('_', ".");
    Some(key.replace('\u{0}', "_"))
}

#[derive(Debug, PartialEq, Eq)]
struct Property {
    /// Counts from 1; where the key stands.
    line: usize,
    key: String,
    value: String,
}

/// Java's properties format: `key=value`, `key: value` or `key value`; `#` and `!` comments; a backslash
/// continues a line or escapes a character.
fn parse_properties(text: &str) -> Vec<Property> {
    let mut properties = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let mut logical = first.trim_start().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while continues(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start());
        }
        let (key, value) = split_property(&logical);
        properties.push(Property { line: index + 1, key: unescape(key), value: unescape(value) });
    }
    properties
}

/// An odd number of backslashes at the end.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split_property(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, character) in line.char_indices() {
        if !escaped && (character == '=' || character == ':' || character.is_whitespace()) {
            let (key, rest) = line.split_at(index);
            let rest = rest.trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest.trim());
        }
        escaped = character == '\\' && !escaped;
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let decoded = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_follow_java() {
        let text =
            "# comment\n! too\n a = 1\nb: two words \nc three\nd=a,\\\n   b\ne\\=f=g\\u0041\\n\nempty\n";
        let found: Vec<(usize, String, String)> =
            parse_properties(text).into_iter().map(|found| (found.line, found.key, found.value)).collect();
        let expected = [
            (3, "a", "1"),
            (4, "b", "two words"),
            (5, "c", "three"),
            (6, "d", "a,b"),
            (8, "e=f", "gA\n"),
            (9, "empty", ""),
        ];
        let expected: Vec<(usize, String, String)> = expected
            .iter()
            .map(|(line, key, value)| (*line, (*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn variables_name_keys_as_in_kafkas_images() {
        for (variable, key) in [
            ("KAFKA_NUM_PARTITIONS", Some("num.partitions")),
            ("KAFKA_A__B___C", Some("a_b-c")),
            ("KAFKA_HEAP_OPTS", None),
            ("PATH", None),
            ("KAFKA_", None),
        ] {
            assert_eq!(key_of_variable(variable).as_deref(), key, "{variable}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.properties");
        std::fs::write(&path, "num.partitions=2\nnum.partitons=9\nnode.id=x\n").unwrap();
        let mut config = Config::new(directory.path());
        let findings = apply(
            &Given {
                properties: Some(&path),
                environment: vec![("KAFKA_NUM_PARTITIONS".into(), "3".into())],
                settings: vec![("num.partitions".into(), "4".into()), ("num.partitons".into(), "5".into())],
            },
            &mut config,
        );
        assert_eq!(config.default_partitions, 4);
        assert_eq!((findings.warnings.len(), findings.errors.len()), (1, 2), "{findings:?}");
        assert!(findings.warnings[0].contains("server.properties:2: "), "{findings:?}");
        assert!(findings.errors[1].contains("num.partitions"), "{findings:?}");
    }
}
