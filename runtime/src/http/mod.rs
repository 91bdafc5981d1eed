//! The HTTP server: `/health`, `/metrics`, `/v1/…`, and Kafka Connect's REST interface at its own paths. One file per
//! resource.
//!
//! Left out: the console.

mod connect;
mod health;
mod metrics;
mod pipelines;
mod select;
mod sql;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use millstream_broker::Broker;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::pipelines::{Pipelines, Refusal};

/// Prometheus text of one part of the process.
pub type MetricsProvider = Arc<dyn Fn() -> String + Send + Sync>;

/// What the resources show.
#[derive(Clone, Default)]
pub struct Resources {
    pub pipelines: Pipelines,
    pub metrics: Vec<MetricsProvider>,
    /// Names this process to Kafka Connect's tools: `host:port`.
    pub worker_id: Arc<str>,
    pub cluster_id: Arc<str>,
    /// Ends answers that would go on for ever.
    pub stopping: CancellationToken,
}

impl Resources {
    pub fn of(pipelines: Pipelines) -> Self {
        Self { pipelines, ..Self::default() }
    }

    /// Adds the broker's metrics.
    #[must_use]
    pub fn with_broker(mut self, broker: &Arc<Broker>) -> Self {
        let broker = Arc::clone(broker);
        self.cluster_id = Arc::from(broker.cluster_id());
        self.metrics.push(Arc::new(move || broker.metrics()));
        self
    }
}

/// A running server.
pub struct HttpServer {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl HttpServer {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes requests under way, then ends.
    pub async fn stop(self) {
        self.stop.cancel();
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the http server ended with an error"),
            Err(error) => tracing::warn!(%error, "the http server's task failed"),
        }
    }
}

/// Serves `resources` on `address`; port 0 picks a free one.
pub async fn serve(address: SocketAddr, mut resources: Resources) -> std::io::Result<HttpServer> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    resources.worker_id = Arc::from(address.to_string());
    let stop = CancellationToken::new();
    resources.stopping = stop.clone();
    let stopped = stop.clone().cancelled_owned();
    let router = router(resources);
    let task =
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Ok(HttpServer { address, stop, task })
}

fn router(resources: Resources) -> Router {
    use axum::routing::{get, post};
    Router::new()
        .route("/health", get(health::show))
        .route("/metrics", get(metrics::show))
        .route("/v1/status", get(status::show))
        .merge(pipelines::routes())
        .merge(connect::routes())
        .route("/v1/queries", get(sql::queries))
        .route("/v1/queries/{name}", get(sql::query))
        .route("/v1/sql", post(sql::execute))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such resource") })
        .with_state(resources)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::BadRequest(_) => StatusCode::BAD_REQUEST,
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        problem(status, &self.to_string())
    }
}

/// An error as every resource gives it: `{error_code, message}`, as Kafka Connect does.
fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error_code": status.as_u16(), "message": message });
    (status, axum::Json(body)).into_response()
}
