"""A node of ours for the whole run, and what every client's tests share."""

import os
import re
import subprocess
import tempfile
import threading
import time
import uuid

import pytest

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 10_000


@pytest.fixture(scope="session")
def bootstrap():
    given = os.environ.get("COMPAT_BOOTSTRAP")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="millstream-compat-") as data:
        node = subprocess.Popen(
            [os.environ["MILLSTREAM"], "server", "--data", data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
             # Shorter than Kafka's 3 s, longer than the 100 ms for which kafka-python waits for a topic's metadata:
             # a member that leads its group before knows no partitions to assign, and doesn't ask again.
             "--set", "group.initial.rebalance.delay.ms=500"],
            stderr=subprocess.PIPE, text=True)
        try:
            yield wait_until_ready(node)
        finally:
            node.terminate()
            assert node.wait(timeout=30) == 0, "the node did not stop cleanly"


def wait_until_ready(node):
    """The Kafka address of the ready line; what else the node says goes to our own output."""
    seen = []
    for line in node.stderr:
        seen.append(line)
        ready = re.match(r"millstream ready kafka=(\S+)", line)
        if ready:
            threading.Thread(target=lambda: [print(line, end="") for line in node.stderr], daemon=True).start()
            return ready.group(1)
    raise AssertionError("the node ended before it was ready:\n" + "".join(seen))


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


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def per_key(pairs):
    """Values by key, in the order in which they came."""
    found = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
