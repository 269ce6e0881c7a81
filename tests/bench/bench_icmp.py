#!/usr/bin/env python3
"""The whole agent measuring by ICMP on loopback: CPU per probe beside fping, collectd and a bare
loop, the ceiling on one core, and round trips while a core is busy.

CPU time is that of the process, user and system; on loopback the kernel's answering runs inside
the sender's calls, for every peer alike. Windows last 10 s here, so that their writing and the
spool weigh more than they do by default.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import support
from support import figure, median, note, wanted

SECONDS = 20


def agent_us(count):
    """CPU microseconds per probe of `count` endpoints, each probed once a second."""
    with support.Agent(count) as agent:
        cpu, grown = agent.measure(SECONDS)
        probes = grown["phusong_icmp_sent_total"]
        lost = grown.get('phusong_observations_total{result="timeout"}', 0)
        note(f"agent {count}/s: {cpu * 1e6 / probes:.2f} us, {probes / SECONDS:.0f}/s, "
             f"{lost:.0f} lost, {agent.rss_bytes() / 2**20:.1f} MiB")
        if lost or probes < 0.98 * count * SECONDS:
            raise SystemExit(f"the agent lost {lost:.0f} and sent {probes:.0f} probes")
        return cpu * 1e6 / probes


def fping_us(count):
    """fping asked for the same pace: each target once a second. It may not reach it."""
    rounds = 10
    targets = "\n".join(f"127.1.{i >> 8}.{i & 255}" for i in range(1, count + 1))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(targets + "\n")
        file.flush()
        code, cpu, wall = support.run_cpu(["fping", "-q", "-C", str(rounds), "-p", "1000", "-i",
                                           f"{1000 / count * 0.95:.3f}", "-f", file.name])
    note(f"fping {count}/s: {cpu * 1e6 / (rounds * count):.2f} us, "
         f"{rounds * count / wall:.0f}/s, exit {code}")
    return cpu * 1e6 / (rounds * count)


def echoes_sent():
    lines = [line.split() for line in pathlib.Path("/proc/net/snmp").read_text().splitlines()
             if line.startswith("Icmp:")]
    return int(dict(zip(lines[0], lines[1]))["OutEchos"])


def collectd_us(count):
    with tempfile.TemporaryDirectory() as folder:
        hosts = "\n".join(f'  Host "127.1.{i >> 8}.{i & 255}"' for i in range(1, count + 1))
        pathlib.Path(folder, "conf").write_text(
            f'Hostname "bench"\nFQDNLookup false\nBaseDir "{folder}"\nPIDFile "{folder}/pid"\n'
            f"Interval 1\nLoadPlugin ping\n<Plugin ping>\n{hosts}\n  Interval 1.0\n"
            "  Timeout 0.9\n</Plugin>\n")
        child = subprocess.Popen(["collectd", "-f", "-C", f"{folder}/conf"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(6)
            if child.poll() is not None:
                raise SystemExit("collectd does not run; its ping plugin needs liboping0")
            cpu, echoes = support.cpu_seconds(child.pid), echoes_sent()
            time.sleep(SECONDS)
            cpu, echoes = support.cpu_seconds(child.pid) - cpu, echoes_sent() - echoes
        finally:
            child.terminate()
            child.wait(30)
    note(f"collectd {count}/s: {cpu * 1e6 / echoes:.2f} us, {echoes / SECONDS:.0f}/s")
    return cpu * 1e6 / echoes


def floor_us(count):
    done = subprocess.run([support.BUILD / "tests/bench/icmp_floor", str(count), str(count), "10",
                           "10"], stdout=subprocess.PIPE, check=True)
    result = json.loads(done.stdout)
    note(f"bare loop {count}/s: {result['cpu_us']:.2f} us")
    return result["cpu_us"]


def compare(name, count, peer_us, peer_name, bar):
    if not wanted(name):
        return
    pairs = [(agent_us(count), peer_us(count)) for _ in range(support.ROUNDS)]
    figure(name, "us CPU/probe", median([ours for ours, _ in pairs]), bar,
           median([peer for _, peer in pairs]), peer_name)


def ceiling():
    """A load near what one core can do, and what it costs and loses. Probes per second of CPU
    time, because other work on the machine takes its share of the wall clock; the loop is one
    thread, so this is what a core of its own would reach."""
    if not wanted("icmp_ceiling"):
        return
    rates, losses = [], []
    for _ in range(support.ROUNDS):
        with support.Agent(60000) as agent:
            cpu, grown = agent.measure(SECONDS, settle=3)
        ok = grown['phusong_observations_total{result="ok"}']
        false = sum(grown.get(f'phusong_observations_total{{result="{result}"}}', 0)
                    for result in ("timeout", "unreachable", "local_error", "mismatch"))
        note(f"60,000/s asked: {ok / SECONDS:.0f}/s in {cpu / SECONDS:.2f} cores, "
             f"{false:.0f} lost or unknown")
        rates.append(ok / cpu)
        losses.append(false)
    figure("icmp_ceiling", "probes/CPU s", median(rates), ">= 80000")
    figure("icmp_ceiling_false_loss", "probes", max(losses), "<= 0")


@contextlib.contextmanager
def busy_core(cpu):
    child = subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"])
    try:
        yield
    finally:
        child.kill()
        child.wait()


def median_rtt_us(cpu):
    done = subprocess.run(["taskset", "-c", str(cpu), support.PHUSONG, "probe", "icmp", "--json",
                           "-c", "100", "-i", "20ms",
                           *(f"127.1.1.{i}" for i in range(1, 51))],
                          stdout=subprocess.PIPE, check=True)
    return median([target["p50_us"] for target in json.loads(done.stdout)])


def busy():
    """Phusong has to share its only core with a process that never sleeps."""
    if not wanted("icmp_rtt_busy"):
        return
    cpu = max(os.sched_getaffinity(0))
    idle, loaded = [], []
    for _ in range(support.ROUNDS):
        idle.append(median_rtt_us(cpu))
        with busy_core(cpu):
            loaded.append(median_rtt_us(cpu))
        note(f"median round trip: idle {idle[-1]} us, busy {loaded[-1]} us")
    figure("icmp_rtt_busy_shift", "us of the median", abs(median(loaded) - median(idle)),
           "<= 100")


def main():
    compare("icmp_cpu_5k_fping", 5000, fping_us, "fping", "<= 0.5 x peer")
    compare("icmp_cpu_5k_bare", 5000, floor_us, "bare loop, 10 ms", "<= 2 x peer")
    if shutil.which("collectd"):
        compare("icmp_cpu_10k_collectd", 10000, collectd_us, "collectd ping", "<= 0.7 x peer")
    compare("icmp_cpu_10k_bare", 10000, floor_us, "bare loop, 10 ms", "<= 2 x peer")
    ceiling()
    busy()


if __name__ == "__main__":
    support.in_own_network()
    main()
