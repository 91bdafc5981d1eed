"""Kafka Streams and Kafka Connect with exactly-once, while they and the node are killed."""

import json
import random
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections import Counter

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from conftest import JAVA, TARGET, command
from copying import kills
from node import Node, free_port, wait_for

WORDS = "the quick brown fox jumps over a lazy dog and another fox".split()


class Reader:
    """Follows a topic as a read-committed consumer."""

    def __init__(self, bootstrap, topic, partitions):
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
                                  "isolation.level": "read_committed"})
        self.consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
        self.seen = []

    def poll(self):
        for message in self.consumer.consume(1_000, 0.2):
            if message.error() is None:
                self.seen.append((message.key(), message.value()))
            else:
                assert message.error().retriable() or message.error().code() == KafkaError._ALL_BROKERS_DOWN
        return self.seen


def create(bootstrap, **topics):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, count, 1) for name, count in topics.items()]).values():
        future.result(30)


class Program:
    """A long-running JVM whose lines are kept."""

    def __init__(self, arguments):
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def says(self, pattern):
        assert self.process.poll() is None, "".join(self.lines[-60:])
        return any(re.search(pattern, line) for line in self.lines)

    def kill(self):
        self.process.kill()
        self.process.wait()


def test_streams_counts_words_exactly_once(tmp_path):
    """Each word's counts in the output are 1, 2, 3, … without gap or repeat: nothing was lost, nothing counted twice."""
    chance = random.Random(5)
    with Node(**{"group.initial.rebalance.delay.ms": 0}) as node:
        create(node.address, lines=2, counts=2)
        producer = Producer({"bootstrap.servers": node.address, "enable.idempotence": True, "message.timeout.ms": 120_000})
        expected = Counter()
        start = command("io.millstream.compat.WordCount", node.address, "lines", "counts", "wordcount", tmp_path)

        def feed(count):
            for number in range(count):
                words = chance.choices(WORDS, k=3)
                expected.update(words)
                producer.produce("lines", " ".join(words).encode(), str(number).encode())
            producer.poll(0)
        reader = Reader(node.address, "counts", 2)
        program = Program(start)
        try:
            for number in range(kills(8) // 2 or 1):
                feed(200)
                before = len(reader.seen)
                wait_for(lambda: len(reader.poll()) > before and program.says("RUNNING"), f"counts before kill {number}", 120)
                time.sleep(chance.random() * 0.5)
                if number % 2:
                    node.kill()
                    node.start()
                if number % 2 == 0 or number % 3 == 0:
                    program.kill()
                    program = Program(start)
            feed(200)
            assert producer.flush(60) == 0

            def caught_up():
                program.says("RUNNING")
                latest = {key.decode(): int.from_bytes(value, "big") for key, value in reader.poll()}
                return latest == dict(expected)
            wait_for(caught_up, "the final counts", 180)
        finally:
            program.kill()
        per_word = {}
        for key, value in reader.seen:
            per_word.setdefault(key.decode(), []).append(int.from_bytes(value, "big"))
        for word, counts in per_word.items():
            assert counts == sorted(set(counts)), f"{word} was counted twice"


def request(port, path, body=None, method="GET"):
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method,
                                   data=None if body is None else json.dumps(body).encode(),
                                   headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def running(port):
    try:
        status = request(port, "/connectors/lines/status")
    except OSError:
        return False
    failed = [task for task in status["tasks"] if task["state"] == "FAILED"]
    assert not failed, failed
    return status["connector"]["state"] == "RUNNING" and [task["state"] for task in status["tasks"]] == ["RUNNING"]


def test_a_connect_worker_with_an_exactly_once_source(tmp_path):
    """A file that grows is read by Kafka's own file source; worker and node are killed; each line comes once."""
    source, port, written = tmp_path / "lines.txt", free_port(), 0

    def append(count):
        nonlocal written
        with source.open("a") as file:
            for _ in range(count):
                file.write(f"line {written}\n")
                written += 1
    with Node(**{"group.initial.rebalance.delay.ms": 0}) as node:
        create(node.address, copied=1)
        settings = tmp_path / "worker.properties"
        settings.write_text("\n".join([
            f"bootstrap.servers={node.address}", "group.id=workers", f"listeners=http://127.0.0.1:{port}",
            "key.converter=org.apache.kafka.connect.storage.StringConverter",
            "value.converter=org.apache.kafka.connect.storage.StringConverter",
            "config.storage.topic=connect-configs", "offset.storage.topic=connect-offsets",
            "status.storage.topic=connect-status", "config.storage.replication.factor=1",
            "offset.storage.replication.factor=1", "status.storage.replication.factor=1", "offset.storage.partitions=3",
            "exactly.once.source.support=enabled", f"plugin.path={TARGET / 'plugins'}", "plugin.discovery=service_load",
            "session.timeout.ms=10000", "heartbeat.interval.ms=1000", "scheduled.rebalance.max.delay.ms=0"]) + "\n")
        start = [*JAVA, "org.apache.kafka.connect.cli.ConnectDistributed", str(settings)]
        append(500)
        worker, reader = Program(start), Reader(node.address, "copied", 1)
        try:
            wait_for(lambda: answers(port, worker), "the worker to answer", 120)
            request(port, "/connectors/lines/config", {
                "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
                "file": str(source), "topic": "copied", "exactly.once.support": "required",
                "transaction.boundary": "poll",
                # A smaller batch leaves lines in the file source until the file grows again.
                "batch.size": "100000"}, "PUT")
            wait_for(lambda: running(port), "the connector to run", 120)
            for number in range(kills(6) // 3 or 1):
                before = len(reader.seen)
                append(500)
                wait_for(lambda: len(reader.poll()) > before, f"lines before kill {number}", 120)
                if number % 2:
                    node.kill()
                    node.start()
                else:
                    worker.kill()
                    worker = Program(start)
            append(500)
            wait_for(lambda: len(reader.poll()) >= written and answers(port, worker), "every line", 120)
        finally:
            print(f"{len(reader.seen)} of {written} lines, worker:", *worker.lines[-60:], sep="\n")
            worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(60)
        assert [value.decode() for _, value in reader.poll()] == [f"line {number}" for number in range(written)]


def answers(port, worker):
    assert worker.process.poll() is None, "".join(worker.lines[-60:])
    try:
        return "version" in request(port, "/")
    except OSError:
        return False
