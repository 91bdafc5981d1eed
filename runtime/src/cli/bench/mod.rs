//! `bench produce|consume|latency|transform`: load against a broker, beside what this machine itself can do; or against a plugin.
//!
//! Without `--bootstrap` the tool starts its own `server` as a child process on a temporary directory, so
//! that the broker's CPU time and memory are told apart from the client's. Left out: comparing runs.

mod consume;
mod histogram;
mod latency;
mod limit;
mod measured_node;
mod process;
mod produce;
mod report;
mod transform;

use std::path::PathBuf;
use std::time::Duration;

use super::Failure;
use super::cluster::block_on;
use super::produce::Sending;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Produce as fast as it goes.
    Produce(Load),
    /// Fill a topic, then read it as fast as it goes.
    Consume(Load),
    /// Time from send to receive at a steady rate.
    Latency(latency::Arguments),
    /// Records through a plugin's transform, alone.
    Transform(transform::Arguments),
}

/// What to send, and where.
#[derive(clap::Args, Clone, Debug)]
pub struct Load {
    /// Size of each record's value.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub record_bytes: usize,
    /// How many records; by time without it.
    #[arg(long, value_name = "N")]
    pub records: Option<u64>,
    /// How long, when --records is not given.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub seconds: u64,
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: i32,
    #[command(flatten)]
    pub sending: Sending,
    #[command(flatten)]
    pub place: Place,
}

/// Which broker, and how to tell the result.
#[derive(clap::Args, Clone, Debug)]
pub struct Place {
    /// An existing cluster; without it a server is started for this run.
    #[arg(long, short = 'b', value_name = "ADDR")]
    pub bootstrap: Option<String>,
    /// Where the started server and the limit's file write; a temporary directory without it.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A setting of the started server.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// One JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    block_on(async move {
        match arguments.action {
            Action::Produce(load) => produce::run(&load).await,
            Action::Consume(load) => consume::run(&load).await,
            Action::Latency(arguments) => latency::run(&arguments).await,
            Action::Transform(arguments) => transform::run(&arguments).await,
        }
    })
}

impl Load {
    /// When sending is over: after so many records, or so long.
    fn limits(&self) -> (u64, Duration) {
        match self.records {
            Some(records) => (records, Duration::MAX),
            None => (u64::MAX, Duration::from_secs(self.seconds)),
        }
    }

    fn title(&self, what: &str) -> String {
        let acks = format!("{:?}", self.sending.acks).to_lowercase();
        format!(
            "{what}: {} B records, acks={acks}, compression={}, {} partitions",
            self.record_bytes,
            self.sending.compression.name(),
            self.partitions
        )
    }
}

/// Bytes that don't repeat within a batch, from a fixed seed: what compresses to nothing would measure nothing.
fn payload(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        // xorshift64*, mapped to printable characters.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        out.extend(word.iter().map(|byte| b' ' + byte % 95));
    }
    out.truncate(bytes);
    out
}
