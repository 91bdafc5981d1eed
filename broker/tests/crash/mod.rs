//! kill -9 in the middle of a produce: what was acknowledged is there, in order, once.
//!
//! The node is this very test binary, started again with a folder in its environment.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use millstream_protocol::messages::*;
use millstream_protocol::{ApiKey, ErrorCode};

use crate::harness::{Connection, appended, create, fetch, idempotent, only, produce, records, start};

/// Folder of the child that serves; unset in an ordinary run.
const FOLDER: &str = "MILLSTREAM_CRASH_FOLDER";

/// How often the node is killed.
const KILLS: u64 = 12;

/// Requests that may be unanswered when it happens: what an idempotent producer may have under way.
const WINDOW: i32 = 5;

/// Not a test of its own: the node that the other test kills.
#[tokio::test(flavor = "multi_thread")]
async fn node_to_be_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let broker = start(Path::new(&folder), &[]).await;
    println!("\nADDRESS {}", broker.addr().unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed);
    let mut producer = Writer { id: -1, acknowledged: 0 };
    for kill in 0..KILLS {
        let node = Node::start(folder.path());
        let mut connection = Connection::open(node.address).await;
        if kill == 0 {
            connection.send(create("t", 1), 7).await;
            connection.receive(ApiKey::CreateTopics, 7).await.unwrap();
            connection.send(InitProducerIdRequest::default(), 4).await;
            let given = connection.receive(ApiKey::InitProducerId, 4).await.unwrap();
            producer.id = InitProducerIdResponse::try_from(given).unwrap().producer_id;
        }
        let target = producer.acknowledged + 1 + random.below(60);
        producer.write_until(&mut connection, target).await;
        node.kill();
    }
    let node = Node::start(folder.path());
    let mut connection = Connection::open(node.address).await;
    let seen = read_all(&mut connection, producer.acknowledged).await;
    let expected: Vec<_> = (0..seen.len()).map(|number| (number as i64, number.to_string())).collect();
    assert_eq!(seen, expected, "in order and once");
    node.kill();
}

/// An idempotent producer of the numbers from 0 on, one to a batch.
struct Writer {
    id: i64,
    /// The next number without an acknowledgement; sent again after a crash, under the same sequence.
    acknowledged: i32,
}

impl Writer {
    /// Keeps the window full until a number is acknowledged, and leaves the rest unanswered.
    async fn write_until(&mut self, connection: &mut Connection, target: i32) {
        let mut sent = self.acknowledged;
        while self.acknowledged < target {
            while sent < self.acknowledged + WINDOW {
                let records = idempotent(&[&sent.to_string()], self.id, 0, sent);
                connection.send(produce("t", 0, records, -1), 9).await;
                sent += 1;
            }
            let response = connection.receive(ApiKey::Produce, 9).await.expect("the node is up");
            let response = ProduceResponse::try_from(response).unwrap();
            let partition = appended(&response);
            assert_eq!(ErrorCode::from_code(partition.error_code), ErrorCode::None);
            assert_eq!(partition.base_offset, i64::from(self.acknowledged), "a retry finds its first place");
            self.acknowledged += 1;
        }
    }
}

async fn read_all(connection: &mut Connection, at_least: i32) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    loop {
        connection.send(fetch("t", 0, seen.len() as i64), 12).await;
        let response = connection.receive(ApiKey::Fetch, 12).await.unwrap();
        let response = FetchResponse::try_from(response).unwrap();
        let data = only(&response);
        seen.extend(records(data.records.as_ref().unwrap()));
        if seen.len() as i64 == data.high_watermark {
            assert!(seen.len() >= at_least as usize, "{} of {at_least} are there", seen.len());
            return seen;
        }
    }
}

/// The child process.
struct Node {
    child: Child,
    address: SocketAddr,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::node_to_be_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let address =
            output.lines().find_map(|line| line.unwrap().strip_prefix("ADDRESS ").map(str::to_owned));
        Self { child, address: address.expect("the node starts").parse().unwrap() }
    }

    /// Sends SIGKILL, as dropping does.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// xorshift: the same kills in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i32) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as i32
    }
}
