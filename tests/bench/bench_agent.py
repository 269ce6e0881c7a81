"""The whole agent: resident memory, bytes per endpoint, and how soon it measures.

Memory is read after two windows have been emitted and delivered. Start-up is the time from exec to
the log line "running": configuration, inventory, sockets and every check attached.
"""
import pathlib
import re
import subprocess
import tempfile
import time

import support
from support import figure, median, note, wanted

SETTLE_S = 25  # two windows of 10 s, their delivery


def rss_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024


def memory(count):
    """Beside the file exporter: HTTP as in the field, to a store that is not there."""
    extra = ("  - {type: influx, name: central, url: \"http://127.0.0.1:9\", api: victoria}\n"
             if count <= 4000 else "")
    with support.Agent(count, interval="10s", timeout="1s", extra=extra) as agent:
        time.sleep(SETTLE_S)
        return rss_bytes(agent.child.pid)


def start_seconds(folder):
    command = [str(support.PHUSONG), "agent", "-c", str(folder / "phusong.yaml")]
    began = time.monotonic()
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for line in child.stderr:
            if 'msg="running"' in line:
                return time.monotonic() - began
        raise SystemExit("the agent ended before it was running")
    finally:
        child.kill()
        child.wait()


def start(count):
    with tempfile.TemporaryDirectory(prefix="phusong-bench-") as name:
        folder = pathlib.Path(name)
        support.make_inventory.make(folder / "inventory", count, "127.64.0.0/10")
        (folder / "phusong.yaml").write_text(
            "agent: {id: bench, inventory: inventory, state_dir: state}\n"
            f"exporters: [{{type: file, name: out, path: {folder}/out}}]\n")
        return median(start_seconds(folder) for _ in range(support.ROUNDS))


def main():
    small = large = None
    if wanted("agent_rss_4000_endpoints"):
        small = memory(4000)
        figure("agent_rss_4000_endpoints", "MiB", small / 2**20, bar="<= 16")
    if wanted("agent_rss_100000_endpoints"):
        large = memory(100_000)
        figure("agent_rss_100000_endpoints", "MiB", large / 2**20, bar="<= 150")
    if small and large:
        note("the difference between both, by endpoint")
        figure("agent_bytes_per_endpoint", "B", (large - small) / 96_000)
    if wanted("agent_start_100000_endpoints"):
        figure("agent_start_100000_endpoints", "s", start(100_000), bar="<= 2")


if __name__ == "__main__":
    support.in_own_network()
    main()
