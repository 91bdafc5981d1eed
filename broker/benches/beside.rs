//! How long a produce waits at most while the cleaner compacts and a consumer drains a backlog from the disk.
//!
//! `cargo bench -p millstream-broker --bench beside [BACKLOG_MEGABYTES] [SECONDS] [1]` runs both flush policies (with a 1 the
//! second alone), each first alone and then beside the work, and prints the append's own time and the time until it is
//! acknowledged.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use millstream_broker::log::disk::RealDisk;
use millstream_broker::log::{
    CleanerConfig, DirectoryConfig, Expected, FlushPolicy, Isolation, LogConfig, LogDirectory, Origin,
    Partition, PartitionName,
};
use millstream_protocol::compression::Compression;
use millstream_protocol::record_batch::BatchBuilder;

type Failure = Box<dyn Error + Send + Sync>;

const RECORD_BYTES: usize = 1024;
const BATCH_BYTES: usize = 64 << 10;
/// Two producers, 20 MB/s each.
const PRODUCERS: i32 = 2;
const PAUSE: Duration = Duration::from_micros(3200);
/// Keys of the compacted topic, and how much is written to it before.
const KEYS: u64 = 200_000;
const COMPACTED_MEGABYTES: usize = 512;

fn main() -> Result<(), Failure> {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let backlog_megabytes = numbers.first().copied().unwrap_or(3072);
    let seconds = Duration::from_secs(numbers.get(1).copied().unwrap_or(20) as u64);
    println!(
        "{:>9} {:>7} {:>28} {:>28} {:>11} {:>13}",
        "flush",
        "beside",
        "append ms p50/p99/max",
        "acknowledged ms p50/p99/max",
        "read MB/s",
        "compacted MB"
    );
    let policies = [
        ("interval", FlushPolicy::Interval { messages: None, every: None }),
        ("on ack", FlushPolicy::OnAcknowledge),
    ];
    for (name, flush) in policies.into_iter().skip(numbers.get(2).copied().unwrap_or(0)) {
        let folder = tempfile::tempdir()?;
        let house = House::open(folder.path(), flush)?;
        house.fill(backlog_megabytes)?;
        house.measure(name, false, seconds.min(Duration::from_secs(8)))?;
        house.measure(name, true, seconds)?;
        house.directory.close()?;
    }
    Ok(())
}

struct House {
    directory: Arc<LogDirectory>,
    backlog: Arc<Partition>,
    compacted: Arc<Partition>,
    live: Vec<Arc<Partition>>,
}

impl House {
    fn open(folder: &Path, flush: FlushPolicy) -> Result<Self, Failure> {
        let clock =
            || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let cleaner = CleanerConfig { backoff: Duration::from_millis(100), ..CleanerConfig::default() };
        let config = DirectoryConfig { cleaner, ..DirectoryConfig::default() };
        let disk = Arc::new(RealDisk);
        let directory = Arc::new(LogDirectory::open(disk, folder, config, Arc::new(clock), &|_| None)?);
        let plain = LogConfig { flush, segment_bytes: 256 << 20, ..LogConfig::default() };
        // Nothing is compacted before the measurement asks for it.
        let compact = LogConfig {
            compact: true,
            segment_bytes: 64 << 20,
            min_cleanable_dirty_ratio: 1.0,
            ..plain.clone()
        };
        let create = |topic: &str, at, config: &LogConfig| {
            let expected = Expected { topic_id: [1; 16], config: Arc::new(config.clone()) };
            directory.create(PartitionName::new(topic, at), &expected)
        };
        let backlog = create("backlog", 0, &plain)?;
        let compacted = create("compacted", 0, &compact)?;
        let live = (0..PRODUCERS).map(|at| create("live", at, &plain)).collect::<Result<_, _>>()?;
        Ok(Self { directory, backlog, compacted, live })
    }

    /// Writes the backlog and what is to be compacted, and has the backlog forgotten by the page cache.
    fn fill(&self, backlog_megabytes: usize) -> Result<(), Failure> {
        let batch = batch_of(0)?;
        for _ in 0..(backlog_megabytes << 20) / batch.len() {
            drop(self.backlog.append(batch.clone(), Origin::Client, None)?);
        }
        for round in 0..(COMPACTED_MEGABYTES << 20) / batch.len() {
            drop(self.compacted.append(batch_of(round as u64)?, Origin::Client, None)?);
        }
        let folder = self.directory.path().join("backlog-0");
        Command::new("sync").status()?;
        for file in std::fs::read_dir(folder)? {
            // Copies nothing; only the hint counts.
            let path = format!("of={}", file?.path().display());
            Command::new("dd")
                .args([path.as_str(), "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"])
                .status()?;
        }
        Ok(())
    }

    fn measure(&self, name: &str, beside: bool, length: Duration) -> Result<(), Failure> {
        let stop = AtomicBool::new(false);
        let read_bytes = AtomicU64::new(0);
        let before = self.compacted.size_bytes();
        if beside {
            let dirty = LogConfig {
                min_cleanable_dirty_ratio: 0.01,
                compact: true,
                segment_bytes: 64 << 20,
                ..LogConfig::default()
            };
            self.compacted.set_config(Arc::new(dirty));
        }
        let started = Instant::now();
        let mut appended = Vec::new();
        let mut acknowledged = Vec::new();
        thread::scope(|scope| -> Result<(), Failure> {
            if beside {
                scope.spawn(|| self.drain(&stop, &read_bytes));
                scope.spawn(|| self.feed_cleaner(&stop));
            }
            let producers: Vec<_> =
                self.live.iter().map(|live| scope.spawn(|| produce(live, length))).collect();
            for producer in producers {
                let (append, acknowledge) = producer.join().map_err(|_| "a producer panicked")??;
                appended.extend(append);
                acknowledged.extend(acknowledge);
            }
            stop.store(true, Ordering::Relaxed);
            Ok(())
        })?;
        let rate = read_bytes.load(Ordering::Relaxed) as f64 / 1e6 / started.elapsed().as_secs_f64();
        let gone = before.saturating_sub(self.compacted.size_bytes()) >> 20;
        let beside = if beside { "yes" } else { "no" };
        println!(
            "{name:>9} {beside:>7} {:>28} {:>28} {rate:>11.0} {gone:>13}",
            summary(appended),
            summary(acknowledged)
        );
        Ok(())
    }

    /// Reads the backlog again and again.
    fn drain(&self, stop: &AtomicBool, read_bytes: &AtomicU64) -> Result<(), Failure> {
        while !stop.load(Ordering::Relaxed) {
            let (mut next, end) = (0, self.backlog.log_end_offset());
            while next < end && !stop.load(Ordering::Relaxed) {
                let fetched = self.backlog.read(next, 1 << 20, true, Isolation::ReadUncommitted)?;
                if fetched.next_offset == next {
                    break;
                }
                read_bytes.fetch_add(fetched.records.len() as u64, Ordering::Relaxed);
                next = fetched.next_offset;
            }
        }
        Ok(())
    }

    /// Keeps the compacted topic dirty.
    fn feed_cleaner(&self, stop: &AtomicBool) -> Result<(), Failure> {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            round += 7;
            drop(self.compacted.append(batch_of(round)?, Origin::Client, None)?);
            thread::sleep(Duration::from_millis(4));
        }
        Ok(())
    }
}

type Times = Vec<Duration>;

/// Appends at a steady pace; every append waits for its acknowledgement.
fn produce(live: &Arc<Partition>, length: Duration) -> Result<(Times, Times), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let batch = batch_of(1)?;
    let (mut appended, mut acknowledged) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while started.elapsed() < length {
        let began = Instant::now();
        let append = live.append(batch.clone(), Origin::Client, None)?;
        appended.push(began.elapsed());
        runtime.block_on(append.durability.wait())?;
        acknowledged.push(began.elapsed());
        thread::sleep(PAUSE.saturating_sub(began.elapsed()));
    }
    Ok((appended, acknowledged))
}

fn summary(mut times: Times) -> String {
    times.sort_unstable();
    let ms = |share: f64| {
        let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("{:.2} / {:.2} / {:.1}", ms(0.5), ms(0.99), ms(1.0))
}

fn batch_of(round: u64) -> Result<Bytes, Failure> {
    let value: Vec<u8> = (0..RECORD_BYTES).map(|at| at as u8).collect();
    let mut builder = BatchBuilder::with_capacity(Compression::None, BATCH_BYTES);
    let mut at = round.wrapping_mul(61);
    while builder.size_bytes() + RECORD_BYTES + 64 < BATCH_BYTES {
        let key = (at.wrapping_mul(2_654_435_761) % KEYS).to_be_bytes();
        builder.append(1_000, Some(&key), Some(&value), &[])?;
        at += 1;
    }
    Ok(builder.finish()?)
}
