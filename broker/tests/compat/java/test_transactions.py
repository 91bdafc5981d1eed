"""kafka-transactions, and Kafka's own copier that its system tests use."""

import json
import subprocess

import pytest

from conftest import command
from node import wait_for


@pytest.fixture
def hanging(tools, bootstrap, topic):
    """A producer that opened a transaction on partition 0, wrote into it and then neither writes nor ends it."""
    tools("kafka-topics", "--create", "--topic", topic)
    process = subprocess.Popen(command("io.millstream.compat.Hang", bootstrap, topic, f"tx-{topic}"),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.wait()


def test_transactions_are_listed_described_and_aborted(tools, topic, hanging):
    transaction = f"tx-{topic}"
    listed = tools("kafka-transactions", "list").rows("TransactionalId", "ProducerId", "TransactionState")
    found = [row for row in listed if row[0] == transaction]
    assert found and found[0][2] == "Ongoing", listed
    producer_id = found[0][1]
    assert transaction in tools("kafka-transactions", "list", "--transactional-id-pattern", "tx-.*", "--duration-filter", 1)
    assert transaction not in tools("kafka-transactions", "list", "--duration-filter", 3_600_000)
    described = tools("kafka-transactions", "describe", "--transactional-id", transaction)
    assert described.rows("ProducerId", "TransactionState", "TopicPartitions") == [(producer_id, "Ongoing", f"{topic}-0")]
    producers = tools("kafka-transactions", "describe-producers", "--topic", topic, "--partition", 0)
    assert producers.rows("ProducerId", "CurrentTransactionStartOffset") == [(producer_id, "0")]
    reader = tools("kafka-console-consumer", "--topic", topic, "--from-beginning", "--isolation-level", "read_committed",
                   "--timeout-ms", 3000)
    assert reader == ""
    tools("kafka-transactions", "find-hanging", "--broker-id", 1, "--max-transaction-timeout", 1)
    tools("kafka-transactions", "abort", "--topic", topic, "--partition", 0, "--start-offset", 0)

    def open_at():
        producers = tools("kafka-transactions", "describe-producers", "--topic", topic, "--partition", 0)
        return [row[1] for row in producers.rows("ProducerId", "CurrentTransactionStartOffset")]
    wait_for(lambda: open_at() == ["None"], "the transaction to be aborted")
    # Its coordinator has not heard of it (as with Apache Kafka), but what is rolled back stays rolled back.
    hanging.communicate("commit\n", timeout=60)
    assert hanging.returncode == 0
    reader = tools("kafka-console-consumer", "--topic", topic, "--from-beginning", "--isolation-level", "read_committed",
                   "--timeout-ms", 3000)
    assert reader == ""


def test_a_transactional_id_is_fenced_on_demand(tools, topic, hanging):
    tools("kafka-transactions", "forceTerminateTransaction", "--transactionalId", f"tx-{topic}")
    described = tools("kafka-transactions", "describe", "--transactional-id", f"tx-{topic}")
    assert "Ongoing" not in described
    hanging.communicate("commit\n", timeout=60)
    assert hanging.returncode == 3


@pytest.mark.parametrize("arguments", [(), ("--group-mode", "--use-group-metadata")])
def test_kafkas_own_copier_copies_each_record_once(tools, bootstrap, topic, group, arguments):
    for name in (topic, f"{topic}-out"):
        tools("kafka-topics", "--create", "--topic", name, "--partitions", 2)
    # Keys: without them all may go to one partition.
    tools("kafka-verifiable-producer", "--topic", topic, "--max-messages", 2_000, "--repeating-keys", 50)
    copied = subprocess.run(
        command("transactional-message-copier", "--broker-list", bootstrap, "--input-topic", topic, "--output-topic",
                f"{topic}-out", "--transaction-size", 100, "--transactional-id", f"tx-{topic}", "--consumer-group", group,
                "--enable-random-aborts", "--input-partition", 0, *arguments), capture_output=True, text=True, timeout=120)
    assert copied.returncode == 0, copied.stdout[-2000:] + copied.stderr[-2000:]
    sums = json.loads(copied.stdout.splitlines()[-1])
    assert sums["remaining"] == 0, sums
    values = tools("kafka-console-consumer", "--topic", f"{topic}-out", "--from-beginning", "--isolation-level",
                   "read_committed", "--timeout-ms", 5000).split()
    assert len(values) == len(set(values)) == sums["consumed"] and values
    assert not arguments or sorted(map(int, values)) == list(range(2_000))
