//! What the host offers to every plugin without a grant.

use crate::bindings::millstream::connect;

pub use connect::log::Level;

/// A line in the host's log, with the pipeline and node added.
pub fn log(level: Level, message: &str) {
    connect::log::write(level, message);
}

/// Adds to a counter on the host's metrics page.
pub fn count(name: &str, amount: u64) {
    connect::metrics::count(name, amount);
}

/// Sets a gauge on the host's metrics page.
pub fn gauge(name: &str, value: f64) {
    connect::metrics::gauge(name, value);
}

/// A granted secret; the reason is meant for people.
pub fn secret(name: &str) -> Result<String, String> {
    connect::secrets::get(name).map_err(|refusal| match refusal {
        connect::secrets::Refusal::NotGranted => format!("secret {name} is not granted: allow: {{ secrets: [{name}] }}"),
        connect::secrets::Refusal::NotFound => format!("secret {name} is not set"),
    })
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    connect::clock::now_ms()
}

pub fn monotonic_ns() -> u64 {
    connect::clock::monotonic_ns()
}

/// Waits without using the processor.
pub fn sleep_ms(duration_ms: u32) {
    connect::clock::sleep_ms(duration_ms);
}

/// Sends input that is no record to the dead letters. While polling only.
pub fn dead_letter(raw: &[u8], origin: &str, reason: &str) {
    connect::dead_letter::send(raw, origin, reason);
}

/// Small values that are committed together with a reader's position.
pub mod state {
    use crate::bindings::millstream::connect::state;

    pub fn get(key: &str) -> Option<Vec<u8>> {
        state::get(key)
    }

    pub fn set(key: &str, value: &[u8]) {
        state::set(key, value);
    }

    pub fn delete(key: &str) {
        state::delete(key);
    }
}
