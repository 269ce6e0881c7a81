"""Delivery: what the spool acknowledged arrives, whatever the destination and the process suffer.

The pump (tests/support/pump.c) puts numbered lines through the real spool, feeds and exporter; each
line's values follow from its timestamp, so that an altered one is seen.
"""

import json
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import time

import pytest

from stores import wait_until

HOSTS = 16
FAST = {"batch_age": "10ms", "retry_min": "10ms", "retry_max": "100ms", "hold_retry": "200ms"}
CHAOS = {
    "reset_before": 0.05, "reset_after": 0.05, "hang": 0.005, "hang_after": 0.005, "500": 0.05,
    "503": 0.03, "429": 0.03, "truncated": 0.05, "garbage": 0.03, "slow": 0.03, "stale": 0.05,
}


class Rig:
    """A folder with a spool, a configuration, and pumps that run one after the other on it."""

    def __init__(self, folder, spawn, binary):
        self.folder = folder
        self.spawn = spawn
        self.binary = binary
        self.base = int(time.time() * 1000) - 20 * 3600 * 1000  # ms; each line is one later
        self.destinations = []
        self.spool = {"dir": str(folder / "spool"), "sync_interval": "5ms"}
        self.runs = 0

    def add(self, name, url, api="v1", feed=None, **influx):
        self.destinations.append({"name": name, "influx": {"url": url, "api": api, **influx},
                                  "feed": {**FAST, **(feed or {})}})

    def secret(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        return path

    def start(self, *arguments, first=0, count=0, rate=0):
        config = self.folder / "pump.yaml"
        # JSON is YAML
        config.write_text(json.dumps({"spool": self.spool, "destinations": self.destinations}))
        self.runs += 1
        (self.folder / "stats").unlink(missing_ok=True)  # of the run before
        return self.spawn(
            [self.binary, "--config", config, "--dead-letters", self.folder / "dead",
             "--first", first, "--count", count, "--rate", rate, "--base", self.base,
             "--acked", self.folder / f"acked-{self.runs}", "--stats", self.folder / "stats",
             *arguments], name="pump")

    def run(self, *arguments, timeout=240, **options):
        """Puts everything, and returns when all of it is delivered."""
        pump = self.start("--drain", *arguments, **options)
        assert pump.child.wait(timeout) == 0, pump.output()
        return pump

    def input(self, lines):
        path = self.folder / "input.lp"
        path.write_text("".join(line + "\n" for line in lines))
        return ["--input", str(path)]

    def acked(self, run):
        """How many lines of that run were durable before it ended."""
        try:
            return int((self.folder / f"acked-{run}").read_text() or 0)
        except FileNotFoundError:
            return 0

    def stats(self):
        try:
            text = (self.folder / "stats").read_text()
        except FileNotFoundError:
            return {}
        rows = (line.rsplit(" ", 1) for line in text.splitlines())
        return {name: float(value) for name, value in rows}

    def stat(self, name, destination, **labels):
        more = "".join(f',{key}="{value}"' for key, value in labels.items())
        return self.stats().get(f'phusong_exporter_{name}{{exporter="{destination}"{more}}}', 0)

    def dead_letters(self, destination):
        folder = self.folder / "dead" / destination
        if not folder.exists():
            return ""
        return "".join(path.read_text() for path in sorted(folder.iterdir(), reverse=True))

    def line(self, number):
        return (f"pump,host=h{number % HOSTS} n={number}i,half={number / 2:.1f} "
                f"{(self.base + number) * 1000000}").encode()

    def check_influx(self, influx, database, required, allowed):
        """Every required line is stored and nothing else but allowed ones, each as it was sent."""
        stored = set()
        for tags, row in influx.rows("SELECT * FROM pump GROUP BY host", database):
            number = row["n"]
            assert row["time"] == (self.base + number) * 1000000
            assert row["half"] == number / 2
            assert tags == {"host": f"h{number % HOSTS}"}
            stored.add(number)
        assert not required - stored
        assert not stored - allowed
        return stored

    def check_victoria(self, victoria, database, required, allowed):
        stored = {"n": set(), "half": set()}
        selector = f'{{__name__=~"pump_.*",db="{database}"}}' if database else '{__name__=~"pump_.*"}'
        for labels, samples in victoria.export(selector, self.base, self.base + 24 * 3600 * 1000):
            field = labels["__name__"].removeprefix("pump_")
            for at, values in samples.items():
                number = at - self.base
                assert values == {number if field == "n" else number / 2}
                assert labels["host"] == f"h{number % HOSTS}"
                stored[field].add(number)
        for numbers in stored.values():
            assert not required - numbers
            assert not numbers - allowed


@pytest.fixture
def rig(tmp_path, spawn, built):
    return Rig(tmp_path, spawn, built("tests/support/pump"))


def set_of(first, count):
    return set(range(first, first + count))


# -- Real stores ------------------------------------------------------------------------------------


def test_every_line_arrives_in_influxdb(rig, influx):
    influx.create("plain")
    rig.add("influx", influx.url, database="plain")
    rig.run(count=20000)
    rig.check_influx(influx, "plain", set_of(0, 20000), set_of(0, 20000))


@pytest.mark.parametrize("api, gzip", [("victoria", 0), ("victoria", 1), ("v1", 6), ("v2", 1)])
def test_every_line_arrives_in_victoria_metrics(rig, victoria, api, gzip):
    database = f"{api}-{gzip}"
    # v2 has no database that would become a label: rows of its own then
    options = {"org": "phú thọ & sons", "bucket": "b"} if api == "v2" else {"database": database}
    rig.add("victoria", victoria.url, api=api, gzip=gzip, **options)
    if api == "v2":
        lines = [f"second,host=h{n} n={n}i {(rig.base + n) * 1000000}" for n in range(20000)]
        rig.run(*rig.input(lines))
        stored = set()
        for labels, samples in victoria.export('{__name__="second_n"}', rig.base,
                                               rig.base + 24 * 3600 * 1000):
            for at, values in samples.items():
                assert values == {at - rig.base}
                stored.add(at - rig.base)
        assert stored == set_of(0, 20000)
        return
    rig.run(count=20000)
    rig.check_victoria(victoria, database, set_of(0, 20000), set_of(0, 20000))


def test_a_partial_refusal_by_influxdb_costs_the_bad_lines_alone(rig, influx):
    influx.create("partial")
    at = rig.base * 1000000
    lines = [f"weather,host=a v={n}i {at + n}" for n in range(3000)]
    lines[1234] = f"weather,host=a v=nonsense {at + 1234}"
    lines[2000] = f"weather,host=a v=1.5 {at + 2000}"  # a float where integers are stored
    rig.add("influx", influx.url, database="partial")
    rig.run(*rig.input(lines))
    stored = {row["v"] for _, row in influx.rows("SELECT v FROM weather", "partial")}
    assert stored == set_of(0, 3000) - {1234, 2000}
    dead = rig.dead_letters("influx")
    refused = [line for line in dead.splitlines() if not line.startswith("#")]
    assert sorted(refused) == sorted([lines[1234], lines[2000]])  # requests may go side by side
    assert "status=400" in dead and "field type conflict" in dead and "unable to parse" in dead
    assert rig.stat("dead_letter_lines_total", "influx") == 2


def test_a_missing_database_holds_everything_until_it_is_there(rig, influx):
    rig.add("influx", influx.url, database="later")
    pump = rig.start(count=500)
    wait_until(lambda: rig.stat("held", "influx") == 1, what="holding")
    assert "database not found" in pump.output()
    influx.create("later")
    wait_until(lambda: rig.stat("lines_sent_total", "influx") == 500, what="delivery")
    assert rig.stat("held", "influx") == 0
    pump.stop()
    rig.check_influx(influx, "later", set_of(0, 500), set_of(0, 500))
    assert rig.dead_letters("influx") == ""


# -- Nothing lost -------------------------------------------------------------------------------------


def test_fifty_kills_lose_nothing(rig, influx, victoria, fault_server):
    """kill -9 at random moments, with destinations that fail at random: each line that was durable
    is in both stores afterwards, and none is altered."""
    seed = int(os.environ.get("PHU_SEED", random.randrange(1 << 30)))
    print(f"PHU_SEED={seed}")
    chance = random.Random(seed)
    influx.create("kills")
    to_influx = fault_server(seed=seed, faults=CHAOS, forward=[influx.url])
    to_victoria = fault_server(seed=seed + 1, faults=CHAOS, forward=[victoria.url])
    feed = {"batch_lines": 500, "live_after": "1s"}
    rig.spool["segment_size"] = "64KiB"
    rig.add("influx", to_influx.url, database="kills", timeout="500ms", feed=feed)
    rig.add("victoria", to_victoria.url, api="victoria", database="kills", timeout="500ms", feed=feed)
    required, allowed = set(), set()
    run, end = 0, time.monotonic() + 300
    # At least fifty; more where a slow machine has put little, or met few faults.
    while run < 50 or len(required) <= 10000 or sum(to_influx.drawn.values()) <= 20:
        assert run < 500 and time.monotonic() < end, f"{run} kills, {len(required)} durable lines"
        first = run * 10000
        run += 1
        pump = rig.start(first=first, count=10000, rate=3000)
        time.sleep(chance.uniform(0.01, 1.0))
        assert pump.child.poll() is None, pump.output()
        pump.stop(signal.SIGKILL)
        required |= set_of(first, rig.acked(rig.runs))
        allowed |= set_of(first, 10000)
    to_influx.faults = to_victoria.faults = {}
    rig.run(first=run * 10000, count=10)
    required |= set_of(run * 10000, 10)
    allowed |= set_of(run * 10000, 10)
    stored = rig.check_influx(influx, "kills", required, allowed)
    rig.check_victoria(victoria, "kills", required, allowed)
    print(f"durable={len(required)} stored={len(stored)} requests={len(to_influx.requests)} "
          f"faults={dict(to_influx.drawn)}")
    assert rig.dead_letters("influx") == "" and rig.dead_letters("victoria") == ""


def test_kills_during_the_search_for_bad_lines_lose_nothing(rig, fault_server):
    """Each durable line is stored or, when it is bad, in the dead-letter file; a kill may put it there
    twice, but never a good one."""
    seed = int(os.environ.get("PHU_SEED", random.randrange(1 << 30)))
    print(f"PHU_SEED={seed}")
    chance = random.Random(seed)
    server = fault_server(seed=seed, faults={"reset_before": 0.02, "reset_after": 0.02, "500": 0.02})
    server.rules.poison = re.compile(rb" n=\d*7i,")
    server.rules.is_partial = False
    rig.add("central", server.url, database="d", feed={"batch_lines": 200})
    required = set()
    run, end = 0, time.monotonic() + 120
    while run < 10 or len(required) <= 1000:
        assert time.monotonic() < end, f"{run} kills, {len(required)} durable lines"
        pump = rig.start(first=run * 1000, count=1000, rate=2000)
        time.sleep(chance.uniform(0.1, 0.6))
        pump.stop(signal.SIGKILL)
        required |= set_of(run * 1000, rig.acked(rig.runs))
        run += 1
    rig.run(first=run * 1000, count=10)
    dead = {line.encode() for line in rig.dead_letters("central").splitlines()
            if not line.startswith("#")}
    bad = {rig.line(number) for number in required if number % 10 == 7}
    good = {rig.line(number) for number in required if number % 10 != 7}
    assert len(bad) > 50
    assert bad <= dead
    assert good <= set(server.stored)
    assert not any(int(line.split(b" n=")[1].split(b"i,")[0]) % 10 != 7 for line in dead)


def test_faults_of_every_kind_lose_nothing(rig, fault_server):
    """Each fault by itself, often: nothing is missing and nothing is given up."""
    for fault in CHAOS:
        server = fault_server(seed=1, faults={fault: 0.3})
        rig.destinations = []
        rig.add(fault, server.url, database="d", timeout="300ms", feed={"batch_lines": 100})
        rig.run(first=10000 * rig.runs, count=2000)
        assert server.drawn[fault] > 0
        first = 10000 * (rig.runs - 1)
        assert {rig.line(number) for number in set_of(first, 2000)} <= set(server.stored)
        assert rig.dead_letters(fault) == ""


# -- Outages ------------------------------------------------------------------------------------------


def test_after_a_long_outage_live_data_go_first(rig, fault_server):
    """A full spool from an outage, and a slow destination: new lines arrive within a second or two,
    the backlog beside them, and in the end everything."""
    server = fault_server()
    server.rules.is_dead = True
    rig.add("central", server.url, database="d",
            feed={"batch_lines": 500, "live_after": "1s", "concurrency": 2})
    pump = rig.start(count=30000)
    wait_until(lambda: rig.acked(1) == 30000, what="the spool being filled")
    time.sleep(1.2)  # the outage lasts longer than live_after
    pump.stop()
    server.rules.delay = 0.3  # the backlog takes 9 s by itself
    server.rules.is_dead = False
    server.rules.status = 503  # this process, too, sees an outage
    rig.start(first=30000, count=4000, rate=500)
    wait_until(lambda: rig.stat("up", "central") == 0 and rig.stats(), what="the outage being seen")
    time.sleep(1.2)
    began = time.monotonic()
    server.rules.status = None
    wait_until(lambda: len(server.stored) == 34000, 60, "everything")
    # What was put before the outage ended is backlog, too.
    live = max(server.stored_at[rig.line(number)] for number in range(33900, 34000))
    backlog = sum(server.stored_at[rig.line(number)] <= live for number in range(30000))
    print(f"live after {live - began:.1f} s with {backlog} of the backlog")
    assert backlog < 25000
    assert rig.stat("live_first_total", "central") >= 1
    assert set(server.stored) == {rig.line(number) for number in range(34000)}


def test_a_dead_destination_does_not_slow_the_other(rig, fault_server):
    alive, dead = fault_server(), fault_server(faults={"hang": 1.0})
    rig.add("dead", dead.url, database="d", timeout="2s")
    rig.add("alive", alive.url, database="d")
    pump = rig.start(count=5000, rate=2500)
    wait_until(lambda: len(alive.stored) == 5000, 10, "delivery to the one alive")
    assert not dead.stored and dead.requests
    dead.faults = {}
    wait_until(lambda: len(dead.stored) == 5000, 20, "delivery to the other")
    pump.stop()


# -- What the destination asks for --------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(rig, fault_server, status):
    server = fault_server()
    server.rules.status = status
    server.rules.retry_after = 2
    rig.add("central", server.url, database="d", feed={"concurrency": 1})
    pump = rig.start(count=100)
    wait_until(lambda: len(server.requests) == 1, what="the first request")
    server.rules.status = None
    wait_until(lambda: len(server.stored) == 100, what="delivery")
    pump.stop()
    assert server.requests[1].at - server.requests[0].at >= 2
    assert rig.stat("requests_total", "central", code=str(status)) == 1


def test_too_large_requests_are_halved_and_the_size_is_remembered(rig, fault_server):
    server = fault_server()
    server.rules.max_bytes = 20000
    rig.add("central", server.url, database="d")
    rig.run(count=20000)
    assert set(server.stored) == {rig.line(number) for number in range(20000)}
    too_large = [request for request in server.requests if request.status == 413]
    # How often depends on how large batches have become by then; all are not refused first.
    assert 1 <= len(too_large) <= 20 < len(server.requests) / 2
    assert all(count == 1 for count in server.stored.values())


def test_no_more_requests_in_flight_than_allowed(rig, fault_server):
    server = fault_server()
    server.rules.delay = 0.02
    rig.add("central", server.url, database="d", feed={"concurrency": 3, "batch_lines": 100})
    rig.run(count=10000)
    assert server.most_in_flight == 3


@pytest.mark.parametrize("is_partial", [True, False])
def test_poison_lines_end_in_the_dead_letter_file_with_the_servers_words(rig, fault_server, is_partial):
    server = fault_server()
    server.rules.poison = re.compile(rb" n=\d*77i,")
    server.rules.is_partial = is_partial
    rig.add("central", server.url, database="d")
    rig.run(count=5000)
    poison = {number for number in range(5000) if number % 100 == 77}
    good = set_of(0, 5000) - poison
    assert set(server.stored) == {rig.line(number) for number in good}
    dead = rig.dead_letters("central")
    lines = {line.encode() for line in dead.splitlines() if not line.startswith("#")}
    assert lines == {rig.line(number) for number in poison}
    assert "status=400 reason=\"partial write: unable to parse 'pump,host=h13 n=77i" in dead
    # 10 by 50 lines in a tree of 5000: far from a request per line
    assert len(server.requests) < 50 * 2 * 9
    if is_partial:
        assert rig.stat("dead_letter_lines_total", "central") == 50


# -- Credentials --------------------------------------------------------------------------------------


def test_a_wrong_token_holds_everything_and_a_new_one_is_taken_up(rig, fault_server):
    server = fault_server()
    server.rules.token = "Token right-one"
    token = rig.secret("token", "wrong-one")
    rig.add("central", server.url, api="v2", bucket="b", token=str(token), feed={"hold_retry": "1s"})
    pump = rig.start(count=1000)
    wait_until(lambda: rig.stat("held", "central") == 1, what="holding")
    assert not server.stored
    rig.secret("token", "right-one")
    wait_until(lambda: len(server.stored) == 1000, what="delivery")
    wait_until(lambda: rig.stat("held", "central") == 0, what="the end of holding")
    # Rotation while running: the next 401 leads to the new token at once, without holding.
    assert rig.dead_letters("central") == ""
    output = pump.output()
    assert output.count("level=error") == 1 and "does not accept us" in output
    assert "right-one" not in output and "wrong-one" not in output
    pump.stop()


def test_a_rotated_token_costs_no_pause(rig, fault_server):
    server = fault_server()
    server.rules.token = "Bearer one"
    token = rig.secret("token", "one")
    rig.add("central", server.url, api="v3", database="d", token=str(token), feed={"hold_retry": "1m"})
    pump = rig.start(count=4000, rate=2000)
    wait_until(lambda: len(server.stored) > 500, what="the first lines")
    rig.secret("token", "two")
    server.rules.token = "Bearer two"
    wait_until(lambda: len(server.stored) == 4000, 10, "the rest")
    pump.stop()
    assert rig.stat("held", "central") == 0
    assert {request.path for request in server.requests} == {
        "/api/v3/write_lp?precision=nanosecond&db=d"}


def test_basic_authentication_and_headers(rig, fault_server):
    server = fault_server()
    server.rules.token = "Basic bmcnb2M6beG6rXQga2jhuql1"
    password = rig.secret("password", "mật khẩu")
    rig.add("central", server.url, database="d b", user="ng'oc", password=str(password),
            headers=["X-Province: Bac Ninh"], retention_policy="a/b")
    rig.run(count=100)
    assert server.requests[0].path == "/write?precision=ns&db=d%20b&rp=a%2Fb"
    assert server.requests[0].headers["X-Province"] == "Bac Ninh"
    assert server.requests[0].headers["Content-Encoding"] == "gzip"
    assert "Expect" not in server.requests[0].headers


# -- TLS ----------------------------------------------------------------------------------------------


class Certificates:
    """An authority of our own, and certificates of a server and of a client that it signed."""

    def __init__(self, folder):
        self.folder = folder
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
        self.issue("server", "subjectAltName=DNS:localhost")
        self.issue("client", "extendedKeyUsage=clientAuth")

    def path(self, name):
        return str(self.folder / name)

    def run(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, extension):
        (self.folder / "ext").write_text(extension + "\n")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.run("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-extfile", "ext", "-out", f"{name}.pem")


@pytest.fixture
def certificates(tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is missing: apt-get install openssl")
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Certificates(folder)


@pytest.fixture
def tls_server(fault_server, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("server.pem"), certificates.path("server.key"))
    context.load_verify_locations(certificates.path("ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    return fault_server(tls=context)


def test_tls_with_an_authority_of_our_own_and_a_client_certificate(rig, tls_server, certificates):
    rig.add("central", tls_server.url, database="d",
            tls={"ca": certificates.path("ca.pem"), "certificate": certificates.path("client.pem"),
                 "key": certificates.path("client.key")})
    rig.run(count=5000)
    assert set(tls_server.stored) == {rig.line(number) for number in range(5000)}


@pytest.mark.parametrize("missing", ["ca", "client certificate"])
def test_tls_without_a_certificate_delivers_nothing_and_loses_nothing(rig, tls_server, certificates,
                                                                      missing):
    client = {"certificate": certificates.path("client.pem"), "key": certificates.path("client.key")}
    rig.add("central", tls_server.url, database="d",
            tls=client if missing == "ca" else {"ca": certificates.path("ca.pem")})
    pump = rig.start(count=100)
    wait_until(lambda: rig.stat("retries_total", "central") >= 2, what="retries")
    pump.stop()
    assert not tls_server.stored
    assert rig.stat("lag_live_bytes", "central") > 0
    rig.destinations[0]["influx"]["tls"] = {"ca": certificates.path("ca.pem"), **client}
    rig.run()
    assert len(tls_server.stored) == 100
