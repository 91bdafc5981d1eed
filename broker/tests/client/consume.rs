//! Producing, reading back, seeking, administering.

use millstream_client::admin::{ConfigChange, ConfigResource, OffsetSpec};
use millstream_client::{
    Acks, CommittedOffset, ConsumeError, ConsumerConfig, Isolation, NewRecord, OffsetReset, ProducerConfig,
    Record, Start, StartAt, TopicPartition,
};
use millstream_protocol::ErrorCode;
use millstream_protocol::compression::Compression;

use super::{POLL, create_topic, places, read_all, started};

#[tokio::test]
async fn every_compression_comes_back_in_order() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        for compression in Compression::ALL {
            let topic = format!("{way}-{compression}");
            create_topic(client, &topic, 2).await;
            let config = ProducerConfig { compression, batch_bytes: 4096, ..ProducerConfig::default() };
            let producer = client.producer(config);
            let writer = producer.writer(&topic).await.unwrap();
            for number in 0..2000 {
                let value = number.to_string();
                let record = NewRecord {
                    key: Some(b"k"),
                    value: Some(value.as_bytes()),
                    headers: &[("h", Some(b"v"))],
                    timestamp_ms: Some(number),
                };
                writer.append(Some((number % 2) as i32), record).await.unwrap();
            }
            producer.flush().await.unwrap();
            let expected =
                |odd| (0..2000).filter(|n| n % 2 == odd).map(|n| n.to_string()).collect::<Vec<_>>();
            let found = read_all(client, &topic, 2, Isolation::ReadCommitted).await;
            assert_eq!(found, [expected(0), expected(1)], "{topic}");
        }
    }
}

#[tokio::test]
async fn deliveries_tell_offsets_for_every_kind_of_acks() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        for (acks, expected) in [(Acks::All, 0), (Acks::Leader, 0), (Acks::None, -1)] {
            let topic = format!("{way}-{acks:?}");
            create_topic(client, &topic, 1).await;
            let producer = client.producer(ProducerConfig { acks, ..ProducerConfig::default() });
            let record = Record { topic: topic.clone(), value: Some("x".into()), ..Record::default() };
            let delivery = producer.send(record).await.unwrap();
            producer.flush().await.unwrap();
            assert_eq!(delivery.wait().await.unwrap().offset, expected, "{topic}");
        }
    }
}

#[tokio::test]
async fn positions_can_be_sought_by_offset_and_by_time() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let producer = client.producer(ProducerConfig::default());
        for number in 0..100 {
            let value = number.to_string();
            let timestamp_ms = Some(1_000_000 + number * 10);
            let record = NewRecord { value: Some(value.as_bytes()), timestamp_ms, ..NewRecord::default() };
            producer.append(way, Some(0), record).await.unwrap();
            producer.flush().await.unwrap();
        }
        let place = TopicPartition::new(*way, 0);
        let mut consumer = client.consumer(ConsumerConfig::default());
        let asked = [(place.clone(), 1_000_505), (place.clone(), 9_000_000)];
        assert_eq!(consumer.offsets_for_times(&asked).await.unwrap(), [Some(51), None], "{way}");
        let start = StartAt { place: place.clone(), start: Start::Timestamp(1_000_505) };
        consumer.assign(vec![start]).await.unwrap();
        assert_eq!(first_value(&mut consumer).await, "51", "{way}");
        consumer.seek(&place, 7).unwrap();
        assert_eq!(first_value(&mut consumer).await, "7", "{way}");
    }
}

async fn first_value(consumer: &mut millstream_client::Consumer) -> String {
    let mut first = None;
    while first.is_none() {
        let Some(fetched) = consumer.poll(POLL).await.unwrap() else { continue };
        fetched
            .for_each(|record| {
                first.get_or_insert_with(|| String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            })
            .unwrap();
    }
    first.unwrap()
}

#[tokio::test]
async fn an_offset_out_of_range_follows_the_reset() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let producer = client.producer(ProducerConfig::default());
        let record = NewRecord { value: Some(b"only"), ..NewRecord::default() };
        producer.append(way, None, record).await.unwrap();
        producer.flush().await.unwrap();
        let place = TopicPartition::new(*way, 0);
        let start = || vec![StartAt { place: place.clone(), start: Start::Offset(99) }];
        let mut strict =
            client.consumer(ConsumerConfig { offset_reset: OffsetReset::None, ..ConsumerConfig::default() });
        strict.assign(start()).await.unwrap();
        let error = loop {
            match strict.poll(POLL).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ConsumeError::OutOfRange { offset: 99, .. }), "{way}: {error}");
        let mut lenient = client.consumer(ConsumerConfig::default());
        lenient.assign(start()).await.unwrap();
        assert_eq!(first_value(&mut lenient).await, "only", "{way}");
    }
}

#[tokio::test]
async fn paused_partitions_rest_and_resume_where_they_were() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 2).await;
        let producer = client.producer(ProducerConfig::default());
        for partition in 0..2 {
            let record = NewRecord { value: Some(b"x"), ..NewRecord::default() };
            producer.append(way, Some(partition), record).await.unwrap();
        }
        producer.flush().await.unwrap();
        let places = places(way, 2);
        let mut consumer = client.consumer(ConsumerConfig::default());
        let starts = places.iter().map(|place| StartAt { place: place.clone(), start: Start::Earliest });
        consumer.assign(starts.collect()).await.unwrap();
        consumer.pause(&places[..1]);
        let mut seen = Vec::new();
        while seen.is_empty() {
            seen.extend(consumer.poll(POLL).await.unwrap().map(|fetched| fetched.place.partition));
        }
        assert_eq!(seen, [1], "{way}");
        consumer.resume(&places[..1]);
        while seen.len() < 2 {
            seen.extend(consumer.poll(POLL).await.unwrap().map(|fetched| fetched.place.partition));
        }
        assert_eq!(seen, [1, 0], "{way}");
    }
}

#[tokio::test]
async fn a_writer_uses_partitions_that_were_added_later() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, 1).await;
        let producer = client.producer(ProducerConfig::default());
        let writer = producer.writer(way).await.unwrap();
        client.admin().create_partitions(way, 2).await.unwrap();
        client.topic(way).await.unwrap();
        let record = NewRecord { value: Some(b"x"), ..NewRecord::default() };
        writer.append(Some(1), record).await.unwrap();
        producer.flush().await.unwrap();
        assert_eq!(writer.partitions(), 2, "{way}");
    }
}

#[tokio::test]
async fn topics_configs_offsets_and_groups_are_administered() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        let admin = client.admin();
        create_topic(client, way, 1).await;
        let again = admin.create_topics(&[millstream_client::admin::NewTopic::new(*way, 1)], false).await;
        assert_eq!(again[0].as_ref().unwrap_err().code(), Some(ErrorCode::TopicAlreadyExists), "{way}");
        admin.create_partitions(way, 3).await.unwrap();
        assert_eq!(client.topic(way).await.unwrap().partitions.len(), 3, "{way}");
        let resource = ConfigResource::Topic((*way).to_owned());
        let change = ConfigChange::Set("retention.ms".to_owned(), "12345".to_owned());
        admin.alter_configs(&resource, &[change], false).await.unwrap();
        let configs = admin.describe_configs(&resource).await.unwrap();
        let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
        assert_eq!(retention.value.as_deref(), Some("12345"), "{way}");
        let place = TopicPartition::new(*way, 2);
        let asked = [(place.clone(), OffsetSpec::Latest)];
        let listed = admin.list_offsets(&asked, Isolation::ReadCommitted).await;
        assert_eq!(listed[0].as_ref().unwrap().offset, 0, "{way}");
        let group = format!("group-{way}");
        let offsets =
            [(place.clone(), CommittedOffset { metadata: "note".to_owned(), ..CommittedOffset::at(5) })];
        admin.alter_group_offsets(&group, &offsets).await.unwrap();
        assert_eq!(admin.group_offsets(&group, None).await.unwrap(), offsets, "{way}");
        assert_eq!(admin.describe_group(&group).await.unwrap().state, "Empty", "{way}");
        admin.delete_groups(&[&group]).await.into_iter().for_each(|deleted| deleted.unwrap());
        assert_eq!(admin.group_offsets(&group, None).await.unwrap(), [], "{way}");
        admin.delete_topics(&[way]).await.into_iter().for_each(|deleted| deleted.unwrap());
        assert!(client.topic(way).await.is_err(), "{way}");
    }
}
