//! A second broker is mirrored into the first: topics as they are there, and groups that go on where they were.

use std::time::Duration;

use millstream::connect::{Declaration, SourceDeclaration, TaskState, Worker, WorkerConfig};
use millstream_client::admin::{ConfigChange, ConfigResource, ConfigSource, NewTopic};
use millstream_client::{
    CommittedOffset, ConsumerConfig, GroupConfig, GroupPoll, Isolation, NewRecord, ProducerConfig, Start,
    StartAt, TopicPartition, TransactionConfig,
};
use serde_json::{Value, json};

use super::{Bench, PATIENCE, soon, until};

/// Ours, and the one that is mirrored into it.
struct Pair {
    here: Bench,
    there: Bench,
}

impl Pair {
    async fn start() -> Pair {
        Pair { here: Bench::start().await, there: Bench::start().await }
    }

    fn source(&self, more: Value) -> SourceDeclaration {
        let mut settings = json!({
            "bootstrap": self.there.broker.addr().unwrap().to_string(),
            "topics": ["orders*"],
            "rename": "keep",
            "prefix": "copy.",
            "sync_ms": 100,
        });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.here.source("kafka", settings, "unused")
    }

    async fn mirror(&self, more: Value) -> Worker {
        self.here.worker(vec![self.source(more)], vec![]).await
    }

    /// Mirrors what there is now, and ends.
    async fn mirror_to_end(&self, mut more: Value) {
        more["follow"] = json!(false);
        let worker = self.mirror(more).await;
        soon("draining", worker.sources_drained()).await.unwrap();
        worker.stop().await;
    }

    async fn stop(self) {
        self.here.stop().await;
        self.there.stop().await;
    }
}

impl Bench {
    async fn make(&self, topic: NewTopic) {
        for created in self.client.admin().create_topics(std::slice::from_ref(&topic), false).await {
            created.unwrap();
        }
        self.client.admin().wait_for_topic(&topic.name).await.unwrap();
    }

    async fn write_values(&self, topic: &str, partition: i32, values: impl Iterator<Item = String>) {
        let producer = self.client.producer(ProducerConfig::default());
        for value in values {
            let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
            producer.append(topic, Some(partition), record).await.unwrap();
        }
        producer.flush().await.unwrap();
    }

    async fn write_transaction(&self, id: &str, topic: &str, values: &[String], commits: bool) {
        let producer = self.client.transactional_producer(id, TransactionConfig::default()).await;
        let mut producer = producer.unwrap();
        producer.begin().unwrap();
        for value in values {
            let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
            producer.producer().append(topic, Some(0), record).await.unwrap();
        }
        producer.producer().flush().await.unwrap();
        if commits { producer.commit().await.unwrap() } else { producer.abort().await.unwrap() }
    }

    async fn commit(&self, group: &str, place: &TopicPartition, offset: i64) {
        let mut offset = CommittedOffset::at(offset);
        offset.metadata = "noted".to_owned();
        self.client.admin().alter_group_offsets(group, &[(place.clone(), offset)]).await.unwrap();
    }

    async fn committed(&self, group: &str, place: &TopicPartition) -> Option<CommittedOffset> {
        let found =
            self.client.admin().group_offsets(group, Some(std::slice::from_ref(place))).await.unwrap();
        found.into_iter().next().map(|(_, offset)| offset)
    }

    async fn committed_at(&self, group: &str, place: &TopicPartition, offset: i64) {
        let look = async {
            while self.committed(group, place).await.map(|held| held.offset) != Some(offset) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("{group} is at {:?} and not at {offset}", self.committed(group, place).await);
        }
    }

    /// Offset and value of every record from `offset` on.
    async fn from(&self, place: &TopicPartition, offset: i64) -> Vec<(i64, String)> {
        let mut consumer = self.client.consumer(ConsumerConfig::default());
        let raw = ConsumerConfig { isolation: Isolation::ReadUncommitted, ..ConsumerConfig::default() };
        let end = self.client.consumer(raw).end_offsets(std::slice::from_ref(place)).await.unwrap()[0];
        consumer.assign(vec![StartAt { place: place.clone(), start: Start::Offset(offset) }]).await.unwrap();
        let (mut read, mut reached) = (Vec::new(), offset);
        while reached < end {
            let fetched = consumer.poll(PATIENCE).await.unwrap().unwrap();
            reached = fetched.next_offset;
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            fetched
                .for_each(|record| read.push((record.offset, record.value.map(text).unwrap_or_default())))
                .unwrap();
        }
        read
    }

    async fn own_configs(&self, topic: &str) -> Vec<(String, String)> {
        let entries = self.client.admin().describe_configs(&ConfigResource::Topic(topic.to_owned())).await;
        let own = entries.unwrap().into_iter().filter(|entry| entry.source == ConfigSource::Topic);
        own.map(|entry| (entry.name, entry.value.unwrap_or_default())).collect()
    }

    async fn own_configs_are(&self, topic: &str, wanted: &[(&str, &str)]) {
        let wanted: Vec<_> =
            wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let look = async {
            while self.own_configs(topic).await != wanted {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, look).await.is_err() {
            panic!("{topic} has {:?} and not {wanted:?}", self.own_configs(topic).await);
        }
    }

    async fn alter(&self, topic: &str, changes: &[ConfigChange]) {
        let resource = ConfigResource::Topic(topic.to_owned());
        self.client.admin().alter_configs(&resource, changes, false).await.unwrap();
    }
}

/// The one partition of a topic.
fn first(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| n.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirrored_topic_has_the_partitions_and_the_configuration_of_its_source_and_follows_them() {
    let pair = Pair::start().await;
    let topic = NewTopic::new("orders", 20)
        .config("retention.ms", "86400000")
        .config("cleanup.policy", "delete")
        .config("max.message.bytes", "2000000")
        .config("min.insync.replicas", "1")
        .config("message.timestamp.type", "LogAppendTime");
    pair.there.make(topic).await;
    for partition in 0..20 {
        pair.there.write_values("orders", partition, numbered(0..1)).await;
    }
    let worker = pair.mirror(json!({})).await;
    until("twenty partitions", || worker.progress().produced == 20).await;
    assert_eq!(pair.here.client.topic("copy.orders").await.unwrap().partitions.len(), 20);
    // Neither what is excluded, nor what is the default here anyway (once the topic is there).
    let wanted =
        [("cleanup.policy", "delete"), ("max.message.bytes", "2000000"), ("retention.ms", "86400000")];
    pair.here.own_configs_are("copy.orders", &wanted).await;
    let changes = [
        ConfigChange::Delete("retention.ms".to_owned()),
        ConfigChange::Set("max.message.bytes".to_owned(), "3000000".to_owned()),
        ConfigChange::Set("compression.type".to_owned(), "zstd".to_owned()),
        ConfigChange::Set("retention.bytes".to_owned(), "-1".to_owned()),
    ];
    pair.there.alter("orders", &changes).await;
    let wanted =
        [("cleanup.policy", "delete"), ("compression.type", "zstd"), ("max.message.bytes", "3000000")];
    pair.here.own_configs_are("copy.orders", &wanted).await;
    // Grown while the mirror runs: records of the new partition go into the new partition.
    pair.there.client.admin().create_partitions("orders", 21).await.unwrap();
    pair.there.client.admin().wait_for_topic("orders").await.unwrap();
    pair.there.write_values("orders", 20, numbered(7..8)).await;
    until("the new partition", || worker.progress().produced == 21).await;
    worker.stop().await;
    let last = pair.here.from(&TopicPartition::new("copy.orders", 20), 0).await;
    assert_eq!(last, [(0, "7".to_owned())]);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configurations_are_left_alone_where_the_options_say_so() {
    let pair = Pair::start().await;
    pair.there.make(NewTopic::new("orders", 3).config("retention.ms", "1000000")).await;
    pair.mirror_to_end(json!({ "topic_configs": "create" })).await;
    pair.here.own_configs_are("copy.orders", &[("retention.ms", "1000000")]).await;
    pair.there.alter("orders", &[ConfigChange::Set("retention.ms".to_owned(), "2000000".to_owned())]).await;
    pair.mirror_to_end(json!({ "topic_configs": "create" })).await;
    pair.mirror_to_end(json!({ "config_exclude": ["retention.*"] })).await;
    pair.here.own_configs_are("copy.orders", &[("retention.ms", "1000000")]).await;
    pair.mirror_to_end(json!({})).await;
    pair.here.own_configs_are("copy.orders", &[("retention.ms", "2000000")]).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_in_the_copy_exactly_where_it_was_through_transactions_and_crashes() {
    let pair = Pair::start().await;
    pair.there.make(NewTopic::new("orders", 1)).await;
    let (place, copy) = (first("orders"), first("copy.orders"));
    let settings = json!({ "groups": ["readers-*"] });
    let mut worker = pair.mirror(settings.clone()).await;
    for round in 0..12 {
        let values: Vec<_> = numbered(round * 50..round * 50 + 50).collect();
        pair.there.write_transaction("writer", "orders", &values, true).await;
        pair.there.write_transaction("doubter", "orders", &["aborted".to_owned()], false).await;
        if round % 3 == 1 {
            // As a crash: whatever is open stays open.
            drop(worker);
            worker = pair.mirror(settings.clone()).await;
        }
        if round % 4 == 3 {
            let is_running = || worker.status().iter().any(|status| status.state == TaskState::Running);
            until("the mirror runs", is_running).await;
        }
    }
    let end = async {
        while pair.here.from(&copy, 0).await.len() < 600 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("mirroring", end).await;
    let (read, copied) = (pair.there.from(&place, 0).await, pair.here.from(&copy, 0).await);
    let values = |records: &[(i64, String)]| records.iter().map(|one| one.1.clone()).collect::<Vec<_>>();
    assert_eq!(values(&read), values(&copied));
    for at in [0, 1, 49, 50, 77, 300, 420, 599] {
        let group = format!("readers-{at}");
        pair.there.commit(&group, &place, read[at].0).await;
        // The offset before the record may be a marker's; both sides of it are as good.
        let (least, most) = (at.checked_sub(1).map_or(0, |before| copied[before].0 + 1), copied[at].0);
        let look = async {
            loop {
                if let Some(held) = pair.here.committed(&group, &copy).await {
                    return held;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let held = soon("translating", look).await;
        assert!((least..=most).contains(&held.offset), "{at}: {held:?} is not in {least}..={most}");
        assert_eq!(held.metadata, "noted");
        assert_eq!(values(&pair.here.from(&copy, held.offset).await), values(&read[at..]));
    }
    worker.stop().await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_moved_on_but_never_under_its_members_nor_back_unless_its_source_went_back() {
    let pair = Pair::start().await;
    pair.there.make(NewTopic::new("orders", 1)).await;
    pair.there.write_values("orders", 0, numbered(0..100)).await;
    let (place, copy) = (first("orders"), first("copy.orders"));
    pair.there.commit("readers", &place, 40).await;
    pair.there.commit("console-consumer-1", &place, 40).await;
    pair.there.commit("others", &place, 40).await;
    let worker = pair.mirror(json!({ "groups": ["read*", "console*"] })).await;
    pair.here.committed_at("readers", &copy, 40).await;
    pair.there.commit("readers", &place, 60).await;
    pair.here.committed_at("readers", &copy, 60).await;
    // Set back over there, and nobody has moved it here since.
    pair.there.commit("readers", &place, 20).await;
    pair.here.committed_at("readers", &copy, 20).await;
    // Somebody consumed here: that is not taken back.
    pair.here.commit("readers", &copy, 90).await;
    pair.there.commit("readers", &place, 30).await;
    pair.there.commit("readers-too", &place, 30).await;
    pair.here.committed_at("readers-too", &copy, 30).await;
    assert_eq!(pair.here.committed("readers", &copy).await.unwrap().offset, 90);
    // A member here: its group is its own.
    let mut member = pair.here.client.group_consumer(GroupConfig::new("readers-too"));
    member.subscribe(&["copy.orders"]);
    let joined = async {
        while !matches!(member.poll(Duration::from_millis(50)).await.unwrap(), GroupPoll::Assigned(places) if !places.is_empty())
        {
        }
    };
    soon("joining", joined).await;
    pair.there.commit("readers-too", &place, 70).await;
    pair.there.commit("readers-three", &place, 70).await;
    pair.here.committed_at("readers-three", &copy, 70).await;
    assert_eq!(pair.here.committed("readers-too", &copy).await.unwrap().offset, 30);
    member.close().await.unwrap();
    pair.here.committed_at("readers-too", &copy, 70).await;
    for stranger in ["console-consumer-1", "others"] {
        assert_eq!(pair.here.committed(stranger, &copy).await, None, "{stranger}");
    }
    assert!(worker.status().iter().all(|status| status.state == TaskState::Running && status.restarts == 0));
    worker.stop().await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_has_offsets_for_all_its_partitions_or_for_none_yet() {
    let pair = Pair::start().await;
    // More than are read at a time, all but the last without a record.
    pair.there.make(NewTopic::new("orders", 20)).await;
    pair.there.write_values("orders", 19, numbered(0..30)).await;
    for partition in 0..20 {
        let at = if partition == 19 { 20 } else { 0 };
        pair.there.commit("readers", &TopicPartition::new("orders", partition), at).await;
    }
    pair.mirror_to_end(json!({ "groups": ["readers"] })).await;
    for partition in 0..20 {
        let held = pair.here.committed("readers", &TopicPartition::new("copy.orders", partition)).await;
        let at = if partition == 19 { 20 } else { 0 };
        assert_eq!(held.map(|held| held.offset), Some(at), "partition {partition}");
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_translated_over_what_was_deleted_filtered_and_compacted() {
    let eager = [("log.cleaner.backoff.ms", "20"), ("log.cleaner.min.cleanable.ratio", "0.01")];
    let pair = Pair { here: Bench::start().await, there: Bench::start_with(&eager).await };
    let compacted =
        NewTopic::new("orders", 1).config("cleanup.policy", "compact").config("segment.bytes", "2000");
    pair.there.make(compacted).await;
    let (place, copy) = (first("orders"), first("copy.orders"));
    let producer = pair.there.client.producer(ProducerConfig::default());
    for n in 0..400 {
        let (key, value) = (format!("k{}", n % 40), format!("{{\"n\":{n}}}"));
        let record =
            NewRecord { key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..NewRecord::default() };
        producer.append("orders", None, record).await.unwrap();
        producer.flush().await.unwrap();
    }
    let shrunk = async {
        while pair.there.from(&place, 0).await.len() > 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("compaction", shrunk).await;
    pair.there.commit("readers", &place, 370).await;
    pair.there.commit("old", &place, 3).await;
    let mut source = pair.source(json!({ "groups": ["*"], "follow": false }));
    source.steps = vec![super::Step::Filter("n % 3 <> 0".to_owned())];
    let declaration = Declaration { pipeline: "test".to_owned(), sources: vec![source], sinks: vec![] };
    let worker = Worker::start(pair.here.client.clone(), declaration, WorkerConfig::default()).await.unwrap();
    soon("draining", worker.sources_drained()).await.unwrap();
    worker.stop().await;
    let held = pair.here.committed("readers", &copy).await.unwrap();
    let wanted: Vec<_> = (370..400).filter(|n| n % 3 != 0).map(|n| format!("{{\"n\":{n}}}")).collect();
    let read: Vec<_> = pair.here.from(&copy, held.offset).await.into_iter().map(|one| one.1).collect();
    assert_eq!(read, wanted);
    // A group from before the first record that was left begins with all there is.
    assert_eq!(pair.here.committed("old", &copy).await.unwrap().offset, 0);
    pair.stop().await;
}
