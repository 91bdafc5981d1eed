//! Statements that come one after the other, while queries run; and a session that goes on where another ended.

use std::time::{Duration, Instant};

use millstream_streams::{
    EngineConfig, PlanContext, Program, QueryShown, QueryState, SelectFrom, SelectedRow, Session,
};
use tokio::runtime::Runtime;

use crate::cluster::{PATIENCE, TestCluster};

struct Shell {
    runtime: Runtime,
    session: Session,
    prefix: String,
}

impl Shell {
    fn open(cluster: &TestCluster, file: &str) -> Shell {
        let runtime = Runtime::new().unwrap();
        let file = file.replace('@', &format!("{}-", cluster.prefix));
        let context = PlanContext { pipeline: cluster.name("s"), ..PlanContext::default() };
        let plan = Program::parse(&file, "file.sql").unwrap().plan(&context).unwrap();
        let session = runtime.block_on(async {
            let client = cluster.connect_by_tcp().await;
            Session::start(client, EngineConfig::default(), plan).await.unwrap()
        });
        Shell { runtime, session, prefix: cluster.prefix.clone() }
    }

    /// What the statements are answered, or why not.
    fn say(&self, text: &str) -> String {
        let text = text.replace('@', &format!("{}-", self.prefix));
        match self.runtime.block_on(self.session.execute(&text)) {
            Ok(answers) => answers.iter().map(|answer| answer.message.clone()).collect::<Vec<_>>().join("; "),
            Err(error) => error.to_string(),
        }
    }

    fn query(&self, name: &str) -> Option<QueryShown> {
        self.session.queries().into_iter().find(|query| query.status.name == name)
    }

    fn stop(self) {
        self.runtime.block_on(self.session.stop());
    }
}

/// Waits until the topic holds so many records; gives their values, sorted.
fn values(cluster: &TestCluster, topic: &str, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = cluster.read(&cluster.name(topic));
        if found.len() >= count {
            let mut values: Vec<String> = found.into_iter().map(|(_, _, value)| value).collect();
            values.sort();
            return values;
        }
        assert!(Instant::now() < deadline, "{topic} holds {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const VISITS: &str =
    "CREATE STREAM visits (page TEXT, ms BIGINT) WITH (topic = '@visits', key = 'page', partitions = 2)";
const PAGES: &str =
    "CREATE TABLE pages WITH (topic = '@pages') AS SELECT page, count(*) AS n FROM visits GROUP BY page";

#[test]
fn statements_run_at_once_and_again_after_a_restart() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, "");
    assert_eq!(shell.say(&format!("{VISITS}; {PAGES}")), "STREAM `visits` created; TABLE `pages` created");
    assert_eq!(shell.say("INSERT INTO visits VALUES ('a', 1), ('a', 1 + 1)"), "rows for STREAM `visits`");
    assert_eq!(values(&cluster, "pages", 1).pop().unwrap(), r#"{"page":"a","n":2}"#);
    assert!(shell.say("SHOW QUERIES").is_empty());
    shell.stop();

    let shell = Shell::open(&cluster, "");
    let query = shell.query("pages").expect("the query is there again");
    assert_eq!((query.reads.as_slice(), query.writes.as_str()), (["visits".to_owned()].as_slice(), "pages"));
    assert_eq!(shell.say("INSERT INTO visits (page) VALUES ('a')"), "rows for STREAM `visits`");
    assert!(values(&cluster, "pages", 2).contains(&r#"{"page":"a","n":3}"#.to_owned()));
    shell.stop();
}

#[test]
fn a_paused_query_waits_also_through_a_restart() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, "");
    shell.say(&format!("{VISITS}; CREATE STREAM copy WITH (topic = '@copy') AS SELECT page FROM visits"));
    assert_eq!(shell.say("PAUSE copy"), "query `copy` paused");
    assert_eq!(shell.query("copy").unwrap().status.state, QueryState::Paused);
    shell.say("INSERT INTO visits VALUES ('a', 1)");
    shell.stop();
    let shell = Shell::open(&cluster, "");
    assert_eq!(shell.query("copy").unwrap().status.state, QueryState::Paused);
    assert!(cluster.read(&cluster.name("copy")).is_empty());
    assert_eq!(shell.say("RESUME copy"), "query `copy` resumed");
    assert_eq!(values(&cluster, "copy", 1), [r#"{"page":"a"}"#]);
    shell.stop();
}

#[test]
fn a_replaced_query_goes_on_and_a_dropped_one_starts_over() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, "");
    shell.say(&format!("{VISITS}; {PAGES}; INSERT INTO visits VALUES ('a', 1)"));
    assert_eq!(values(&cluster, "pages", 1), [r#"{"page":"a","n":1}"#]);
    let twice = "CREATE OR REPLACE TABLE pages WITH (topic = '@pages') AS SELECT page, count(*) * 10 AS tens FROM \
         visits GROUP BY page";
    assert_eq!(shell.say(twice), "TABLE `pages` replaced");
    shell.say("INSERT INTO visits VALUES ('a', 1)");
    assert_eq!(values(&cluster, "pages", 2), [r#"{"page":"a","n":1}"#, r#"{"page":"a","tens":20}"#]);
    let refused = shell.say(
        "CREATE OR REPLACE TABLE pages WITH (topic = '@pages') AS SELECT page, sum(ms) AS s FROM visits GROUP BY page",
    );
    assert!(refused.contains("cannot go on with its state"), "{refused}");
    assert_eq!(
        shell.say("DROP STREAM visits"),
        "sql:1:13: query `pages` still uses `visits` (drop what uses it first)"
    );
    assert_eq!(shell.say("DROP TABLE pages DELETE TOPIC"), "TABLE `pages` dropped");
    assert!(shell.query("pages").is_none());
    assert_eq!(shell.say(PAGES), "TABLE `pages` created");
    assert_eq!(values(&cluster, "pages", 1), [r#"{"page":"a","n":2}"#]);
    shell.stop();
}

#[test]
fn one_bad_statement_keeps_all_from_being_carried_out() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, "");
    assert_eq!(
        shell.say(&format!("{VISITS};\nCREATE STREAM x AS SELECT nope FROM visits")),
        "sql:2:27: no column `nope` (columns here: page, ms)"
    );
    assert!(shell.say("DESCRIBE visits").starts_with("sql:1:10: no stream or table `visits`"));
    for (text, reason) in [
        ("INSERT INTO visits VALUES (1)", "sql:1:13: a row has 1 values for 2 columns"),
        ("INSERT INTO visits (pag) VALUES (1)", "sql:1:21: no column `pag` (did you mean `page`?)"),
    ] {
        shell.say(VISITS);
        assert_eq!(shell.say(text), reason);
    }
    let refused = shell.say("INSERT INTO visits VALUES ('a', 'much')");
    assert!(refused.contains("much"), "{refused}");
    shell.stop();
}

#[test]
fn a_file_s_relations_are_there_to_be_read_and_paused() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, &format!("{VISITS}; {PAGES}"));
    assert_eq!(shell.session.started_with().len(), 1);
    assert_eq!(
        shell.say("CREATE STREAM copy WITH (topic = '@copy') AS SELECT page FROM visits"),
        "STREAM `copy` created"
    );
    assert!(shell.say("DROP TABLE pages").contains("belongs to the pipeline's file"));
    assert_eq!(shell.say("PAUSE ALL"), "2 queries paused");
    assert!(shell.session.started_with().is_empty());
    shell.stop();
    let shell = Shell::open(&cluster, &format!("{VISITS}; {PAGES}"));
    let states: Vec<(String, bool)> = shell
        .session
        .queries()
        .into_iter()
        .map(|query| (query.status.name, query.status.state == QueryState::Paused))
        .collect();
    assert_eq!(states, [("pages".to_owned(), false), ("copy".to_owned(), true)]);
    shell.stop();
    // A relation that the file no longer has leaves a statement that cannot be planned: kept, told, and dropped by name.
    let shell = Shell::open(&cluster, "");
    assert!(shell.query("copy").is_none());
    assert_eq!(shell.say("DROP STREAM copy"), "`copy`, which did not run, dropped");
    shell.stop();
}
/// The rows of a `SELECT`, as text, until there are so many or it ends.
fn selected(shell: &Shell, text: &str, count: usize) -> Vec<String> {
    let text = text.replace('@', &format!("{}-", shell.prefix));
    shell.runtime.block_on(async {
        let selection = shell.session.select(&text, SelectFrom::Earliest).await.unwrap();
        let mut selection = selection.expect("a SELECT");
        let mut rows = Vec::new();
        while rows.len() < count {
            match tokio::time::timeout(PATIENCE, selection.next()).await.expect("rows come") {
                Some(Ok(SelectedRow::Row(row))) => rows.push(String::from_utf8(row).unwrap()),
                Some(Ok(SelectedRow::Gone(key))) => {
                    rows.push(format!("gone {}", String::from_utf8_lossy(&key)))
                }
                Some(Err(error)) => rows.push(error.to_string()),
                None => break,
            }
        }
        rows
    })
}

#[test]
fn a_select_alone_gives_what_there_is_or_what_comes() {
    let cluster = TestCluster::start();
    let shell = Shell::open(
        &cluster,
        "CREATE STREAM s (k TEXT, n BIGINT) WITH (topic = '@s', partitions = 2);
         CREATE TABLE t WITH (topic = '@t') AS SELECT k, sum(n) AS n FROM s GROUP BY k;",
    );
    shell.say("INSERT INTO s VALUES ('a', 1), ('b', 2), ('a', 3)");
    let mut rows = selected(&shell, "SELECT k, n * 2 AS n FROM s WHERE n < 3", 9);
    rows.sort();
    assert_eq!(rows, [r#"{"k":"a","n":2}"#, r#"{"k":"b","n":4}"#]);
    assert_eq!(selected(&shell, "SELECT sum(n) AS n, count(*) AS c FROM s", 9), [r#"{"n":6,"c":3}"#]);
    assert_eq!(selected(&shell, "SELECT k FROM s LIMIT 2", 9).len(), 2);
    let wait = Instant::now() + PATIENCE;
    loop {
        let mut rows = selected(&shell, "SELECT * FROM t", 9);
        rows.sort();
        if rows == [r#"{"k":"a","n":4}"#, r#"{"k":"b","n":2}"#] {
            break;
        }
        assert!(Instant::now() < wait, "{rows:?}");
    }
    // With EMIT it goes on: rows that are written later come too.
    let live = std::thread::scope(|scope| {
        let reader =
            scope.spawn(|| selected(&shell, "SELECT k, count(*) AS c FROM s GROUP BY k EMIT CHANGES", 1));
        reader.join().unwrap()
    });
    assert_eq!(live.len(), 1);
    let refused = shell.runtime.block_on(shell.session.select("SELECT x FROM s", SelectFrom::Latest));
    assert!(refused.err().unwrap().to_string().contains("no column `x`"));
    shell.stop();
}

#[test]
fn selections_are_bounded_and_end_when_nobody_takes_their_rows() {
    let cluster = TestCluster::start();
    let shell = Shell::open(&cluster, "CREATE STREAM s (k TEXT) WITH (topic = '@s');");
    shell.say("INSERT INTO s VALUES ('a')");
    shell.runtime.block_on(async {
        let begin = || shell.session.select("SELECT k FROM s EMIT CHANGES", SelectFrom::Earliest);
        let mut selections = Vec::new();
        let refused = loop {
            match begin().await {
                Ok(selection) => selections.push(selection.expect("a SELECT")),
                Err(error) => break error.to_string(),
            }
            assert!(selections.len() < 1_000, "there is a bound");
        };
        assert!(refused.contains("others run already: end one"), "{refused}");
        // Those that nobody waits for end although nothing comes.
        drop(selections);
        let deadline = Instant::now() + PATIENCE;
        while begin().await.is_err() {
            assert!(Instant::now() < deadline, "none has ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    shell.stop();
}
