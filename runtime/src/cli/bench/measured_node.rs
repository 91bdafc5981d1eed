//! The broker under load: an existing cluster, or a server started for this run as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use millstream_client::Client;
use millstream_client::admin::NewTopic;

use super::process::{Usage, usage_of};
use super::{Failure, Place};
use crate::cli::cluster::connect;

pub struct MeasuredNode {
    pub bootstrap: String,
    /// Where files of the run go.
    pub directory: PathBuf,
    child: Option<Child>,
    made_directory: bool,
    pub at_rest: Option<Usage>,
}

impl MeasuredNode {
    pub fn start(place: &Place) -> Result<Self, Failure> {
        let made_directory = place.data.is_none();
        let directory = place
            .data
            .clone()
            .unwrap_or_else(|| std::env::temp_dir().join(format!("millstream-bench-{}", std::process::id())));
        std::fs::create_dir_all(&directory)
            .map_err(|error| Failure::failed(format!("creating {}: {error}", directory.display())))?;
        let mut node =
            Self { bootstrap: String::new(), directory, child: None, made_directory, at_rest: None };
        match &place.bootstrap {
            Some(bootstrap) => node.bootstrap.clone_from(bootstrap),
            None => node.spawn(&place.settings)?,
        }
        Ok(node)
    }

    fn spawn(&mut self, settings: &[String]) -> Result<(), Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("finding this program's own file: {error}")))?;
        let mut command = Command::new(program);
        command.args(["server", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--set", "acks.all.durability=interval", "--data"]).arg(self.directory.join("broker"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| Failure::failed(format!("starting the server: {error}")))?;
        let stderr = child.stderr.take().map(BufReader::new);
        self.child = Some(child);
        let Some(mut stderr) = stderr else { return Err(Failure::failed("the server has no stderr")) };
        let mut line = String::new();
        loop {
            line.clear();
            let count = stderr.read_line(&mut line).map_err(Failure::failed)?;
            if count == 0 {
                return Err(Failure::failed("the server ended before it was ready"));
            }
            if let Some(address) = line.split_whitespace().find_map(|word| word.strip_prefix("kafka=")) {
                self.bootstrap = address.to_owned();
                break;
            }
            super::super::output::Output::for_people().complain(&line);
        }
        // Later warnings of the server must not fill the pipe and block it.
        std::thread::spawn(move || std::io::copy(&mut stderr.by_ref(), &mut std::io::sink()));
        self.at_rest = self.usage();
        Ok(())
    }

    /// What the started server has used so far; nothing about an existing cluster.
    pub fn usage(&self) -> Option<Usage> {
        usage_of(self.child.as_ref()?.id())
    }

    /// Connects and makes a fresh topic, named after the process so that runs don't meet.
    pub async fn client_with_topic(&self, partitions: i32) -> Result<(Client, String), Failure> {
        let client = connect(&self.bootstrap).await?;
        let name = format!("bench-{}", std::process::id());
        let admin = client.admin();
        for result in admin.create_topics(&[NewTopic::new(name.clone(), partitions)], false).await {
            result.map_err(Failure::failed)?;
        }
        admin.wait_for_topic(&name).await.map_err(Failure::failed)?;
        Ok((client, name))
    }

    /// Removes the run's topic from a cluster that goes on living.
    pub async fn remove_topic(&self, client: &Client, name: &str) -> Result<(), Failure> {
        if self.child.is_none() {
            for result in client.admin().delete_topics(&[name]).await {
                result.map_err(Failure::failed)?;
            }
        }
        Ok(())
    }
}

impl Drop for MeasuredNode {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its data goes too, so there is nothing to stop cleanly for.
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                tracing::warn!(%error, "the server started for the measurement could not be stopped");
            }
        }
        let broker = self.directory.join("broker");
        let gone = if self.made_directory { &self.directory } else { &broker };
        if gone.exists()
            && let Err(error) = std::fs::remove_dir_all(gone)
        {
            tracing::warn!(%error, directory = %gone.display(), "files of the measurement are left behind");
        }
    }
}
