//! Starts brokers on temporary folders and speaks to them: by socket with frames of our own, or directly.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use millstream_broker::{Broker, Config};
use millstream_client::transport::Transport;
use millstream_protocol::compression::Compression;
use millstream_protocol::messages::*;
use millstream_protocol::record_batch::{BatchBuilder, Producer, batches};
use millstream_protocol::{ApiKey, Decoder, Request, RequestKind, ResponseKind, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing in these tests takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A broker and the folder that it lives in.
pub struct TestBroker {
    pub broker: Broker,
    pub folder: tempfile::TempDir,
}

impl TestBroker {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = start(folder.path(), settings).await;
        Self { broker, folder }
    }

    /// Stops cleanly and starts again on the same folder.
    pub async fn restart(self) -> Self {
        self.broker.shutdown().await.unwrap();
        drop(self.broker);
        let broker = start(self.folder.path(), &[]).await;
        Self { broker, folder: self.folder }
    }

    /// Both ways in.
    pub async fn ways(&self) -> Vec<Way> {
        vec![Way::Local(self.broker.local()), Way::Tcp(self.connect().await)]
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.broker.addr().unwrap()).await
    }
}

pub async fn start(folder: &Path, settings: &[(&str, &str)]) -> Broker {
    let mut config = Config::new(folder);
    config.set("group.initial.rebalance.delay.ms", "0").unwrap();
    for (key, value) in settings {
        config.set(key, value).unwrap();
    }
    Broker::start(config).await.unwrap()
}

/// One way to the broker.
pub enum Way {
    Local(Arc<dyn Transport>),
    Tcp(Connection),
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Tcp(_) => "tcp",
        }
    }

    /// Sends at a version and waits for the response.
    pub async fn call<R: Request>(&mut self, request: R, version: i16) -> R::Response {
        let response = match self {
            Self::Local(transport) => tokio::time::timeout(PATIENCE, transport.call(request.into(), version))
                .await
                .unwrap()
                .unwrap(),
            Self::Tcp(connection) => {
                connection.send(request, version).await;
                connection.receive(R::KEY, version).await.unwrap()
            }
        };
        R::Response::try_from(response).unwrap()
    }
}

/// A socket that speaks frames. Correlation ids count up; responses must come in that order.
pub struct Connection {
    stream: TcpStream,
    sent: i32,
    received: i32,
}

impl Connection {
    pub async fn open(address: std::net::SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), sent: 0, received: 0 }
    }

    pub async fn send<R: Request>(&mut self, request: R, version: i16) {
        let frame = self.encode(request, version);
        self.write(&frame).await;
    }

    /// The frame of a request, which counts as sent.
    pub fn encode<R: Request>(&mut self, request: R, version: i16) -> Bytes {
        let header = frame::RequestHeader {
            api_key: R::KEY,
            api_version: version,
            correlation_id: self.sent,
            client_id: Some("test".to_owned()),
        };
        self.sent += 1;
        let request: RequestKind = request.into();
        let encoded = frame::encode_request(&header, &request).unwrap();
        let mut bytes = BytesMut::with_capacity(encoded.len);
        encoded.segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
        bytes.freeze()
    }

    /// The frame of a request that gets no response.
    pub fn encode_unanswered<R: Request>(&mut self, request: R, version: i16) -> Bytes {
        let frame = self.encode(request, version);
        self.received += 1;
        frame
    }

    /// Writes to a broker that may close the connection meanwhile.
    pub async fn write_what_it_takes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes).await {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next response; `None` when the broker closed the connection.
    pub async fn receive(&mut self, key: ApiKey, version: i16) -> Option<ResponseKind> {
        let body = self.receive_frame().await?;
        let mut decoder = Decoder::new(body);
        let correlation_id = frame::decode_response_header(key, version, &mut decoder).unwrap();
        assert_eq!(correlation_id, self.received, "responses leave in request order");
        self.received += 1;
        Some(ResponseKind::decode(key, version, &mut decoder).unwrap())
    }

    pub async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_i32().await.ok()?;
            let mut body = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Bytes::from(body))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("no response and no close in time")
    }
}

/// A batch of records without keys.
pub fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.append(NOW_MS, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// A batch of an idempotent producer.
pub fn idempotent(values: &[&str], id: i64, epoch: i16, base_sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.set_producer(Producer { id, epoch, base_sequence });
    for value in values {
        builder.append(NOW_MS, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

/// Offset and value of every record.
pub fn records(bytes: &Bytes) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for batch in batches(bytes.clone()) {
        let set = batch.unwrap().records(1 << 20).unwrap();
        for record in set.iter() {
            let record = record.unwrap();
            found.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    found
}

/// The only partition of a fetch response.
pub fn only(response: &FetchResponse) -> &FetchPartitionData {
    assert_eq!(response.error_code, 0);
    &response.responses[0].partitions[0]
}

/// The only partition of a produce response.
pub fn appended(response: &ProduceResponse) -> &PartitionProduceResponse {
    &response.responses[0].partition_responses[0]
}

/// A timestamp that every topic accepts: the broker refuses what lies far ahead of its clock.
pub const NOW_MS: i64 = 1_700_000_000_000;

pub fn create(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() }
}

pub fn produce(topic: &str, partition: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData { index: partition, records: Some(records) };
    let topic = TopicProduceData { name: topic.to_owned(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

pub fn fetch(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic { topic: topic.to_owned(), partitions: vec![partition], ..Default::default() };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..Default::default()
    }
}
