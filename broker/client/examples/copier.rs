//! Copies a topic in transactions until it is killed: consume, transform, produce and commit offsets in one.
//!
//!     cargo run -p millstream-client --example copier -- BOOTSTRAP FROM TO GROUP TRANSACTIONAL_ID
//!
//! Prints `copied N` behind every commit. Ends with 3 when another copier took over.

use std::process::ExitCode;
use std::time::Duration;

use millstream_client::{
    Client, ClientConfig, Cluster, CommittedOffset, Fetched, GroupConfig, GroupConsumer, GroupError,
    GroupPoll, NewRecord, Start, TopicPartition, TransactionConfig, TransactionError, TransactionalProducer,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(copy()));
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    eprintln!("stopped: {failure}");
    let fenced = matches!(failure.downcast_ref(), Some(TransactionError::Fenced { .. }))
        || matches!(failure.downcast_ref(), Some(GroupError::Fenced { .. }));
    ExitCode::from(if fenced { 3 } else { 4 })
}

async fn copy() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, source, target, group, transactional_id] = arguments.as_slice() else {
        return Err("usage: copier BOOTSTRAP FROM TO GROUP TRANSACTIONAL_ID".into());
    };
    let client =
        Client::connect(Cluster::Bootstrap(vec![bootstrap.clone()]), ClientConfig::default()).await?;
    let config = TransactionConfig { transaction_timeout: Duration::from_secs(20), ..Default::default() };
    let mut producer = client.transactional_producer(transactional_id, config).await?;
    let mut consumer = client.group_consumer(GroupConfig {
        instance_id: Some(transactional_id.clone()),
        session_timeout: Duration::from_secs(6),
        heartbeat_interval: Duration::from_millis(500),
        ..GroupConfig::new(group)
    });
    consumer.subscribe(&[source]);
    loop {
        let GroupPoll::Records(fetched) = consumer.poll(Duration::from_millis(100)).await? else { continue };
        match transaction(&mut producer, &consumer, target, &fetched).await {
            Ok(count) => println!("copied {count}"),
            Err(error) if error.is_fatal() => return Err(error.into()),
            Err(error) => {
                eprintln!("aborting: {error}");
                recover(&mut producer).await?;
                rewind(&mut consumer, &fetched.place).await?;
            }
        }
    }
}

async fn transaction(
    producer: &mut TransactionalProducer,
    consumer: &GroupConsumer,
    target: &str,
    fetched: &Fetched,
) -> Result<usize, TransactionError> {
    let transactional_id = producer.transactional_id().to_owned();
    let failed = |reason: String| TransactionError::Abortable {
        attempt: "copy",
        transactional_id: transactional_id.clone(),
        reason,
    };
    let mut values = Vec::new();
    let read = fetched.for_each(|record| {
        values.push([b"copied ".as_slice(), record.value.unwrap_or_default()].concat());
    });
    producer.begin()?;
    read.map_err(|error| failed(error.to_string()))?;
    for value in &values {
        let record = NewRecord { value: Some(value), ..NewRecord::default() };
        let appended = producer.producer().append(target, None, record).await;
        appended.map_err(|error| failed(error.to_string()))?;
    }
    let offsets = [(fetched.place.clone(), CommittedOffset::at(fetched.next_offset))];
    producer.send_offsets(&offsets, &consumer.metadata()).await?;
    producer.commit().await?;
    Ok(values.len())
}

/// Ends the transaction whose step failed. Where a commit got no answer, only the same step tells what became of it.
async fn recover(producer: &mut TransactionalProducer) -> Result<(), TransactionError> {
    loop {
        match producer.abort().await {
            Err(TransactionError::TimedOut { .. }) => {}
            Err(TransactionError::Misuse { .. }) => match producer.commit().await {
                Err(TransactionError::TimedOut { .. }) => {}
                Err(error) if error.is_abortable() => {}
                ended => return ended,
            },
            ended => return ended,
        }
    }
}

async fn rewind(consumer: &mut GroupConsumer, place: &TopicPartition) -> Result<(), Failure> {
    let committed = consumer.committed(std::slice::from_ref(place)).await?;
    let offset = committed.into_iter().flatten().next().map_or(0, |found| found.offset);
    if consumer.consumer().assignment().contains(place) {
        consumer.consumer().seek_to(place, Start::Offset(offset))?;
    }
    Ok(())
}
