//! What takes SQL statements on a node: a session of the node's own, or that of the pipeline that `run` started.

use std::sync::Arc;
use std::time::Duration;

use millstream_client::{Client, ClientConfig};
use millstream_streams::{PlanContext, Program, Session};

use super::Pipelines;

/// The pipeline that statements sent to a server belong to: part of the names of their groups and internal topics.
const SQL_PIPELINE: &str = "sql";

/// Pause before another try to start the session.
const PAUSE: Duration = Duration::from_secs(1);

impl Pipelines {
    /// What takes statements here; `None` until it is started.
    pub fn session(&self) -> Option<Arc<Session>> {
        if let Some(session) = self.inner.session.read().as_ref() {
            return Some(Arc::clone(session));
        }
        if self.inner.store.is_some() {
            return None;
        }
        let entries = self.inner.entries.read();
        entries.values().find_map(|entry| entry.run.as_ref()).map(|run| run.session())
    }

    /// The session of every pipeline, that for statements first.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<Arc<Session>> = self.session().into_iter().collect();
        let entries = self.inner.entries.read();
        for run in entries.values().filter_map(|entry| entry.run.as_ref()) {
            let session = run.session();
            if !sessions.iter().any(|known| Arc::ptr_eq(known, &session)) {
                sessions.push(session);
            }
        }
        sessions
    }

    /// Starts the queries that statements have left in the cluster, and takes new ones from then on. Tries until it
    /// succeeds: a cluster may not be complete yet.
    pub async fn start_statements(self) {
        loop {
            match self.new_session().await {
                Ok(session) => {
                    *self.inner.session.write() = Some(Arc::new(session));
                    return;
                }
                Err(reason) => tracing::warn!(reason, "the queries could not be started; trying again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn new_session(&self) -> Result<Session, String> {
        let home = self.inner.home.clone().ok_or("this node has no place for queries")?;
        let client =
            Client::connect(home, ClientConfig::default()).await.map_err(|error| error.to_string())?;
        let context = PlanContext { pipeline: SQL_PIPELINE.to_owned(), ..PlanContext::default() };
        let nothing = Program::default().plan(&context).map_err(|findings| format!("{findings:?}"))?;
        let engine = self.engine().map_err(|error| error.to_string())?;
        Session::start(client, engine, nothing).await.map_err(|error| error.to_string())
    }

    pub(super) async fn stop_statements(&self) {
        let session = self.inner.session.write().take();
        if let Some(session) = session {
            session.stop().await;
        }
    }
}
