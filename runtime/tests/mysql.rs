//! The example `mysql` on a MariaDB server of its own.

#[path = "../../connectors/tests/sql/server.rs"]
mod server;

use server::{Server, rows};

use crate::examples::{copy, lines};
use crate::process::{finish, millstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_table_of_a_server_is_written_and_read_back() {
    let mut server = Server::start(&[]).await;
    let folder = copy("mysql");
    let url = server.url();
    let run = |file: &str| {
        let mut command = millstream();
        command.current_dir(folder.path());
        command.args(["run", file, "--until-done", "--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let done = finish(command.args(["--set", &format!("SHOP={url}")]));
        assert_eq!(done.status.code(), Some(0), "{}", done.stderr);
    };
    for _ in 0..2 {
        // The second time there is nothing left to do.
        run("pipeline.yaml");
        run("read.yaml");
        server.restart().await;
    }
    let orders = lines(folder.path(), "out/orders.jsonl");
    let ids: Vec<_> = orders.iter().map(|order| order["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
    let mut sql = server.session().await;
    assert_eq!(rows(&mut sql, "SELECT count(*), count(DISTINCT id) FROM orders").await, ["500|500"]);
}
