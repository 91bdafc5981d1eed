//! A PostgreSQL server of the test's own, in a temporary folder and on a socket there.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

pub struct Server {
    folder: TempDir,
    child: Option<Child>,
    owner: Option<(u32, u32)>,
    level: &'static str,
}

impl Server {
    pub async fn start() -> Server {
        Server::with_level("logical").await
    }

    pub async fn with_level(level: &'static str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        // The server refuses to run as root.
        let owner = account("postgres").filter(|_| std::fs::metadata("/root").is_ok_and(|_| is_root()));
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Server { folder, child: None, owner, level };
        let data = server.data();
        let mut initdb = server.command("initdb");
        initdb
            .args(["--no-sync", "--auth=trust", "--username=me", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data);
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        server.boot().await;
        server
    }

    /// Starts the server and waits until it answers.
    pub async fn boot(&mut self) {
        let (data, sockets) = (self.data(), self.folder.path().to_owned());
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(data).arg("-k").arg(&sockets).args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]);
        postgres.args([
            "-c",
            &format!("wal_level={}", self.level),
            "-c",
            "max_wal_senders=10",
            "-c",
            "max_replication_slots=10",
        ]);
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        self.child = Some(postgres.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.try_session().await.is_none() {
            assert!(
                Instant::now() < deadline,
                "{}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT: its children go too.
            let status = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().unwrap();
            assert!(status.success());
            child.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub fn url_of(&self, database: &str) -> String {
        format!("host={} user=me dbname={database}", self.folder.path().display())
    }

    pub async fn session(&self) -> Client {
        self.try_session().await.expect("the server answers")
    }

    async fn try_session(&self) -> Option<Client> {
        session_at(&self.url()).await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binaries().join(program));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A session, if the server there answers.
pub async fn session_at(url: &str) -> Option<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// The rows of a query, fields joined by bars.
pub async fn rows(sql: &Client, query: &str) -> Vec<String> {
    let messages = sql.simple_query(query).await.unwrap();
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let fields = (0..row.len()).map(|field| row.get(field).unwrap_or("NULL").to_owned());
            Some(fields.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions.and_then(|versions| {
        let versions =
            versions.filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok());
        versions.max()
    });
    let found = newest.map(|version| Path::new("/usr/lib/postgresql").join(version.to_string()).join("bin"));
    found
        .filter(|folder| folder.join("initdb").exists())
        .expect("PostgreSQL 15 or newer is installed: apt-get install postgresql")
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")))
}

fn account(name: &str) -> Option<(u32, u32)> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let field = |at: usize| line.split(':').nth(at)?.parse().ok();
    Some((field(2)?, field(3)?))
}
