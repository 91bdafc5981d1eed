//! Records per second, topic to topic with exactly-once on, broker in the same process: `cargo bench -p millstream-streams`.
//!
//! Prints for each query the rate by wall clock and by CPU-second of the whole process (broker and client included).
//! The records are 250 bytes of JSON with twelve fields, on four partitions, written before the clock starts.
//! Numbers as arguments: records per query (2,000,000).

use std::io::Write;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, Config};
use millstream_client::admin::NewTopic;
use millstream_client::{
    Client, ClientConfig, Cluster, ConsumerConfig, NewRecord, ProducerConfig, TopicPartition,
};
use millstream_streams::{Engine, EngineConfig, PlanContext, Program};

type Anything = Box<dyn std::error::Error>;

const DECLARED: &str =
    "CREATE STREAM quakes (id TEXT, time TIMESTAMP, magnitude DOUBLE, place TEXT, network TEXT,
    depth_km DOUBLE, WATERMARK FOR time AS time - INTERVAL '1' HOUR) WITH (key = 'network');";

const JOINED: &str = "CREATE STREAM reports (id TEXT, time TIMESTAMP, depth_km DOUBLE,
    WATERMARK FOR time AS time - INTERVAL '1' HOUR) WITH (key = 'id');";

const QUERIES: [(&str, &str); 5] = [
    (
        "filter",
        "CREATE STREAM out AS SELECT id, time, magnitude, network FROM quakes WHERE magnitude >= 5.0;",
    ),
    (
        "project all",
        "CREATE STREAM out AS SELECT id, time, magnitude, upper(place) AS place, network, depth_km FROM quakes;",
    ),
    (
        "filter + tumble",
        "CREATE TABLE out AS SELECT network, window_start, window_end, count(*) AS quakes, max(magnitude) AS strongest, \
         avg(magnitude) AS average FROM TUMBLE(quakes, time, INTERVAL '1' HOUR) WHERE magnitude >= 2.5 \
         GROUP BY network, window_start, window_end EMIT FINAL;",
    ),
    ("count by key", "CREATE TABLE out AS SELECT network, count(*) AS n FROM quakes GROUP BY network;"),
    (
        "interval join",
        "CREATE STREAM out AS SELECT q.id, q.time, q.magnitude, r.depth_km FROM quakes q JOIN reports r ON q.id = r.id \
         AND r.time BETWEEN q.time - INTERVAL '1' MINUTE AND q.time + INTERVAL '1' MINUTE;",
    ),
];

fn main() -> Result<(), Anything> {
    let records: u64 =
        std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(2_000_000);
    let runtime = tokio::runtime::Runtime::new()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<16} {:>12} {:>14} {:>10}", "query", "records/s", "per CPU-second", "rows out")?;
    for (name, query) in QUERIES {
        let measured = runtime.block_on(measure(query, records))?;
        let (wall, cpu) = (measured.wall.as_secs_f64(), measured.cpu.as_secs_f64());
        let rate = |seconds: f64| records as f64 / seconds;
        writeln!(out, "{name:<16} {:>12.0} {:>14.0} {:>10}", rate(wall), rate(cpu), measured.rows_out)?;
    }
    Ok(())
}

struct Measured {
    wall: Duration,
    cpu: Duration,
    rows_out: u64,
}

async fn measure(query: &str, records: u64) -> Result<Measured, Anything> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::new(folder.path());
    config.set("listeners", "PLAINTEXT://127.0.0.1:0")?;
    config.set("acks.all.durability", "interval")?;
    config.set("log.flush.interval.ms", "1000")?;
    let broker = Broker::start(config).await?;
    let client = Client::connect(Cluster::Local(broker.local()), ClientConfig::default()).await?;
    let admin = client.admin();
    // Two topics share the records.
    let topics: &[&str] = if query.contains(" JOIN ") { &["quakes", "reports"] } else { &["quakes"] };
    let mut ends = Vec::new();
    for topic in topics {
        for created in admin.create_topics(&[NewTopic::new(*topic, 4)], false).await {
            created?;
        }
        admin.wait_for_topic(topic).await?;
        produce(&client, topic, records / topics.len() as u64).await?;
        let places: Vec<TopicPartition> =
            (0..4).map(|partition| TopicPartition::new(*topic, partition)).collect();
        let found = client.consumer(ConsumerConfig::default()).end_offsets(&places).await?;
        ends.push(((*topic).to_owned(), (0..).zip(found).collect()));
    }

    let text = format!("{DECLARED}\n{JOINED}\n{query}");
    let program = Program::parse(&text, "bench.sql").map_err(|found| format!("{found:?}"))?;
    let context = PlanContext { pipeline: "bench".to_owned(), ..PlanContext::default() };
    let plan = program.plan(&context).map_err(|found| format!("{found:?}"))?;
    let (started, cpu) = (Instant::now(), cpu_time()?);
    let queries = Engine::start(client, EngineConfig::default(), plan).await?;
    for query in queries.iter() {
        query.finish(ends.iter().cloned().collect()).await?;
    }
    let measured =
        Measured { wall: started.elapsed(), cpu: cpu_time()? - cpu, rows_out: queries.status()[0].rows_out };
    queries.stop().await;
    broker.shutdown().await?;
    Ok(measured)
}

async fn produce(client: &Client, topic: &str, records: u64) -> Result<(), Anything> {
    const NETWORKS: [&str; 12] = ["ak", "us", "ci", "nc", "hv", "nn", "uu", "mb", "uw", "pr", "nm", "av"];
    let producer = client.producer(ProducerConfig::default());
    let writer = producer.writer(topic).await?;
    let mut value = Vec::new();
    for number in 0..records {
        let scattered = number.wrapping_mul(2_654_435_761) >> 7;
        let network = NETWORKS[(scattered % 12) as usize];
        let time = chrono::DateTime::from_timestamp_millis((1_517_000_000_000 + number * 40) as i64)
            .ok_or("a time out of range")?
            .format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let magnitude = (scattered % 60) as f64 / 10.0;
        value.clear();
        write!(
            value,
            "{{\"id\": \"{network}{number:08}\", \"time\": \"{time}\", \"magnitude\": {magnitude}, \"place\": \"81km WNW of Skagway, \
             Alaska\", \"type\": \"earthquake\", \"network\": \"{network}\", \"status\": \"automatic\", \"felt\": null, \
             \"longitude\": -136.5559, \"latitude\": 59.8411, \"depth_km\": {}}}",
            scattered % 700
        )?;
        let record = NewRecord {
            key: Some(network.as_bytes()),
            value: Some(&value),
            headers: &[],
            timestamp_ms: None,
        };
        writer.append(None, record).await?;
    }
    producer.close().await?;
    Ok(())
}

/// User and system time of this process so far (proc(5): fields 14 and 15 of stat, in hundredths of a second).
fn cpu_time() -> Result<Duration, Anything> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>()).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
