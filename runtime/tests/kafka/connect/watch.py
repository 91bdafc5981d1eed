"""A topic seen from outside, the same way for every system: how far it has grown, how late its records are."""

import json
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Grown:
    """What a topic has grown to, and what that took."""

    def __init__(self, records, seconds, cpu):
        self.records, self.seconds, self.cpu = records, seconds, cpu

    @property
    def rate(self):
        return self.records / self.seconds

    @property
    def cpu_per_million(self):
        return self.cpu / self.records * 1e6


def consumer(address):
    return Consumer({"bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False,
                     "isolation.level": "read_committed", "fetch.wait.max.ms": 100, "auto.offset.reset": "earliest",
                     "log_level": 0})


def end(reader, place):
    """Where the topic ends; 0 while there is none."""
    try:
        return reader.get_watermark_offsets(place, timeout=10)[1]
    except KafkaException:
        return 0


def grows(address, topic, records, usage, before=0, since=None, quiet_for=3, seconds=900):
    """Waits until the topic has `records` more than `before`; the clock and the CPU time stop when it last grew.

    Ends of transactions take offsets too, so the end is when it stands still; then the records are counted. The clock starts
    at `since`, a moment and the CPU time then; without it when the topic is first seen to grow: what a start costs is left out.
    """
    reader, place = consumer(address), TopicPartition(topic, 0)
    began = time.monotonic()
    first, last = None, (*(since or (began, 0)), before)
    while True:
        now = (time.monotonic(), usage.cpu(), end(reader, place))
        if now[2] > last[2]:
            first, last = first or now, now
        elif last[2] - before >= records and now[0] - last[0] > quiet_for:
            break
        if now[0] - began > seconds:
            raise TimeoutError(f"{topic} stands at {now[2]}, {before + records} are expected")
        time.sleep(0.01)
    found = count(reader, topic, before)
    reader.close()
    if found != records:
        raise AssertionError(f"{topic} has {found} records behind {before}, {records} are expected")
    if since:
        return Grown(records, last[0] - since[0], last[1] - since[1])
    share = (last[2] - first[2]) / (last[2] - before)
    return Grown(records * share, last[0] - first[0], last[1] - first[1])


def count(reader, topic, start):
    """Records from an offset on. Nobody sees more than a consumer would."""
    reader.assign([TopicPartition(topic, 0, start)])
    found, quiet = 0, 0
    while quiet < 10:
        messages = [message for message in reader.consume(10_000, 0.2) if message.error() is None]
        found += len(messages)
        quiet = 0 if messages else quiet + 1
    reader.unassign()
    return found


class Latencies:
    """Follows a topic from its end; each record says when its row was written, in microseconds."""

    def __init__(self, address, topic, row):
        self.row, self.late, self.stopping = row, [], False
        self.reader = consumer(address)
        place = TopicPartition(topic, 0)
        self.reader.assign([TopicPartition(topic, 0, end(self.reader, place))])
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        while not self.stopping:
            for message in self.reader.consume(1_000, 0.005):
                now = time.time()
                if message.error() is None and message.value():
                    self.late.append(now - self.row(json.loads(message.value()))["sent"] / 1e6)

    def stop(self, warm_up):
        """p50 and p99 in milliseconds, without the first `warm_up` records."""
        self.stopping = True
        self.thread.join()
        self.reader.close()
        late = sorted(self.late[warm_up:])
        if not late:
            raise AssertionError(f"only {len(self.late)} records came")
        return [late[int(len(late) * share)] * 1000 for share in (0.5, 0.99)]


def topic_end(address, topic):
    reader = consumer(address)
    try:
        return end(reader, TopicPartition(topic, 0))
    finally:
        reader.close()
