//! Starting, finishing, stopping and starting again; and what the status says meanwhile.

use std::time::{Duration, Instant};

use millstream_streams::{EngineConfig, QueryState};

use crate::cluster::{PATIENCE, TestCluster, plan};

const PROGRAM: &str = "CREATE STREAM visits (page TEXT, ms BIGINT) WITH (topic = '@visits', key = 'page', partitions = 3);
    CREATE STREAM slow WITH (topic = '@slow') AS SELECT page, ms FROM visits WHERE ms > 100;
    CREATE TABLE pages WITH (topic = '@pages') AS SELECT page, count(*) AS n, max(ms) AS longest FROM slow GROUP BY page;";

#[test]
fn queries_feed_each_other_and_go_on_where_they_stopped() {
    let cluster = TestCluster::start();
    let plan = plan(&cluster, PROGRAM);
    for round in 1..=3 {
        let running = cluster.run(&plan);
        let visits = [("home", r#"{"page":"home","ms":50}"#), ("shop", r#"{"page":"shop","ms":150}"#)];
        cluster.produce(&cluster.name("visits"), visits);
        running.finish(&cluster);
        assert_eq!(cluster.read(&cluster.name("slow")).len(), round);
        let last = cluster.read(&cluster.name("pages")).pop().expect("a row");
        assert_eq!(
            (last.1.as_str(), last.2),
            ("shop", format!(r#"{{"page":"shop","n":{round},"longest":150}}"#))
        );
        let status = running.queries.get("slow").expect("the query").status();
        assert_eq!((status.state, status.rows_in, status.rows_out), (QueryState::Running, 2, 1));
        assert_eq!((status.lag_records, status.last_error), (0, None));
        running.stop();
        assert_eq!(running.queries.status()[0].state, QueryState::Stopped);
    }
}

#[test]
fn results_come_by_themselves_within_a_commit_interval() {
    let cluster = TestCluster::start();
    let running = cluster.run(&plan(&cluster, PROGRAM));
    cluster.produce(&cluster.name("visits"), [("shop", r#"{"page":"shop","ms":150}"#)]);
    let deadline = Instant::now() + PATIENCE;
    while cluster.read(&cluster.name("pages")).is_empty() {
        assert!(Instant::now() < deadline, "no result: {:?}", running.queries.status());
    }
    running.stop();
}

#[test]
fn a_second_engine_takes_over_and_nothing_is_doubled() {
    let cluster = TestCluster::start();
    let plan = plan(&cluster, PROGRAM);
    let first = cluster.run(&plan);
    let visit = |ms: i64| format!(r#"{{"page":"shop","ms":{ms}}}"#);
    cluster.produce(&cluster.name("visits"), [("shop", visit(101).as_str())]);
    first.finish(&cluster);
    let second = cluster.run(&plan);
    second.finish(&cluster);
    first.kill();
    cluster.produce(&cluster.name("visits"), [("shop", visit(102).as_str())]);
    second.finish(&cluster);
    let values: Vec<String> =
        cluster.read(&cluster.name("slow")).into_iter().map(|(_, _, value)| value).collect();
    assert_eq!(values, [visit(101), visit(102)]);
    second.stop();
}

#[test]
fn a_record_that_cannot_be_read_is_left_out_and_told() {
    let cluster = TestCluster::start();
    let running = cluster.run(&plan(&cluster, PROGRAM));
    cluster.produce(&cluster.name("visits"), [("a", "not json"), ("shop", r#"{"page":"shop","ms":150}"#)]);
    running.finish(&cluster);
    let status = running.queries.get("slow").expect("the query").status();
    assert_eq!((status.bad_rows, status.rows_out), (1, 1));
    let error = status.last_error.expect("an error");
    assert!(error.contains("left out: read records of") && error.contains("offset 0"), "{error}");
    running.stop();
}

/// A transaction that was open when its task died holds readers up until somebody ends it: the next task does, at once.
#[test]
fn an_open_transaction_of_a_dead_task_is_ended_by_the_next() {
    let cluster = TestCluster::start();
    let plan = plan(&cluster, PROGRAM);
    let never = EngineConfig {
        commit_interval: Duration::from_secs(3_600),
        idle_timeout: None,
        ..EngineConfig::default()
    };
    let stuck = cluster.run_with(&plan, never);
    let visit = |ms: i64| format!(r#"{{"page":"shop","ms":{ms}}}"#);
    cluster.produce(&cluster.name("visits"), [("shop", visit(101).as_str())]);
    let deadline = Instant::now() + PATIENCE;
    while stuck.queries.get("slow").expect("the query").status().rows_out == 0 {
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::sleep(Duration::from_millis(5));
    }
    stuck.kill();
    assert_eq!(cluster.read(&cluster.name("slow")), []);
    let started = Instant::now();
    let next = cluster.run(&plan);
    next.finish(&cluster);
    let values: Vec<String> =
        cluster.read(&cluster.name("slow")).into_iter().map(|(_, _, value)| value).collect();
    assert_eq!(values, [visit(101)]);
    // Long before the transaction would have ended by itself.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    next.stop();
}
