//! Ctrl-C and SIGTERM: the first asks for a clean stop, a second one ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// What the shell expects of a process that an interrupt ended.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// Listens from its creation on.
pub struct StopRequest {
    interrupt: Signal,
    terminate: Signal,
}

impl StopRequest {
    pub fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::failed(format!("listening for signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the first request; from then on a second one ends the process, whatever it is doing.
    pub async fn requested(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(INTERRUPTED_EXIT_CODE);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
