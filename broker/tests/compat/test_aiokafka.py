"""aiokafka (old, non-flexible protocol versions): produce with every codec and idempotence, groups, time, commits."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from conftest import CODECS, RECORDS, per_key, records


async def create(bootstrap, topic, partitions=3):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


async def produce(bootstrap, topic, pairs, timestamp=None, **config):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **config)
    await producer.start()
    try:
        futures = [await producer.send(topic, value, key, timestamp_ms=None if timestamp is None else timestamp + number)
                   for number, (key, value) in enumerate(pairs)]
        await asyncio.gather(*futures)
    finally:
        await producer.stop()


def consumer(bootstrap, group, *topics, **config):
    return AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                            enable_auto_commit=False, metadata_max_age_ms=2_000, **config)


async def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.02)


async def read(client, count):
    found = []
    deadline = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records"
        for batch in (await client.getmany(timeout_ms=200, max_records=2_000)).values():
            found.extend(batch)
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("idempotence", [False, True])
def test_every_codec_comes_back_in_order(bootstrap, topic, group, codec, idempotence):
    async def scenario():
        await create(bootstrap, topic)
        sent = records(tag=codec)
        await produce(bootstrap, topic, sent, linger_ms=5, enable_idempotence=idempotence,
                      compression_type=None if codec == "none" else codec)
        client = consumer(bootstrap, group, topic)
        await client.start()
        got = [(record.key, record.value) for record in await read(client, RECORDS)]
        await client.stop()
        assert len(got) == RECORDS
        assert per_key(got) == per_key(sent)
    asyncio.run(scenario())


class Member:
    def __init__(self, bootstrap, group, topic, seen):
        self.client = consumer(bootstrap, group, topic, session_timeout_ms=10_000, heartbeat_interval_ms=500)
        self.seen, self.stopping = seen, False

    async def start(self):
        await self.client.start()
        self.task = asyncio.create_task(self.run())

    async def run(self):
        while not self.stopping:
            for batch in (await self.client.getmany(timeout_ms=100, max_records=200)).values():
                self.seen.extend((record.partition, record.offset, record.value) for record in batch)

    def assigned(self):
        return len(self.client.assignment())

    async def stop(self):
        self.stopping = True
        await self.task
        await self.client.commit()
        await self.client.stop()


def test_a_group_of_three_with_one_joining_and_one_leaving(bootstrap, topic, group):
    async def scenario():
        await create(bootstrap, topic, 6)
        seen = []
        members = [Member(bootstrap, group, topic, seen) for _ in range(2)]
        await asyncio.gather(*(member.start() for member in members))
        await wait_for(lambda: sorted(member.assigned() for member in members) == [3, 3], "three partitions each")
        await produce(bootstrap, topic, records(5_000, "a"))
        await wait_for(lambda: len({value for _, _, value in seen}) >= 5_000, "the first half")
        members.append(Member(bootstrap, group, topic, seen))
        await members[2].start()
        await wait_for(lambda: sorted(member.assigned() for member in members) == [2, 2, 2], "two partitions each")
        await members[0].stop()
        await wait_for(lambda: sorted(member.assigned() for member in members[1:]) == [3, 3], "two members again")
        await produce(bootstrap, topic, records(5_000, "b"))
        values = {value for _, value in records(5_000, "a") + records(5_000, "b")}
        await wait_for(lambda: {value for _, _, value in seen} == values, "every record")
        await asyncio.gather(*(member.stop() for member in members[1:]))
    asyncio.run(scenario())


def test_seek_by_time(bootstrap, topic, group):
    async def scenario():
        await create(bootstrap, topic, 1)
        start = 1_700_000_000_000
        await produce(bootstrap, topic, records(1_000), timestamp=start)
        client = consumer(bootstrap, group)
        await client.start()
        partition = TopicPartition(topic, 0)
        client.assign([partition])
        found = await client.offsets_for_times({partition: start + 600})
        assert found[partition].offset == 600
        assert await client.end_offsets([partition]) == {partition: 1_000}
        client.seek(partition, 600)
        assert [record.offset for record in await read(client, 400)] == list(range(600, 1_000))
        await client.stop()
    asyncio.run(scenario())


def test_commit_and_resume(bootstrap, topic, group):
    async def scenario():
        await create(bootstrap, topic, 1)
        await produce(bootstrap, topic, records(1_000))
        partition = TopicPartition(topic, 0)
        first = consumer(bootstrap, group, topic)
        await first.start()
        got = await read(first, 1)
        position = got[-1].offset + 1
        await first.commit({partition: position})
        await first.stop()
        second = consumer(bootstrap, group, topic)
        await second.start()
        assert await second.committed(partition) == position
        rest = await read(second, 1_000 - position)
        await second.stop()
        assert [record.offset for record in rest] == list(range(position, 1_000))
    asyncio.run(scenario())
