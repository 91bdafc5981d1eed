//! What a plugin that was stopped leaves to the others: for a while it is not started again.
//!
//! A component that loops uses up the processor time of each call. Were it started again at once, it would have a core for
//! itself, and the pipelines beside it the others. So it rests many times as long as the call that went wrong has kept a
//! thread busy: in its own code, or in the kernel for it. People are shown that it rests, and why.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How much longer than it ran.
const SHARE: u32 = 19;

/// A single rest is no longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Shorter ones are left out: a trap at once costs next to nothing.
const SHORTEST: Duration = Duration::from_millis(10);

/// When the next instance of one source, sink or step may start.
#[derive(Debug, Default)]
pub struct Rest {
    trouble: Mutex<Option<Resting>>,
    is_troubled: AtomicBool,
}

/// An instance was stopped, and none has done its work since.
#[derive(Debug, Clone)]
pub struct Resting {
    /// The next one is started then, or was.
    pub until: Instant,
    /// What the last one did.
    pub error: String,
}

type ByNode<T> = HashMap<(String, String), T>;

/// Every rest that is in use, by pipeline and node, for those who show them.
static IN_USE: LazyLock<Mutex<ByNode<Vec<Weak<Rest>>>>> = LazyLock::new(Mutex::default);

/// Whether a component of this source or sink, or of its steps, rests.
pub fn resting(pipeline: &str, node: &str) -> Option<Resting> {
    let rests = IN_USE.lock().get(&(pipeline.to_owned(), node.to_owned()))?.clone();
    let troubles = rests.iter().filter_map(|rest| rest.upgrade()?.trouble.lock().clone());
    troubles.max_by_key(|trouble| trouble.until)
}

impl Rest {
    /// An instance was stopped in a call that had kept a thread busy for so long.
    pub fn note(&self, busy: Duration, error: String) {
        let rest = (busy * SHARE).min(LONGEST);
        let rest = if rest < SHORTEST { Duration::ZERO } else { rest };
        *self.trouble.lock() = Some(Resting { until: Instant::now() + rest, error });
        self.is_troubled.store(true, Ordering::Release);
    }

    /// An instance did what it is for.
    pub fn answered(&self) {
        if self.is_troubled.swap(false, Ordering::AcqRel) {
            *self.trouble.lock() = None;
        }
    }

    pub async fn wait(&self) {
        let until = self.trouble.lock().as_ref().map(|trouble| trouble.until);
        if let Some(until) = until {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    fn is_over(&self) -> bool {
        self.trouble.lock().as_ref().is_none_or(|trouble| trouble.until <= Instant::now())
    }
}

/// Those of one component by pipeline and node: a node that is restarted finds its own again.
#[derive(Debug, Default)]
pub struct Rests {
    known: Mutex<ByNode<Arc<Rest>>>,
}

impl Rests {
    pub fn of(&self, pipeline: &str, node: &str) -> Arc<Rest> {
        let mut known = self.known.lock();
        // What nobody uses or waits for is forgotten.
        known.retain(|_, rest| Arc::strong_count(rest) > 1 || !rest.is_over());
        let place = (pipeline.to_owned(), node.to_owned());
        let rest = Arc::clone(known.entry(place.clone()).or_default());
        let mut in_use = IN_USE.lock();
        in_use.values_mut().for_each(|rests| rests.retain(|known| known.strong_count() > 0));
        in_use.retain(|_, rests| !rests.is_empty());
        let shown = in_use.entry(place).or_default();
        if !shown.iter().any(|known| known.as_ptr() == Arc::as_ptr(&rest)) {
            shown.push(Arc::downgrade(&rest));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_finds_its_rest_again_until_it_is_over() {
        let rests = Rests::default();
        rests.of("p", "slow").note(Duration::from_secs(3), "looped".to_owned());
        rests.of("p", "quick").note(Duration::from_micros(100), "trapped".to_owned());
        assert!(!rests.of("p", "slow").is_over(), "kept although nobody holds it");
        assert!(rests.of("p", "quick").is_over() && rests.of("q", "slow").is_over());
        assert_eq!(rests.known.lock().len(), 2, "the slow one, and the one just asked for");
    }

    #[test]
    fn a_rest_is_shown_until_an_instance_has_done_its_work() {
        let rests = Rests::default();
        let rest = rests.of("shown", "node");
        assert!(resting("shown", "node").is_none());
        rest.note(Duration::from_millis(1), "trapped".to_owned());
        let shown = resting("shown", "node").unwrap();
        assert_eq!(shown.error, "trapped");
        assert!(shown.until > Instant::now() && resting("shown", "other").is_none());
        rest.answered();
        assert!(resting("shown", "node").is_none());
        rest.note(Duration::ZERO, "trapped".to_owned());
        assert!(resting("shown", "node").is_some());
        drop((rest, rests));
        assert!(resting("shown", "node").is_none());
    }
}
