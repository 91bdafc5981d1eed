//! What a produce over TCP costs the broker: CPU seconds per GiB, beside a bare receiver that appends the same bytes to
//! a file.
//!
//! `cargo bench -p millstream-broker --bench produce [MEGABYTES] [RECORD_BYTES]...` starts a broker in a process of its
//! own, so that its CPU time and memory stand apart from the client's. Both are measured in turns: what the page cache
//! costs depends on whether the machine has memory at hand.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use millstream_broker::{Broker, Config};
use millstream_client::{Client, ClientConfig, Cluster, NewRecord, ProducerConfig};

type Failure = Box<dyn Error + Send + Sync>;

const DEFAULT_MEGABYTES: usize = 1024;
const ROUNDS: usize = 3;
const PARTITIONS: &str = "4";
const BLOCK_BYTES: usize = 256 << 10;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.first().map(String::as_str) {
        Some("serve") => return serve(words.get(1).ok_or("serve needs a folder")?),
        Some("receive") => return receive(words.get(1).ok_or("receive needs a file")?),
        _ => {}
    }
    let numbers: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let megabytes = numbers.first().copied().unwrap_or(DEFAULT_MEGABYTES);
    let sizes = if numbers.len() > 1 { &numbers[1..] } else { &[1024, 100] };
    println!(
        "{:>8} {:>8} {:>10} {:>12} {:>10} {:>12}",
        "record B", "MB/s", "CPU s/GiB", "bare s/GiB", "RSS MB", "peak RSS MB"
    );
    for record_bytes in sizes {
        for _ in 0..ROUNDS {
            let bare = bare(megabytes)?;
            let (rate, cpu, resident, peak) = produce(megabytes, *record_bytes)?;
            println!("{record_bytes:>8} {rate:>8.0} {cpu:>10.2} {bare:>12.2} {resident:>10.1} {peak:>12.1}");
        }
    }
    Ok(())
}

/// Produces so much through our client; MB/s, CPU per GiB, resident memory now and at its highest.
fn produce(megabytes: usize, record_bytes: usize) -> Result<(f64, f64, f64, f64), Failure> {
    let folder = tempfile::tempdir()?;
    let child = Part::start("serve", folder.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let client =
            Client::connect(Cluster::Bootstrap(vec![child.line.clone()]), ClientConfig::default()).await?;
        let producer = client.producer(ProducerConfig::default());
        let writer = producer.writer("load").await?;
        let pool: Vec<u8> = (0..record_bytes + 65_536).map(|at| (at * 31 % 251) as u8).collect();
        let before = child.cpu_seconds()?;
        let started = Instant::now();
        let count = (megabytes << 20) / record_bytes;
        for number in 0..count {
            let start = number * 7919 % 65_536;
            let value = pool.get(start..start + record_bytes);
            writer.append(None, NewRecord { value, ..NewRecord::default() }).await?;
        }
        producer.flush().await?;
        let rate = (count * record_bytes) as f64 / 1e6 / started.elapsed().as_secs_f64();
        let cpu = (child.cpu_seconds()? - before) / ((count * record_bytes) as f64 / f64::from(1 << 30));
        Ok::<_, Failure>((rate, cpu, child.megabytes("VmRSS:")?, child.megabytes("VmHWM:")?))
    })?;
    child.end()?;
    Ok(measured)
}

/// CPU per GiB of a process that reads a socket and appends to a file.
fn bare(megabytes: usize) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let child = Part::start("receive", &folder.path().join("bare"))?;
    let mut socket = TcpStream::connect(&child.line)?;
    let block = vec![7; BLOCK_BYTES];
    let before = child.cpu_seconds()?;
    for _ in 0..(megabytes << 20) / BLOCK_BYTES {
        socket.write_all(&block)?;
    }
    socket.shutdown(std::net::Shutdown::Write)?;
    // It closes when it has written everything.
    socket.read_to_end(&mut Vec::new())?;
    let cpu = (child.cpu_seconds()? - before) / (megabytes as f64 / 1024.0);
    child.end()?;
    Ok(cpu)
}

/// A process of this program that plays another part.
struct Part {
    child: Child,
    /// The first line that it prints.
    line: String,
}

impl Part {
    fn start(part: &str, path: &Path) -> Result<Part, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([part.as_ref(), path.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Part { child, line: line.trim().to_owned() })
    }

    fn end(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a part ended with {status}").into()) }
    }

    /// User and system time: fields 14 and 15 of `stat`, in hundredths of a second.
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, behind_name) = stat.rsplit_once(')').ok_or("stat without a name")?;
        let ticks = behind_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    fn megabytes(&self, label: &str) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(label)).ok_or("status lacks a line")?;
        let kilobytes: f64 = line.split_whitespace().next().ok_or("an empty line")?.parse()?;
        Ok(kilobytes / 1024.0)
    }
}

fn serve(folder: &str) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let mut config = Config::new(folder);
        config.set("num.partitions", PARTITIONS)?;
        // By interval: an acknowledgement does not wait for the disk.
        config.set("acks.all.durability", "interval")?;
        let broker = Broker::start(config).await?;
        println!("{}", broker.addr().ok_or("no listener")?);
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        broker.shutdown().await?;
        Ok(())
    })
}

fn receive(path: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?);
    let (mut socket, _) = listener.accept()?;
    let mut file = File::create(path)?;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let count = socket.read(&mut block)?;
        if count == 0 {
            break;
        }
        file.write_all(block.get(..count).unwrap_or_default())?;
    }
    // The measurement is taken before this process ends.
    drop(socket);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
