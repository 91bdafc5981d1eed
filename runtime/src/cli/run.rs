//! `run FILE…`: an embedded node and the pipelines of the files, or the pipelines alone on another cluster.

mod progress;
mod summary;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_broker::Config;
use millstream_client::{Client, ClientConfig, Cluster, Lease};
use millstream_streams::{EngineConfig, StateDatabase};

use super::cluster::block_on;
use super::output::Output;
use super::queries::QueryArguments;
use super::stop::StopRequest;
use super::validate::accept;
use super::{Failure, answer, parse_settings};
use crate::config::diagnostic::Report;
use crate::config::pipeline::{self, Checked};
use crate::config::resolve::Surroundings;
use crate::http::{self, HttpServer, Resources};
use crate::node::{Hosted, Node};
use crate::pipeline::{Ownership, PipelineRun};
use crate::pipelines::{Bundle, Pipelines, QuerySettings};
use progress::ProgressLine;

/// Where queries keep their state, inside the data directory.
const STATE_DIRECTORY: &str = "streams";

/// Where the embedded node keeps its data, beside the pipeline file.
const DATA_DIRECTORY: &str = ".millstream";

const KAFKA_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9092);
const HTTP_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8083);

/// How often progress is brought up to date.
const REFRESH: Duration = Duration::from_millis(200);

/// What an embedded node does otherwise than a server: one process uses it, so nothing waits for others to come,
/// and its internal topics stay small.
const EMBEDDED_SETTINGS: [(&str, &str); 3] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("offsets.topic.num.partitions", "4"),
    ("transaction.state.log.num.partitions", "4"),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Pipeline files; several merge by top-level key.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit once bounded sources are drained, queries have caught up and sinks have committed.
    #[arg(long)]
    until_done: bool,
    /// Where the embedded node keeps its data, .millstream beside the file without it; with a cluster elsewhere, where
    /// queries keep state that does not fit into memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where Kafka clients reach the embedded node; port 0 picks a free one. 127.0.0.1:9092 if that is free.
    #[arg(long, value_name = "ADDR")]
    kafka: Option<SocketAddr>,
    /// Where the HTTP server listens; port 0 picks a free one. 127.0.0.1:8083 if that is free.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    queries: QueryArguments,
    /// A value for ${NAME} and !env NAME in the files; wins over the environment.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// The summary as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let surroundings = Surroundings::of_process(parse_settings(&arguments.settings)?);
    let mut report = Report::default();
    let checked = pipeline::load_and_check(&arguments.files, &surroundings, &mut report);
    let checked = accept(output, &report, checked)?;
    block_on(async move {
        let stop = StopRequest::listen()?;
        let pipelines = Pipelines::default();
        let host = Host::start(&arguments, &checked, pipelines.clone()).await?;
        output.complain(&host.ready_line());
        let result = run_pipeline(&arguments, checked, &host, stop, &pipelines, output).await;
        host.stop().await;
        result
    })
}

async fn run_pipeline(
    arguments: &Arguments,
    checked: Checked,
    host: &Host,
    stop: StopRequest,
    pipelines: &Pipelines,
    output: Output,
) -> Result<(), Failure> {
    let client = host.connect().await?;
    let checked = Arc::new(checked);
    let engine = host.engine(arguments.queries.settings())?;
    let task = Task { until_done: arguments.until_done, checked: &checked, host, engine, pipelines, output };
    let stopped = stop.requested();
    tokio::pin!(stopped);
    let mut ownership = host.stand(&client, &checked);
    let ended = loop {
        let client = match &mut ownership {
            None => client.clone(),
            Some(ownership) => tokio::select! {
                lease = task.own(ownership) => client.under(lease?),
                () = &mut stopped => break Ok(()),
            },
        };
        match task.run(client, ownership.as_mut(), stopped.as_mut()).await {
            Ok(End::Lost) => output.complain(&format!(
                "pipeline {} may run elsewhere by now: what was not committed is dropped here",
                checked.pipeline.name
            )),
            Ok(End::Done | End::Stopped) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    if let Some(ownership) = ownership {
        ownership.leave().await;
    }
    ended
}

/// What one run needs to know.
struct Task<'a> {
    until_done: bool,
    checked: &'a Arc<Checked>,
    host: &'a Host,
    engine: EngineConfig,
    pipelines: &'a Pipelines,
    output: Output,
}

impl Task<'_> {
    /// Waits until no other process runs the pipeline.
    async fn own(&self, ownership: &mut Ownership) -> Result<Lease, Failure> {
        let name = &self.checked.pipeline.name;
        let lease = ownership.acquired(|owner| {
            self.output.complain(&format!("pipeline {name} is run by {owner}: standing by"));
            self.pipelines.stand_by(Bundle::of_part(name), Arc::clone(self.checked), owner);
        });
        lease.await.map_err(Failure::failed)
    }

    /// Runs the pipeline until it is done, fails, is stopped, or belongs to another process.
    async fn run(
        &self,
        client: Client,
        ownership: Option<&mut Ownership>,
        stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<End, Failure> {
        let (checked, output, until_done) = (self.checked, self.output, self.until_done);
        let started = Instant::now();
        let started_run = PipelineRun::start(client, checked, until_done, self.engine.clone()).await;
        let (run, warnings) = started_run.map_err(Failure::failed)?;
        let run = Arc::new(run);
        let bundle = Bundle::of_part(&checked.pipeline.name);
        self.pipelines.adopt(bundle, Arc::clone(checked), Arc::clone(&run));
        warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
        for answer in checked.plan.answers() {
            answer::show(answer, output)?;
        }
        let ended = wait_for_end(&run, until_done, ownership, stopped, output).await;
        let elapsed = started.elapsed();
        let told = match &ended {
            Ok(End::Done) => summary::tell(checked, &run, elapsed, self.host.data(), output),
            Ok(End::Stopped) => {
                output.note("stopping");
                Ok(())
            }
            Ok(End::Lost) | Err(_) => Ok(()),
        };
        match ended {
            Ok(End::Lost) => run.abandon().await,
            _ => run.stop().await,
        }
        told.and(ended)
    }
}

enum End {
    Done,
    Stopped,
    /// Another process may run the pipeline.
    Lost,
}

/// Keeps the progress line up to date until the pipeline is done, fails, is asked to stop or is lost.
async fn wait_for_end(
    run: &PipelineRun,
    until_done: bool,
    ownership: Option<&mut Ownership>,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
    output: Output,
) -> Result<End, Failure> {
    let line = ProgressLine::new(output);
    let mut tick = tokio::time::interval(REFRESH);
    let work = async {
        match until_done {
            true => run.finish().await.map_err(Failure::failed),
            // A task that fails tries again by itself; the status says so.
            false => std::future::pending().await,
        }
    };
    let lost = async {
        match ownership {
            Some(ownership) => ownership.lost().await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(work, lost);
    loop {
        tokio::select! {
            () = &mut lost => {
                line.clear();
                return Ok(End::Lost);
            }
            done = &mut work => {
                line.clear();
                return done.map(|()| End::Done);
            }
            () = stopped.as_mut() => {
                line.clear();
                return Ok(End::Stopped);
            }
            _ = tick.tick() => {
                line.show(run);
            }
        }
    }
}

/// Where the pipeline runs: a node in this process, or a cluster elsewhere and an HTTP server here.
enum Host {
    Embedded(Box<Node>),
    Elsewhere { addresses: Vec<String>, http: HttpServer, data: Option<PathBuf> },
}

impl Host {
    async fn start(arguments: &Arguments, checked: &Checked, pipelines: Pipelines) -> Result<Self, Failure> {
        let http_address = arguments.http.unwrap_or_else(|| free_or_any(HTTP_ADDRESS));
        if let pipeline::Cluster::Bootstrap(addresses) = &checked.pipeline.cluster {
            if arguments.kafka.is_some() {
                let reason = "--kafka is for the embedded node, and this pipeline names a cluster";
                return Err(Failure::bad_input(reason));
            }
            let http = http::serve(http_address, Resources::of(pipelines)).await;
            let http =
                http.map_err(|error| Failure::failed(format!("listening on {http_address}: {error}")))?;
            return Ok(Self::Elsewhere { addresses: addresses.clone(), http, data: arguments.data.clone() });
        }
        let config = embedded_config(arguments, checked)?;
        let node =
            Node::start(config, http_address, Hosted::Others(pipelines)).await.map_err(Failure::failed)?;
        Ok(Self::Embedded(Box::new(node)))
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let cluster = match self {
            Self::Embedded(node) => Cluster::Local(node.broker().local()),
            Self::Elsewhere { addresses, .. } => Cluster::Bootstrap(addresses.clone()),
        };
        Client::connect(cluster, ClientConfig::default()).await.map_err(Failure::failed)
    }

    /// Where others may have been given the same pipeline, who runs it must be agreed on.
    fn stand(&self, client: &Client, checked: &Checked) -> Option<Ownership> {
        let pipeline = &checked.pipeline;
        matches!(self, Self::Elsewhere { .. })
            .then(|| Ownership::stand(client, &pipeline.name, &pipeline.directory))
    }

    fn ready_line(&self) -> String {
        match self {
            Self::Embedded(node) => node.ready_line(),
            Self::Elsewhere { addresses, http, .. } => {
                let kafka = addresses.join(",");
                format!("millstream ready kafka={kafka} http={} pg=- node=- data=-", http.address())
            }
        }
    }

    /// The embedded node's data directory.
    fn data(&self) -> Option<&Path> {
        match self {
            Self::Embedded(node) => Some(node.directory()),
            Self::Elsewhere { .. } => None,
        }
    }

    /// How queries run; what does not fit into memory is on disk, if there is a directory for it.
    fn engine(&self, settings: QuerySettings) -> Result<EngineConfig, Failure> {
        let directory = match self {
            Self::Embedded(node) => Some(node.directory()),
            Self::Elsewhere { data, .. } => data.as_deref(),
        };
        let open = |directory: &Path| {
            StateDatabase::open(&directory.join(STATE_DIRECTORY), settings.state_memory_bytes)
        };
        let state = directory.map(open).transpose().map_err(Failure::failed)?;
        Ok(EngineConfig { state, ..settings.engine })
    }

    async fn stop(self) {
        match self {
            Self::Embedded(node) => node.stop().await,
            Self::Elsewhere { http, .. } => http.stop().await,
        }
    }
}

fn embedded_config(arguments: &Arguments, checked: &Checked) -> Result<Config, Failure> {
    let data = arguments.data.clone().unwrap_or_else(|| checked.pipeline.directory.join(DATA_DIRECTORY));
    let kafka_address = arguments.kafka.unwrap_or_else(|| free_or_any(KAFKA_ADDRESS));
    let mut config = Config::new(data);
    let listener = format!("PLAINTEXT://{kafka_address}");
    let settings = EMBEDDED_SETTINGS.into_iter().chain([("listeners", listener.as_str())]);
    for (key, value) in settings {
        config.set(key, value).map_err(Failure::failed)?;
    }
    Ok(config)
}

/// The usual address, or a free port when something else is there: two pipelines may run side by side.
fn free_or_any(usual: SocketAddr) -> SocketAddr {
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::new(usual.ip(), 0),
    }
}
