"""kafka-topics, kafka-configs and the tools that look at a cluster."""

import json
import re

import pytest


@pytest.fixture
def created(tools, topic):
    tools("kafka-topics", "--create", "--topic", topic, "--partitions", 2)
    return topic


def test_a_topic_is_created_described_grown_listed_and_deleted(tools, topic):
    made = tools("kafka-topics", "--create", "--topic", topic, "--partitions", 2, "--config", "retention.ms=1000000")
    assert made == f"Created topic {topic}.\n"
    described = tools("kafka-topics", "--describe", "--topic", topic)
    described.has(rf"Topic: {topic}\tTopicId: \S{{22}}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention.ms=1000000")
    assert len(re.findall(r"Partition: \d+\tLeader: (\d+)\tReplicas: \1\tIsr: \1", described)) == 2
    assert tools("kafka-topics", "--alter", "--topic", topic, "--partitions", 4) == ""
    tools("kafka-topics", "--describe", "--topic", topic).has("PartitionCount: 4")
    assert topic in tools("kafka-topics", "--list").split()
    for flag in ("--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions"):
        assert tools("kafka-topics", "--describe", flag) == "", flag
    tools("kafka-topics", "--describe", "--topics-with-overrides").has(f"Topic: {topic}\t")
    tools("kafka-topics", "--delete", "--topic", topic)
    assert topic not in tools("kafka-topics", "--list").split()
    tools("kafka-topics", "--delete", "--topic", topic, fails=True).has("does not exist")
    tools("kafka-topics", "--delete", "--topic", topic, "--if-exists")


def test_a_topic_is_created_once_with_the_replicas_that_were_asked_for(tools, created, topic):
    tools("kafka-topics", "--create", "--topic", created, fails=True).has(f"Topic '{created}' already exists.")
    tools("kafka-topics", "--create", "--topic", created, "--if-not-exists")
    node = re.search(r"Leader: (\d+)", tools("kafka-topics", "--describe", "--topic", created)).group(1)
    tools("kafka-topics", "--create", "--topic", f"{topic}-b", "--replica-assignment", f"{node},{node},{node}")
    tools("kafka-topics", "--describe", "--topic", f"{topic}-b").has("PartitionCount: 3\tReplicationFactor: 1")


@pytest.mark.parametrize("arguments, message", [
    (["--topic", "a?b"], "'a\\?b' contains one or more characters other than ASCII alphanumerics"),
    (["--topic", "x" * 250], "is longer than the max length 249|the length of .* is longer than"),
    (["--topic", "t", "--replication-factor", 3], r"target replication factor of 3 cannot be reached because only 1 broker"),
    (["--topic", "t", "--config", "foo=bar"], "Unknown topic config name: foo"),
    (["--topic", "t", "--config", "min.insync.replicas=-5"], "min.insync.replicas"),
    (["--topic", "t", "--replica-assignment", "77"], "77"),
])
def test_what_cannot_be_created_is_refused_with_the_reason(tools, arguments, message):
    tools("kafka-topics", "--create", *arguments, fails=True).has(message)


def test_partitions_only_grow(tools, created):
    refused = tools("kafka-topics", "--alter", "--topic", created, "--partitions", 1, fails=True)
    refused.has(rf"The topic {created} currently has 2 partition\(s\); 1 would not be an increase.")
    tools("kafka-topics", "--alter", "--topic", created, "--partitions", 2, fails=True).has("already has 2 partition")


def test_settings_of_a_topic_are_described_changed_and_removed(tools, created):
    def configs(*arguments, **more):
        return tools("kafka-configs", "--entity-type", "topics", "--entity-name", created, *arguments, **more)
    assert configs("--describe") == f"Dynamic configs for topic {created} are:\n"
    changed = configs("--alter", "--add-config", "cleanup.policy=[compact,delete],max.message.bytes=2000000")
    assert changed == f"Completed updating config for topic {created}.\n"
    described = configs("--describe")
    described.has(r"cleanup.policy=compact,delete sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete")
    described.has("max.message.bytes=2000000")
    configs("--describe", "--all").has(r"retention.ms=604800000 sensitive=false synonyms=\{")
    configs("--alter", "--delete-config", "cleanup.policy")
    assert "cleanup.policy" not in configs("--describe")
    configs("--alter", "--add-config", "foo=bar", fails=True).has("Unknown topic config name: foo")
    configs("--alter", "--add-config", "retention.ms=soon", fails=True).has("Invalid value soon for configuration retention.ms")
    everything = tools("kafka-configs", "--entity-type", "topics", "--describe")
    everything.has(f"Dynamic configs for topic {created} are:")


def test_settings_of_the_node_change_while_it_runs(tools, topic):
    def configs(*arguments, **more):
        return tools("kafka-configs", "--entity-type", "brokers", *arguments, **more)
    node = node_id(tools)
    default = configs("--entity-default", "--alter", "--add-config", "log.retention.ms=7200000")
    assert default == "Completed updating default config for brokers in the cluster.\n"
    configs("--entity-default", "--describe").has(
        r"log.retention.ms=7200000 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7200000")
    configs("--entity-name", node, "--alter", "--add-config", "log.retention.ms=3600000")
    configs("--entity-name", node, "--describe").has(
        r"log.retention.ms=3600000 sensitive=false synonyms=\{DYNAMIC_BROKER_CONFIG:log.retention.ms=3600000, "
        "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7200000")
    tools("kafka-topics", "--create", "--topic", topic)
    described = tools("kafka-configs", "--entity-type", "topics", "--entity-name", topic, "--describe", "--all")
    described.has("retention.ms=3600000 ")
    configs("--entity-name", node, "--alter", "--delete-config", "log.retention.ms")
    configs("--entity-default", "--alter", "--delete-config", "log.retention.ms")
    assert "log.retention.ms" not in configs("--entity-name", node, "--describe")
    configs("--entity-name", node, "--describe", "--all").has("log.retention.ms=")
    refused = configs("--entity-name", node, "--alter", "--add-config", "num.partitions=3", fails=True)
    refused.has("Cannot update these configs dynamically")
    configs("--entity-name", node, "--alter", "--add-config", "log.retention.ms=soon", fails=True).has("log.retention.ms")
    configs("--entity-name", 4711, "--describe").has("The broker '4711' doesn't exist and doesn't have dynamic config.")


def test_other_kinds_of_settings_are_empty_where_nothing_is_set(tools, topic):
    for kind in ("users", "clients", "ips", "client-metrics"):
        assert tools("kafka-configs", "--entity-type", kind, "--describe") == "", kind
    assert tools("kafka-client-metrics", "--list").strip() == ""


def node_id(tools):
    return re.search(r"\(id: (\d+) rack", tools("kafka-broker-api-versions")).group(1)


def test_the_cluster_describes_itself(tools, bootstrap):
    versions = tools("kafka-broker-api-versions")
    versions.has(rf"{bootstrap} \(id: \d+ rack: null isFenced: false\) -> \(")
    versions.has(r"Produce\(0\): 0 to 13 \[usable: 13\]").has(r"Fetch\(1\): 4 to 18 \[usable: 18\]")
    tools("kafka-cluster", "cluster-id").has(r"Cluster ID: \S{22}")
    host, port = bootstrap.split(":")
    listed = tools("kafka-cluster", "list-endpoints")
    listed.has(rf"{host}\s+{port}\s+null\s+unfenced\s+broker")


def test_the_quorum_is_this_node(tools):
    status = tools("kafka-metadata-quorum", "describe", "--status")
    node = node_id(tools)
    status.has(rf"LeaderId:\s+{node}\n").has(r"LeaderEpoch:\s+\d+").has(r"HighWatermark:\s+\d+")
    status.has(rf'CurrentVoters:\s+\[.*"id": {node}\b')
    tools("kafka-metadata-quorum", "describe", "--replication").has(rf"\n{node}\s+\S{{22}}\s+\d+\s+0\s+.*Leader")


def test_features_are_described_and_changed(tools):
    def level():
        described = tools("kafka-features", "describe")
        return int(re.search(r"Feature: transaction.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 2\s+"
                             r"FinalizedVersionLevel: (\d)", described).group(1))
    assert level() == 2
    tools("kafka-features", "downgrade", "--feature", "transaction.version=1")
    assert level() == 1
    tools("kafka-features", "upgrade", "--feature", "transaction.version=2", "--dry-run").has("can be upgraded to 2")
    assert level() == 1
    tools("kafka-features", "upgrade", "--feature", "transaction.version=9", fails=True).has("transaction.version")
    tools("kafka-features", "upgrade", "--feature", "transaction.version=2").has("was upgraded to 2")
    assert level() == 2
    tools("kafka-features", "upgrade", "--feature", "no.such=1", fails=True)


def test_elections_and_moves_find_everything_in_its_place(tools, created, tmp_path):
    node = int(node_id(tools))
    tools("kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")
    elected = tools("kafka-leader-election", "--election-type", "preferred", "--topic", created, "--partition", 0)
    elected.has(f"Valid replica already elected for partitions {created}-0")
    missing = tools("kafka-leader-election", "--election-type", "preferred", "--topic", created, "--partition", 9, fails=True)
    missing.has("UnknownTopicOrPartition|does not exist")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"topics": [{"topic": created}], "version": 1}))
    proposed = tools("kafka-reassign-partitions", "--generate", "--topics-to-move-json-file", plan, "--broker-list", node)
    proposed.has("Proposed partition reassignment configuration")
    plan.write_text(proposed.splitlines()[-1])
    tools("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan).has("Successfully started")
    tools("kafka-reassign-partitions", "--verify", "--reassignment-json-file", plan).has(
        rf"Reassignment of partition {created}-0 is completed")
    assert tools("kafka-reassign-partitions", "--list").strip() == "No partition reassignments found."
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": created, "partition": 0, "replicas": [node + 7]}]}))
    tools("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan, fails=True).has(f"{node + 7}")


def test_log_directories(tools, created):
    tools("kafka-console-producer", "--topic", created, stdin="one\ntwo\n")
    described = tools("kafka-log-dirs", "--describe", "--topic-list", created)
    brokers = json.loads(described.splitlines()[-1])["brokers"]
    partitions = [found for broker in brokers for folder in broker["logDirs"] for found in folder["partitions"]]
    assert sorted(found["partition"] for found in partitions) == [f"{created}-0", f"{created}-1"]
    assert sum(found["size"] for found in partitions) > 60
