use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::config::diagnostic::Report;
use crate::config::resolve::Surroundings;

/// Loads files given as name and text; findings come back with the temporary folder cut off.
fn load_files(files: &[(&str, &str)]) -> (Option<Pipeline>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        if name.ends_with("yaml") || name.ends_with("json") {
            paths.push(path);
        }
    }
    let surroundings = Surroundings { settings: BTreeMap::new(), ..Surroundings::default() };
    let mut report = Report::default();
    let pipeline = load(&paths, &surroundings, &mut report);
    let cut = format!("{}/", directory.path().display());
    (pipeline, report.render(false).replace(&cut, ""))
}

fn errors_of(text: &str) -> String {
    load_files(&[("p.yaml", text)]).1
}

const WHOLE: &str = r#"
name: orders
cluster: { bootstrap: "a:9092, b:9092" }
topics:
  orders: { partitions: 6, config: { retention.ms: 604800000 }, format: json }
  plain:
sources:
  in:
    use: file
    with: { path: in.jsonl }
    to: orders
    key: id
    timestamp: ordered_at
    transforms:
      - filter: "amount > 0"
      - map: { total: "amount * 100", country: upper(country) }
      - rhai: |
          record.value.x = `${record.value.y}`;
      - wasm: ./geo.wasm
        allow: { http: ["https://geo.example"] }
    on_error: skip
streams:
  - sql: SELECT 1
  - file: more.sql
sinks:
  out:
    from: [orders, totals]
    use: stdout
    on_error: { retries: 5, then: dead-letter, topic: totals.dlq }
tests:
  - name: a case
    at: 2026-01-01T00:00:00Z
    given: { orders: [ { value: { id: 1 } } ] }
    expect: { totals: [ { key: NO, value: { total: 5 } } ] }
"#;

#[test]
fn everything_a_file_may_say_is_read() {
    let (pipeline, errors) = load_files(&[("p.yaml", WHOLE), ("more.sql", "SELECT 2;\n")]);
    assert_eq!(errors, "");
    let pipeline = pipeline.unwrap();
    assert_eq!(pipeline.name, "orders");
    assert!(matches!(&pipeline.cluster, Cluster::Bootstrap(list) if list == &["a:9092", "b:9092"]));
    assert_eq!(pipeline.topic("orders").unwrap().partitions, Some(6));
    assert_eq!(pipeline.topic("orders").unwrap().config["retention.ms"].value, "604800000");
    assert_eq!(pipeline.topic("plain").unwrap().partitions, None);
    let source = &pipeline.sources[0];
    assert_eq!((source.plugin.value.as_str(), source.topic()), ("file", Some("orders")));
    assert_eq!(source.steps.len(), 4);
    assert!(matches!(&source.steps[1].kind, StepKind::Map(fields) if fields[1].0 == "country"));
    assert!(matches!(&source.steps[2].kind, StepKind::Rhai(text) if text.value.contains("${record")));
    assert_eq!(source.errors.then, ErrorsThen::Skip);
    assert_eq!(pipeline.streams[1].text.value, "SELECT 2;\n");
    let sink = &pipeline.sinks[0];
    assert_eq!(sink.from.len(), 2);
    assert_eq!((sink.errors.retries, sink.errors.then), (Some(5), ErrorsThen::DeadLetter));
    assert_eq!(pipeline.cases[0].expect[0].1[0].key, Some(serde_json::json!("NO")));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "nmae: x\ntopcis: {}\ntopics:\n  a b: { partitions: 0, formt: json }\nsources:\n  s:\n    use: file\n    \
                with: [1]\n    transforms:\n      - fliter: x\n      - {filter: a, rhai: b}\n    on_error: { then: retry }\n\
                sinks: [x]\nstreams:\n  - file: none.sql\ncluster: embeded\n";
    assert_eq!(
        errors_of(text),
        "p.yaml:1:1: unknown key \"nmae\"; did you mean \"name\"?\n\
         p.yaml:2:1: unknown key \"topcis\"; did you mean \"topics\"?\n\
         p.yaml:4:3: topic name \"a b\" may hold only letters, digits, '.', '_' and '-'\n\
         p.yaml:4:22: \"partitions\" must be between 1 and 100000, not 0\n\
         p.yaml:4:25: unknown key \"formt\"; did you mean \"format\"?\n\
         p.yaml:7:5: a source needs \"to\"\n\
         p.yaml:8:11: \"with\" must be a mapping, not a list\n\
         p.yaml:10:9: unknown key \"fliter\"; did you mean \"filter\"?\n\
         p.yaml:10:9: a transform is one of filter, map, rhai, wasm, rename, drop, keep, cast, mask, hoist, flatten, \
         timestamp, key, header, route, unwrap, outbox\n\
         p.yaml:11:9: a step does one thing; write each as its own list item\n\
         p.yaml:12:23: \"then\" must be one of fail, skip, dead-letter, not \"retry\"\n\
         p.yaml:13:8: \"sinks\" must be a mapping of names, not a list\n\
         p.yaml:15:11: reading none.sql: no such file\n\
         p.yaml:16:10: \"cluster\" is embedded or { bootstrap: \"host:port\" }, not \"embeded\"\n"
    );
}

#[test]
fn several_files_merge_by_top_level_key() {
    let first = ("a.yaml", "name: x\ntopics: { t: {}, u: {} }\nstreams: [{sql: SELECT 1}]\n");
    let second = ("b.json", "{\"topics\": {\"v\": {}}, \"streams\": [{\"sql\": \"SELECT 2\"}]}");
    let (pipeline, errors) = load_files(&[first, second]);
    assert_eq!(errors, "");
    let pipeline = pipeline.unwrap();
    assert_eq!(pipeline.topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["t", "u", "v"]);
    assert_eq!(pipeline.streams.len(), 2);
}

#[test]
fn a_name_declared_twice_names_both_places() {
    let (_, errors) =
        load_files(&[("a.yaml", "name: x\ntopics:\n  t: {}\n"), ("b.yaml", "name: y\ntopics:\n  t: {}\n")]);
    assert!(errors.contains("b.yaml:1:7: \"name\" is already given at "), "{errors}");
    assert!(errors.contains("a.yaml:1:7\n"), "{errors}");
    assert!(errors.contains("b.yaml:3:3: \"t\" under topics is already declared at "), "{errors}");
}

#[test]
fn an_unreadable_file_is_named() {
    let mut report = Report::default();
    let pipeline = load(&[PathBuf::from("missing/p.yaml")], &Surroundings::default(), &mut report);
    assert!(pipeline.is_none());
    assert_eq!(report.render(false), "missing/p.yaml: reading the pipeline file: no such file\n");
}

#[test]
fn a_pipeline_without_a_name_is_called_after_its_file() {
    let (pipeline, _) = load_files(&[("my flow.yaml", "topics: {}\n")]);
    assert_eq!(pipeline.unwrap().name, "my-flow");
}

#[test]
fn the_example_of_the_documentation_is_placed_by_line() {
    let text = "streams:\n  - sql: |\n      CREATE STREAM a\n      (id BIGINT)\n";
    let (pipeline, errors) = load_files(&[("p.yaml", text)]);
    assert_eq!(errors, "");
    let place = pipeline.unwrap().streams[0].text.locate(2, 2);
    assert_eq!((place.line, place.column), (4, 8));
}
