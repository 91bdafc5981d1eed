//! The contract's imports.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_sdk::source::BadRecord;

use super::Guests;
use crate::plugin::metrics;
use crate::plugin::wasm::bindings::millstream::connect::{
    clock, dead_letter, log, metrics as numbers, secrets, state, types,
};
use crate::plugin::wasm::fault::Fault;
use crate::plugin::wasm::instance::{Origin, Stopped};

/// Longest message that is logged.
const MESSAGE_BYTES_MAX: usize = 8192;

/// Most bytes of keys and values that live with a position.
const STATE_BYTES_MAX: usize = 64 << 10;

/// Most letters of one poll.
const LETTERS_MAX: usize = 10_000;

/// Longest time that a component can ask to sleep.
const SLEEP_MAX: Duration = Duration::from_secs(60);

fn broken(reason: impl Into<String>) -> wasmtime::Error {
    Stopped(Fault::Contract { reason: reason.into() }).into()
}

impl types::Host for Guests {}

impl log::Host for Guests {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let message = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
        let Origin { plugin, pipeline, node } = &self.origin;
        match level {
            log::Level::Error => tracing::error!(plugin, pipeline, node, "{message}"),
            log::Level::Warn => tracing::warn!(plugin, pipeline, node, "{message}"),
            log::Level::Info => tracing::info!(plugin, pipeline, node, "{message}"),
            log::Level::Debug => tracing::debug!(plugin, pipeline, node, "{message}"),
        }
        if matches!(level, log::Level::Error) {
            self.tail.push(message);
        }
        Ok(())
    }
}

impl numbers::Host for Guests {
    fn count(&mut self, name: String, amount: u64) -> wasmtime::Result<()> {
        metrics::count(&self.origin.pipeline, &self.origin.node, &name, amount).map_err(broken)
    }

    fn gauge(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        metrics::gauge(&self.origin.pipeline, &self.origin.node, &name, value).map_err(broken)
    }
}

impl Guests {
    fn values(&mut self) -> wasmtime::Result<&mut std::collections::BTreeMap<String, Vec<u8>>> {
        self.state
            .as_mut()
            .ok_or_else(|| broken("state is for readers only: there is no position to keep it with"))
    }
}

impl state::Host for Guests {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.values()?.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<()> {
        let values = self.values()?;
        values.insert(key, value);
        let bytes: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        match bytes > STATE_BYTES_MAX {
            true => Err(broken(format!("state of {bytes} bytes, the most is {STATE_BYTES_MAX}"))),
            false => Ok(()),
        }
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.values()?.remove(&key);
        Ok(())
    }
}

impl secrets::Host for Guests {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, secrets::Refusal>> {
        Ok(self.secrets.get(&name).cloned().ok_or(secrets::Refusal::NotGranted))
    }
}

impl clock::Host for Guests {
    fn now_ms(&mut self) -> wasmtime::Result<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Ok(u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    async fn sleep_ms(&mut self, duration_ms: u32) {
        tokio::time::sleep(Duration::from_millis(u64::from(duration_ms)).min(SLEEP_MAX)).await;
    }
}

impl dead_letter::Host for Guests {
    fn send(&mut self, raw: Vec<u8>, origin: String, reason: String) -> wasmtime::Result<()> {
        let Some(letters) = &mut self.letters else {
            return Err(broken("a dead letter while not polling: sinks and transforms return rejections"));
        };
        if letters.len() >= LETTERS_MAX {
            return Err(broken(format!("more than {LETTERS_MAX} dead letters in one poll")));
        }
        letters.push(BadRecord { raw: raw.into(), origin, reason });
        Ok(())
    }
}
