"""Copies a topic in transactions with a copier that is killed, replaced and frozen, on a node that is killed too."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from node import Node, wait_for

SOURCE, TARGET, GROUP, TRANSACTIONAL_ID = "in", "out", "copiers", "copier"
PER_ROUND = 60


class Copier:
    """One copier process, and how often it has said that it committed."""

    def __init__(self, command, bootstrap):
        self.commits = 0
        self.process = subprocess.Popen([*command, bootstrap, SOURCE, TARGET, GROUP, TRANSACTIONAL_ID],
                                        stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        for line in self.process.stdout:
            self.commits += line.startswith("copied")

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        self.process.kill()
        self.process.wait()


class Copying:
    """The scene: inputs come without end, things die, and in the end every input is in the output once."""

    def __init__(self, node, command, seed):
        self.node, self.command, self.random = node, command, random.Random(seed)
        self.sent, self.fenced = 0, 0
        self.producer = Producer({"bootstrap.servers": node.address, "enable.idempotence": True, "linger.ms": 1,
                                  "message.timeout.ms": 120_000})
        admin = AdminClient({"bootstrap.servers": node.address})
        for future in admin.create_topics([NewTopic(SOURCE, 3, 1), NewTopic(TARGET, 2, 1)]).values():
            future.result(30)
        self.copier = Copier(command, node.address)

    def feed(self):
        for _ in range(PER_ROUND):
            self.producer.produce(SOURCE, str(self.sent).encode(), f"key-{self.sent % 7}".encode())
            self.sent += 1
        self.producer.poll(0)

    def run(self, kills):
        for number in range(kills):
            self.feed()
            if self.copier.ended():
                # A copier may give up when the node is away; another one goes on.
                self.copier = Copier(self.command, self.node.address)
            # Sometimes in the middle of its start, mostly once it is at work.
            if self.random.random() < 0.8:
                before = self.copier.commits
                wait_for(lambda: self.copier.commits > before or self.copier.ended(), f"progress before kill {number}")
            time.sleep(self.random.random() * 0.2)
            self.strike(number)
        self.finish()

    def strike(self, number):
        chance = self.random.random()
        if number % 10 == 4:
            self.take_over()
        elif chance < 0.3:
            self.node.kill()
            self.node.start()
        elif chance < 0.4:
            self.node.kill()
            self.copier.kill()
            self.node.start()
            self.copier = Copier(self.command, self.node.address)
        else:
            self.copier.kill()
            self.copier = Copier(self.command, self.node.address)

    def take_over(self):
        """The copier is frozen in whatever it does, another one takes over; awake again it must not commit."""
        zombie = self.copier
        wait_for(lambda: zombie.commits > 0 or zombie.ended(), "a commit of the one to be frozen")
        if zombie.ended():
            return
        zombie.process.send_signal(signal.SIGSTOP)
        self.copier = Copier(self.command, self.node.address)
        self.feed()
        wait_for(lambda: self.copier.commits > 0 or self.copier.ended(), "the heir's first commit")
        before = zombie.commits
        zombie.process.send_signal(signal.SIGCONT)
        self.feed()
        try:
            wait_for(zombie.ended, "the zombie's end")
        finally:
            zombie.kill()
        # One that had committed, and was frozen before it could say so, says so now.
        assert zombie.commits <= before + 1, "a zombie committed"
        self.fenced += zombie.process.returncode == 3

    def finish(self):
        assert self.producer.flush(120) == 0
        if self.copier.ended():
            self.copier = Copier(self.command, self.node.address)

        def done():
            if self.copier.ended():
                self.copier = Copier(self.command, self.node.address)
            return committed(self.node.address) == self.sent
        wait_for(done, "the copier to catch up", 120)
        self.copier.kill()

    def check(self):
        found = sorted(int(value.removeprefix(b"copied ")) for value in read_committed(self.node.address, TARGET))
        lost = set(range(self.sent)) - set(found)
        doubled = len(found) - len(set(found))
        assert not lost and not doubled, f"{len(lost)} lost ({sorted(lost)[:5]}), {doubled} doubled of {self.sent}"


def committed(bootstrap):
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP})
    try:
        found = reader.committed([TopicPartition(SOURCE, index) for index in range(3)], 30)
        return sum(max(place.offset, 0) for place in found)
    finally:
        reader.close()


def read_committed(bootstrap, topic):
    """Every committed record, up to the end as an uncommitted reader sees it: an open transaction shows as a hang."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_committed",
                       "enable.partition.eof": True, "enable.auto.commit": False})
    places = [TopicPartition(topic, index, 0) for index in range(2)]
    reader.assign(places)
    values, ended, deadline = [], set(), time.monotonic() + 60
    while len(ended) < len(places):
        assert time.monotonic() < deadline, "the output has no end: a transaction hangs"
        for message in reader.consume(1_000, 0.2):
            if message.error() is None:
                values.append(message.value())
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended.add(message.partition())
    reader.close()
    return values


def copy_under_fire(command, kills, seed):
    settings = {"group.initial.rebalance.delay.ms": 0, "offsets.topic.num.partitions": 3,
                "transaction.state.log.num.partitions": 3}
    with Node(**settings) as node:
        copying = Copying(node, command, seed)
        try:
            copying.run(kills)
            copying.check()
        finally:
            copying.copier.kill()
        print(f"{copying.sent} inputs, {kills} kills, {copying.fenced} fenced", file=sys.stderr)
        return copying


def kills(default):
    return int(os.environ.get("COMPAT_KILLS", default))
