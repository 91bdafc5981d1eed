//! Flags of every command that runs queries.

use std::time::Duration;

use millstream_streams::{EngineConfig, PARALLELISM_MAX, STATE_MEMORY_BYTES_MIN};

use crate::pipelines::QuerySettings;

/// The longest interval between commits that is taken: outputs wait that long.
const COMMIT_INTERVAL_MS_MAX: u64 = 10 * 60 * 1000;

#[derive(Debug, Clone, clap::Args)]
pub struct QueryArguments {
    /// Memory for the state of all queries together; the rest is in the data directory.
    #[arg(long, value_name = "BYTES", default_value_t = QuerySettings::default().state_memory_bytes,
          value_parser = clap::value_parser!(u64).range(STATE_MEMORY_BYTES_MIN..))]
    state_memory_bytes: u64,
    /// How long a query works between two commits, in milliseconds: what it gives is seen so much later at most.
    #[arg(long, value_name = "MS", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=COMMIT_INTERVAL_MS_MAX))]
    commit_interval_ms: u64,
    /// Workers of each query; one per core without it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=PARALLELISM_MAX as i64))]
    parallelism: Option<u16>,
}

impl QueryArguments {
    pub fn settings(&self) -> QuerySettings {
        let mut engine = EngineConfig::default();
        engine.commit_interval = Duration::from_millis(self.commit_interval_ms);
        engine.parallelism = self.parallelism.map_or(engine.parallelism, usize::from);
        QuerySettings { engine, state_memory_bytes: self.state_memory_bytes }
    }
}
