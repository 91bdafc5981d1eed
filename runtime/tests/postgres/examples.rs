//! The examples `postgres-to-files` and `postgres-to-postgres`: the rows there are, then every change.

use std::path::Path;
use std::time::{Duration, Instant};

use super::server::{Server, rows, session_at};
use super::{run, with_database};
use crate::examples::{copy, lines};
use crate::process::{Node, PATIENCE, finish};

const SETUP: &str = include_str!("../../../examples/postgres-to-files/setup.sql");

const CHANGES: &str = "INSERT INTO orders VALUES (101, 1, 1000); UPDATE orders SET amount = 2 WHERE id = 1;
    DELETE FROM orders WHERE id = 2; INSERT INTO customers VALUES (6, 'new', '2026-02-01Z')";

/// Waits until `what` gives what it should.
async fn until<T: PartialEq + std::fmt::Debug>(wanted: T, node: &Node, mut what: impl AsyncFnMut() -> T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = what().await;
        if found == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {wanted:?}; {}", node.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count(folder: &Path, name: &str) -> usize {
    std::fs::read_to_string(folder.join("out").join(name)).map_or(0, |text| text.lines().count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rows_and_changes_of_tables_become_files() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(SETUP).await.unwrap();
    let url = [("PG_URL", server.url())];
    let once = copy("postgres-to-files");
    let mut only = run(once.path(), &url);
    let done = finish(only.arg("--until-done").env("SNAPSHOT", "only"));
    assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    assert_eq!((count(once.path(), "orders.jsonl"), count(once.path(), "customers.jsonl")), (100, 5));
    let customer = &lines(once.path(), "out/customers.jsonl")[0];
    assert_eq!((customer["id"].as_i64(), customer["name"].as_str()), (Some(1), Some("customer 1")));

    let folder = copy("postgres-to-files");
    let node = Node::from_command(&mut run(folder.path(), &url));
    until(100, &node, async || count(folder.path(), "orders.jsonl")).await;
    sql.batch_execute(CHANGES).await.unwrap();
    // The deleted row is a record without a value: the file shows it as null or not at all, the other two are lines.
    until(6, &node, async || count(folder.path(), "customers.jsonl")).await;
    until(true, &node, async || {
        let orders = lines(folder.path(), "out/orders.jsonl");
        orders.iter().any(|order| order["id"] == 101) && orders.last().is_some_and(|last| last["id"] != 100)
    })
    .await;
    assert!(node.stop().success());
    assert!(count(folder.path(), "totals.jsonl") >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_and_its_totals_are_kept_up_to_date_in_another_database() {
    let server = with_database("copy").await;
    let sql = server.session().await;
    sql.batch_execute(SETUP).await.unwrap();
    let target = session_at(&server.url_of("copy")).await.unwrap();
    let variables = [("FROM_URL", server.url()), ("TO_URL", server.url_of("copy"))];
    let folder = copy("postgres-to-postgres");
    let orders = "SELECT id, customer, amount::numeric(10, 2) FROM orders ORDER BY id";
    let copied = async || match target.simple_query("SELECT 1 FROM orders LIMIT 1").await {
        Ok(_) => rows(&target, orders).await,
        Err(_) => Vec::new(),
    };
    let node = Node::from_command(&mut run(folder.path(), &variables));
    until(rows(&sql, orders).await, &node, copied).await;
    sql.batch_execute(CHANGES).await.unwrap();
    until(rows(&sql, orders).await, &node, copied).await;
    node.kill();
    sql.batch_execute("UPDATE orders SET amount = amount + 1 WHERE id > 90").await.unwrap();
    let node = Node::from_command(&mut run(folder.path(), &variables));
    until(rows(&sql, orders).await, &node, copied).await;
    // A query over a stream counts every row that came, also the later state of one that changed.
    let totals = "SELECT sum(orders) FROM totals";
    until(vec!["113".to_owned()], &node, async || rows(&target, totals).await).await;
    assert!(node.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_is_polled_into_another_and_each_run_reads_what_is_new() {
    let server = Server::start().await;
    let sql = server.session().await;
    sql.batch_execute(SETUP).await.unwrap();
    let folder = copy("postgres-polling");
    let variables = [("PG_URL", server.url())];
    let copied = "SELECT id, customer, amount::numeric(10, 2) FROM order_copies ORDER BY id";
    let orders = "SELECT id, customer, amount::numeric(10, 2) FROM orders ORDER BY id";
    for more in ["SELECT 1", "INSERT INTO orders VALUES (101, 1, 1000), (102, 2, 0.05)", "SELECT 1"] {
        sql.batch_execute(more).await.unwrap();
        let done = finish(run(folder.path(), &variables).arg("--until-done"));
        assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
        assert_eq!(rows(&sql, copied).await, rows(&sql, orders).await);
    }
}
