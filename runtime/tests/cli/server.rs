//! `server`: settings, ready line, HTTP, restart.

use super::{Running, get, millstream, server};

#[test]
fn health_metrics_and_status_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let server = server(directory.path());
    assert!(server.ready.starts_with("millstream ready kafka=127.0.0.1:"), "{}", server.ready);
    assert_eq!((server.part("pg"), server.part("node")), ("-", "1"));
    let http = server.part("http");
    assert!(get(http, "/health").contains("\"status\":\"healthy\""));
    assert!(get(http, "/metrics").contains("millstream_broker_connections"));
    assert!(get(http, "/v1/status").contains("\"pipelines\":[]"));
    let missing = get(http, "/nothing");
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("\"error_code\":404"), "{missing}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let first = server(directory.path());
    let arguments = ["server", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", "data"];
    let second = millstream(directory.path(), &arguments);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("is in use by another process"), "{}", second.stderr);
    first.kill();
    assert_eq!(server(directory.path()).stop(), Some(0));
}

#[test]
fn an_unknown_setting_is_an_error_on_the_command_line_and_a_warning_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let finished = millstream(directory.path(), &["server", "--set", "num.partitons=3"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("did you mean \"num.partitions\"?"), "{}", finished.stderr);
    std::fs::write(directory.path().join("s.properties"), "num.partitons=3\nnum.partitions=5\n").unwrap();
    let server = Running::start(
        directory.path(),
        &[
            "server",
            "--properties",
            "s.properties",
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--data",
            "d",
        ],
    );
    let kafka = server.part("kafka");
    millstream(directory.path(), &["topic", "create", "t", "--bootstrap", kafka]).succeeded();
    let listed = millstream(directory.path(), &["topic", "list", "--json", "--bootstrap", kafka]).succeeded();
    assert!(listed.contains("\"partitions\":5"), "{listed}");
}

#[test]
fn topics_and_records_outlive_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("in.txt"), "a\nb\nc\n").unwrap();
    let first = server(directory.path());
    let produced = ["produce", "t", "in.txt", "--bootstrap", first.part("kafka")];
    millstream(directory.path(), &produced).succeeded();
    first.kill();
    let second = server(directory.path());
    let consume = ["consume", "t", "--from-beginning", "--until-end", "--bootstrap", second.part("kafka")];
    assert_eq!(millstream(directory.path(), &consume).succeeded(), "a\nb\nc\n");
}
