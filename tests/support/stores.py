"""Real stores for integration tests: InfluxDB 1.x and VictoriaMetrics from Debian's packages, each
in a folder of its own, on a free port of loopback, stopped by process id."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

INFLUX_CONF = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{dir}/meta"
[data]
  dir = "{dir}/data"
  wal-dir = "{dir}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  max-body-size = 0
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "error"
"""


# Tests say how long something takes where nothing else runs. What is only waited for, and proves
# nothing by being quick, gets so many times as long: the machine may be slow, or busy.
PATIENCE = 4


# Not where the kernel takes ports for connections and for port 0 from.
PORTS = range(20000, 30000)
_reserved = []


def is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_port():
    """A port of TCP and UDP that nobody uses and no other test is given, in whatever process it
    runs: this one holds a name for it, which the kernel gives out once."""
    for port in random.sample(PORTS, len(PORTS)):
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0phusong-test-port-{port}")
        except OSError:
            name.close()
            continue
        if is_free(port):
            _reserved.append(name)
            if len(_reserved) > 200:  # of tests that are over
                _reserved.pop(0).close()
            return port
        name.close()
    raise AssertionError("no port is free")


def wait_until(condition, timeout=10.0, what="the condition", interval=0.02):
    """Polls until `condition()` is true and returns its value; fails with `what` otherwise."""
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(interval)


def fetch(url, data=None, timeout=20):
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=timeout) as answer:
        return answer.read()


def answers(url):
    try:
        fetch(url, timeout=5)
        return True
    except (urllib.error.URLError, OSError):
        return False


class Process:
    """A child whose output goes to a file; stop() ends it and everything it started."""

    def __init__(self, command, log, env=None, cwd=None):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env,
                                          cwd=cwd, start_new_session=True)

    def stop(self, number=signal.SIGTERM, timeout=10):
        if self.child.poll() is None:
            os.kill(self.child.pid, number)
            try:
                self.child.wait(timeout * PATIENCE)
            except subprocess.TimeoutExpired:
                os.kill(self.child.pid, signal.SIGKILL)
                self.child.wait()
        return self.child.returncode

    def output(self):
        with open(self.log, errors="replace") as text:
            return text.read()


class Store:
    package = ""
    program = ""

    @classmethod
    def is_installed(cls):
        return shutil.which(cls.program) is not None

    def start(self):
        raise NotImplementedError

    def stop(self):
        self.process.stop()


class Influx(Store):
    package = "influxdb"
    program = "influxd"

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = os.path.join(self.folder, "influx.conf")
        with open(self.config, "w") as out:
            out.write(INFLUX_CONF.format(dir=self.folder, port=self.port, rpc_port=free_port()))
        self.start()

    def start(self):
        self.process = Process(["influxd", "run", "-config", self.config],
                               os.path.join(self.folder, "log"))
        wait_until(lambda: answers(self.url + "/ping"), 20, "influxd answering")

    def create(self, database):
        self.query(f'CREATE DATABASE "{database}"')

    def query(self, text, database="", **parameters):
        parameters = {"q": text, "db": database, "epoch": "ns", **parameters}
        data = urllib.parse.urlencode(parameters).encode()
        result = json.loads(fetch(self.url + "/query", data))
        for part in result.get("results", []):
            if "error" in part:
                raise AssertionError(part["error"])
        return result

    def rows(self, text, database):
        """(tags, {column: value}) of each row of all series."""
        for part in self.query(text, database)["results"]:
            for series in part.get("series", []):
                for values in series["values"]:
                    yield series.get("tags", {}), dict(zip(series["columns"], values))


class Victoria(Store):
    package = "victoria-metrics"
    program = "victoria-metrics"

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = Process(
            ["victoria-metrics", f"-storageDataPath={self.folder}/data", "-retentionPeriod=1",
             f"-httpListenAddr=127.0.0.1:{self.port}", "-search.latencyOffset=0s",
             "-memory.allowedBytes=128MiB"], os.path.join(self.folder, "log"))
        wait_until(lambda: answers(self.url + "/health"), 20, "victoria-metrics answering")

    def flush(self):
        """What was written becomes visible to queries."""
        fetch(self.url + "/internal/force_flush")

    def export(self, selector, start_ms, end_ms):
        """(labels, {timestamp in ms: set of values}) of each series."""
        self.flush()
        parameters = {"match[]": selector, "start": start_ms / 1000, "end": end_ms / 1000}
        query = urllib.parse.urlencode(parameters)
        for line in fetch(self.url + "/api/v1/export?" + query).splitlines():
            series = json.loads(line)
            samples = {}
            for at, value in zip(series["timestamps"], series["values"]):
                samples.setdefault(at, set()).add(value)
            yield series["metric"], samples
