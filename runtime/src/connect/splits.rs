//! One source: lists its splits, keeps a bounded number of them open, and runs a task for each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use millstream_client::Client;
use millstream_sdk::source::{Source, Split};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::declaration::SourceDeclaration;
use super::failure::TaskError;
use super::source_task::{Ended, SourceTask};
use super::status::{Cell, TaskState};
use super::tend::Tend;
use super::worker::WorkerConfig;

/// Most splits of a source with an end that are read at the same time.
const MAX_OPEN_SPLITS: usize = 16;

/// The same for a source without one, where a split that waits would wait for ever.
const MAX_FOLLOWED_SPLITS: usize = 4096;

/// How often a source that has no end is asked for new splits.
const SPLIT_REFRESH: Duration = Duration::from_secs(2);

/// What the status calls the part of a source that lists its splits.
const LISTING: &str = "listing splits";

/// Lists the splits of one source and runs a task for each.
pub struct Splits {
    pub client: Client,
    pub pipeline: String,
    pub declaration: Arc<SourceDeclaration>,
    pub source: Arc<dyn Source>,
    pub cell: Cell,
    pub stop: CancellationToken,
    pub config: WorkerConfig,
}

impl Splits {
    pub async fn run(self) {
        let mut tending = None;
        let most = if self.source.is_bounded() { MAX_OPEN_SPLITS } else { MAX_FOLLOWED_SPLITS };
        let mut known = HashSet::new();
        let mut waiting = Vec::new();
        let mut running: JoinSet<(String, Ended)> = JoinSet::new();
        let mut attempt = 0;
        loop {
            let pause = match self.list(&mut known, &mut waiting).await {
                Ok(()) => {
                    attempt = 0;
                    self.cell.recovered(LISTING);
                    SPLIT_REFRESH
                }
                Err(error) => {
                    attempt += 1;
                    let pause = error.pause(attempt);
                    self.cell.failed(LISTING, &error, attempt, self.declaration.on_error.retries, pause);
                    tracing::warn!(node = self.declaration.name, %error, attempt, "listing splits failed");
                    pause
                }
            };
            let is_listed = attempt == 0;
            if is_listed {
                tending.get_or_insert_with(|| AbortOnDropHandle::new(tokio::spawn(self.tend().run())));
            }
            while running.len() < most
                && let Some(split) = waiting.pop()
            {
                running.spawn(self.run_split(split));
            }
            if !waiting.is_empty() && !self.source.is_bounded() {
                let (node, left) = (&self.declaration.name, waiting.len());
                tracing::warn!(node, left, most, "more splits than one source reads at the same time");
            }
            if is_listed && self.source.is_bounded() {
                return self.drain(running, waiting, tending).await;
            }
            tokio::select! {
                () = self.stop.cancelled() => return self.finish(running).await,
                () = tokio::time::sleep(pause) => {}
            }
            while let Some(ended) = running.try_join_next() {
                // An id that is listed again after its end is another split: inodes are used again.
                if let Ok((id, Ended::Drained)) = ended {
                    known.remove(&id);
                }
            }
        }
    }

    /// Adds the splits that are new, so that `waiting` gives them in their order from its end.
    async fn list(&self, known: &mut HashSet<String>, waiting: &mut Vec<Split>) -> Result<(), TaskError> {
        let listed = self.source.splits().await.map_err(TaskError::connector("listing splits"))?;
        for split in listed.into_iter().rev() {
            if known.insert(split.id.clone()) {
                self.cell.update_part(&split.id, |part| part.label.clone_from(&split.label));
                waiting.push(split);
            }
        }
        Ok(())
    }

    /// Runs all splits of a bounded source to their ends.
    async fn drain(
        &self,
        mut running: JoinSet<(String, Ended)>,
        mut waiting: Vec<Split>,
        tending: Option<AbortOnDropHandle<()>>,
    ) {
        let mut all_drained = true;
        while let Some(ended) = running.join_next().await {
            all_drained &= matches!(ended, Ok((_, Ended::Drained)));
            if !self.stop.is_cancelled()
                && let Some(split) = waiting.pop()
            {
                running.spawn(self.run_split(split));
            }
        }
        let is_done = all_drained && waiting.is_empty();
        drop(tending);
        if is_done {
            let tend = self.tend();
            tokio::select! {
                () = self.stop.cancelled() => {}
                _ = tend.once() => {}
            }
        }
        self.cell.set_state(if is_done { TaskState::Drained } else { TaskState::Stopped });
    }

    fn tend(&self) -> Tend {
        Tend {
            source: Arc::clone(&self.source),
            cell: self.cell.clone(),
            node: self.declaration.name.clone(),
            retries: self.declaration.on_error.retries,
        }
    }

    async fn finish(&self, mut running: JoinSet<(String, Ended)>) {
        while running.join_next().await.is_some() {}
        self.cell.set_state(TaskState::Stopped);
    }

    fn run_split(&self, split: Split) -> impl Future<Output = (String, Ended)> + Send + use<> {
        let id = split.id.clone();
        let task = self.task(split);
        async move { (id, task.run().await) }
    }

    fn task(&self, split: Split) -> SourceTask {
        SourceTask {
            client: self.client.clone(),
            pipeline: self.pipeline.clone(),
            declaration: Arc::clone(&self.declaration),
            source: Arc::clone(&self.source),
            split,
            cell: self.cell.clone(),
            stop: self.stop.clone(),
            config: self.config.clone(),
        }
    }
}
