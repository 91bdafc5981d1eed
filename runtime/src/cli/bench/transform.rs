//! A plugin as a transform, alone: batches as a task has them go through it again and again. No broker.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use millstream_sdk::plugin::{Role, Surroundings};
use millstream_sdk::record::{Batch, BatchBuilder};
use millstream_sdk::transform::Output as Answer;
use serde_json::Value;

use super::process::usage_of;
use super::report::Report;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::plugin;

/// Values of one batch together: what a task polls at a time.
const BATCH_BYTES: usize = 1 << 20;

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// A component's path or address, or a built-in plugin's name.
    plugin: String,
    /// Its configuration: a JSON object.
    #[arg(long = "with", value_name = "JSON", default_value = "{}")]
    settings: String,
    /// Size of each record's value, a JSON object.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=1 << 20))]
    record_bytes: u32,
    /// How long.
    #[arg(long, default_value_t = 3, value_name = "N")]
    seconds: u64,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings: Value = serde_json::from_str(&arguments.settings)
        .map_err(|error| Failure::bad_input(format!("--with {}: {error}", arguments.settings)))?;
    let plugin = plugin::inspect(&arguments.plugin, Path::new(".")).map_err(Failure::bad_input)?.plugin;
    let mistakes: Vec<String> =
        plugin.validate(Role::Transform, &settings).iter().map(ToString::to_string).collect();
    if !mistakes.is_empty() {
        return Err(Failure::bad_input(format!("--with: {}", mistakes.join("; "))));
    }
    let failed = |error| Failure::failed(format!("{}: {error}", arguments.plugin));
    let mut transform = plugin.transform(&settings, &Surroundings::default()).map_err(failed)?;
    let batch = records(arguments.record_bytes as usize);
    // The first call makes the instance.
    let answer = transform.apply(&batch).await.map_err(failed)?;
    if let Some(rejection) = answer.rejected.first() {
        let (count, reason) = (answer.rejected.len(), &rejection.reason);
        return Err(Failure::failed(format!(
            "{}: {count} of {} records are rejected: {reason}",
            arguments.plugin,
            batch.len()
        )));
    }
    let kept = match &answer.output {
        Answer::Verdicts(verdicts) => verdicts.count(),
        Answer::Records { batch, .. } => batch.len(),
    };
    let (began, before, length) = (Instant::now(), cpu_seconds(), Duration::from_secs(arguments.seconds));
    let mut rounds = 0_u64;
    while began.elapsed() < length {
        transform.apply(&batch).await.map_err(failed)?;
        rounds += 1;
    }
    let (elapsed, cpu) = (began.elapsed(), cpu_seconds() - before);
    let mut report = Report::new(format!(
        "transform {}: records of {} B, {} in a batch",
        arguments.plugin,
        arguments.record_bytes,
        batch.len()
    ));
    let total = rounds * batch.len() as u64;
    report.rate(total, rounds * batch.values().byte_len() as u64, elapsed);
    let per_core = total as f64 / cpu.max(f64::MIN_POSITIVE);
    report.figure("records_per_cpu_second", "records/s of a core", per_core, 0);
    report.figure("ns_per_record", "CPU ns each", 1e9 / per_core, 0);
    report.figure("kept_share", "records kept", kept as f64 / batch.len() as f64, 2);
    report.print(Output::new(arguments.json))
}

fn cpu_seconds() -> f64 {
    usage_of(std::process::id()).map_or(0.0, |usage| usage.cpu_seconds)
}

/// JSON objects of one size, one number and two texts each.
fn records(bytes: usize) -> Batch {
    let mut builder = BatchBuilder::new();
    let mut value = String::new();
    for number in 0..(BATCH_BYTES / bytes).max(1) {
        value.clear();
        let start = format!("{{\"id\":{number},\"customer\":\"c-{}\",\"note\":\"", number % 997);
        let rest = bytes.saturating_sub(start.len() + 2);
        // A buffer in memory takes everything.
        if write!(value, "{start}{:x<rest$}\"}}", "").is_err() {
            break;
        }
        builder.push(None, Some(value.as_bytes()), None);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_json_of_the_size_that_was_asked_for() {
        let batch = records(200);
        assert_eq!(batch.len(), BATCH_BYTES / 200);
        for row in batch.rows() {
            let value = row.value.unwrap();
            assert_eq!(value.len(), 200);
            assert!(serde_json::from_slice::<Value>(value).unwrap()["id"].is_u64());
        }
    }
}
