"""A node of ours for the whole run, and what every client's tests share."""

import os
import uuid

import pytest

from node import Node

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 10_000


@pytest.fixture(scope="session")
def bootstrap():
    given = os.environ.get("COMPAT_BOOTSTRAP")
    if given:
        yield given
        return
    # Shorter than Kafka's 3 s, longer than the 100 ms for which kafka-python waits for a topic's metadata:
    # a member that leads its group before knows no partitions to assign, and doesn't ask again.
    with Node(**{"group.initial.rebalance.delay.ms": 500}) as node:
        yield node.address


@pytest.fixture
def topic():
    return f"compat-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def group():
    return f"group-{uuid.uuid4().hex[:12]}"


def records(count=RECORDS, tag=""):
    """Key and value of each record: keys repeat, values tell which record it is."""
    return [(f"key-{number % 97}".encode(), f"value-{tag}-{number}-{'x' * (number % 50)}".encode())
            for number in range(count)]


def per_key(pairs):
    """Values by key, in the order in which they came."""
    found = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
