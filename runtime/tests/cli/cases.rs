//! `millstream test`: the whole graph on given records, and what people read when it gives something else.

use super::millstream;

const PIPELINE: &str = r#"
name: shop
topics: { orders: { partitions: 3 }, lines: { format: raw } }
sources:
  in:
    use: file
    with: { path: nowhere.jsonl }
    to: orders
    key: id
    timestamp: ordered_at
    transforms:
      - filter: "amount > 0"
      - map: { id: id, amount: amount, country: "upper(country)", ordered_at: ordered_at, seen: "CAST(now() AS TEXT)" }
    on_error: { then: dead-letter, topic: in.dlq }
streams:
  - sql: |
      CREATE STREAM orders (id BIGINT, amount DOUBLE, country TEXT, ordered_at TIMESTAMP) WITH (topic = 'orders', format = 'json');
      CREATE STREAM big AS SELECT id, amount FROM orders WHERE amount >= 100;
sinks:
  out:
    from: big
    use: file
    with: { path: /nowhere/at/all.jsonl }
    transforms: [ { map: { order: id } } ]
tests:
"#;

fn run(cases: &str, arguments: &[&str]) -> (Option<i32>, String, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.yaml"), format!("{PIPELINE}{cases}")).unwrap();
    let finished = millstream(folder.path(), &[&["test", "p.yaml"], arguments].concat());
    (finished.code, finished.stdout, finished.stderr, folder)
}

#[test]
fn cases_run_the_whole_graph_from_sources_to_sinks() {
    let cases = r#"
  - name: from the source to the sink
    at: 2026-01-01T00:00:00Z
    given:
      in:
        - { value: { id: 1, amount: 150, country: "no", ordered_at: "2026-01-01T00:00:05Z" } }
        - { value: { id: 2, amount: 5, country: "de", ordered_at: "2026-01-01T00:00:06Z" } }
        - { value: { id: 3, amount: 0 } }
        - { value: "no json" }
    expect:
      orders:
        - { key: 1, value: { country: "NO", seen: "2026-01-01T00:00:00" }, timestamp: "2026-01-01T00:00:05Z" }
        - { key: "2", value: { id: 2 } }
      big: [ { value: { id: 1, amount: 150.0 } } ]
      out: [ { value: { order: 1 } } ]
      in.dlq: [ { value: "no json", headers: { __millstream.error.node: in } } ]
  - name: from a topic on
    exact: true
    given: { orders: [ { value: { id: 7, amount: 100, country: X, ordered_at: "2026-01-01T00:00:00Z" } } ] }
    expect: { out: [ { value: { id: 7, amount: 100, order: 7 } } ] }
"#;
    let (code, stdout, stderr, folder) = run(cases, &["--junit", "junit.xml"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.starts_with("ok      from the source to the sink ("), "{stdout}");
    assert!(stderr.contains("shop: 2 cases passed"), "{stderr}");
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"0\""), "{junit}");
    // Nothing but the report was left behind.
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["junit.xml", "p.yaml"]);
}

#[test]
fn a_failure_names_what_differs() {
    let cases = r#"
  - name: totals
    given:
      orders:
        - { value: { id: 1, amount: 120, country: X, ordered_at: "2026-01-01T00:00:00Z" } }
        - { value: { id: 2, amount: 130, country: X, ordered_at: "2026-01-01T00:00:00Z" } }
    expect:
      big:
        - { value: { id: 1, amount: 121 } }
"#;
    let (code, stdout, stderr, folder) = run(cases, &["--junit", "junit.xml"]);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert_eq!(
        stdout,
        "FAILED  totals at p.yaml:27:11\n  \
           big: 1 record expected, 2 found\n    \
             - {\"id\":1,\"amount\":121}\n    \
             + {\"id\":1,\"amount\":120.0}\n        \
                 amount: expected 121, found 120.0\n    \
             + {\"id\":2,\"amount\":130.0}\n"
    );
    assert!(stderr.contains("shop: 1 of 1 case failed"), "{stderr}");
    let junit = std::fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<failure message=\"big: 1 record expected, 2 found\">"), "{junit}");
}

#[test]
fn names_that_nothing_has_are_errors_of_the_file() {
    let cases = "  - name: x\n    given: { inn: [] }\n    expect: { outt: [] }\n";
    let (code, _, stderr, _folder) = run(cases, &[]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("did you mean \"in\"?") && stderr.contains("did you mean \"out\"?"), "{stderr}");
    let (code, _, stderr, _folder) = run("", &[]);
    assert_eq!((code, stderr.contains("there are no cases")), (Some(2), true), "{stderr}");
}
