"""The processes that the bench starts, and what they have used. Each ends only what it started itself."""

import json
import os
import pwd
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Usage:
    """CPU-seconds and resident memory of some processes, by id."""

    def __init__(self, *pids):
        self.pids = pids

    def cpu(self):
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mb(self):
        """The most that each has held since its start, in megabytes."""
        return [int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024 for pid in self.pids]


class Postgres:
    """A server of our own, with a replication slot for each who measures."""

    def __init__(self):
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
        if not versions:
            raise SystemExit("bench-connect: PostgreSQL is missing (Debian: apt-get install postgresql)")
        self.programs = versions[-1].parent
        self.folder = tempfile.TemporaryDirectory(prefix="millstream-bench-postgres-")
        self.data = Path(self.folder.name) / "data"
        # The server refuses to run as root.
        self.owner = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder.name, account.pw_uid, account.pw_gid)
            self.owner = {"user": account.pw_uid, "group": account.pw_gid}
        self.port = free_port()
        self.url = f"postgres://me@127.0.0.1:{self.port}/postgres"
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        initdb = ["--no-sync", "--auth=trust", "--username=me", "--encoding=UTF8", "--locale=C.UTF-8", "-D", self.data]
        self.run("initdb", *initdb)
        # The disk is not what is measured here: nothing is synced, and no checkpoint falls into a figure.
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder.name,
                    "fsync": "off", "wal_level": "logical", "max_wal_senders": 10, "max_replication_slots": 10,
                    "shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.log = open(Path(self.folder.name) / "log", "w")
        self.process = subprocess.Popen([self.programs / "postgres", "-D", self.data, *options], stderr=self.log,
                                        stdout=self.log, cwd=self.folder.name, **self.owner)
        wait_for(lambda: self.command("psql", "-c", "SELECT 1").returncode == 0, "PostgreSQL")

    def __exit__(self, *_):
        # SIGINT: ends its sessions, too.
        if self.process:
            self.process.send_signal(2)
            self.process.wait(60)
        self.folder.cleanup()

    def run(self, program, *arguments):
        done = subprocess.run([self.programs / program, *map(str, arguments)], capture_output=True, text=True,
                              cwd=self.folder.name, **self.owner)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def command(self, program, *arguments, **options):
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "me"]
        if program != "pgbench":
            where += ["-d", "postgres"]
        options = {"capture_output": True, "text": True, **options}
        return subprocess.run([self.programs / program, *where, *map(str, arguments)], cwd=self.folder.name, **options)

    def sql(self, *queries):
        """Runs commands in one session, each by itself."""
        done = self.command("psql", "-v", "ON_ERROR_STOP=1", "-qAt", *(part for query in queries for part in ("-c", query)))
        if done.returncode:
            raise RuntimeError(f"{queries}: {done.stderr}")
        return done.stdout.strip()


class Peers:
    """An Apache Kafka and a Connect worker, a JVM each, with the heaps that their own start scripts give them."""

    def __init__(self, cache, folder):
        self.cache, self.folder = Path(cache), Path(folder)
        self.jars = self.cache / "connect-peers" / "target" / "broker"
        self.worker = self.broker = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        if not self.jars.is_dir() or (self.jars.parents[1] / "pom.xml").read_bytes() != (HERE / "pom.xml").read_bytes():
            self.jars.parents[1].mkdir(parents=True, exist_ok=True)
            (self.jars.parents[1] / "pom.xml").write_bytes((HERE / "pom.xml").read_bytes())
            subprocess.run(["mvn", "-q", "-B", "-f", self.jars.parents[1] / "pom.xml", "package"], check=True)
        work, port = self.folder / "kafka", free_port()
        work.mkdir()
        text = (HERE.parent / "server.properties").read_text()
        for name, value in (("PORT", port), ("CONTROLLER", free_port()), ("DATA", work / "data")):
            text = text.replace(f"@{name}@", str(value))
        (work / "server.properties").write_text(text)
        java = self.java("1g", "1g")
        subprocess.run([*java, "kafka.tools.StorageTool", "format", "--config", work / "server.properties", "--cluster-id",
                        "bWlsbHN0cmVhbS1iZW5jaA"], check=True, capture_output=True)
        self.logs = open(self.folder / "peers.log", "w")
        self.broker = subprocess.Popen([*java, "kafka.Kafka", work / "server.properties"], stdout=self.logs, stderr=self.logs)
        self.address = f"127.0.0.1:{port}"
        wait_for(lambda: is_open(port), "Apache Kafka")
        self.start_worker()

    def start_worker(self):
        self.port = free_port()
        json_converter = "org.apache.kafka.connect.json.JsonConverter"
        settings = {"bootstrap.servers": self.address, "listeners": f"http://127.0.0.1:{self.port}",
                    "key.converter": json_converter, "key.converter.schemas.enable": "false",
                    "value.converter": json_converter, "value.converter.schemas.enable": "false",
                    "plugin.discovery": "service_load", "offset.storage.file.filename": self.folder / "offsets"}
        path = self.folder / "worker.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self.worker = subprocess.Popen([*self.java("256m", "2g"), "org.apache.kafka.connect.cli.ConnectStandalone", path],
                                       stdout=self.logs, stderr=self.logs)
        wait_for(lambda: self.answers("/connectors"), "the Connect worker")

    def __exit__(self, *_):
        for process in (self.worker, self.broker):
            if process:
                process.terminate()
        for process in (self.worker, self.broker):
            if process:
                process.wait(60)

    def java(self, least, most):
        return ["java", f"-Xms{least}", f"-Xmx{most}", "-XX:+UseG1GC", "-Dlog4j2.level=ERROR", "-cp", f"{self.jars}/*"]

    def usage(self):
        return Usage(self.worker.pid, self.broker.pid)

    def request(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"},
                                       method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def answers(self, path):
        try:
            return self.request("GET", path) is not None
        except (OSError, RuntimeError):
            # Not there yet, or without its resources.
            return False

    def state(self, name):
        """The connector's state, and those of its tasks."""
        status = self.request("GET", f"/connectors/{name}/status")
        failed = [task["trace"] for task in status["tasks"] if task["state"] == "FAILED"]
        if failed:
            raise RuntimeError(failed[0])
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]


class Ours:
    """One `millstream run` on a folder of its own; started again, it keeps its data."""

    def __init__(self, millstream, folder):
        self.millstream, self.folder = millstream, Path(folder)
        self.port, self.process = free_port(), None
        self.address = f"127.0.0.1:{self.port}"

    def start(self, pipeline, *arguments):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "pipeline.yaml").write_text(pipeline)
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen([self.millstream, "run", "pipeline.yaml", "--data", "data", "--kafka", self.address,
                                         "--http", "127.0.0.1:0", *arguments], cwd=self.folder, stdout=self.log, stderr=self.log)
        if "--until-done" not in arguments:
            wait_for(lambda: self.lives() and is_open(self.port), "our node")

    def lives(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / "log").read_text())
        return True

    def usage(self):
        return Usage(self.process.pid)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
