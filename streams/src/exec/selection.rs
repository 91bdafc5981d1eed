//! A query whose rows go to whoever asked, not to a topic: it runs until it has read what there is, until it has given as
//! many rows as were wanted, or until nobody takes them any more. Nothing of it is kept in the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millstream_client::{Client, Consumer, Start, StartAt, TopicPartition};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::engine::{EngineConfig, InputEnds};
use super::link::{Change, InputPartition, Link, Piece, Position, piece_of, reading};
use super::status::StatusCells;
use super::task::{self, Finish, Orders, TaskConfig};
use super::{BadRecords, OutputRows, QueryError};
use crate::plan::{QueryPlan, Selected};
use crate::state::store::QueryStore;

/// Rows that wait for whoever asked; when there are more, the query waits.
const ROWS_WAITING: usize = 1_024;

/// A query that reads to an end commits there and nowhere else, so that each key is given once.
const NEVER: Duration = Duration::from_secs(1 << 40);

/// Where a selection begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SelectFrom {
    #[default]
    Earliest,
    Latest,
}

/// What a selection gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectedRow {
    /// A JSON object of the columns.
    Row(Vec<u8>),
    /// The row of this key, as it would be the key of a record, is gone.
    Gone(Vec<u8>),
}

/// The rows of a query, as they come. Dropping it ends the query.
pub struct Selection {
    columns: Vec<String>,
    is_bounded: bool,
    rows: mpsc::Receiver<Result<SelectedRow, QueryError>>,
}

impl Selection {
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// It ends by itself, with what there was when it began.
    pub fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    /// The next row; `None` at the end, an error as the last.
    pub async fn next(&mut self) -> Option<Result<SelectedRow, QueryError>> {
        self.rows.recv().await
    }

    /// Starts the query; `permit` is given back when it ends. Must be called within a tokio runtime.
    pub(crate) fn start(
        client: Client,
        config: &EngineConfig,
        selected: Selected,
        from: SelectFrom,
        permit: OwnedSemaphorePermit,
    ) -> Selection {
        let (sender, rows) = mpsc::channel(ROWS_WAITING);
        let Selected { plan, limit, is_bounded } = selected;
        let columns = plan.sink().map(|sink| &sink.relation.schema);
        let columns =
            columns.map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect());
        let task_config = TaskConfig {
            commit_interval: if is_bounded { NEVER } else { config.commit_interval },
            commit_rows_max: if is_bounded { u64::MAX } else { task::TRANSACTION_ROWS_MAX },
            idle_timeout: config.idle_timeout,
            bad_records: BadRecords::Skip,
            state: None,
            parallelism: 1,
        };
        let link = SelectLink {
            consumer: client.consumer(reading()),
            client,
            plan: plan.clone(),
            from,
            inputs: Vec::new(),
            left: limit,
            rows: sender.clone(),
        };
        tokio::spawn(async move {
            let _held_while_it_runs = permit;
            // Whoever asked may go while nothing comes.
            tokio::select! {
                () = run(&plan, &task_config, link, is_bounded, &sender) => {}
                () = sender.closed() => {}
            }
        });
        Selection { columns: columns.unwrap_or_default(), is_bounded, rows }
    }
}

async fn run(
    plan: &Arc<QueryPlan>,
    config: &TaskConfig,
    mut link: SelectLink,
    is_bounded: bool,
    sender: &mpsc::Sender<Result<SelectedRow, QueryError>>,
) {
    let ended = match link.ends().await {
        Ok(ends) => drive(plan, config, &mut link, is_bounded.then_some(ends)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended
        && !link.has_all()
    {
        // Nobody may be there to hear of it.
        drop(sender.send(Err(error)).await);
    }
}

async fn drive(
    plan: &Arc<QueryPlan>,
    config: &TaskConfig,
    link: &mut SelectLink,
    ends: Option<InputEnds>,
) -> Result<(), QueryError> {
    let status = StatusCells::new(plan.name());
    let finish = ends.map(|ends| Finish { number: 1, ends: Arc::new(ends) });
    let (orders, ordered) = watch::channel(Orders { stop: false, finish });
    let (finished, mut done) = watch::channel(0);
    let running = task::run(plan, config, &status, link, &ordered, &finished);
    tokio::pin!(running);
    loop {
        tokio::select! {
            ended = &mut running => return ended,
            Ok(()) = done.changed() => orders.send_modify(|orders| orders.stop = true),
        }
    }
}

struct SelectLink {
    client: Client,
    plan: Arc<QueryPlan>,
    consumer: Consumer,
    from: SelectFrom,
    inputs: Vec<String>,
    /// Rows that are still wanted.
    left: Option<u64>,
    rows: mpsc::Sender<Result<SelectedRow, QueryError>>,
}

impl SelectLink {
    fn has_all(&self) -> bool {
        self.left == Some(0)
    }

    async fn places(&self, topic: &str) -> Result<Vec<TopicPartition>, QueryError> {
        let layout = self.client.topic(topic).await;
        let layout = layout.map_err(|error| QueryError::cluster(format!("read topic `{topic}`"), error))?;
        let partitions = 0..i32::try_from(layout.partitions.len()).unwrap_or(i32::MAX);
        Ok(partitions.map(|partition| TopicPartition::new(topic, partition)).collect())
    }

    /// Where each input ends now.
    async fn ends(&self) -> Result<InputEnds, QueryError> {
        let mut ends = InputEnds::new();
        for topic in self.plan.input_topics() {
            let places = self.places(topic).await?;
            let found = self.consumer.end_offsets(&places).await;
            let found =
                found.map_err(|error| QueryError::cluster(format!("find the end of `{topic}`"), error))?;
            let of_topic: BTreeMap<i32, i64> =
                places.iter().map(|place| place.partition).zip(found).collect();
            ends.insert(topic.to_owned(), of_topic);
        }
        Ok(ends)
    }

    async fn give(&mut self, row: SelectedRow) -> Result<(), QueryError> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        let sent = self.rows.send(Ok(row)).await;
        sent.map_err(|_| QueryError::cluster("give rows", "nobody takes them any more"))
    }
}

#[async_trait]
impl Link for SelectLink {
    async fn open(&mut self) -> Result<Vec<InputPartition>, QueryError> {
        let failed = |error: &dyn ToString| QueryError::cluster("open the inputs", error.to_string());
        let topics: Vec<String> = self.plan.input_topics().into_iter().map(str::to_owned).collect();
        let (mut partitions, mut starts) = (Vec::new(), Vec::new());
        for (input, topic) in topics.iter().enumerate() {
            let places = self.places(topic).await?;
            let ends = self.consumer.end_offsets(&places).await.map_err(|error| failed(&error))?;
            let begins = match self.from {
                SelectFrom::Earliest => {
                    self.consumer.beginning_offsets(&places).await.map_err(|error| failed(&error))?
                }
                SelectFrom::Latest => ends.clone(),
            };
            for ((place, offset), end_offset) in places.into_iter().zip(begins).zip(ends) {
                let partition = place.partition;
                partitions.push(InputPartition { input, partition, offset, note: None, end_offset });
                starts.push(StartAt { place, start: Start::Offset(offset) });
            }
        }
        self.consumer.assign(starts).await.map_err(|error| failed(&error))?;
        self.inputs = topics;
        Ok(partitions)
    }

    async fn changelog(
        &mut self,
        _store: &mut QueryStore,
        _left: &(dyn Fn(i64) + Sync),
    ) -> Result<(), QueryError> {
        Ok(())
    }

    async fn poll(&mut self, wait: Duration) -> Result<Option<Piece>, QueryError> {
        let fetched = self.consumer.poll(wait).await;
        let fetched = fetched.map_err(|error| {
            QueryError::cluster(format!("read topics `{}`", self.inputs.join("`, `")), error)
        })?;
        Ok(fetched.and_then(|fetched| piece_of(&self.inputs, fetched)))
    }

    fn hold(&mut self, held: &[usize]) {
        let is_held = |place: &TopicPartition| {
            held.iter().any(|input| self.inputs.get(*input).is_some_and(|topic| *topic == *place.topic))
        };
        let (paused, resumed): (Vec<_>, Vec<_>) = self.consumer.assignment().into_iter().partition(is_held);
        self.consumer.pause(&paused);
        self.consumer.resume(&resumed);
    }

    async fn write(&mut self, output: usize, rows: &OutputRows, _keyless: i32) -> Result<(), QueryError> {
        // What does not become a row is nobody's here.
        if output > 0 {
            return Ok(());
        }
        for (key, value, _) in rows.iter() {
            if self.has_all() {
                return Err(QueryError::cluster("give rows", "no more were wanted"));
            }
            let row = match (key, value) {
                (_, Some(value)) => SelectedRow::Row(value.to_vec()),
                (key, None) => SelectedRow::Gone(key.unwrap_or_default().to_vec()),
            };
            self.give(row).await?;
        }
        if self.has_all() { Err(QueryError::cluster("give rows", "no more were wanted")) } else { Ok(()) }
    }

    async fn commit(
        &mut self,
        _changes: &[Change],
        _positions: &[Position],
    ) -> Result<Option<i64>, QueryError> {
        Ok(None)
    }
}
