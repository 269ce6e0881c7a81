"""How long from a cut to the alert that stands in a real Alertmanager, and from the mend to its end.

An emulated district, an agent that probes it every 10 s, a console with the shipped rules, and
Debian's Alertmanager. Lines of single hamlets are cut at random moments, several at a time, each by
itself, so the phases of probing are met evenly. Cuts and mends are timed by the lab's own log.

Used by tests/integration/test_detection.py (some cuts) and tests/bench/bench_detection.py (200).
"""

import calendar
import random
import subprocess
import time

import alertmanager as alerting
import stores

PREFIX = "10.91.0.0/16"


def inventory(folder, hamlets):
    """A commune of so many hamlets, each with a fibre and a 4G endpoint."""
    folder.mkdir()
    areas = ["code,level,name,parent_code,id,households",
             "24,province,Tỉnh Bắc Ninh,,,", "09169,commune,Phường Kinh Bắc,24,,"]
    endpoints = ["id,hamlet,technology,operator,address,checks"]
    for number in range(hamlets):
        name = f"h-{number:03d}"
        areas.append(f"{name},hamlet,Thôn {number},09169,{name},{100 + number}")
        for host, technology, operator in ((1, "fibre", "vnpt"), (2, "4g", "viettel")):
            endpoints.append(f"{name}-{technology},{name},{technology},{operator},"
                             f"{address(number, host)},icmp")
    (folder / "areas.csv").write_text("\n".join(areas) + "\n", encoding="utf-8")
    (folder / "endpoints.csv").write_text("\n".join(endpoints) + "\n", encoding="utf-8")


def address(number, host):
    return f"10.91.{number}.{host}"


def log_times(district, what):
    """{prefix: [time, …]} of all "down PREFIX" or "clear PREFIX down" in the lab's log."""
    times = {}
    for line in district("log").splitlines():
        words = line.split()
        if len(words) < 3 or words[1] != what:
            continue
        seconds = calendar.timegm(time.strptime(words[0][:19], "%Y-%m-%dT%H:%M:%S"))
        times.setdefault(words[2], []).append(seconds + float("0" + words[0][19:-1]))
    return times


class Cut:
    """One line of one hamlet: up to the cut, down for a while, up again."""

    def __init__(self, number, cut_at, mend_at):
        self.number, self.cut_at, self.mend_at = number, cut_at, mend_at
        self.prefix = f"{address(number, 1)}/32"
        self.endpoint = f"h-{number:03d}-fibre"


def run_cuts(district, cuts):
    steps = [(cut.cut_at, "down", cut) for cut in cuts] + [(cut.mend_at, "up", cut) for cut in cuts]
    start = time.time()
    for at, verb, cut in sorted(steps, key=lambda step: step[0]):
        time.sleep(max(0, start + at - time.time()))
        district(verb, cut.prefix)


def measure(district, manager, hamlets, count, spread_s, seed=None, hold_s=25):
    """(seconds to the alert, seconds to its end) of `count` cuts in as many of the hamlets, begun
    within spread_s."""
    chance = random.Random(seed)
    cuts = []
    for number in chance.sample(range(hamlets), count):
        at = chance.uniform(0, spread_s)
        cuts.append(Cut(number, at, at + hold_s + chance.uniform(0, 10)))
    with alerting.Watcher(manager) as watcher:
        run_cuts(district, cuts)
        wait_for_quiet(manager)
        time.sleep(0.5)
    return (latencies(cuts, log_times(district, "down"), watcher.begun),
            latencies(cuts, log_times(district, "clear"), watcher.ended))


def wait_for_quiet(manager):
    stores.wait_until(lambda: not manager.alerts(), 40, "all alerts to end", interval=0.2)


def latencies(cuts, truth, seen):
    """Fails when an alert came twice, or none did."""
    found = {}
    for at, labels in seen:
        found.setdefault(labels.get("endpoint") or labels.get("root"), []).append(at)
    result = []
    for cut in cuts:
        times = found.pop(cut.endpoint, [])
        assert len(times) == 1, f"{cut.endpoint}: {len(times)} alerts instead of one"
        result.append(times[0] - truth[cut.prefix][0])
    assert not found, f"alerts that nobody caused: {found}"
    return sorted(result)


AGENT = """
agent:
  id: bn-1
  inventory: {folder}/inventory
  state_dir: {folder}/agent
  boot_jitter: 0s
checks:
  - {{name: icmp, interval: 10s}}
spool: {{dir: {folder}/agent/spool}}
exporters:
  - {{type: influx, name: central, url: '{console}', api: console, token: {folder}/token}}
  - {{type: prometheus, name: self, listen: '127.0.0.1:{port}'}}
"""

CONSOLE = """
listen: 127.0.0.1:{port}
state_dir: {folder}/console
rules: [{rules}]
alerts:
  alertmanagers:
    - {{name: local, url: '{manager}'}}
  webhooks: [{webhook}]
"""


class Centre:
    """The console and what it needs, and an agent that sends to it; everything by `spawn`."""

    def __init__(self, folder, phusong, spawn, manager, rules, hamlets, webhook=""):
        self.folder, self.phusong, self.spawn = folder, phusong, spawn
        self.url = f"http://127.0.0.1:{stores.free_port()}"
        self.metrics = stores.free_port()
        inventory(folder / "inventory", hamlets)
        for name in ("agent", "console"):
            (folder / name).mkdir()
        (folder / "console.yaml").write_text(
            CONSOLE.format(folder=folder, port=self.url.rsplit(":", 1)[1], rules=rules,
                           manager=manager.url, webhook=webhook), encoding="utf-8")
        (folder / "phusong.yaml").write_text(
            AGENT.format(folder=folder, console=self.url, port=self.metrics), encoding="utf-8")

    def start_console(self):
        self.console = self.spawn([self.phusong, "console", "-c", self.folder / "console.yaml"],
                                  "console")
        stores.wait_until(lambda: stores.answers(self.url + "/health"), 20, "the console")

    def make_token(self):
        done = subprocess.run([self.phusong, "console", "token", "create", "--agent", "bn-1", "-c",
                               str(self.folder / "console.yaml")], capture_output=True, text=True,
                              check=True)
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(done.stdout, encoding="utf-8")

    def start_agent(self):
        """Returns when each endpoint has been asked at least once."""
        self.agent = self.spawn([self.phusong, "agent", "-c", self.folder / "phusong.yaml"],
                                "agent")
        stores.wait_until(lambda: stores.answers(f"http://127.0.0.1:{self.metrics}/-/ready"), 20,
                          "the agent")
        time.sleep(12)


def median(values):
    return values[len(values) // 2]
