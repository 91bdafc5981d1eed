"""The tools that move records, look at offsets and manage groups; Kafka's own test clients."""

import json
import re
import signal
import subprocess

import pytest

from conftest import command
from node import wait_for


@pytest.fixture
def filled(tools, topic):
    """A topic of three partitions with 300 records: key k0 to k29, ten values each."""
    tools("kafka-topics", "--create", "--topic", topic, "--partitions", 3)
    lines = "".join(f"k{number % 30}:v{number}\n" for number in range(300))
    tools("kafka-console-producer", "--topic", topic, "--reader-property", "parse.key=true", "--reader-property",
          "key.separator=:", stdin=lines)
    return topic


def consume(tools, topic, *arguments):
    return tools("kafka-console-consumer", "--topic", topic, "--timeout-ms", 6000, *arguments).splitlines()


def offsets(tools, topic, *arguments):
    lines = tools("kafka-get-offsets", "--topic", topic, *arguments).split()
    return {int(line.split(":")[1]): int(line.split(":")[2]) for line in lines}


def test_the_console_tools_pass_records_on_whole(tools, filled):
    seen = consume(tools, filled, "--from-beginning", "--max-messages", 300, "--formatter-property", "print.key=true",
                   "--formatter-property", "print.partition=true", "--formatter-property", "print.timestamp=true",
                   "--formatter-property", "print.headers=true")
    assert all(re.fullmatch(r"CreateTime:\d+\tPartition:\d\tNO_HEADERS\tk\d+\tv\d+", line) for line in seen), seen[:3]
    values = {}
    for line in seen:
        key, value = line.split("\t")[-2:]
        values.setdefault(key, []).append(value)
    assert values == {f"k{key}": [f"v{number}" for number in range(key, 300, 30)] for key in range(30)}
    one = consume(tools, filled, "--partition", 1, "--offset", 5, "--max-messages", 1, "--formatter-property",
                  "print.offset=true")
    assert one[0].startswith("Offset:5\t")
    with_headers = "h1:a,h2:b\tsome\tvalue\n"
    tools("kafka-console-producer", "--topic", filled, "--reader-property", "parse.headers=true", "--reader-property",
          "parse.key=true", "--compression-codec", "zstd", "--command-property", "acks=all", stdin=with_headers)
    assert "h1:a,h2:b\tsome\tvalue" in consume(
        tools, filled, "--from-beginning", "--max-messages", 301, "--formatter-property", "print.headers=true",
        "--formatter-property", "print.key=true")


def test_a_group_resumes_where_it_stopped(tools, filled, group):
    first = consume(tools, filled, "--group", group, "--from-beginning", "--max-messages", 120)
    second = consume(tools, filled, "--group", group, "--max-messages", 180)
    assert sorted(first + second) == sorted(f"v{number}" for number in range(300))


def test_offsets_by_time_and_deleted_records(tools, filled, tmp_path):
    ends = offsets(tools, filled)
    assert sum(ends.values()) == 300 and len(ends) == 3
    assert offsets(tools, filled, "--time", "earliest") == {0: 0, 1: 0, 2: 0}
    assert offsets(tools, filled, "--time", "earliest-local") == {0: 0, 1: 0, 2: 0}
    assert offsets(tools, filled, "--time", 1_000_000) == {0: 0, 1: 0, 2: 0}
    latest = offsets(tools, filled, "--time", "max-timestamp")
    assert set(latest) == {0, 1, 2} and all(0 <= latest[index] < ends[index] for index in latest)
    assert offsets(tools, filled, "--partitions", "1") == {1: ends[1]}
    plan = tmp_path / "delete.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": filled, "partition": 1, "offset": 10},
                                                            {"topic": filled, "partition": 2, "offset": -1}]}))
    deleted = tools("kafka-delete-records", "--offset-json-file", plan)
    deleted.has(rf"partition: {filled}-1\tlow_watermark: 10").has(rf"partition: {filled}-2\tlow_watermark: {ends[2]}")
    assert offsets(tools, filled, "--time", "earliest") == {0: 0, 1: 10, 2: ends[2]}
    assert len(consume(tools, filled, "--from-beginning")) == ends[0] + ends[1] - 10
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": filled, "partition": 1, "offset": 100_000}]}))
    tools("kafka-delete-records", "--offset-json-file", plan).has("OffsetOutOfRange")


class Consuming:
    """A console consumer that stays in its group until it is told to go."""

    def __init__(self, bootstrap, topic, group, *arguments):
        self.process = subprocess.Popen(
            command("kafka-console-consumer", "--bootstrap-server", bootstrap, "--topic", topic, "--group", group,
                    "--command-property", f"client.id=reader-{group}", *arguments),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)


def test_groups_are_listed_and_described(tools, bootstrap, filled, group):
    def groups(*arguments, **more):
        return tools("kafka-consumer-groups", *arguments, **more)
    with Consuming(bootstrap, filled, group, "--from-beginning") as running:
        assert running.process.stdout.readline().startswith("v")
        wait_for(lambda: "Stable" in groups("--describe", "--group", group, "--state"), "a stable group")
        assert group in groups("--list").split()
        assert (group, "Stable") in groups("--list", "--state", "stable").rows("GROUP", "STATE")
        assert group not in groups("--list", "--state", "empty")
        assert (group, "Classic") in groups("--list", "--type", "classic").rows("GROUP", "TYPE")
        assert (group, "Classic", "consumer") in tools("kafka-groups", "--list").rows("GROUP", "TYPE", "PROTOCOL")
        state = groups("--describe", "--group", group, "--state", "--verbose")
        state.has(rf"{group}\s+127.0.0.1:\d+\s+\(\d+\)\s+range\s+Stable\s+\d+\s+-?\d*\s*-?\s*1|{group}.*range.*Stable.*1")
        members = groups("--describe", "--group", group, "--members", "--verbose")
        members.has(rf"{group}\s+reader-{group}-\S{{22,36}}\s+/127.0.0.1\s+reader-{group}\s+3\s.*{filled}:0,1,2")
        described = groups("--describe", "--group", group)
        assert [row[0] for row in described.rows("PARTITION", "CONSUMER-ID")] == ["0", "1", "2"]
        groups("--delete", "--group", group).has("not empty|NotEmpty")
        groups("--reset-offsets", "--group", group, "--to-earliest", "--topic", filled, "--execute").has(
            "Assignments can only be reset if the group .* is inactive")
        groups("--delete-offsets", "--group", group, "--topic", filled).has("subscribed")
    wait_for(lambda: "Empty" in groups("--describe", "--group", group, "--state"), "an empty group")
    assert groups("--describe", "--group", group).rows("PARTITION", "LAG") == [("0", "0"), ("1", "0"), ("2", "0")]
    assert group in groups("--describe", "--all-groups")
    groups("--describe", "--group", "no-such-group").has("GroupIdNotFoundException|not found")


def test_offsets_of_a_group_are_reset_every_way(tools, filled, group, tmp_path):
    consume(tools, filled, "--group", group, "--from-beginning", "--max-messages", 300)

    def reset(*how, act="--dry-run"):
        moved = tools("kafka-consumer-groups", "--reset-offsets", "--group", group, *how, act)
        return {int(index): int(offset) for index, offset in moved.rows("PARTITION", "NEW-OFFSET")}
    ends = offsets(tools, filled)
    assert reset("--to-earliest", "--topic", filled) == {0: 0, 1: 0, 2: 0}
    assert reset("--to-latest", "--all-topics") == ends
    assert reset("--to-offset", 7, "--topic", f"{filled}:1") == {1: 7}
    assert reset("--to-offset", 10_000, "--topic", f"{filled}:0") == {0: ends[0]}
    assert reset("--shift-by", -3, "--topic", filled) == {index: end - 3 for index, end in ends.items()}
    assert reset("--to-datetime", "2020-01-01T00:00:00.000", "--topic", filled) == {0: 0, 1: 0, 2: 0}
    assert reset("--to-datetime", "2100-01-01T00:00:00.000", "--topic", filled) == ends
    assert reset("--by-duration", "PT1H", "--topic", filled) == {0: 0, 1: 0, 2: 0}
    assert reset("--to-current", "--topic", filled) == ends
    plan = tmp_path / "offsets.csv"
    plan.write_text(tools("kafka-consumer-groups", "--reset-offsets", "--group", group, "--shift-by", -5, "--topic",
                          filled, "--dry-run", "--export"))
    assert reset("--from-file", plan, act="--execute") == {index: end - 5 for index, end in ends.items()}
    described = tools("kafka-consumer-groups", "--describe", "--group", group)
    assert described.rows("PARTITION", "LAG") == [("0", "5"), ("1", "5"), ("2", "5")]
    assert len(consume(tools, filled, "--group", group, "--max-messages", 15)) == 15
    fresh = f"{group}-fresh"
    made = tools("kafka-consumer-groups", "--reset-offsets", "--group", fresh, "--to-offset", 4, "--topic", filled, "--execute")
    assert made.rows("PARTITION", "NEW-OFFSET") == [("0", "4"), ("1", "4"), ("2", "4")]
    gone = tools("kafka-consumer-groups", "--delete-offsets", "--group", fresh, "--topic", f"{filled}:0,1")
    gone.has(rf"{filled}\s+0\s+Successful").has(rf"{filled}\s+1\s+Successful")
    assert tools("kafka-consumer-groups", "--describe", "--group", fresh).rows("PARTITION", "LAG") == [("2", str(ends[2] - 4))]
    tools("kafka-consumer-groups", "--delete", "--group", fresh).has("was successful")
    assert fresh not in tools("kafka-consumer-groups", "--list").split()
    tools("kafka-consumer-groups", "--delete", "--group", fresh).has("GroupIdNotFoundException|does not exist")


def test_performance_tools_count_what_they_move(tools, bootstrap, topic, group):
    tools("kafka-topics", "--create", "--topic", topic, "--partitions", 2)
    produced = tools("kafka-producer-perf-test", "--topic", topic, "--num-records", 20_000, "--record-size", 200,
                     "--throughput", -1, "--command-property", "compression.type=lz4")
    produced.has("20000 records sent")
    transactional = tools("kafka-producer-perf-test", "--topic", topic, "--num-records", 5_000, "--record-size", 100,
                          "--throughput", -1, "--transactional-id", f"perf-{topic}", "--transaction-duration-ms", 50)
    transactional.has("5000 records sent")
    consumed = tools("kafka-consumer-perf-test", "--topic", topic, "--num-records", 25_000, "--group", group, "--timeout", 30_000)
    assert int(consumed.splitlines()[1].split(",")[4]) >= 25_000, consumed.shown


def test_kafkas_verifiable_clients_agree(tools, bootstrap, topic, group):
    tools("kafka-topics", "--create", "--topic", topic, "--partitions", 3)
    sent = tools("kafka-verifiable-producer", "--topic", topic, "--max-messages", 1_000, "--acks", -1)
    events = [json.loads(line) for line in sent.splitlines()]
    values = sorted(int(event["value"]) for event in events if event["name"] == "producer_send_success")
    assert values == list(range(1_000))
    assert not [event for event in events if event["name"] == "producer_send_error"]
    read = tools("kafka-verifiable-consumer", "--topic", topic, "--group-id", group, "--max-messages", 1_000,
                 "--reset-policy", "earliest", "--verbose")
    events = [json.loads(line) for line in read.splitlines()]
    seen = sorted(int(event["value"]) for event in events if event["name"] == "record_data")
    assert seen == list(range(1_000))
    committed = [event for event in events if event["name"] == "offsets_committed"]
    assert committed and all(event["success"] for event in committed)


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_next_generation_groups_are_listed_and_described(tools, bootstrap, filled, group, assignor):
    def groups(*arguments, **more):
        return tools("kafka-consumer-groups", *arguments, **more)
    new = ("--command-property", "group.protocol=consumer", "--command-property", f"group.remote.assignor={assignor}")
    with Consuming(bootstrap, filled, group, "--from-beginning", *new) as one:
        assert one.process.stdout.readline().startswith("v")
        with Consuming(bootstrap, filled, group, *new):
            def shares():
                members = groups("--describe", "--group", group, "--members")
                return sorted(row[0] for row in members.rows("#PARTITIONS", "GROUP"))
            wait_for(lambda: shares() == ["1", "2"], "two members with three partitions")
            wait_for(lambda: "Stable" in groups("--describe", "--group", group, "--state"), "a stable group")
            groups("--describe", "--group", group, "--state").has(rf"{group}.*{assignor}.*Stable.*2")
            assert (group, "Consumer") in groups("--list", "--type", "consumer").rows("GROUP", "TYPE")
            described = groups("--describe", "--group", group)
            assert [row[0] for row in described.rows("PARTITION", "CONSUMER-ID")] == ["0", "1", "2"]
            # A consumer of the old protocol joins: the group takes it in.
            with Consuming(bootstrap, filled, group):
                wait_for(lambda: shares() == ["1", "1", "1"], "three members of both protocols")
    wait_for(lambda: "Empty" in groups("--describe", "--group", group, "--state"), "an empty group")
    assert groups("--describe", "--group", group).rows("PARTITION", "LAG") == [("0", "0"), ("1", "0"), ("2", "0")]
    groups("--delete", "--group", group).has("successful")
    assert group not in groups("--list").split()
