//! Bad input on the Kafka port and a full disk: a clear answer or a closed connection, and a node that goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, ProduceError, ProducerConfig, Record, Start, StartAt,
    TopicPartition,
};

use crate::process::{Node, PATIENCE, Seeded};

/// What a node may grow by while it is fed nonsense.
const GROWTH_MAX_BYTES: u64 = 64 << 20;

#[test]
fn nonsense_on_the_port_closes_that_connection_and_nothing_else() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut node = Node::start(data.path(), "127.0.0.1:0", &[]);
    let before = node.resident_bytes();
    let mut seeded = Seeded::from_environment(3);
    let noise: Vec<u8> = (0..1 << 20).map(|_| u8::try_from(seeded.below(256)).expect("a byte")).collect();
    for (what, bytes) in [
        ("random bytes", noise),
        ("a frame of 2 GB", vec![0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 9]),
        ("a frame of negative length", vec![0xff, 0xff, 0xff, 0xff]),
        ("an empty frame", vec![0, 0, 0, 0]),
        ("an unknown API", request(9_999, 0, &[])),
        ("a version that was never offered", request(3, 99, &[])),
        ("an array of 2^31-1 topics", request(3, 1, &[0x7f, 0xff, 0xff, 0xff])),
        ("a compact array of 2^32-2 topics", flexible_request(3, 12, &[0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("a request that ends too soon", request(3, 8, &[0, 0, 0, 1, 0, 50, b'x'])),
    ] {
        assert_closed(&node.kafka, &bytes, what);
        assert!(node.is_alive(), "{what} ended the node:\n{}", node.said());
        assert_serves(&node.kafka, what);
    }
    let grown = node.resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "the node grew by {grown} bytes");
    assert!(!node.said().contains("panicked"), "{}", node.said());
    assert!(node.stop().success());
}

/// A request with header version 1 and the body given.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7i32.to_be_bytes());
    frame.extend_from_slice(&4i16.to_be_bytes());
    frame.extend_from_slice(b"test");
    frame.extend_from_slice(body);
    let length = i32::try_from(frame.len()).expect("a short frame");
    [&length.to_be_bytes()[..], &frame].concat()
}

/// A request with header version 2: no tagged fields.
fn flexible_request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    request(key, version, &[&[0][..], body].concat())
}

/// Sends the bytes and waits for the node to close the connection.
fn assert_closed(address: &str, bytes: &[u8], what: &str) {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    // The node may close while we still write: that is an answer, too.
    if stream.write_all(bytes).is_err() {
        return;
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{what}: the connection stays open: {error}"),
    }
}

/// An ApiVersions request is answered with its correlation id and no error.
fn assert_serves(address: &str, after: &str) {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("set a timeout");
    stream.write_all(&request(18, 0, &[])).expect("send ApiVersions");
    let mut head = [0; 10];
    stream.read_exact(&mut head).unwrap_or_else(|error| panic!("no answer after {after}: {error}"));
    assert_eq!(head[4..8], 7i32.to_be_bytes(), "the correlation id after {after}");
    assert_eq!(head[8..10], [0, 0], "the error code after {after}");
}

#[test]
fn a_full_disk_is_an_error_and_what_was_acknowledged_stays() {
    let disk = SmallDisk::mount();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut node = Node::start(disk.path(), "127.0.0.1:0", &["log.segment.bytes=1048576"]);
    let address = node.kafka.clone();
    runtime.block_on(async {
        let client = connect(&address).await;
        let created = client.admin().create_topics(&[NewTopic::new("full", 1)], false).await;
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        let (acknowledged, error) = fill(&client).await;
        assert!(acknowledged > 10, "only {acknowledged} records fit");
        assert!(error.to_string().contains("STORAGE"), "the error names the storage: {error}");
        assert!(node.is_alive(), "{}", node.said());
        assert_eq!(count(&client, acknowledged).await, acknowledged);
    });
    let said = node.said();
    assert!(
        said.contains("No space left on device") || said.contains("no space"),
        "the log says why: {said}"
    );
    drop(node);
}

/// Writes until it fails; gives how many records were acknowledged and the failure.
async fn fill(client: &Client) -> (u64, ProduceError) {
    let config = ProducerConfig { delivery_timeout: Duration::from_secs(3), ..ProducerConfig::default() };
    let producer = client.producer(config);
    let value = Bytes::from(vec![b'x'; 100_000]);
    for acknowledged in 0..10_000 {
        let record = Record {
            topic: "full".into(),
            partition: Some(0),
            value: Some(value.clone()),
            ..Record::default()
        };
        let outcome = match producer.send(record).await {
            Ok(delivery) => delivery.wait().await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            return (acknowledged, error);
        }
    }
    panic!("a disk of a few megabytes took a gigabyte");
}

async fn count(client: &Client, wanted: u64) -> u64 {
    let place = TopicPartition::new("full", 0);
    let mut consumer = client.consumer(ConsumerConfig::default());
    consumer.assign(vec![StartAt { place: place.clone(), start: Start::Earliest }]).await.expect("assign");
    let mut found = 0;
    let deadline = std::time::Instant::now() + PATIENCE;
    while found < wanted && std::time::Instant::now() < deadline {
        if let Some(fetched) = consumer.poll(Duration::from_secs(1)).await.expect("poll") {
            fetched.for_each(|_| found += 1).expect("records that can be read");
        }
    }
    found
}

async fn connect(address: &str) -> Client {
    Client::connect(Cluster::Bootstrap(vec![address.to_owned()]), ClientConfig::default())
        .await
        .expect("connect")
}

/// A file system of a few megabytes, gone at the end of the test. Needs the right to mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> SmallDisk {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let options = ["-t", "tmpfs", "-o", "size=12m", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(folder.path()).status().expect("run mount");
        assert!(mounted.success(), "this test mounts a small tmpfs: run it as root");
        SmallDisk(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status().expect("run umount");
        assert!(unmounted.success(), "unmount {}", self.path().display());
    }
}
