//! How fast files are read and written: `cargo bench -p millstream-connectors`.
//!
//! Lines of 200 bytes, a million of them, from and into a temporary folder (the page cache, not the disk).

use std::time::{Duration, Instant};

use millstream_sdk::plugin::Surroundings;
use millstream_sdk::sink::{SinkBatch, SinkPosition, TopicPartition};
use millstream_sdk::source::PollLimits;
use serde_json::{Value, json};

const LINES: usize = 1_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let at = Surroundings { base_directory: folder.path().to_path_buf(), ..Surroundings::default() };
    std::fs::write(
        folder.path().join("in.jsonl"),
        lines(|n, pad| {
            format!(
                "{{\"id\":{n},\"customer\":\"c-{}\",\"amount\":{}.25,\"ok\":true,\"pad\":\"{pad}\"}}\n",
                n % 997,
                n % 500
            )
        }),
    )?;
    std::fs::write(
        folder.path().join("in.csv"),
        "id,customer,amount,ok,pad\n".to_owned()
            + &lines(|n, pad| format!("{n},c-{},{}.25,true,{pad}\n", n % 997, n % 500)),
    )?;
    let mut batches = Vec::new();
    for (name, config) in [
        ("read lines", json!({ "path": "in.jsonl", "format": "lines" })),
        ("read json", json!({ "path": "in.jsonl" })),
        ("read csv as text", json!({ "path": "in.csv", "format": "csv" })),
        ("read csv, inferred", json!({ "path": "in.csv", "format": "csv", "types": "infer" })),
    ] {
        let (read, took) = read(config, &at).await?;
        report(name, took);
        if name == "read json" {
            batches = read;
        }
    }
    for (name, config) in [
        ("write lines", json!({ "path": "out.txt", "format": "lines" })),
        ("write json", json!({ "path": "out.jsonl" })),
        ("write csv", json!({ "path": "out.csv", "format": "csv" })),
    ] {
        report(name, write(config, &at, &batches).await?);
    }
    Ok(())
}

fn lines(line: impl Fn(usize, &str) -> String) -> String {
    let pad = "x".repeat(128);
    (0..LINES).map(|n| line(n, &pad)).collect()
}

type Timed<T> = Result<T, Box<dyn std::error::Error>>;

async fn read(config: Value, at: &Surroundings) -> Timed<(Vec<SinkBatch>, Duration)> {
    let plugin = millstream_connectors::find("file").ok_or("no file plugin")?;
    let source = plugin.source(&config, at)?;
    let split = source.splits().await?.swap_remove(0);
    let mut reader = source.open(&split, None).await?;
    let limits = PollLimits { max_records: 16_384, max_bytes: 1 << 20, wait: Duration::ZERO };
    let mut batches = Vec::new();
    let mut rows = 0;
    let started = Instant::now();
    loop {
        let polled = reader.poll(limits).await?;
        let offsets = (rows as i64..).take(polled.batch.len()).collect();
        rows += polled.batch.len();
        batches.push(SinkBatch { topic: "t".into(), partition: 0, offsets, batch: polled.batch });
        if polled.end_of_split {
            break;
        }
    }
    assert_eq!(rows, LINES);
    Ok((batches, started.elapsed()))
}

async fn write(config: Value, at: &Surroundings, batches: &[SinkBatch]) -> Timed<Duration> {
    let plugin = millstream_connectors::find("file").ok_or("no file plugin")?;
    let mut sink = plugin.sink(&config, at)?;
    let partition = TopicPartition { topic: "t".into(), topic_id: [1; 16], partition: 0 };
    sink.open(std::slice::from_ref(&partition)).await?;
    let started = Instant::now();
    for batch in batches {
        sink.write(batch.clone()).await?;
    }
    sink.commit(&[SinkPosition { partition, next_offset: LINES as i64 }]).await?;
    Ok(started.elapsed())
}

fn report(name: &str, took: Duration) {
    let seconds = took.as_secs_f64();
    println!("{name:20} {:8.2} M records/s", LINES as f64 / seconds / 1e6);
}
