"""confluent-kafka (librdkafka): admin, produce with every codec and idempotence, groups, time, commits, transactions."""

import os
import subprocess
import threading

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType

from conftest import CODECS, RECORDS, per_key, records
from node import wait_for


@pytest.fixture
def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


def create(admin, topic, partitions=3, config=None):
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
        future.result(30)


def produce(bootstrap, topic, pairs, timestamp=None, **config):
    failures = []
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 200_000, **config})
    for number, (key, value) in enumerate(pairs):
        stamp = {} if timestamp is None else {"timestamp": timestamp + number}
        producer.produce(topic, value, key, on_delivery=lambda error, _: error and failures.append(error), **stamp)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failures, failures[:3]


def consumer(bootstrap, group, **config):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "session.timeout.ms": 10_000, **config})


def read(client, count, seconds=60):
    found = []

    def enough():
        for message in client.consume(1_000, 0.2):
            assert message.error() is None, message.error()
            found.append(message)
        return len(found) >= count
    wait_for(enough, f"{count} records", seconds)
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("idempotence", [False, True])
def test_every_codec_comes_back_in_order(bootstrap, admin, topic, group, codec, idempotence):
    create(admin, topic)
    sent = records(tag=codec)
    produce(bootstrap, topic, sent, **{"compression.type": codec, "enable.idempotence": idempotence, "linger.ms": 5})
    client = consumer(bootstrap, group)
    client.subscribe([topic])
    got = [(message.key(), message.value()) for message in read(client, RECORDS)]
    client.close()
    assert len(got) == RECORDS
    assert per_key(got) == per_key(sent)


class Member(threading.Thread):
    """A group member on a thread of its own that commits what it has seen before it gives partitions back."""

    def __init__(self, bootstrap, group, topic, seen, **config):
        super().__init__(daemon=True)
        self.client = consumer(bootstrap, group, **config)
        self.seen, self.mine, self.stopping, self.assigned = seen, 0, threading.Event(), []
        self.cooperative = config.get("partition.assignment.strategy") == "cooperative-sticky"
        self.client.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, client, partitions):
        self.assigned += [partition.partition for partition in partitions]

    def on_revoke(self, client, partitions):
        self.commit()
        for partition in partitions:
            self.assigned.remove(partition.partition)

    def commit(self):
        try:
            self.client.commit(asynchronous=False)
        except KafkaException as error:
            assert error.args[0].name() in ("_NO_OFFSET", "REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION"), error

    def run(self):
        while not self.stopping.is_set():
            for message in self.client.consume(200, 0.1):
                assert message.error() is None, message.error()
                self.seen.append((message.partition(), message.offset(), message.value()))
                self.mine += 1
        self.commit()
        self.client.close()

    def stop(self):
        self.stopping.set()
        self.join(30)
        assert not self.is_alive()


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_a_group_of_three_with_one_joining_and_one_leaving(bootstrap, admin, topic, group, strategy):
    create(admin, topic, 6)
    seen = []
    config = {"partition.assignment.strategy": strategy}
    members = [Member(bootstrap, group, topic, seen, **config) for _ in range(2)]
    for member in members:
        member.start()
    wait_for(lambda: sorted(len(member.assigned) for member in members) == [3, 3], "two members with three partitions")
    produce(bootstrap, topic, records(5_000, "a"))
    wait_for(lambda: len(seen) >= 5_000, "the first half")
    members.append(Member(bootstrap, group, topic, seen, **config))
    members[2].start()
    wait_for(lambda: sorted(len(member.assigned) for member in members) == [2, 2, 2], "three members with two each")
    members[0].stop()
    wait_for(lambda: sorted(len(member.assigned) for member in members[1:]) == [3, 3], "two members again")
    produce(bootstrap, topic, records(5_000, "b"))
    values = {value for _, value in records(5_000, "a") + records(5_000, "b")}
    wait_for(lambda: {value for _, _, value in seen} == values, "every record")
    for member in members[1:]:
        member.stop()
    assert len(seen) == len(set(seen)), "a record was read twice although every member committed"


def test_seek_by_time(bootstrap, admin, topic, group):
    create(admin, topic, 1)
    start = 1_700_000_000_000
    produce(bootstrap, topic, records(1_000), timestamp=start)
    client = consumer(bootstrap, group)
    found = client.offsets_for_times([TopicPartition(topic, 0, start + 600)], timeout=30)
    assert found[0].offset == 600
    late = client.offsets_for_times([TopicPartition(topic, 0, start + 5_000)], timeout=30)
    assert late[0].offset == -1
    client.assign(found)
    got = read(client, 400)
    assert got[0].offset() == 600 and got[0].timestamp()[1] == start + 600
    assert client.get_watermark_offsets(TopicPartition(topic, 0), timeout=30) == (0, 1_000)
    client.close()


def test_commit_and_resume(bootstrap, admin, topic, group):
    create(admin, topic, 1)
    produce(bootstrap, topic, records(1_000))
    first = consumer(bootstrap, group, **{"max.poll.interval.ms": 60_000})
    first.subscribe([topic])
    got = first.consume(300, 30)
    first.commit(got[-1], asynchronous=False)
    position = got[-1].offset() + 1
    first.close()
    second = consumer(bootstrap, group)
    assert second.committed([TopicPartition(topic, 0)], timeout=30)[0].offset == position
    second.subscribe([topic])
    rest = read(second, 1_000 - position)
    second.close()
    assert [message.offset() for message in rest] == list(range(position, 1_000))


def test_topics_partitions_and_configs(bootstrap, admin, topic):
    create(admin, topic, 2, {"retention.ms": "3600000"})
    with pytest.raises(KafkaException) as error:
        create(admin, topic)
    assert error.value.args[0].name() == "TOPIC_ALREADY_EXISTS"
    for future in admin.create_partitions([NewPartitions(topic, 5)]).values():
        future.result(30)
    wait_for(lambda: len(admin.list_topics(topic, 10).topics[topic].partitions) == 5, "five partitions")
    resource = ConfigResource(ResourceType.TOPIC, topic)
    described = list(admin.describe_configs([resource]).values())[0].result(30)
    assert described["retention.ms"].value == "3600000"
    assert described["cleanup.policy"].value == "delete"
    for future in admin.delete_topics([topic]).values():
        future.result(30)
    wait_for(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic to be gone")


def test_groups_are_listed_and_deleted(bootstrap, admin, topic, group):
    create(admin, topic, 1)
    client = consumer(bootstrap, group)
    client.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    client.close()
    listed = admin.list_consumer_groups(request_timeout=30).result(30)
    assert group in [found.group_id for found in listed.valid]
    described = admin.describe_consumer_groups([group])[group].result(30)
    assert described.state.name == "EMPTY"
    admin.delete_consumer_groups([group])[group].result(30)
    listed = admin.list_consumer_groups(request_timeout=30).result(30)
    assert group not in [found.group_id for found in listed.valid]


def test_a_transaction_shows_whole_or_not_at_all(bootstrap, admin, topic, group):
    create(admin, topic, 2)
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"tx-{topic}"})
    producer.init_transactions(30)
    for kept in [True, False, True]:
        producer.begin_transaction()
        for number in range(100):
            producer.produce(topic, f"{kept}-{number}".encode(), str(number).encode())
        if kept:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    client = consumer(bootstrap, group, **{"isolation.level": "read_committed"})
    client.subscribe([topic])
    values = [message.value() for message in read(client, 200)]
    assert not client.consume(1, 1.0)
    client.close()
    assert sorted(values) == sorted(f"True-{number}".encode() for number in range(100) for _ in range(2))


def next_generation(bootstrap, group, **config):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, **config})


def settled(clients, shares):
    """Polls all until together they share partitions like that, each one once."""
    def together():
        for client in clients:
            client.consume(1, 0.05)
        owned = [(each.topic, each.partition) for client in clients for each in client.assignment()]
        return len(owned) == len(set(owned)) and sorted(len(client.assignment()) for client in clients) == shares
    wait_for(together, f"{shares} partitions", 60)


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_next_generation_groups_share_and_resume(bootstrap, admin, topic, group, assignor):
    create(admin, topic, 6)
    produce(bootstrap, topic, records(1_000))
    clients = [next_generation(bootstrap, group, **{"group.remote.assignor": assignor}) for _ in range(3)]
    for client in clients[:2]:
        client.subscribe([topic])
    settled(clients[:2], [3, 3])
    clients[2].subscribe([topic])
    settled(clients, [2, 2, 2])
    described = admin.describe_consumer_groups([group])[group].result(30)
    assert described.state.name == "STABLE" and described.type.name == "CONSUMER" and len(described.members) == 3
    assert described.partition_assignor == assignor
    shown = subprocess.run([os.environ["MILLSTREAM"], "group", "describe", group, "--bootstrap", bootstrap, "--json"],
                           capture_output=True, text=True, check=True).stdout
    assert assignor in shown and all(member.member_id in shown for member in described.members), shown
    clients.pop().close()
    settled(clients, [3, 3])
    for client in clients:
        client.commit(offsets=[TopicPartition(topic, each.partition, 10) for each in client.assignment()],
                      asynchronous=False)
        client.close()
    assert [each.offset for each in consumer(bootstrap, group).committed(
        [TopicPartition(topic, index) for index in range(6)], 30)] == [10] * 6


def test_a_pattern_is_matched_by_the_broker_and_static_members_return(bootstrap, admin, topic, group):
    create(admin, f"{topic}-one", 2)
    client = next_generation(bootstrap, group, **{"group.instance.id": "here", "topic.metadata.refresh.interval.ms": 1_000})
    client.subscribe([f"^{topic}-.*"])
    settled([client], [2])
    create(admin, f"{topic}-two", 3)
    settled([client], [5])
    client.close()
    again = next_generation(bootstrap, group, **{"group.instance.id": "here"})
    again.subscribe([f"^{topic}-.*"])
    settled([again], [5])
    again.close()


def test_groups_change_their_protocol_under_their_members(bootstrap, admin, topic, group):
    create(admin, topic, 4)
    produce(bootstrap, topic, records(1_000))
    cooperative = {"partition.assignment.strategy": "cooperative-sticky"}
    old = consumer(bootstrap, group, **cooperative)
    old.subscribe([topic])
    settled([old], [4])
    new = next_generation(bootstrap, group)
    new.subscribe([topic])
    settled([old, new], [2, 2])
    assert admin.describe_consumer_groups([group])[group].result(30).type.name == "CONSUMER"
    new.close()
    settled([old], [4])
    assert admin.describe_consumer_groups([group])[group].result(30).type.name == "CLASSIC"
    old.close()
