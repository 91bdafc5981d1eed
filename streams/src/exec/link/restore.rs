//! Reading the changelog at a start, into the copy of it on disk or, without one, into memory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream_client::admin::ConfigResource;
use millstream_client::{Client, Start, StartAt, TopicPartition};

use crate::exec::QueryError;
use crate::state::Change;
use crate::state::store::{Changelog, QueryStore, Verdict};

/// The changelog has one partition: a query is one task.
pub(super) const CHANGELOG_PARTITION: i32 = 0;

/// A key and its value may have so many bytes together: brokers take records of 1 MiB unless they are told otherwise.
pub(super) const CHANGE_BYTES_MAX: usize = 1_000_000;

/// How long one poll of the changelog waits.
const RESTORE_WAIT: Duration = Duration::from_millis(500);

pub(super) fn too_large(bytes: usize) -> String {
    format!(
        "one key of the state has {bytes} bytes, and a record of the changelog at most {CHANGE_BYTES_MAX}: \
         group by more columns, or aggregate less per key"
    )
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Brings the store to the changelog's end.
pub(super) async fn follow(
    client: &Client,
    topic: &str,
    store: &mut QueryStore,
    left: &(dyn Fn(i64) + Sync),
) -> Result<(), QueryError> {
    let failed =
        |error: &dyn ToString| QueryError::cluster(format!("read topic `{topic}`"), error.to_string());
    let place = TopicPartition::new(topic, CHANGELOG_PARTITION);
    let mut consumer = client.consumer(super::cluster::reading());
    let changelog = describe(client, topic, &consumer, store.is_on_disk()).await?;
    let start = match store.begin(&changelog, now_ms())? {
        Verdict::Follow(offset) => offset,
        Verdict::StartOver(reason) => {
            if store.is_on_disk() && changelog.end_offset > changelog.first_offset {
                tracing::info!(topic, reason, "the whole changelog is read");
            }
            changelog.first_offset
        }
    };
    let end = changelog.end_offset;
    left((end - start).max(0));
    if start < end {
        let starts = vec![StartAt { place: place.clone(), start: Start::Offset(start) }];
        consumer.assign(starts).await.map_err(|error| failed(&error))?;
    }
    while start < end && consumer.position(&place).unwrap_or(start) < end {
        let Some(fetched) = consumer.poll(RESTORE_WAIT).await.map_err(|error| failed(&error))? else {
            continue;
        };
        let mut changes: Vec<Change> = Vec::new();
        fetched
            .for_each(|record| {
                if let Some(key) = record.key {
                    changes.push((key.to_vec(), record.value.map(<[u8]>::to_vec)));
                }
            })
            .map_err(|error| failed(&error))?;
        store.take(changes, fetched.next_offset);
        left((end - fetched.next_offset).max(0));
        if store.is_full()
            && let Some(flush) = store.flush(now_ms())
        {
            written(tokio::task::spawn_blocking(|| flush.run()).await)?;
        }
    }
    store.take([], end);
    left(0);
    Ok(())
}

/// The outcome of a write that was done elsewhere.
pub(crate) fn written(
    outcome: Result<Result<(), crate::state::store::StoreError>, tokio::task::JoinError>,
) -> Result<(), QueryError> {
    outcome.map_err(|error| QueryError::cluster("write the local state", error))?.map_err(QueryError::from)
}

async fn describe(
    client: &Client,
    topic: &str,
    consumer: &millstream_client::Consumer,
    with_configs: bool,
) -> Result<Changelog, QueryError> {
    let failed =
        |error: &dyn ToString| QueryError::cluster(format!("read topic `{topic}`"), error.to_string());
    let place = TopicPartition::new(topic, CHANGELOG_PARTITION);
    let places = std::slice::from_ref(&place);
    let layout = client.topic(topic).await.map_err(|error| failed(&error))?;
    let first = consumer.beginning_offsets(places).await.map_err(|error| failed(&error))?;
    let ends = consumer.end_offsets(places).await.map_err(|error| failed(&error))?;
    let mut tombstones_kept_ms = 0;
    if with_configs {
        let configs = client.admin().describe_configs(&ConfigResource::Topic(topic.to_owned())).await;
        let configs = configs.map_err(|error| failed(&error))?;
        let kept = configs.iter().find(|config| config.name == "delete.retention.ms");
        let kept = kept.and_then(|config| config.value.as_ref()?.parse().ok());
        // Unknown is none: a copy that lags is not followed then.
        tombstones_kept_ms = kept.unwrap_or(0);
    }
    Ok(Changelog {
        topic_id: *layout.topic_id.as_bytes(),
        first_offset: first.first().copied().unwrap_or_default(),
        end_offset: ends.first().copied().unwrap_or_default(),
        tombstones_kept_ms,
    })
}
