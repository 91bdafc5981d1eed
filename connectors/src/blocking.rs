//! Runs one piece of blocking work (a read, an fsync) beside the async tasks without losing it when the caller
//! stops waiting: the next call picks it up where it is.

use millstream_sdk::error::ConnectorError;
use tokio::task::JoinHandle;

/// Owns `State` between calls and lends it to one blocking call at a time.
pub struct Blocking<State, Output> {
    idle: Option<State>,
    running: Option<JoinHandle<(State, Output)>>,
}

impl<State: Send + 'static, Output: Send + 'static> Blocking<State, Output> {
    pub fn new(state: State) -> Blocking<State, Output> {
        Blocking { idle: Some(state), running: None }
    }

    /// Runs `work` on the blocking pool. When an earlier call was cancelled half-way, its output comes back
    /// instead and `work` is dropped unrun.
    pub async fn run<Work>(&mut self, work: Work) -> Result<Output, ConnectorError>
    where
        Work: FnOnce(&mut State) -> Output + Send + 'static,
    {
        if let Some(mut state) = self.idle.take() {
            self.running = Some(tokio::task::spawn_blocking(move || {
                let output = work(&mut state);
                (state, output)
            }));
        }
        let Some(running) = self.running.as_mut() else {
            return Err(ConnectorError::fatal("an earlier call on this file panicked; open it again"));
        };
        let joined = running.await;
        self.running = None;
        let (state, output) =
            joined.map_err(|error| ConnectorError::fatal("working on a file").caused_by(error))?;
        self.idle = Some(state);
        Ok(output)
    }
}
