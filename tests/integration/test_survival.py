"""The whole agent under kill -9, with a destination that fails at random, and on a full disk."""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import make_inventory
import stores
from test_delivery import CHAOS

CONFIG = """
agent: {{id: survivor, inventory: inventory, state_dir: {state}, window: 10s, boot_jitter: 0s}}
checks:
  - {{name: icmp, interval: 200ms, timeout: 150ms}}
spool: {{sync_interval: 20ms, segment_size: 64KiB, min_free: 0B}}
exporters:
  - {{type: influx, name: store, url: "{url}", api: victoria, timeout: 500ms, batch_age: 50ms,
      batch_lines: 200, retry_min: 20ms, retry_max: 200ms}}
  - {{type: prometheus, name: self, listen: "127.0.0.1:{port}"}}
"""


class Node:
    def __init__(self, folder, agent, url, state=None):
        self.folder, self.start_agent = pathlib.Path(folder), agent
        self.port = stores.free_port()
        self.config = self.folder / "phusong.yaml"
        self.config.write_text(CONFIG.format(state=state or self.folder / "state", url=url,
                                             port=self.port), encoding="utf-8")
        make_inventory.make(self.folder / "inventory", 200)

    def start(self):
        self.process = self.start_agent(self.config)
        stores.wait_until(lambda: stores.answers(f"http://127.0.0.1:{self.port}/-/ready"), 20,
                          "the agent")

    def signal(self, number):
        self.process.child.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.child.wait()

    def metric(self, name):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
                for line in page.read().decode().splitlines():
                    if line.startswith(name + " "):
                        return float(line.split()[1])
        return None

    def spooled(self, phusong):
        done = subprocess.run([phusong, "spool", "export", "-c", str(self.config)],
                              capture_output=True, timeout=30, check=True)
        return set(done.stdout.splitlines())


def deliver_all(node, phusong):
    make_inventory.make(node.folder / "inventory", 1)
    node.start()
    stores.wait_until(lambda: node.metric('phusong_exporter_lag_live_bytes{exporter="store"}') == 0 and
                      node.metric('phusong_exporter_lag_backfill_bytes{exporter="store"}') == 0,
                      60, "everything to be delivered", interval=0.1)
    assert node.process.stop(timeout=20) == 0, node.process.output()


# How much becomes durable between two kills is chance, and less on a slow machine.
KILLS, ENOUGH, LONGEST = 10, 1000, 180


def coverage_lines(lines):
    return sum(line.startswith(b"coverage") for line in lines)


def test_ten_kills_of_the_agent_lose_nothing_durable(tmp_path, agent, phusong, fault_server):
    seed = int(os.environ.get("PHU_SEED", random.randrange(1 << 30)))
    print(f"PHU_SEED={seed}")
    chance = random.Random(seed)
    server = fault_server(seed=seed, faults=CHAOS)
    node = Node(tmp_path, agent, server.url)
    durable, kills = set(), 0
    end = time.monotonic() + LONGEST
    while kills < KILLS or coverage_lines(durable) < ENOUGH:
        assert time.monotonic() < end, f"{kills} kills, {coverage_lines(durable)} durable lines"
        node.start()
        for _ in range(chance.randrange(1, 4)):
            time.sleep(chance.uniform(0.05, 0.5))
            node.signal(signal.SIGUSR1)  # ends the windows now
        time.sleep(chance.uniform(0, 0.3))
        node.kill()
        kills += 1
        durable |= node.spooled(phusong)  # what is no longer here was delivered before
    server.faults = {}
    deliver_all(node, phusong)
    missing = durable - set(server.stored)
    assert not missing, f"{len(missing)} lost, such as {sorted(missing)[:3]}"
    # Nothing was altered: each line that is stored was written by an agent, whole.
    listed = subprocess.run([phusong, "catalog", "--json"], capture_output=True, check=True)
    measurements = {measurement["name"].encode() for measurement in json.loads(listed.stdout)}
    written = {re.split(rb"[, ]", line)[0] for line in server.stored}
    assert {b"coverage", b"agent"} <= written <= measurements
    stamps = [line.rsplit(b" ", 1) for line in server.stored if line.startswith(b"coverage")]
    series = [(head.split(b" ")[0], at) for head, at in stamps]
    assert len(series) == len(set(series)), "two windows of one series share a timestamp"


@contextlib.contextmanager
def small_disk(mount, size):
    """A tmpfs, mounted for real: the agent and the test must see the same one."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk here: {done.stderr.strip()}")
    try:
        yield pathlib.Path(mount)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_full_disk_stops_no_measurement(tmp_path, agent, phusong, fault_server):
    server = fault_server()
    server.rules.is_dead = True  # nothing can be delivered
    mount = tmp_path / "disk"
    mount.mkdir()
    with small_disk(str(mount), "6m") as disk:
        node = Node(tmp_path, agent, server.url, state=disk)
        node.start()
        filler = disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        durable = node.spooled(phusong)

        def is_full():
            node.signal(signal.SIGUSR1)
            return "the disk is full" in node.process.output()

        stores.wait_until(is_full, 30, "the log to say that the disk is full", interval=0.3)
        before = stores.wait_until(lambda: node.metric("phusong_polls_total"), 10, "statistics")
        stores.wait_until(lambda: (node.metric("phusong_polls_total") or 0) > before + 500, 10,
                          "more polls")
        durable |= node.spooled(phusong)
        filler.unlink()
        stores.wait_until(lambda: "the disk takes points again" in node.process.output(), 30,
                          "the recovery", interval=0.2)
        assert node.process.stop(timeout=20) == 0, node.process.output()
        durable |= node.spooled(phusong)  # everything: nothing has been delivered
        assert coverage_lines(durable) >= 200  # the windows that ended with the agent at least
        server.rules.is_dead = False
        deliver_all(node, phusong)
        assert not durable - set(server.stored)
