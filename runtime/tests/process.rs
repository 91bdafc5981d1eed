//! The real binary as a child process: started, watched, killed; never left behind.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before the test says what it waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn millstream() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.stdin(Stdio::null());
    command
}

/// A finished run: exit status and what it complained about.
pub struct Finished {
    pub status: ExitStatus,
    pub stderr: String,
}

/// Runs a command to its end; a run that takes longer than [`PATIENCE`] is killed and fails the test.
pub fn finish(command: &mut Command) -> Finished {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the binary");
    let (stdout, stderr) = (gather(child.stdout.take()), gather(child.stderr.take()));
    let status = wait_for_exit(&mut child, &stderr);
    let text = |shared: &Shared| shared.lock().expect("a reader thread").clone();
    // The readers end when the pipes close, which they have: the process is gone.
    stdout.joined();
    Finished { status, stderr: text(&stderr.joined()) }
}

type Shared = Arc<Mutex<String>>;

struct Gathered {
    text: Shared,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Gathered {
    fn joined(mut self) -> Shared {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader thread");
        }
        self.text
    }
}

fn gather(pipe: Option<impl Read + Send + 'static>) -> Gathered {
    let text = Shared::default();
    let shared = text.clone();
    let reader = pipe.map(|pipe| {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = shared.lock().expect("the only other holder reads");
                text.push_str(&line);
                text.push('\n');
            }
        })
    });
    Gathered { text, reader }
}

fn wait_for_exit(child: &mut Child, stderr: &Gathered) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("ask for the exit status") {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().expect("kill a run that hangs");
            let said = stderr.text.lock().expect("a reader thread").clone();
            panic!("the run did not end within {PATIENCE:?}; it said:\n{said}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A node that serves until it is stopped or killed.
pub struct Node {
    child: Child,
    stderr: Gathered,
    pub kafka: String,
}

impl Node {
    /// Starts `millstream server` on a data directory; `listen` may be port 0.
    pub fn start(data: &Path, listen: &str, settings: &[&str]) -> Node {
        let mut command = millstream();
        command.arg("server").arg("--data").arg(data).args(["--listen", listen, "--http", "127.0.0.1:0"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        Node::from_command(&mut command)
    }

    /// Starts a command that prints the ready line, and waits for it.
    pub fn from_command(command: &mut Command) -> Node {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start the binary");
        let stderr = gather(child.stderr.take());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = stderr.text.lock().expect("a reader thread").clone();
            if let Some(line) = said.lines().find(|line| line.starts_with("millstream ready ")) {
                let field = |name: &str| {
                    let value = line.split(' ').find_map(|word| word.strip_prefix(name));
                    value.unwrap_or_else(|| panic!("no {name} in `{line}`")).to_owned()
                };
                return Node { kafka: field("kafka="), child, stderr };
            }
            if let Some(status) = child.try_wait().expect("ask for the exit status") {
                panic!("the node ended with {status} before it was ready:\n{said}");
            }
            assert!(Instant::now() < deadline, "the node is not ready after {PATIENCE:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the node has said so far.
    pub fn said(&self) -> String {
        self.stderr.text.lock().expect("a reader thread").clone()
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("ask for the exit status").is_none()
    }

    /// Resident memory in bytes, from /proc.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a live process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS in /proc");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
        kilobytes * 1024
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the node");
        self.child.wait().expect("the node's exit status");
    }

    /// SIGTERM, and the exit status of a clean stop.
    pub fn stop(mut self) -> ExitStatus {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("send SIGTERM");
        assert!(sent.success(), "kill -TERM {pid}");
        wait_for_exit(&mut self.child, &self.stderr)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.is_alive() {
            self.child.kill().expect("kill a node that a test left");
            self.child.wait().expect("its exit status");
        }
    }
}

/// An address that was free a moment ago: for a node that must come back at the same place.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind to any port");
    listener.local_addr().expect("a bound address").to_string()
}

/// The same numbers for the same seed (xorshift64).
pub struct Seeded(u64);

impl Seeded {
    /// Seeds from `MILLSTREAM_SEED`, or the given number; a failing test prints which it was.
    pub fn from_environment(default: u64) -> Seeded {
        let seed =
            std::env::var("MILLSTREAM_SEED").ok().map_or(default, |text| text.parse().expect("a number"));
        eprintln!("MILLSTREAM_SEED={seed}");
        Seeded::new(seed)
    }

    pub fn new(seed: u64) -> Seeded {
        Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
