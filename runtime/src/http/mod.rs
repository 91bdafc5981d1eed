//! The HTTP server: `/health`, `/metrics` and `/v1/…`. One file per resource.
//!
//! Left out: the Connect REST interface and the console.

mod health;
mod metrics;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use millstream_broker::Broker;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Says what runs; asked at each request, so it must be quick and not wait.
pub type StatusProvider = Arc<dyn Fn() -> Value + Send + Sync>;

/// Prometheus text of one part of the process.
pub type MetricsProvider = Arc<dyn Fn() -> String + Send + Sync>;

/// What the resources show.
#[derive(Clone)]
pub struct Resources {
    /// The pipelines with their tasks and queries: a JSON array.
    pub pipelines: StatusProvider,
    pub metrics: Vec<MetricsProvider>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { pipelines: Arc::new(|| json!([])), metrics: Vec::new() }
    }
}

impl Resources {
    /// Adds the broker's metrics.
    #[must_use]
    pub fn with_broker(mut self, broker: &Arc<Broker>) -> Self {
        let broker = Arc::clone(broker);
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
pub async fn serve(address: SocketAddr, resources: Resources) -> std::io::Result<HttpServer> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let router = router(resources);
    let task =
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Ok(HttpServer { address, stop, task })
}

fn router(resources: Resources) -> Router {
    use axum::routing::get;
    Router::new()
        .route("/health", get(health::show))
        .route("/metrics", get(metrics::show))
        .route("/v1/status", get(status::show))
        .route("/v1/pipelines", get(status::pipelines))
        .route("/v1/pipelines/{name}", get(status::pipeline))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "no such resource") })
        .with_state(resources)
}

/// An error as every resource gives it: `{error_code, message}`, as Kafka Connect does.
fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({ "error_code": status.as_u16(), "message": message });
    (status, axum::Json(body)).into_response()
}
