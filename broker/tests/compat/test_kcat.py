"""kcat (librdkafka): produce with every codec and idempotence, groups of processes, time, commits."""

import collections
import signal
import subprocess

import pytest

from conftest import CODECS, RECORDS, per_key, records
from node import wait_for


def kcat(bootstrap, *arguments, given=None, seconds=60):
    done = subprocess.run(["kcat", "-b", bootstrap, *arguments], input=given, capture_output=True, timeout=seconds)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def lines(pairs):
    return b"".join(key + b"\t" + value + b"\n" for key, value in pairs)


def pairs(output):
    return [tuple(line.split(b"\t", 1)) for line in output.splitlines()]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("idempotence", ["false", "true"])
def test_every_codec_comes_back_in_order(bootstrap, topic, codec, idempotence):
    sent = records(tag=codec)
    kcat(bootstrap, "-P", "-t", topic, "-K", "\t", "-z", codec, "-X", f"enable.idempotence={idempotence}",
         "-X", "queue.buffering.max.ms=5", given=lines(sent))
    got = pairs(kcat(bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-K", "\t"))
    assert len(got) == RECORDS
    assert per_key(got) == per_key(sent)


def test_lists_the_cluster(bootstrap, topic):
    kcat(bootstrap, "-P", "-t", topic, given=b"one\n")
    listed = kcat(bootstrap, "-L", "-t", topic).decode()
    assert f'topic "{topic}" with 1 partitions' in listed
    assert "1 brokers" in listed


def member(bootstrap, group, topic, folder, name):
    """A member of a group that writes each line to a file as it comes."""
    output = folder / name
    command = ["kcat", "-b", bootstrap, "-u", "-q", "-f", "%p %o %s\n", "-X", "auto.offset.reset=earliest",
               "-X", "session.timeout.ms=10000", "-X", "auto.commit.interval.ms=100",
               "-X", "topic.metadata.refresh.interval.ms=1000", "-G", group, topic]
    return subprocess.Popen(command, stdout=output.open("wb"), stderr=subprocess.DEVNULL), output


def test_a_group_of_three_with_one_joining_and_one_leaving(bootstrap, topic, group, tmp_path):
    kcat(bootstrap, "-P", "-t", topic, "-K", "\t", given=lines(records(5_000, "a")))
    members = [member(bootstrap, group, topic, tmp_path, str(number)) for number in range(2)]
    values = lambda: collections.Counter(
        line.split(" ", 2)[2] for _, output in members for line in output.read_text().splitlines() if line.count(" ") == 2)
    try:
        wait_for(lambda: len(values()) == 5_000, "the first half")
        members.append(member(bootstrap, group, topic, tmp_path, "2"))
        members[0][0].send_signal(signal.SIGTERM)
        assert members[0][0].wait(timeout=30) == 0
        kcat(bootstrap, "-P", "-t", topic, "-K", "\t", given=lines(records(5_000, "b")))
        expected = {value.decode() for _, value in records(5_000, "a") + records(5_000, "b")}
        wait_for(lambda: set(values()) == expected, "every record")
    finally:
        for process, _ in members:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)


def test_seek_by_time(bootstrap, topic):
    # kcat can't set timestamps, so the border is one that the broker tells.
    kcat(bootstrap, "-P", "-t", topic, given=b"".join(b"early-%d\n" % number for number in range(100)))
    stamps = kcat(bootstrap, "-C", "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%T\n").decode().split()
    border = max(int(stamp) for stamp in stamps) + 1
    wait_for(lambda: int(kcat_now()) > border, "the clock to pass the first records")
    kcat(bootstrap, "-P", "-t", topic, given=b"".join(b"late-%d\n" % number for number in range(100)))
    got = kcat(bootstrap, "-C", "-t", topic, "-e", "-q", "-o", f"s@{border}").decode().split()
    assert got == [f"late-{number}" for number in range(100)]
    assert kcat(bootstrap, "-Q", "-t", f"{topic}:0:{border}").decode().strip() == f"{topic} [0] offset 100"


def kcat_now():
    return subprocess.run(["date", "+%s%3N"], capture_output=True, text=True, check=True).stdout


def test_commit_and_resume(bootstrap, topic, group):
    kcat(bootstrap, "-P", "-t", topic, given=b"".join(b"%d\n" % number for number in range(1_000)))
    arguments = ["-q", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=10000"]
    first = kcat(bootstrap, *arguments, "-c", "300", "-G", group, topic).decode().split()
    assert first == [str(number) for number in range(300)]
    rest = kcat(bootstrap, *arguments, "-c", "700", "-G", group, topic).decode().split()
    assert rest == [str(number) for number in range(300, 1_000)]
