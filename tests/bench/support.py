"""What the benchmarks share: figures on standard output, CPU time of processes, and the agent as a
child with an inventory of any size.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("PHUSONG_BUILD", ROOT / "build/release"))
PHUSONG = BUILD / "agent/phusong"
# Each measurement is repeated so often and its median taken: other work on the machine disturbs.
ROUNDS = int(os.environ.get("PHU_BENCH_ROUNDS", "3"))

sys.path.insert(0, str(ROOT / "tests/support"))
import make_inventory  # noqa: E402


def figure(name, unit, ours, bar=None, peer=None, peer_name=None):
    """One result, as a line of JSON. `bar`: "<= 0.5 x peer", ">= 80000"; see tests/bench/run."""
    print(json.dumps({"name": name, "unit": unit, "ours": ours, "peer": peer,
                      "peer_name": peer_name, "bar": bar}), flush=True)


def wanted(name):
    only = os.environ.get("PHU_BENCH_ONLY", "")
    return not only or only in name


def note(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def cpu_seconds(pid):
    """User and system time of all threads so far, of a process that is running."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def run_cpu(command, **options):
    """Runs to the end: (CompletedProcess-like code, CPU seconds, wall seconds)."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             **options)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime, time.monotonic() - began


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_own_network():
    """Goes on in a network namespace of its own, where nobody else's packets count."""
    if os.environ.get("PHU_BENCH_NETNS") == "yes" or os.geteuid() != 0:
        return
    if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL).returncode:
        return
    os.environ["PHU_BENCH_NETNS"] = "yes"
    os.execvp("unshare", ["unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh",
                          sys.executable] + sys.argv)


class Agent:
    """phusong agent with `count` endpoints on loopback, until the with block ends."""

    def __init__(self, count, interval="1s", timeout="800ms", window="10s", checks="icmp",
                 network="127.64.0.0/10", cpu=None, extra=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="phusong-bench-"))
        self.port = free_port()
        self.cpu = cpu
        make_inventory.make(self.folder / "inventory", count, network, checks)
        (self.folder / "phusong.yaml").write_text(
            "agent: {id: bench, inventory: inventory, state_dir: state, boot_jitter: 0s, "
            f"window: {window}}}\n"
            f"checks: [{{name: icmp, interval: {interval}, timeout: {timeout}}}]\n"
            "exporters:\n"
            f"  - {{type: file, name: out, path: {self.folder}/out}}\n"
            f"  - {{type: prometheus, name: self, listen: \"127.0.0.1:{self.port}\"}}\n" + extra)

    def __enter__(self):
        command = [str(PHUSONG), "agent", "-c", str(self.folder / "phusong.yaml")]
        if self.cpu is not None:
            command = ["taskset", "-c", str(self.cpu)] + command
        self.log = open(self.folder / "log", "w")
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        for _ in range(300):
            if self.child.poll() is not None:
                break
            with contextlib.suppress(OSError):
                self.stats()
                return self
            time.sleep(0.1)
        log = (self.folder / "log").read_text()
        self.__exit__()
        raise SystemExit(f"the agent does not run:\n{log}")

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        self.child.wait(60)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stats(self):
        """Statistics by name, with labels as in /metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        return {name: float(value)
                for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.M)}

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def measure(self, seconds, settle=4):
        """(CPU seconds, statistics that grew) of so many seconds, after it has settled."""
        time.sleep(settle)
        before, cpu = self.stats(), cpu_seconds(self.child.pid)
        time.sleep(seconds)
        cpu = cpu_seconds(self.child.pid) - cpu
        after = self.stats()
        return cpu, {name: value - before.get(name, 0) for name, value in after.items()}
