//! What a source does beside its records, in a task of its own: the records go on while it fails and is tried again.

use std::sync::Arc;
use std::time::Duration;

use millstream_sdk::source::Source;

use super::failure::TaskError;
use super::status::Cell;

/// What the status calls this part of a source.
const PART: &str = "beside the records";

/// Calls [`Source::tend`].
pub struct Tend {
    pub source: Arc<dyn Source>,
    pub cell: Cell,
    pub node: String,
    pub retries: u32,
}

impl Tend {
    /// Again and again, for as long as the source wants it.
    pub async fn run(self) {
        while let Some(pause) = self.once().await {
            tokio::time::sleep(pause).await;
        }
    }

    /// Until it has worked once; gives the pause before the next time.
    pub async fn once(&self) -> Option<Duration> {
        let mut attempt = 0;
        loop {
            let error = match self.source.tend().await {
                Ok(pause) => {
                    self.cell.recovered(PART);
                    return pause;
                }
                Err(error) => TaskError::connector("beside the records")(error),
            };
            attempt += 1;
            let pause = error.pause(attempt);
            self.cell.failed(PART, &error, attempt, self.retries, pause);
            tracing::warn!(node = self.node, %error, attempt, "work beside the records failed");
            tokio::time::sleep(pause).await;
        }
    }
}
