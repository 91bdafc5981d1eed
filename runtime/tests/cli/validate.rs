//! `validate` and `schema`: findings with places, exit codes.

use super::millstream;

#[test]
fn every_mistake_is_shown_at_its_place_and_nothing_starts() {
    let directory = tempfile::tempdir().unwrap();
    let file = "\
name: shop
topcis: {}
topics:
  orders: { partitions: many }
sources:
  in:
    use: fiel
    to: orders
  csv:
    use: file
    with: { path: in.csv, fromat: csv }
    to: orders
    transforms:
      - filter: \"amount >\"
      - rhai: |
          let x = 1;
          if x {
streams:
  - sql: |
      CREATE STREAM orders (id BIGINT) WITH (topic = 'orders', format = 'json');
      CREATE STREAM big AS
        SELECT * FROM ordrs;
sinks:
  out:
    from: bigg
    use: stdout
";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    let finished = millstream(directory.path(), &["validate", "p.yaml"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(finished.stdout, "");
    let places: Vec<&str> =
        finished.stderr.lines().filter_map(|line| line.strip_prefix("p.yaml:")?.split(": ").next()).collect();
    assert_eq!(places, ["2:1", "4:25", "7:10", "11:27", "14:18", "18:11", "22:23"], "{}", finished.stderr);
    for expected in [
        "unknown key \"topcis\"; did you mean \"topics\"?",
        "\"partitions\" must be a whole number, not \"many\"",
        "unknown source \"fiel\"; did you mean \"file\"?",
        "did you mean `format`?",
        "did you mean `orders`?",
        "7 errors",
    ] {
        assert!(finished.stderr.contains(expected), "{expected} is missing in\n{}", finished.stderr);
    }
}

#[test]
fn a_good_file_is_summed_up_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = "name: shop\nsources: { in: { use: file, with: { path: a.jsonl }, to: orders } }\n\
                sinks: { out: { from: orders, use: stdout } }\n";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    let told = millstream(directory.path(), &["validate", "p.yaml"]).succeeded();
    assert_eq!(told, "shop: 1 source, 0 queries, 1 sink, no errors\n");
}

#[test]
fn files_that_cannot_be_read_or_parsed_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let finished = millstream(directory.path(), &["validate", "none.yaml"]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(2), "none.yaml: reading the pipeline file: no such file\n1 error\n")
    );
    std::fs::write(directory.path().join("bad.yaml"), "name: [x\nsinks: {}\n").unwrap();
    let finished = millstream(directory.path(), &["run", "bad.yaml"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.starts_with("bad.yaml:"), "{}", finished.stderr);
    std::fs::write(directory.path().join("latin.yaml"), b"name: caf\xe9\n").unwrap();
    let finished = millstream(directory.path(), &["validate", "latin.yaml"]);
    assert_eq!(finished.stderr, "latin.yaml: reading the pipeline file: not UTF-8 at byte 9\n1 error\n");
}

#[test]
fn a_secret_never_shows() {
    let directory = tempfile::tempdir().unwrap();
    let file = "sources: { in: { use: file, with: { path: a, format: !secret WORD }, to: t } }\n";
    std::fs::write(directory.path().join("p.yaml"), file).unwrap();
    let finished = millstream(directory.path(), &["validate", "p.yaml", "--set", "WORD=hunter2"]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("(secret)") && !finished.stderr.contains("hunter2"),
        "{}",
        finished.stderr
    );
}

#[test]
fn json_findings_are_one_a_line() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p.yaml"), "nmae: x\n").unwrap();
    let finished = millstream(directory.path(), &["validate", "--json", "p.yaml"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(2), ""));
    let finding: serde_json::Value = serde_json::from_str(finished.stdout.trim()).unwrap();
    assert_eq!((finding["line"].as_u64(), finding["column"].as_u64()), (Some(1), Some(1)));
    assert_eq!(finding["message"], "unknown key \"nmae\"; did you mean \"name\"?");
}

#[test]
fn the_schema_is_json_with_every_connector() {
    let directory = tempfile::tempdir().unwrap();
    let schema = millstream(directory.path(), &["schema"]).succeeded();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let sources =
        schema["properties"]["sources"]["additionalProperties"]["properties"]["use"]["oneOf"].clone();
    let names: Vec<&str> =
        sources.as_array().unwrap().iter().filter_map(|one| one["const"].as_str()).collect();
    assert!(names.contains(&"file") && names.contains(&"generator"), "{names:?}");
}

#[test]
fn bad_usage_is_exit_code_two() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        vec!["nonsense"],
        vec!["run"],
        vec!["validate", "--set", "novalue", "p.yaml"],
        vec!["consume", "t", "--format", "%x"],
        vec!["topic", "alter", "t", "--bootstrap", "127.0.0.1:1", "--partitions", "0"],
    ] {
        assert_eq!(millstream(directory.path(), &arguments).code, Some(2), "{arguments:?}");
    }
}
