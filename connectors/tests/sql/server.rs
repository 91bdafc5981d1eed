//! A MariaDB server of the test's own, in a temporary folder, on a socket there and a free port of this machine.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use tempfile::TempDir;

pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    pub port: u16,
    options: Vec<String>,
}

impl Server {
    pub async fn start(options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Server { folder, child: None, port, options };
        server.boot().await;
        server.session().await.query_drop("CREATE DATABASE IF NOT EXISTS shop").await.unwrap();
        server
    }

    /// Starts the server and waits until it answers. Without tables of accounts anybody may come in.
    pub async fn boot(&mut self) {
        let folder = self.folder.path();
        let mut mariadbd = Command::new("/usr/sbin/mariadbd");
        mariadbd.args(["--no-defaults", "--user=root", "--skip-grant-tables", "--bind-address=127.0.0.1"]);
        mariadbd.arg(format!("--datadir={}", folder.join("data").display()));
        mariadbd.arg(format!("--socket={}", self.socket())).arg(format!("--port={}", self.port));
        mariadbd.arg(format!("--pid-file={}", folder.join("pid").display()));
        // A commit is in the system's memory: enough for a server that is killed, and quick.
        mariadbd.args([
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=16M",
        ]);
        mariadbd.args(&self.options);
        let log = std::fs::File::create(folder.join("log")).unwrap();
        self.child = Some(mariadbd.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.try_session().await.is_none() {
            let told = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(Instant::now() < deadline, "{}", told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the server as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends the server in good order: its first pages reach the disk only then.
    pub async fn restart(&mut self) {
        if let Some(mut child) = self.child.take() {
            let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            assert!(status.success());
            child.wait().unwrap();
        }
        self.boot().await;
    }

    fn socket(&self) -> String {
        self.folder.path().join("socket").display().to_string()
    }

    pub fn url(&self) -> String {
        format!("mysql://me@localhost/shop?socket={}", self.socket())
    }

    pub async fn session(&self) -> Conn {
        self.try_session().await.expect("the server answers")
    }

    async fn try_session(&self) -> Option<Conn> {
        let options =
            OptsBuilder::default().socket(Some(self.socket())).user(Some("me")).prefer_socket(false);
        let mut session = Conn::new(options).await.ok()?;
        let _ = session.query_drop("USE shop").await;
        Some(session)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The rows of a query, fields joined by bars.
pub async fn rows(sql: &mut Conn, query: &str) -> Vec<String> {
    let rows: Vec<Row> = sql.query(query).await.unwrap();
    let text = |value: Value| match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    };
    rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect::<Vec<_>>().join("|")).collect()
}
