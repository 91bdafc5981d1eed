//! What goes wrong between two tasks of one query, each at the step where it does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::model::{Disturbance, Model, ModelLink};
use super::scenario::Scenario;
use crate::exec::QueryError;
use crate::exec::encode::OutputRows;
use crate::exec::engine::BadRecords;
use crate::exec::link::{Change, InputPartition, Link, Piece, Position};
use crate::exec::status::StatusCells;
use crate::exec::task::{self, Orders, TaskConfig};
use crate::plan::{PlanContext, Program, QueryPlan};
use crate::state::store::QueryStore;

const PROGRAM: &str = "CREATE STREAM s (k TEXT, n BIGINT);
    CREATE TABLE t AS SELECT k, sum(n) AS n FROM s GROUP BY k;";

fn query() -> Arc<QueryPlan> {
    let program = Program::parse(PROGRAM, "pitfalls.sql").expect("the program parses");
    let context = PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() };
    program.plan(&context).expect("the program plans").queries[0].clone()
}

fn model_with(rows: &[&str]) -> Arc<Mutex<Model>> {
    let mut model = Model::default();
    let record = |row: &&str| (None, Some(row.as_bytes().to_vec()), Vec::new());
    model.topics.insert(("s".to_owned(), 0), rows.iter().map(record).collect());
    model.topics.insert(("t".to_owned(), 0), Vec::new());
    Arc::new(Mutex::new(model))
}

fn config() -> TaskConfig {
    TaskConfig {
        commit_interval: Duration::ZERO,
        commit_rows_max: task::TRANSACTION_ROWS_MAX,
        idle_timeout: None,
        bad_records: BadRecords::Fail,
        state: None,
        parallelism: 1,
    }
}

/// A task that stops at its commit until it is let go, as one whose process was paused.
struct Paused {
    link: ModelLink,
    reached: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[async_trait]
impl Link for Paused {
    async fn open(&mut self) -> Result<Vec<InputPartition>, QueryError> {
        self.link.open().await
    }

    async fn changelog(
        &mut self,
        store: &mut QueryStore,
        left: &(dyn Fn(i64) + Sync),
    ) -> Result<(), QueryError> {
        self.link.changelog(store, left).await
    }

    async fn poll(&mut self, wait: Duration) -> Result<Option<Piece>, QueryError> {
        self.link.poll(wait).await
    }

    fn hold(&mut self, held: &[usize]) {
        self.link.hold(held);
    }

    async fn write(&mut self, output: usize, rows: &OutputRows, keyless: i32) -> Result<(), QueryError> {
        self.link.write(output, rows, keyless).await
    }

    async fn commit(
        &mut self,
        changes: &[Change],
        positions: &[Position],
    ) -> Result<Option<i64>, QueryError> {
        self.reached.notify_one();
        self.go_on.notified().await;
        self.link.commit(changes, positions).await
    }
}

/// Runs a task until it has committed something, then ends it cleanly.
async fn run(query: &Arc<QueryPlan>, link: &mut dyn Link) -> Result<(), QueryError> {
    let status = StatusCells::new(query.name());
    let (orders, ordered) = watch::channel(Orders::default());
    let (finished, _) = watch::channel(0);
    let config = config();
    let running = task::run(query, &config, &status, link, &ordered, &finished);
    tokio::pin!(running);
    loop {
        tokio::select! {
            ended = &mut running => return ended,
            () = tokio::task::yield_now() => {
                if status.snapshot().commits > 0 {
                    orders.send_modify(|orders| orders.stop = true);
                }
            }
        }
    }
}

fn written(model: &Mutex<Model>) -> Vec<String> {
    let model = model.lock().expect("the model is not poisoned");
    let records = &model.topics[&("t".to_owned(), 0)];
    records
        .iter()
        .map(|(_, value, _)| String::from_utf8_lossy(value.as_deref().unwrap_or(b"-")).into())
        .collect()
}

#[tokio::test]
async fn a_task_that_was_paused_while_another_took_over_cannot_commit() {
    let query = query();
    let model = model_with(&[r#"{"k":"a","n":1}"#, r#"{"k":"a","n":2}"#]);
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let link = |model: &Arc<Mutex<Model>>| ModelLink::new(model.clone(), query.clone(), Disturbance::none());
    let mut paused = Paused { link: link(&model), reached: reached.clone(), go_on: go_on.clone() };
    let old = tokio::spawn({
        let query = query.clone();
        async move { run(&query, &mut paused).await }
    });
    reached.notified().await;
    // The old task has written its results, and is about to commit them.
    run(&query, &mut link(&model)).await.expect("the new task runs");
    assert_eq!(written(&model), [r#"{"k":"a","n":3}"#]);
    go_on.notify_one();
    let ended = old.await.expect("the old task does not panic");
    assert!(matches!(ended, Err(QueryError::Fenced { .. })), "{ended:?}");
    assert_eq!(written(&model), [r#"{"k":"a","n":3}"#]);
}

/// All rows of one commit have one time, and a commit that is done again after a crash has its own.
#[tokio::test]
async fn now_is_one_time_for_a_commit() {
    let script = "program
CREATE STREAM s (n BIGINT);
CREATE STREAM t AS SELECT n, now() AS a, current_timestamp AS b, current_date AS c FROM s WHERE now() > TIMESTAMP '2020-01-01T00:00:00';

input s 0
- {\"n\":1}
- {\"n\":2}

input s 1
- {\"n\":3}

finish
";
    let scenario = Scenario::parse("now".to_owned(), script);
    let plain = scenario.values(&Disturbance::none(), "t", false).await;
    let times = |rows: &[String]| -> Vec<(String, String)> {
        let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let read = |row: &String| {
            let row: serde_json::Value = serde_json::from_str(row).expect("a row is JSON");
            (field(&row, "a"), field(&row, "b"))
        };
        rows.iter().map(read).collect()
    };
    let found = times(&plain);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|(a, b)| a == b && *a == found[0].0 && a.ends_with('Z')), "{plain:?}");
    for step in 0..8 {
        let crashed = scenario.values(&Disturbance::none().crashing_at(step, None), "t", false).await;
        let found = times(&crashed);
        assert_eq!(found.len(), 3, "{crashed:?}");
        assert!(found.iter().all(|(a, _)| *a == found[0].0), "{crashed:?}");
    }
}
