#!/usr/bin/env python3
"""The whole agent polling devices by SNMP on loopback: CPU, memory, pace and lag with 50,000 devices;
silent ones among them; version 3 with 10,000 engines; and beside it Debian's collectd, cacti-spine,
prometheus-snmp-exporter and a loop of snmpbulkwalk, against the same responder.

A device has four interfaces. Everybody reads the same 50 objects: twelve columns of IF-MIB,
sysUpTime and snmpEngineTime; we read a column more, and what GETBULK adds behind the table. CPU
time is user and system time of the whole process, database servers apart. Windows are as long as
the interval, as by default, so each poll ends in five points that go into the spool. They stay
there: what a destination costs besides is measured once, with the exporter `file`. The peers hand
what they read to nobody either, but for collectd and spine, which keep it in memory and in their
database.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import support
from support import figure, note, wanted

import snmp_devices
import snmp_peers

OBJECTS = 50
LAB = support.BUILD / "tests/lab/snmp/phusong-lab-snmp"
SCALE = int(os.environ.get("PHU_BENCH_SNMP_DEVICES", "50000"))
ENGINES = 10_000


class Responder:
    """Answers at every address of 127.64.0.0/10, on a core of its own where there are two."""

    def __init__(self, *words):
        self.port = support.free_port()
        self.folder = tempfile.mkdtemp(prefix="phusong-bench-")
        self.control = f"{self.folder}/control"
        command = [str(LAB), "--listen", f"127.64.0.0/10:{self.port}", "--synthetic",
                   "interfaces=4,rate=125000", "--spread", "24h", "--control", self.control,
                   "--die-with-parent", *words]
        self.child = subprocess.Popen(on_core(0, command), stdout=subprocess.PIPE, text=True)
        if "ready" not in self.child.stdout.readline():
            raise SystemExit("phusong-lab-snmp does not run")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.communicate(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tell(self, *words):
        return subprocess.run([str(LAB), "tell", self.control, *words], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def counts(self):
        return json.loads(self.tell("stats"))


def on_core(core, command):
    return ["taskset", "-c", str(core)] + command if (os.cpu_count() or 1) > 1 else command


class Agent(support.Agent):
    """phusong agent that polls `hosts`, until the with block ends."""

    def __init__(self, hosts, port, interval, credential, timeout="5s", window=None,
                 is_exporting=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="phusong-bench-"))
        self.port = support.free_port()
        snmp_devices.write_inventory(self.folder / "inventory", hosts)
        for name in ("public", "auth-secret", "priv-secret"):
            (self.folder / name).write_text(name)
            (self.folder / name).chmod(0o600)
        (self.folder / "phusong.yaml").write_text(
            "agent: {id: bench, inventory: inventory, state_dir: state, boot_jitter: 0s, "
            f"window: {window or interval}}}\n"
            f"checks: [{{name: snmp, interval: {interval}, timeout: {timeout}, port: {port}}}]\n"
            f"credentials: [{{name: all, {credential.format(folder=self.folder)}}}]\n"
            "exporters:\n"
            f"  - {{type: prometheus, name: self, listen: \"127.0.0.1:{self.port}\"}}\n" +
            (f"  - {{type: file, name: out, path: {self.folder}/out}}\n" if is_exporting else
             "  - {type: influx, name: centre, api: victoria, url: \"http://127.0.0.1:9\"}\n"))

    def __enter__(self):
        command = on_core(1, [str(support.PHUSONG), "agent", "-c",
                              str(self.folder / "phusong.yaml")])
        self.log = open(self.folder / "log", "w+")
        self.began = time.monotonic()
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.running_s = self.wait_until_running()
        return self

    def wait_until_running(self):
        while self.child.poll() is None and time.monotonic() - self.began < 60:
            if 'msg="running"' in (self.folder / "log").read_text():
                return time.monotonic() - self.began
            time.sleep(0.02)
        text = (self.folder / "log").read_text()
        self.__exit__()
        raise SystemExit(f"the agent does not run:\n{text[-2000:]}")

    def cpu(self):
        return support.cpu_seconds(self.child.pid)

    def rss_mib(self):
        return self.rss_bytes() / 2**20

    def points(self, measurement):
        for path in sorted(self.folder.glob("out*")):
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith(measurement + ","):
                    yield line


PUBLIC = "version: 2c, community: {folder}/public"


def polls_of(stats):
    return stats["phusong_polls_total"]


def missed_of(stats):
    return sum(value for name, value in stats.items()
               if name.startswith("phusong_slots_missed_total"))


def lag(name, agent):
    """The longest that a timer was late, since the start."""
    figure(name, "ms", agent.stats()["phusong_loop_lag_max_seconds"] * 1e3, bar="<= 20")


def scale(responder):
    """50,000 devices every eight seconds: all of them are asked, once, in that time.

    A table that the responder's devices lack is looked for in the 2nd, 4th, 8th, 16th, 32nd poll and
    then in every 16th; from the 8th on the polls are nearly what they will be."""
    interval, settle, measured = 8, 7, 8
    with Agent(snmp_devices.addresses(SCALE), responder.port, f"{interval}s", PUBLIC) as agent:
        time.sleep(settle * interval)
        worst = 0
        before, cpu, sent = agent.stats(), agent.cpu(), responder.counts()
        seconds = measured * interval
        for _ in range(seconds):
            time.sleep(1)
            worst = max(worst, agent.rss_mib())
        after, cpu, told = agent.stats(), agent.cpu() - cpu, responder.counts()
        polls = polls_of(after) - polls_of(before)
        varbinds = told["varbinds"] - sent["varbinds"]
        missed = missed_of(after) - missed_of(before)
        note(f"{polls:.0f} polls, {missed:.0f} slots missed, {varbinds / polls:.0f} objects and "
             f"{(told['requests'] - sent['requests']) / polls:.2f} requests a poll, "
             f"{cpu * 1e6 / polls:.1f} us a poll, running after {agent.running_s:.1f} s")
        done = polls - missed
        figure("snmp_pass_50000_devices", "s", seconds * SCALE / done if done > 0 else 1e9,
               bar="<= 10")
        figure("snmp_cpu_per_object", "us CPU", cpu * 1e6 / varbinds, bar="<= 0.5")
        figure("snmp_rss_50000_devices", "MiB", worst, bar="<= 100")
        lag("snmp_loop_lag_max", agent)
        figure("snmp_start_50000_devices", "s", agent.running_s)
        return cpu * 1e6 / polls


def exporting(responder):
    """The same, with the exporter `file` reading the points from the spool and writing them."""
    interval, devices = 8, SCALE // 2
    with Agent(snmp_devices.addresses(devices), responder.port, f"{interval}s", PUBLIC,
               is_exporting=True) as agent:
        time.sleep(8 * interval)
        before, cpu = agent.stats(), agent.cpu()
        time.sleep(2 * interval)
        polls, cpu = polls_of(agent.stats()) - polls_of(before), agent.cpu() - cpu
    figure("snmp_cpu_with_file_exporter", "us CPU/device", cpu * 1e6 / polls)


def flat_out(responder):
    """More is asked of it than it can do: how long does a poll take on a core?"""
    devices, seconds = SCALE // 2, 20
    with Agent(snmp_devices.addresses(devices), responder.port, "500ms", PUBLIC, timeout="500ms",
               window="10s") as agent:
        time.sleep(20)
        answered = 'phusong_observations_total{result="ok"}'
        before, began = agent.stats()[answered], time.monotonic()
        time.sleep(seconds)
        polls = agent.stats()[answered] - before
        return (time.monotonic() - began) * 1e6 / polls if polls else 1e9


def silent(responder):
    """300 of 1,000 say nothing: how long did the others take, from their slot to the verdict?"""
    hosts = snmp_devices.addresses(1000)
    for host in hosts[::10] + hosts[1::10] + hosts[2::10]:
        responder.tell("fault", host, "silence")
    try:
        with Agent(hosts, responder.port, "10s", PUBLIC, is_exporting=True) as agent:
            time.sleep(45)
            missed = sum(value for name, value in agent.stats().items()
                         if name.startswith('phusong_slots_missed_total{reason="late"}'))
            lag("snmp_loop_lag_beside_300_silent", agent)
            if missed:
                raise SystemExit(f"{missed:.0f} slots came too late to be used")
            late = [int(us) for line in agent.points("device")
                    for us in re.findall(r"duration_max_us=(\d+)i", line)]
        figure("snmp_lateness_beside_300_silent", "ms", max(late) / 1e3, bar="<= 1000")
    finally:
        responder.tell("clear", "all")


def version_3():
    user = "bench:SHA:auth-secret:AES:priv-secret"
    credential = ("version: 3, user: bench, auth: sha1, auth_secret: {folder}/auth-secret, "
                  "privacy: aes128, privacy_secret: {folder}/priv-secret")
    with Responder("--user", user) as responder:
        with Agent(snmp_devices.addresses(ENGINES), responder.port, "10s", credential) as agent:
            time.sleep(22)
            before, cpu = agent.stats(), agent.cpu()
            time.sleep(20)
            after, cpu = agent.stats(), agent.cpu() - cpu
            answered = 'phusong_observations_total{result="ok"}'
            pdus = after["phusong_snmp_pdus_total"] - before["phusong_snmp_pdus_total"]
            if after[answered] - before.get(answered, 0) < 1.9 * ENGINES:
                raise SystemExit("not every engine answers")
            figure("snmp_v3_cpu_per_request", "us CPU", cpu * 1e6 / pdus, bar="<= 60")
            figure("snmp_v3_start_10000_engines", "s", agent.running_s, bar="<= 10")
            lag("snmp_v3_loop_lag_max", agent)


def beside_peers(responder, ours_us):
    """CPU and wall time of a poll; the best of the others is the peer."""
    results = {}
    wall_us = flat_out(responder)
    for name, measure in snmp_peers.ALL.items():
        with contextlib.suppress(snmp_peers.Missing):
            results[name] = measure(responder)
            note(f"{name}: {results[name][0]:.0f} us CPU, {results[name][1]:.0f} us wall a device")
            figure(f"snmp_peer_{name}_cpu", "us CPU/device", results[name][0])
            figure(f"snmp_peer_{name}_wall", "us/device", results[name][1])
    if not results:
        note("no peer is installed: see the lines `bench` of deploy/packages.txt")
        return
    for what, unit, ours, at in (("cpu", "us CPU/device", ours_us, 0),
                                 ("wall", "us/device", wall_us, 1)):
        best = min(results, key=lambda name: results[name][at])
        figure(f"snmp_{what}_per_device_poll", unit, ours, "<= 0.25 x peer", results[best][at], best)


def main():
    with Responder() as responder:
        if wanted("snmp_lateness_beside_300_silent") or wanted("snmp_loop_lag_beside_300_silent"):
            silent(responder)
        ours_us = scale(responder) if any(map(wanted, (
            "snmp_pass_50000_devices", "snmp_cpu_per_object", "snmp_rss_50000_devices",
            "snmp_loop_lag_max", "snmp_start_50000_devices", "snmp_cpu_per_device_poll"))) else None
        if wanted("snmp_cpu_with_file_exporter"):
            exporting(responder)
        if wanted("snmp_cpu_per_device_poll"):
            beside_peers(responder, ours_us)
    if any(map(wanted, ("snmp_v3_cpu_per_request", "snmp_v3_start_10000_engines",
                        "snmp_v3_loop_lag_max"))):
        version_3()


if __name__ == "__main__":
    support.in_own_network()
    main()
