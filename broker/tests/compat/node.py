"""A node of ours (or an Apache Kafka) as a process that tests may kill."""

import os
import re
import socket
import subprocess
import tempfile
import threading
import time


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class Node:
    """One `millstream server` on a folder of its own. Started again, it keeps address and data."""

    def __init__(self, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="millstream-compat-")
        self.settings = settings
        self.address = f"127.0.0.1:{free_port()}"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.folder.cleanup()

    def start(self):
        extra = [part for name, value in self.settings.items() for part in ("--set", f"{name}={value}")]
        self.process = subprocess.Popen(
            [os.environ["MILLSTREAM"], "server", "--data", self.folder.name, "--listen", self.address,
             "--http", "127.0.0.1:0", *extra], stderr=subprocess.PIPE, text=True)
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if re.match(r"millstream ready kafka=(\S+)", line):
                threading.Thread(target=pass_on, args=(self.process.stderr,), daemon=True).start()
                return
        raise AssertionError("the node ended before it was ready:\n" + "".join(seen))

    def kill(self):
        """kill -9: what the operating system has is kept, everything else is lost."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(timeout=30) == 0, "the node did not stop cleanly"


def pass_on(stream):
    for line in stream:
        print(line, end="")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
