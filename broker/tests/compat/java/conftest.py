"""Kafka's own programs, each a JVM of its own."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from node import Node  # noqa: E402

TARGET = Path(os.environ["COMPAT_JAVA"]) / "target"
HERE = Path(__file__).parent
# Short-lived programs: the cheap compiler and collector start fastest.
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{TARGET / 'classes'}:{TARGET / 'jars'}/*"]

TOOLS = "org.apache.kafka.tools."
CLASSES = {
    "kafka-broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
    "kafka-client-metrics": TOOLS + "ClientMetricsCommand",
    "kafka-cluster": TOOLS + "ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "kafka-console-producer": TOOLS + "ConsoleProducer",
    "kafka-consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": TOOLS + "ConsumerPerformance",
    "kafka-delete-records": TOOLS + "DeleteRecordsCommand",
    "kafka-e2e-latency": TOOLS + "EndToEndLatency",
    "kafka-features": TOOLS + "FeatureCommand",
    "kafka-get-offsets": TOOLS + "GetOffsetShell",
    "kafka-groups": TOOLS + "GroupsCommand",
    "kafka-leader-election": TOOLS + "LeaderElectionCommand",
    "kafka-log-dirs": TOOLS + "LogDirsCommand",
    "kafka-metadata-quorum": TOOLS + "MetadataQuorumCommand",
    "kafka-producer-perf-test": TOOLS + "ProducerPerformance",
    "kafka-reassign-partitions": TOOLS + "reassign.ReassignPartitionsCommand",
    "kafka-streams-application-reset": TOOLS + "StreamsResetter",
    "kafka-topics": TOOLS + "TopicCommand",
    "kafka-transactions": TOOLS + "TransactionsCommand",
    "kafka-verifiable-consumer": TOOLS + "VerifiableConsumer",
    "kafka-verifiable-producer": TOOLS + "VerifiableProducer",
    "transactional-message-copier": TOOLS + "TransactionalMessageCopier",
}
# Take the cluster's address behind the subcommand.
SUBCOMMANDS = {"kafka-cluster"}


def command(name, *arguments):
    return [*JAVA, CLASSES.get(name, name), *map(str, arguments)]


class Tools:
    """Runs Kafka's tools against one cluster and gives back what they print."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def __call__(self, name, *arguments, stdin="", fails=False, timeout=90):
        where = ("--bootstrap-server", self.bootstrap)
        arguments = (*arguments, *where) if name in SUBCOMMANDS else (*where, *arguments)
        done = subprocess.run(command(name, *arguments), input=stdin, capture_output=True, text=True,
                              timeout=timeout)
        shown = f"{name} {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, shown
        return Output(done.stdout, done.stderr, shown)


class Output(str):
    """What a tool printed. Reads like its standard output."""

    def __new__(cls, out, err, shown):
        self = super().__new__(cls, out)
        self.err, self.shown = err, shown
        return self

    def rows(self, *columns):
        """A table's rows as tuples, headed by a line that has all of the columns."""
        lines = iter(self.splitlines())
        header = next((line.split() for line in lines if set(columns) <= set(line.split())), None)
        assert header is not None, f"no columns {columns} in:\n{self.shown}"
        return sorted(tuple(row[header.index(column)] for column in columns)
                      for row in (line.split() for line in lines) if len(row) >= len(header))

    def has(self, pattern):
        assert re.search(pattern, self + self.err), f"{pattern!r} is not in:\n{self.shown}"
        return self


@pytest.fixture(scope="session")
def tools(bootstrap):
    return Tools(bootstrap)


@pytest.fixture(scope="session")
def bootstrap():
    given = os.environ.get("COMPAT_BOOTSTRAP")
    if given:
        yield given
        return
    with Node(**{"group.initial.rebalance.delay.ms": 0}) as node:
        yield node.address


@pytest.fixture
def topic():
    return f"java-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def group():
    return f"group-{uuid.uuid4().hex[:12]}"
