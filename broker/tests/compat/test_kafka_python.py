"""kafka-python: admin, produce with every codec and idempotence, groups, time, commits."""

import threading

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

from conftest import CODECS, RECORDS, per_key, records
from node import wait_for


def create(bootstrap, topic, partitions=3):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()


def produce(bootstrap, topic, pairs, timestamp=None, **config):
    producer = KafkaProducer(bootstrap_servers=bootstrap, **config)
    futures = [producer.send(topic, value, key, timestamp_ms=None if timestamp is None else timestamp + number)
               for number, (key, value) in enumerate(pairs)]
    producer.flush(60)
    for future in futures:
        future.get(timeout=30)
    producer.close()


def consumer(bootstrap, group, *topics, **config):
    return KafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                         enable_auto_commit=False, **config)


def read(client, count, seconds=60):
    found = []

    def enough():
        for batch in client.poll(timeout_ms=200, max_records=2_000).values():
            found.extend(batch)
        return len(found) >= count
    wait_for(enough, f"{count} records", seconds)
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("idempotence", [False, True])
def test_every_codec_comes_back_in_order(bootstrap, topic, group, codec, idempotence):
    create(bootstrap, topic)
    sent = records(tag=codec)
    config = {"compression_type": None if codec == "none" else codec, "enable_idempotence": idempotence}
    produce(bootstrap, topic, sent, linger_ms=5, **config)
    client = consumer(bootstrap, group, topic)
    got = [(record.key, record.value) for record in read(client, RECORDS)]
    client.close()
    assert len(got) == RECORDS
    assert per_key(got) == per_key(sent)


class Member(threading.Thread):
    def __init__(self, bootstrap, group, topic, seen):
        super().__init__(daemon=True)
        self.client = consumer(bootstrap, group, topic, session_timeout_ms=10_000, heartbeat_interval_ms=500)
        self.seen, self.stopping, self.failure, self.assigned = seen, threading.Event(), None, set()

    def run(self):
        try:
            while not self.stopping.is_set():
                for batch in self.client.poll(timeout_ms=100, max_records=200).values():
                    self.seen.extend((record.partition, record.offset, record.value) for record in batch)
                self.assigned = self.client.assignment()
            self.client.commit()
            self.client.close()
        except Exception as error:  # the test's own thread reports it
            self.failure = error

    def stop(self):
        self.stopping.set()
        self.join(30)
        assert not self.is_alive() and self.failure is None, self.failure


def test_a_group_of_three_with_one_joining_and_one_leaving(bootstrap, topic, group):
    create(bootstrap, topic, 6)
    seen = []
    members = [Member(bootstrap, group, topic, seen) for _ in range(2)]
    for member in members:
        member.start()
    wait_for(lambda: sorted(len(member.assigned) for member in members) == [3, 3], "two members with three partitions")
    produce(bootstrap, topic, records(5_000, "a"))
    wait_for(lambda: len({value for _, _, value in seen}) >= 5_000, "the first half")
    members.append(Member(bootstrap, group, topic, seen))
    members[2].start()
    wait_for(lambda: sorted(len(member.assigned) for member in members) == [2, 2, 2], "three members with two each")
    members[0].stop()
    wait_for(lambda: sorted(len(member.assigned) for member in members[1:]) == [3, 3], "two members again")
    produce(bootstrap, topic, records(5_000, "b"))
    values = {value for _, value in records(5_000, "a") + records(5_000, "b")}
    wait_for(lambda: {value for _, _, value in seen} == values, "every record")
    for member in members[1:]:
        member.stop()


def test_seek_by_time(bootstrap, topic, group):
    create(bootstrap, topic, 1)
    start = 1_700_000_000_000
    produce(bootstrap, topic, records(1_000), timestamp=start)
    client = consumer(bootstrap, group)
    partition = TopicPartition(topic, 0)
    client.assign([partition])
    found = client.offsets_for_times({partition: start + 600})
    assert found[partition].offset == 600 and found[partition].timestamp == start + 600
    assert client.offsets_for_times({partition: start + 5_000})[partition] is None
    assert client.beginning_offsets([partition]) == {partition: 0}
    assert client.end_offsets([partition]) == {partition: 1_000}
    client.seek(partition, 600)
    assert [record.offset for record in read(client, 400)] == list(range(600, 1_000))
    client.close()


def test_commit_and_resume(bootstrap, topic, group):
    create(bootstrap, topic, 1)
    produce(bootstrap, topic, records(1_000))
    partition = TopicPartition(topic, 0)
    first = consumer(bootstrap, group, topic)
    got = read(first, 1)
    position = got[-1].offset + 1
    first.commit({partition: OffsetAndMetadata(position, "here", -1)})
    first.close()
    second = consumer(bootstrap, group, topic)
    assert second.committed(partition) == position
    rest = read(second, 1_000 - position)
    second.close()
    assert [record.offset for record in rest] == list(range(position, 1_000))
