//! What a plugin that was stopped leaves to the others: for a while it is not started again.
//!
//! A component that loops uses up the processor time of each call. Were it started again at once, it would have a core for
//! itself, and the pipelines beside it the others. So it rests nine times as long as the call that went wrong has run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How much longer than it ran.
const SHARE: u32 = 9;

/// A single rest is no longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Shorter ones are left out: a trap at once costs next to nothing.
const SHORTEST: Duration = Duration::from_millis(10);

/// When the next instance of one source, sink or step may start.
#[derive(Debug, Default)]
pub struct Rest {
    until: Mutex<Option<Instant>>,
}

impl Rest {
    /// An instance was stopped in a call that had run so long.
    pub fn note(&self, ran: Duration) {
        let rest = (ran * SHARE).min(LONGEST);
        if rest >= SHORTEST {
            *self.until.lock() = Some(Instant::now() + rest);
        }
    }

    pub async fn wait(&self) {
        let until = *self.until.lock();
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn is_over(&self) -> bool {
        self.until.lock().is_none_or(|until| until <= Instant::now())
    }
}

/// Those of one component by pipeline and node: a node that is restarted finds its own again.
#[derive(Debug, Default)]
pub struct Rests {
    known: Mutex<HashMap<(String, String), Arc<Rest>>>,
}

impl Rests {
    pub fn of(&self, pipeline: &str, node: &str) -> Arc<Rest> {
        let mut known = self.known.lock();
        // What nobody uses or waits for is forgotten.
        known.retain(|_, rest| Arc::strong_count(rest) > 1 || !rest.is_over());
        Arc::clone(known.entry((pipeline.to_owned(), node.to_owned())).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_finds_its_rest_again_until_it_is_over() {
        let rests = Rests::default();
        rests.of("p", "slow").note(Duration::from_secs(3));
        rests.of("p", "quick").note(Duration::from_millis(1));
        assert!(!rests.of("p", "slow").is_over(), "kept although nobody holds it");
        assert!(rests.of("p", "quick").is_over() && rests.of("q", "slow").is_over());
        assert_eq!(rests.known.lock().len(), 2, "the slow one, and the one just asked for");
    }
}
