//! The real binary in a temporary directory: what it prints, writes and returns.

mod bench;
mod cases;
mod cluster;
mod node;
mod pipelines;
mod server;
mod sql;
mod validate;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest wait for anything that the binary does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the binary in `directory` to its end.
pub fn millstream(directory: &Path, arguments: &[&str]) -> Finished {
    let output = command(directory, arguments).stdin(Stdio::null()).output();
    Finished::of(&output.expect("the binary starts"))
}

/// The same with some variables set.
pub fn millstream_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = command(directory, arguments);
    let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output();
    Finished::of(&output.expect("the binary starts"))
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments).current_dir(directory);
    // The environment of whoever runs the tests must not change what they see.
    for variable in ["MILLSTREAM_BOOTSTRAP", "MILLSTREAM_LOG", "MILLSTREAM_SECRETS", "KAFKA_NUM_PARTITIONS"] {
        command.env_remove(variable);
    }
    command
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the output is UTF-8");
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The standard output of a command that must have succeeded.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

/// A process that says it is ready and then goes on. Killed when dropped.
pub struct Running {
    child: Child,
    ready: String,
}

impl Running {
    /// Starts the binary and waits for its ready line.
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = command(directory, arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut told = String::new();
            loop {
                let start = told.len();
                if stderr.read_line(&mut told).unwrap_or(0) == 0
                    || told[start..].starts_with("millstream ready ")
                {
                    let line = told[start..].to_owned();
                    drop(sender.send(if line.is_empty() { Err(told) } else { Ok(line) }));
                    break;
                }
            }
            // What follows is read and dropped, so that the pipe never blocks the process.
            drop(stderr.read_to_end(&mut Vec::new()));
        });
        let mut running = Self { child, ready: String::new() };
        running.ready = receiver.recv_timeout(PATIENCE).expect("a ready line in time").expect("a ready line");
        running
    }

    /// A part of the ready line, such as `kafka`.
    pub fn part(&self, name: &str) -> &str {
        let found = self.ready.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name}= in {}", self.ready))
    }

    /// Asks for a clean stop and waits for it.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        self.child.wait().expect("the process ends").code()
    }

    /// As kill -9 does.
    fn kill(mut self) {
        self.child.kill().expect("the process is there");
        self.child.wait().expect("the process ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already after `stop` and `kill`.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server on free ports with its data in `directory/data`.
pub fn server(directory: &Path) -> Running {
    Running::start(
        directory,
        &["server", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", "data"],
    )
}

/// An HTTP answer, head and body.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Looks again and again until `done`, or fails saying what was waited for.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
