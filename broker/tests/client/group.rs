//! Members of a group share the partitions, commit, come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_client::{
    Assignor, Client, GroupConfig, GroupConsumer, GroupPoll, NewRecord, ProducerConfig, TopicPartition,
};

use super::{create_topic, started};
use crate::harness::PATIENCE;

const PARTITIONS: i32 = 6;
const STEP: Duration = Duration::from_millis(50);

fn member(client: &Client, group: &str, assignor: Assignor) -> GroupConsumer {
    let mut config = GroupConfig::new(group);
    config.assignors = vec![assignor];
    config.heartbeat_interval = Duration::from_millis(50);
    let mut member = client.group_consumer(config);
    member.subscribe(&[group]);
    member
}

async fn produce(client: &Client, topic: &str, numbers: std::ops::Range<i32>) {
    let producer = client.producer(ProducerConfig::default());
    for number in numbers {
        let value = number.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        producer.append(topic, Some(number % PARTITIONS), record).await.unwrap();
    }
    producer.flush().await.unwrap();
}

/// Polls all members in turn until `is_done` says so of what they hold; commits after each piece. Gives what was read.
async fn poll_until(
    members: &mut [GroupConsumer],
    read: &mut Vec<i32>,
    is_done: impl Fn(&[Vec<TopicPartition>], &[i32]) -> bool,
) {
    tokio::time::timeout(PATIENCE, async {
        loop {
            for member in members.iter_mut() {
                if let GroupPoll::Records(fetched) = member.poll(STEP).await.unwrap() {
                    fetched
                        .for_each(|record| {
                            let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                            read.push(text.parse().unwrap());
                        })
                        .unwrap();
                    // A rebalance under way refuses the commit; the partitions come back with the old offsets.
                    member.commit().await.unwrap();
                }
            }
            let held: Vec<_> = members.iter_mut().map(|member| member.consumer().assignment()).collect();
            if is_done(&held, read) {
                return;
            }
        }
    })
    .await
    .unwrap();
}

fn is_shared_evenly(held: &[Vec<TopicPartition>]) -> bool {
    let distinct: BTreeSet<&TopicPartition> = held.iter().flatten().collect();
    let each = PARTITIONS as usize / held.len();
    distinct.len() == PARTITIONS as usize && held.iter().all(|places| places.len() == each)
}

#[tokio::test]
async fn members_come_and_go_and_every_record_is_read() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        for assignor in [Assignor::CooperativeSticky, Assignor::Range] {
            let topic = format!("{way}-{assignor:?}");
            create_topic(client, &topic, PARTITIONS).await;
            produce(client, &topic, 0..300).await;
            let mut read = Vec::new();
            let mut members = vec![member(client, &topic, assignor)];
            poll_until(&mut members, &mut read, |held, read| is_shared_evenly(held) && read.len() == 300)
                .await;
            members.push(member(client, &topic, assignor));
            members.push(member(client, &topic, assignor));
            poll_until(&mut members, &mut read, |held, _| is_shared_evenly(held)).await;
            produce(client, &topic, 300..600).await;
            poll_until(&mut members, &mut read, |_, read| read.len() == 600).await;
            members.swap_remove(1).close().await.unwrap();
            poll_until(&mut members, &mut read, |held, _| is_shared_evenly(held)).await;
            produce(client, &topic, 600..900).await;
            poll_until(&mut members, &mut read, |_, read| read.len() >= 900).await;
            read.sort_unstable();
            assert_eq!(read, (0..900).collect::<Vec<i32>>(), "{topic}");
            for member in members {
                member.close().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_successor_goes_on_where_the_last_member_committed() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, PARTITIONS).await;
        produce(client, way, 0..60).await;
        let mut read = Vec::new();
        let mut first = vec![member(client, way, Assignor::CooperativeSticky)];
        poll_until(&mut first, &mut read, |_, read| read.len() == 60).await;
        first.remove(0).close().await.unwrap();
        produce(client, way, 60..120).await;
        let mut second = vec![member(client, way, Assignor::CooperativeSticky)];
        poll_until(&mut second, &mut read, |_, read| read.len() >= 120).await;
        read.sort_unstable();
        assert_eq!(read, (0..120).collect::<Vec<i32>>(), "{way}");
    }
}

#[tokio::test]
async fn a_static_member_returns_without_a_rebalance() {
    let (_broker, clients) = started().await;
    for (way, client) in &clients {
        create_topic(client, way, PARTITIONS).await;
        let join = || {
            let mut config = GroupConfig::new(*way);
            config.instance_id = Some("one".to_owned());
            let mut member = client.group_consumer(config);
            member.subscribe(&[way]);
            member
        };
        let all = |held: &[Vec<TopicPartition>], _: &[i32]| held[0].len() == PARTITIONS as usize;
        let mut first = vec![join()];
        poll_until(&mut first, &mut Vec::new(), all).await;
        let generation = first[0].metadata().generation;
        first.remove(0).close().await.unwrap();
        let mut second = vec![join()];
        poll_until(&mut second, &mut Vec::new(), all).await;
        assert_eq!(second[0].metadata().generation, generation, "{way}");
    }
}
