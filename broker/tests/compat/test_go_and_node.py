"""franz-go, sarama, kafka-go (Go) and kafkajs (Node), and the Go example: programs of their own, told what to check."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = Path(os.environ["COMPAT_CACHE"])

GO = [(client, check) for client in ("franz-go", "sarama", "kafka-go")
      for check in ("codecs", "transactions", "group", "admin") if (client, check) != ("kafka-go", "transactions")]


def succeeds(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("client, check", GO)
def test_go(bootstrap, topic, client, check):
    assert succeeds(CACHE / "go" / "compat", client, check, bootstrap, topic) == "ok\n"


@pytest.mark.parametrize("check", ["codecs", "transactions", "group", "admin"])
def test_kafkajs(bootstrap, topic, check):
    said = succeeds("node", CACHE / "node" / "compat.js", check, bootstrap, topic,
                    env={**os.environ, "KAFKAJS_NO_PARTITIONER_WARNING": "1", "TZ": "UTC"})
    assert said == "ok\n"


def test_the_go_example(bootstrap):
    said = succeeds(CACHE / "go" / "example", "-bootstrap", bootstrap, "-records", 50)
    assert said == ("delivered 150 records\nread 50 records of myTopic\nread 50 records of aRegexTopic\n"
                    "read 50 records of aRegexOtherTopic\n")
