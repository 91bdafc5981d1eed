//! Append and read speed of the log, without network and clients, beside what the disk's files give bare.
//!
//! `cargo bench -p millstream-broker --bench log [MEGABYTES]` prints one line per record and batch size.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use millstream_broker::log::disk::RealDisk;
use millstream_broker::log::{
    Clock, DirectoryConfig, Expected, FlushPolicy, Isolation, LogConfig, LogDirectory, Origin, Partition,
    PartitionName,
};
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::BatchBuilder;

const DEFAULT_MEGABYTES: usize = 1024;
const FETCH_BYTES: usize = 1 << 20;
const GROUP_COMMITS: usize = 200;
const IDLE_PARTITIONS: i32 = 10_000;
/// Appends that wait together for one durable acknowledgement.
const IN_FLIGHT: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(DEFAULT_MEGABYTES);
    println!(
        "CPU in seconds per GiB of the one thread; bare is write(2) or read(2) of the same blocks, first into"
    );
    println!("memory that the kernel takes fresh, then into the pages of a file that is overwritten.");
    println!(
        "{:>8} {:>9} {:>13} {:>5} {:>10} {:>5} {:>10} {:>5} {:>10} {:>5} {:>10} {:>5}",
        "record B",
        "batch KiB",
        "append MB/s",
        "CPU",
        "bare MB/s",
        "CPU",
        "again MB/s",
        "CPU",
        "read MB/s",
        "CPU",
        "bare MB/s",
        "CPU"
    );
    for record_bytes in [1024, 100] {
        for batch_bytes in [16 << 10, 1 << 20] {
            let batch = batch_of(record_bytes, batch_bytes)?;
            let count = (megabytes << 20) / batch.len();
            measure(record_bytes, batch_bytes, &batch, count)?;
        }
    }
    group_commits()?;
    idle_partitions()
}

fn measure(
    record_bytes: usize,
    batch_bytes: usize,
    batch: &Bytes,
    count: usize,
) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let bare_path = folder.path().join("bare");
    let bytes = batch.len() * count;
    let bare_append = Cost::of(bytes, || append_bare(&bare_path, batch, count))?;
    let bare_again = Cost::of(bytes, || overwrite_bare(&bare_path, batch, count))?;
    let bare_read = Cost::of(bytes, || read_bare(&bare_path))?;
    std::fs::remove_file(&bare_path)?;

    let directory = open(folder.path(), FlushPolicy::Interval { messages: None, every: None })?;
    let partition = directory.partitions().pop().ok_or("the partition is missing")?;
    let append = Cost::of(bytes, || {
        for _ in 0..count {
            partition.append(batch.clone(), Origin::Client, None)?;
        }
        Ok(())
    })?;
    let read = Cost::of(bytes, || read_log(&partition))?;
    directory.close()?;
    let kib = batch_bytes >> 10;
    println!(
        "{record_bytes:>8} {kib:>9} {:>13.0} {:>5.2} {:>10.0} {:>5.2} {:>10.0} {:>5.2} {:>10.0} {:>5.2} {:>10.0} {:>5.2}",
        append.rate,
        append.cpu,
        bare_append.rate,
        bare_append.cpu,
        bare_again.rate,
        bare_again.cpu,
        read.rate,
        read.cpu,
        bare_read.rate,
        bare_read.cpu
    );
    Ok(())
}

/// Milliseconds to create, close and open a folder of idle partitions that hold one batch each.
fn idle_partitions() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let expected = Expected { topic_id: [1; 16], config: Arc::new(LogConfig::default()) };
    let batch = batch_of(1024, 16 << 10)?;
    let clock: Clock = Arc::new(|| 1_000_000);
    let open = || {
        let known = |_: &PartitionName| Some(expected.clone());
        LogDirectory::open(
            Arc::new(RealDisk),
            folder.path(),
            DirectoryConfig::default(),
            clock.clone(),
            &known,
        )
    };
    let directory = open()?;
    for at in 0..IDLE_PARTITIONS {
        let partition = directory.create(PartitionName::new("idle", at), &expected)?;
        if at % 10 == 0 {
            drop(partition.append(batch.clone(), Origin::Client, None)?);
        }
    }
    let started = Instant::now();
    directory.close()?;
    let closed = started.elapsed();
    drop(directory);
    let started = Instant::now();
    let directory = open()?;
    let opened = started.elapsed();
    let started = Instant::now();
    directory.close()?;
    println!(
        "{IDLE_PARTITIONS} partitions: first close {} ms, open {} ms, next close {} ms",
        closed.as_millis(),
        opened.as_millis(),
        started.elapsed().as_millis()
    );
    Ok(())
}

/// Durable acknowledgements per second, a few appends in flight.
fn group_commits() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let directory = open(folder.path(), FlushPolicy::OnAcknowledge)?;
    let partition = directory.partitions().pop().ok_or("the partition is missing")?;
    let batch = batch_of(1024, 16 << 10)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let started = Instant::now();
    for _ in 0..GROUP_COMMITS {
        let mut waits = Vec::with_capacity(IN_FLIGHT);
        for _ in 0..IN_FLIGHT {
            waits.push(partition.append(batch.clone(), Origin::Client, None)?.durability);
        }
        for wait in waits {
            runtime.block_on(wait.wait())?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let appends = (GROUP_COMMITS * IN_FLIGHT) as f64 / seconds;
    println!("durable appends of 16 KiB, {IN_FLIGHT} in flight: {appends:.0}/s");
    directory.close()?;
    Ok(())
}

fn open(folder: &Path, flush: FlushPolicy) -> Result<LogDirectory, Box<dyn Error>> {
    let expected =
        Expected { topic_id: [1; 16], config: Arc::new(LogConfig { flush, ..LogConfig::default() }) };
    let clock =
        Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64));
    let known = |_: &PartitionName| None;
    let directory =
        LogDirectory::open(Arc::new(RealDisk), folder, DirectoryConfig::default(), clock, &known)?;
    directory.create(PartitionName::new("bench", 0), &expected)?;
    Ok(directory)
}

fn batch_of(record_bytes: usize, batch_bytes: usize) -> Result<Bytes, Box<dyn Error>> {
    let value: Vec<u8> = (0..record_bytes).map(|at| at as u8).collect();
    let mut builder = BatchBuilder::new(Compression::None);
    while builder.size_bytes() + record_bytes + 32 < batch_bytes {
        builder.append(1_000, None, Some(&value), &[])?;
    }
    Ok(builder.finish()?)
}

fn read_log(partition: &Partition) -> Result<(), Box<dyn Error>> {
    let (mut next, end) = (0, partition.log_end_offset());
    while next < end {
        next = partition.read(next, FETCH_BYTES, true, Isolation::ReadUncommitted)?.next_offset;
    }
    Ok(())
}

fn append_bare(path: &Path, batch: &[u8], count: usize) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(path)?;
    for _ in 0..count {
        file.write_all(batch)?;
    }
    Ok(())
}

fn read_bare(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; FETCH_BYTES];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

fn overwrite_bare(path: &Path, batch: &[u8], count: usize) -> Result<(), Box<dyn Error>> {
    let mut file = File::options().write(true).open(path)?;
    for _ in 0..count {
        file.write_all(batch)?;
    }
    Ok(())
}

/// What moving bytes took.
struct Cost {
    /// Megabytes (10^6 bytes) per second.
    rate: f64,
    /// CPU seconds per GiB of this thread, as Linux tells them in steps of 10 ms; 0 elsewhere.
    cpu: f64,
}

impl Cost {
    fn of(bytes: usize, run: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Self, Box<dyn Error>> {
        let (started, cpu) = (Instant::now(), cpu_seconds());
        run()?;
        let rate = bytes as f64 / 1e6 / started.elapsed().as_secs_f64();
        Ok(Self { rate, cpu: (cpu_seconds() - cpu) * (1_u64 << 30) as f64 / bytes as f64 })
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
