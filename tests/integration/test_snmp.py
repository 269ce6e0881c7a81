"""The collector snmp against the real snmpd and against an agent that misbehaves."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

import make_inventory
import snmp_evil
import stores

SNMPD = shutil.which("snmpd") or "/usr/sbin/snmpd"

# user, auth, privacy: as phusong calls them and as snmpd does
USERS = [
    ("noauth", "none", "none", "", ""),
    ("authonly", "sha1", "none", "SHA", ""),
    ("md5des", "md5", "des", "MD5", "DES"),
    ("shaaes", "sha1", "aes128", "SHA", "AES"),
    ("s224", "sha224", "aes128", "SHA-224", "AES"),
    ("s256", "sha256", "aes256", "SHA-256", "AES-256"),
    ("s384", "sha384", "aes256c", "SHA-384", "AES-256-C"),
    ("s512", "sha512", "aes192", "SHA-512", "AES-192"),
    ("short", "sha1", "aes256", "SHA", "AES-256"),
    ("shortc", "sha1", "aes192c", "SHA", "AES-192-C"),
]


def has_ipv6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def ask_uptime(port):
    """A version 2c question by hand: has snmpd started?"""
    pdu = snmp_evil.tlv(0xA1, snmp_evil.integer(7) + snmp_evil.integer(0) * 2 + snmp_evil.tlv(
        0x30, snmp_evil.tlv(0x30, snmp_evil.oid((1, 3, 6, 1, 2, 1, 1, 3)) + b"\x05\x00")))
    message = snmp_evil.tlv(0x30, snmp_evil.integer(1) + snmp_evil.tlv(4, b"public") + pdu)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.settimeout(0.2)
        question.connect(("127.0.0.1", port))
        try:
            question.send(message)
            return question.recv(2000)
        except OSError:
            return None


@pytest.fixture
def snmpd(tmp_path, spawn):
    if not os.path.exists(SNMPD):
        pytest.skip("snmpd is missing: apt-get install snmpd")

    def start(port=None, engine="phusong-test", name="snmpd", **more):
        for _ in range(5):
            process = launch(port or stores.free_port(), engine, name, **more)
            if is_up(process):
                return process
        raise AssertionError(process.output())

    def is_up(process):
        """Its own word for it: another snmpd may answer on a port that it could not get."""
        until = time.monotonic() + 10
        while time.monotonic() < until and process.child.poll() is None:
            if "NET-SNMP version" in process.output() and (
                    process.is_v6 or ask_uptime(process.port)):
                return True
            time.sleep(0.02)
        process.stop()
        return False

    def launch(port, engine, name, lines=(), passphrase="authpass1", address="udp:127.0.0.1"):
        folder = tmp_path / f"{name}-{engine}"
        folder.mkdir(exist_ok=True)
        lines = [f"agentAddress {address}:{port}", f"[snmp] persistentDir {folder}",
                 f"engineID {engine}", "rocommunity public", "rocommunity6 public", *lines]
        for user, _, _, auth, privacy in USERS:
            auth = auth and f'{auth} "{passphrase}"'
            privacy = privacy and f'{privacy} "privpass1"'
            level = "priv" if privacy else "auth" if auth else "noauth"
            lines += [f"createUser {user} {auth} {privacy}", f"rouser {user} {level}"]
        config = folder / "snmpd.conf"
        config.write_text("\n".join(lines) + "\n")
        process = spawn(["/usr/bin/env", "MIBS=", SNMPD, "-f", "-C", "-c", config, "-Le"],
                        f"{name}-{port}-{time.monotonic_ns()}")
        process.port = port
        process.is_v6 = address.startswith("udp6")
        return process

    return start


@pytest.fixture
def evil():
    agents = []

    def start(mode="good", **table):
        agent = snmp_evil.Agent(mode, **table)
        agent.start()
        agents.append(agent)
        return agent

    yield start
    for agent in agents:
        agent.stop()


class Run:
    def __init__(self, output, log):
        lines = [json.loads(line) for line in output.splitlines()]
        self.log = log
        self.summary = lines[-1]
        self.rows = [line for line in lines[:-1] if line["row"]]
        self.verdicts = [line for line in lines[:-1] if not line["row"]]

    def results(self, device):
        return [line["result"] for line in self.verdicts if line["device"] == device]

    def verdict(self, device):
        return [line for line in self.verdicts if line["device"] == device][-1]

    def values(self, device, row, name):
        return [line["values"].get(name) for line in self.rows
                if line["device"] == device and line["row"] == row]


@pytest.fixture
def plan(tmp_path, built, child_env):
    """Lines of a plan with the usual credentials; .run() gives a Run."""

    class Plan:
        def __init__(self):
            self.lines = []
            for name, text in (("public", "public"), ("auth", "authpass1"),
                               ("priv", "privpass1"), ("wrong", "wrongpass1")):
                self.secret(name, text)
            for version in ("1", "2c"):
                self.credential(f"v{version}", version=version, community="public")
            for user, auth, privacy, _, _ in USERS:
                self.credential(user, user=user, auth=auth, privacy=privacy)

        def secret(self, name, text, mode=0o600):
            path = tmp_path / name
            path.write_text(text + "\n")
            path.chmod(mode)

        def credential(self, name, version="3", community=None, auth_secret="auth",
                       privacy_secret="priv", **more):
            words = [f"credential name={name} version={version}"]
            if community:
                words.append(f"community={tmp_path / community}")
            else:
                words.append(f"auth_secret={tmp_path / auth_secret}")
                words.append(f"privacy_secret={tmp_path / privacy_secret}")
            words += [f"{key}={value}" for key, value in more.items()]
            self.lines.append(" ".join(words))

        def device(self, name, port, credential="v2c", **more):
            words = [f"device id={name} port={port} credential={credential}"]
            words += [f"{key}={value}" for key, value in more.items()]
            self.lines.append(" ".join(words))

        def start(self, **run):
            self.lines.append("run " + " ".join(f"{key}={value}" for key, value in run.items()))
            process = subprocess.Popen(
                [built("tests/support/snmp_drive")], stdin=subprocess.PIPE, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_env, cwd=tmp_path)
            process.stdin.write("\n".join(self.lines) + "\n")
            process.stdin.close()
            process.stdin = None
            return process

        def finish(self, process, timeout=90):
            output, log = process.communicate(timeout=timeout)
            assert process.returncode == 0, log
            return Run(output, log)

        def run(self, timeout=90, **run):
            return self.finish(self.start(**run), timeout)

    return Plan()


# -- The real snmpd ---------------------------------------------------------------------------


def test_versions_1_and_2c(snmpd, plan):
    server = snmpd()
    plan.device("one", server.port, "v1")
    plan.device("two", server.port, "v2c")
    run = plan.run(polls=2, interval=1000)
    for device in ("one", "two"):
        assert run.results(device) == ["ok", "ok"]
        first, second = run.values(device, "lo", "covered_ms")
        assert first is None and 500 < second < 8000  # about the interval
        assert run.values(device, "lo", "in_octets")[1] is not None
        assert run.values(device, "lo", "oper_up") == [1, 1]
    assert run.verdict("two")["values"]["pdus"] == 1, "a known device is one question"


def test_version_3(snmpd, plan):
    server = snmpd()
    for user, *_ in USERS:
        plan.device(user, server.port, user, rows="lo")
    run = plan.run(polls=2, interval=1500)
    for user, *_ in USERS:
        assert run.results(user) == ["ok", "ok"], user
        assert run.values(user, "lo", "covered_ms")[1] > 0


@pytest.mark.parametrize("reason, options", [
    ("does not know this user", {"user": "nobody", "auth": "sha1", "privacy": "aes128"}),
    ("wrong authentication passphrase",
     {"user": "shaaes", "auth": "sha1", "privacy": "aes128", "auth_secret": "wrong"}),
    ("wrong authentication passphrase", {"user": "shaaes", "auth": "sha256", "privacy": "aes128"}),
    ("privacy passphrase",
     {"user": "s256", "auth": "sha256", "privacy": "aes256", "privacy_secret": "wrong"}),
    ("privacy passphrase",
     {"user": "md5des", "auth": "md5", "privacy": "des", "privacy_secret": "wrong"}),
    ("not with this auth and privacy", {"user": "authonly", "auth": "sha1", "privacy": "aes128"}),
    ("denies access", {"user": "shaaes", "auth": "sha1", "privacy": "none"}),
    ("context is wrong", {"user": "authonly", "auth": "sha1", "context": "elsewhere"}),
])
def test_version_3_refused(snmpd, plan, reason, options):
    server = snmpd()
    plan.credential("bad", **options)
    plan.device("bad", server.port, "bad", pdu_timeout=700, retries=1)
    plan.device("good", server.port, "shaaes")
    run = plan.run(polls=2, interval=2500)
    assert run.results("bad") == ["auth", "auth"]
    assert run.results("good") == ["ok", "ok"]
    assert reason in run.log and run.log.count("device=bad") == 1, run.log


def test_secrets_that_cannot_be_read(plan):
    plan.secret("open", "public", 0o644)
    plan.credential("open", version="2c", community="open")
    plan.credential("gone", version="2c", community="gone")
    for name in ("open", "gone", "unnamed"):
        plan.device(name, 1161, name)
    run = plan.run(polls=1, interval=100)
    for name in ("open", "gone", "unnamed"):
        assert run.results(name) == ["noperm"]
    assert "chmod" in run.log and "no credential `unnamed`" in run.log, run.log


def test_a_swapped_device_is_found_again(snmpd, plan):
    """Another engine ID at the same address: net-snmp drops its reports unseen."""
    port = stores.free_port()
    first = snmpd(port, engine="first-engine", name="first")
    plan.device("swapped", port, "s256", timeout=5500, pdu_timeout=500, retries=1)
    process = plan.start(polls=3, interval=6000)
    time.sleep(3)
    first.stop()
    snmpd(port, engine="second-engine", name="second")
    run = plan.finish(process)
    assert run.results("swapped") == ["ok", "ok", "ok"], run.log
    covered = run.values("swapped", "lo", "covered_ms")
    assert covered[1] is None, "counters of another device are no delta"
    assert run.values("swapped", "lo", "resets")[1] == 1
    assert covered[2] > 0


def test_a_restarted_device_is_not_refused(snmpd, plan):
    """The same engine with another clock: the message is repeated with the clock put right."""
    port = stores.free_port()
    first = snmpd(port, name="first")
    plan.device("restarted", port, "s256", timeout=5500, pdu_timeout=500, retries=1)
    process = plan.start(polls=3, interval=6000)
    time.sleep(3)
    first.stop()
    snmpd(port, name="first")
    run = plan.finish(process)
    assert run.results("restarted") == ["ok", "ok", "ok"], run.log


def test_a_device_that_forgets_its_restarts(snmpd, plan):
    """The same engine, but its boot counter went back: by the letter of RFC 3414 all it says would
    be too old for ever."""
    port = stores.free_port()
    first = snmpd(port, name="first", lines=["engineBoots 50"])
    plan.device("forgetful", port, "s256", timeout=5500, pdu_timeout=500, retries=1)
    process = plan.start(polls=3, interval=6000)
    time.sleep(3)
    first.stop()
    snmpd(port, name="second", lines=["engineBoots 5"])
    run = plan.finish(process)
    assert run.results("forgetful") == ["ok", "ok", "ok"], run.log


def test_clones_do_not_disturb_each_other(snmpd, plan):
    """One engine ID, different clocks, polled in the same moment; and both are named."""
    servers = [snmpd(name=f"clone{i}", lines=[f"engineBoots {boots}"])
               for i, boots in enumerate((3, 90, 41))]
    for i, server in enumerate(servers):
        plan.device(f"clone{i}", server.port, "shaaes", pdu_timeout=3000, retries=0)
    run = plan.run(polls=4, interval=500, together=1)
    for i in range(3):
        assert run.results(f"clone{i}") == ["ok"] * 4, run.log
        assert run.verdict(f"clone{i}")["values"]["pdus"] <= 2, "clocks do not get mixed up"
        assert "auth_failures" not in run.verdict(f"clone{i}")["values"]
    assert run.log.count("two devices have the same SNMP engine ID") == 2
    for i in range(3):
        assert f"=clone{i}" in run.log


def test_clones_with_different_passphrases(snmpd, plan):
    """The same user name at one engine ID with other keys, in the same moment."""
    for i, passphrase in enumerate(("firstpass1", "otherpass2")):
        plan.secret(f"auth{i}", passphrase)
        plan.credential(f"user{i}", user="s256", auth="sha256", privacy="aes256",
                        auth_secret=f"auth{i}")
        server = snmpd(name=f"clone{i}", passphrase=passphrase)
        plan.device(f"clone{i}", server.port, f"user{i}", pdu_timeout=3000, retries=0)
    run = plan.run(polls=3, interval=500, together=1)
    assert run.results("clone0") == run.results("clone1") == ["ok"] * 3, run.log
    assert run.log.count("two devices have the same SNMP engine ID") == 1


def test_one_device_listed_twice_is_no_clone(snmpd, plan):
    server = snmpd()
    for user in ("shaaes", "s256"):
        plan.device(user, server.port, user)
    run = plan.run(polls=2, interval=300, together=1)
    assert run.results("shaaes") == run.results("s256") == ["ok"] * 2, run.log
    assert "same SNMP engine ID" not in run.log


def test_ipv6(snmpd, plan):
    if not has_ipv6():
        pytest.skip("no IPv6 on loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0")
    server = snmpd(address="udp6:[::1]")
    plan.device("two", server.port, "v2c", address="::1")
    plan.device("three", server.port, "s256", address="::1")
    plan.device("mapped", server.port, "v2c", address="127.0.0.1", pdu_timeout=200, retries=0)
    plan.device("closed", stores.free_port(), "v2c", address="::1", pdu_timeout=4000,
                timeout=9000)
    run = plan.run(polls=2, interval=500, together=1)
    assert run.results("two") == run.results("three") == ["ok", "ok"], run.log
    assert run.results("mapped") == run.results("closed") == ["refused", "refused"]
    assert run.values("two", "lo", "covered_ms")[1] > 0
    assert run.verdict("closed")["took_ms"] < 3000  # not after a timeout


def test_refused_at_once_and_only_the_device_concerned(snmpd, plan):
    """One socket for all: an ICMP error must find the device that it is about."""
    server = snmpd()
    for i in range(20):
        plan.device(f"good{i}", server.port, "v2c", pdu_timeout=4000, retries=0)
        plan.device(f"closed{i}", stores.free_port(), "v2c", address=f"127.7.0.{i + 1}",
                    pdu_timeout=4000, retries=0)
    run = plan.run(polls=3, interval=500, together=1)
    for i in range(20):
        assert run.results(f"good{i}") == ["ok"] * 3, run.log
        assert run.results(f"closed{i}") == ["refused"] * 3, run.log
        assert run.verdict(f"closed{i}")["took_ms"] < 3000  # not after a timeout


def test_a_new_engine_and_a_clock_that_jumps_cost_no_timeout(plan, snmp_lab):
    """The device says so, and is understood in the same poll."""
    lab = snmp_lab("--synthetic", "interfaces=4,rate=1000", "--user",
                   "s256:SHA:authpass1:AES:privpass1", listen="127.66.0.0/24")
    plan.credential("lab", user="s256", auth="sha1", privacy="aes128")
    for i, name in enumerate(("engine", "clock", "same")):
        plan.device(name, lab.port, "lab", address=lab.device(i), pdu_timeout=2500, retries=0,
                    timeout=6000)
    process = plan.start(polls=3, interval=4000, together=1)
    time.sleep(2)
    lab.fault(lab.device(0), "engine", "80001f8804616e6f74686572")
    lab.fault(lab.device(1), "clock", "10000s")
    run = plan.finish(process)
    for name in ("engine", "clock", "same"):
        assert run.results(name) == ["ok"] * 3, run.log
        assert all(verdict["took_ms"] < 1500 for verdict in run.verdicts), run.verdicts
    assert "another engine ID" in run.log and run.log.count("another engine ID") == 1
    assert run.verdict("engine")["values"]["pdus"] == run.verdict("same")["values"]["pdus"]


def test_a_context_that_the_device_denies(plan, snmp_lab):
    """Some devices say so; snmpd is silent."""
    lab = snmp_lab("--user", "s256:SHA:authpass1:AES:privpass1")
    for name, context in (("right", "mikrotik_wifi"), ("wrong", "elsewhere")):
        plan.credential(name, user="s256", auth="sha1", privacy="aes128", context=context)
        plan.device(name, lab.port, name, address=lab.address)
    run = plan.run(polls=2, interval=1000, timeout=30)
    assert run.results("wrong") == ["auth", "auth"] and run.results("right") == ["ok", "ok"], run.log
    assert "does not know this context; correct `context`" in run.log, run.log


@pytest.mark.alone
def test_our_own_overflow_is_not_the_device(plan, snmp_lab):
    """A crowd of answers leaves no room for others: nobody is called silent for that."""
    lab = snmp_lab("--synthetic", "interfaces=10,rate=1000", listen="127.65.0.0/24")
    lab.fault("all", "duplicate", "16")
    lab.fault(lab.device(0), "silence")
    plan.device("lost", lab.port, address=lab.device(0), pdu_timeout=3000, retries=0)
    for i in range(1, 200):
        plan.device(f"crowd{i}", lab.port, address=lab.device(i), pdu_timeout=3000, retries=0)
    run = plan.run(polls=1, interval=500, together=1, receive_buffer=65536)
    assert run.results("lost") == ["local_error"], run.log
    assert "raise receive_buffer" in run.log and "the receive buffer overflowed" in run.log
    assert {run.verdict(f"crowd{i}")["result"] for i in range(1, 200)} <= {"ok", "local_error",
                                                                          "partial"}
    lab.clear("all", "duplicate")
    plan.lines.pop()
    run = plan.run(polls=1, interval=500, together=1)
    assert run.results("lost") == ["timeout"], run.log
    assert {run.verdict(f"crowd{i}")["result"] for i in range(1, 200)} == {"ok"}


AGENT = """
agent: {{id: node, inventory: {dir}/inventory, state_dir: {dir}/state, window: 10s, boot_jitter: 0s}}
credentials:
  - {{name: olt, version: 3, user: {user}, auth: sha256, auth_secret: {dir}/passphrase,
     privacy: aes256, privacy_secret: {dir}/priv}}
checks:
  - {{name: snmp, interval: 2s, timeout: 1500ms, port: {port}, pdu_timeout: 500ms}}
exporters:
  - {{type: prometheus, name: self, listen: "127.0.0.1:{metrics}"}}
"""


def test_changed_credentials_need_no_restart(snmpd, plan, agent, tmp_path):
    """The passphrase in its file, then the user in the configuration: SIGHUP is enough."""
    server, metrics = snmpd(), stores.free_port()
    config, inventory = tmp_path / "phusong.yaml", tmp_path / "inventory"
    make_inventory.make(inventory, 1, checks="icmp")
    (inventory / "devices.csv").write_text("id,address,credential\nolt-1,127.0.0.1,olt\n")
    plan.secret("passphrase", "wrongpass1")  # plan makes `priv` as the device has it

    def write(user):
        config.write_text(AGENT.format(dir=tmp_path, user=user, port=server.port, metrics=metrics))

    def polls(result):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return 0
        found = re.search(rf'^phusong_observations_total{{result="{result}"}} (\S+)$', text, re.M)
        return float(found.group(1)) if found else 0

    def one_more(result, other):
        """Another poll with this result, and from then on none with the other."""
        before = polls(result)
        stores.wait_until(lambda: polls(result) > before, 15, f"a poll that ends as {result}")
        others = polls(other)
        stores.wait_until(lambda: polls(result) > before + 2, 15, f"polls that end as {result}")
        assert polls(other) == others

    write("s256")
    process = agent(config)
    stores.wait_until(lambda: polls("auth") >= 2, 20, "polls with the wrong passphrase")
    assert "wrong authentication passphrase" in process.output()
    plan.secret("passphrase", "authpass1")
    process.child.send_signal(signal.SIGHUP)
    stores.wait_until(lambda: "changed=1" in process.output(), 15, "the reload")
    one_more("ok", "auth")
    write("nobody")
    process.child.send_signal(signal.SIGHUP)
    stores.wait_until(lambda: process.output().count(" changed=1") == 2, 15, "the second reload")
    stores.wait_until(lambda: "does not know this user" in process.output(), 15, "the refusal")
    write("s256")
    process.child.send_signal(signal.SIGHUP)
    stores.wait_until(lambda: process.output().count(" changed=1") == 3, 15, "the third reload")
    one_more("ok", "auth")


def test_no_files_are_written(snmpd, plan, tmp_path):
    def files():
        places = [tmp_path, pathlib.Path("/var/lib/snmp"), pathlib.Path.home() / ".snmp"]
        return {path: path.stat().st_mtime_ns for place in places if place.is_dir()
                for path in place.rglob("*") if "snmpd" not in path.name}

    server = snmpd()
    plan.device("three", server.port, "shaaes")
    before = files()
    assert plan.run(polls=1, interval=100).results("three") == ["ok"]
    after = files()
    assert {path for path in after if after[path] != before.get(path)} == set()


# -- One that misbehaves ----------------------------------------------------------------------


MISBEHAVIOUR = {
    # mode: result, whether rows are kept, whether bad answers are counted
    "good": ("ok", True, False),
    "truncated": ("timeout", False, True),
    "garbage": ("timeout", False, True),
    "empty_datagram": ("timeout", False, True),
    "lying_lengths": ("timeout", False, True),
    "wrong_address": ("timeout", False, False),
    "wrong_id": ("timeout", False, True),
    "wrong_version": ("timeout", False, True),
    "request_back": ("timeout", False, True),
    "report": ("timeout", False, True),
    "silent": ("timeout", False, False),
    "slow": ("ok", True, False),
    "twice": ("ok", True, False),
    "short": ("ok", True, False),
    "oversized": ("ok", True, True),
    "huge_text": ("ok", True, False),
    "looping": ("partial", True, True),
    "same": ("partial", True, True),
    "backwards": ("partial", False, True),  # a row without a name may be any
    "wrong_type": ("partial", True, True),
    "too_big": ("ok", True, False),
    "always_too_big": ("mismatch", False, True),
    "general_error": ("mismatch", False, True),
    "no_binds": ("mismatch", False, True),
    "no_objects": ("mismatch", False, False),
    "nothing_there": ("mismatch", False, False),
    "no_access": ("auth", False, False),
    "stops": ("partial", True, False),
}


def test_every_misbehaviour_is_tried():
    modes = {name[3:] for name in dir(snmp_evil.Agent) if name.startswith("do_")}
    assert modes == set(MISBEHAVIOUR)


def test_misbehaviour(evil, plan):
    for mode in MISBEHAVIOUR:
        agent = evil(mode, interfaces=40 if mode == "stops" else 5)
        plan.device(mode, agent.port, timeout=6000, pdu_timeout=2000, retries=1)
    run = plan.run(polls=1, interval=3000)
    for mode, (result, has_rows, is_bad) in MISBEHAVIOUR.items():
        verdict = run.verdict(mode)
        assert verdict["result"] == result, (mode, verdict)
        assert any(row["device"] == mode for row in run.rows) == has_rows, (mode, verdict)
        # A second copy of an answer may come before or after the poll has ended.
        if mode != "twice":
            assert ("bad_answers" in verdict["values"]) == is_bad, (mode, verdict)
        assert verdict["took_ms"] < 7000


def test_version_1_misbehaviour(evil, plan):
    for mode in ("good", "too_big", "looping", "nothing_there", "wrong_id"):
        plan.device(mode, evil(mode, interfaces=3).port, "v1", pdu_timeout=1000)
    run = plan.run(polls=1, interval=500)
    assert run.results("good") == run.results("too_big") == ["ok"]
    assert run.results("looping") == ["partial"]
    assert run.results("nothing_there") == ["mismatch"]
    assert run.results("wrong_id") == ["timeout"]
    assert run.values("good", "ge-0/0/3", "polls") == [1]


def test_deltas_are_what_was_served(evil, plan):
    agent = evil(interfaces=3, rate=1_000_000)
    column = snmp_evil.IF_X_ENTRY + (6,)
    served = {}
    find = agent.table.next

    def remember(name):
        found = find(name)
        if name[:11] == column and found[0][:11] == column:
            served.setdefault(found[0][11], []).append(found[2])
        return found

    agent.table.next = remember
    plan.device("truth", agent.port, pdu_timeout=5000)
    run = plan.run(polls=5, interval=300)
    assert run.results("truth") == ["ok"] * 5
    for i in (1, 2, 3):
        deltas = run.values("truth", f"ge-0/0/{i}", "in_octets")
        assert deltas[0] is None
        assert sum(deltas[1:]) == served[i][-1] - served[i][0]


def test_a_restart_is_a_reset(evil, plan):
    agent = evil(interfaces=2, rate=1000)
    agent.table.started -= 100  # seconds up already
    plan.device("restarts", agent.port)
    process = plan.start(polls=3, interval=3000)
    time.sleep(1.5)
    agent.table.restart()
    run = plan.finish(process)
    assert run.results("restarts") == ["ok"] * 3
    assert run.values("restarts", "ge-0/0/1", "in_octets")[1] is None
    assert run.values("restarts", "ge-0/0/1", "resets") == [None, 1, None]
    assert [verdict["values"].get("restarts") for verdict in run.verdicts] == [None, 1, None]


def test_a_renumbered_device_is_no_spike(evil, plan):
    agent = evil(interfaces=3, rate=1000)
    agent.table.base = {1: 10**12, 2: 10**9, 3: 10**6}
    plan.device("renumbers", agent.port)
    process = plan.start(polls=3, interval=3000)
    time.sleep(1.5)
    names = {1: b"ge-0/0/3", 2: b"ge-0/0/1", 3: b"ge-0/0/2"}
    agent.table.base = {1: 10**6, 2: 10**12, 3: 10**9}
    agent.table.columns[snmp_evil.IF_X_ENTRY + (1,)] = (snmp_evil.TEXT, names.get)
    run = plan.finish(process)
    for i in (1, 2, 3):
        deltas = [delta for delta in run.values("renumbers", f"ge-0/0/{i}", "in_octets") if delta]
        assert all(delta < 10_000 for delta in deltas), deltas


def test_ten_thousand_interfaces(evil, plan):
    port = evil(interfaces=10_000).port
    plan.device("many", port, timeout=60000, pdu_timeout=2000, max_repetitions=40)
    run = plan.run(polls=1, interval=100, max_interfaces=10_000)
    assert run.results("many") == ["ok"]
    assert len(run.rows) == 10_000


def test_more_interfaces_than_allowed(evil, plan):
    plan.device("many", evil(interfaces=10_000).port, timeout=60000, pdu_timeout=2000)
    run = plan.run(polls=1, interval=100, max_interfaces=300)
    assert run.results("many") == ["partial"]
    assert len(run.rows) == 300
    assert "raise it" in run.log


# -- The loop and the others ------------------------------------------------------------------


@pytest.mark.alone
def test_the_loop_is_never_blocked(snmpd, evil, plan):
    """Dead devices, and version 3 devices that refuse: the loop goes on within 20 ms."""
    server, silent = snmpd(), evil("silent")
    plan.credential("nobody", user="nobody", auth="sha256", privacy="aes256")
    plan.credential("wrong", user="s256", auth="sha256", privacy="aes256", auth_secret="wrong")
    for i in range(10):
        plan.device(f"nobody{i}", server.port, "nobody", pdu_timeout=200)
        plan.device(f"wrong{i}", server.port, "wrong", pdu_timeout=200)
        plan.device(f"good{i}", server.port, "s256")
        plan.device(f"silent{i}", silent.port, "s256", pdu_timeout=200)
        plan.device(f"dead{i}", stores.free_port(), "s256", pdu_timeout=200)
    run_lines = list(plan.lines)
    gaps = []
    # The machine may be busy with something else; blocking would show every time.
    while len(gaps) < 5 and (not gaps or min(gaps) >= 20000):
        plan.lines = list(run_lines)
        run = plan.run(polls=2, interval=1500)
        assert {run.verdict(f"nobody{i}")["result"] for i in range(10)} == {"auth"}
        assert {run.verdict(f"silent{i}")["result"] for i in range(10)} == {"timeout"}
        gaps.append(run.summary["gap_us"])
    assert min(gaps) < 20000, gaps


def test_silent_devices_do_not_delay_others(evil, plan):
    """1,000 devices of which 300 never answer: starts move by less than 1 % of the interval."""
    good, silent = evil(interfaces=1), evil("silent")
    interval = 10000
    for i in range(1000):
        is_silent = i % 10 < 3
        plan.device(f"device{i}", (silent if is_silent else good).port, timeout=5000,
                    pdu_timeout=1500, retries=2)
    lines, late = list(plan.lines), []
    # The machine may be busy with something else; silence would delay them every time.
    while len(late) < 3 and (not late or min(late) >= interval * 1000 / 100):
        plan.lines = list(lines)
        run = plan.run(polls=2, interval=interval, timeout=120)
        results = {}
        for i in range(1000):
            for result in run.results(f"device{i}"):
                results.setdefault((i % 10 < 3, result), []).append(i)
        assert set(results) == {(True, "timeout"), (False, "ok")}, results.keys()
        late.append(run.summary["late_us"])
    assert min(late) < interval * 1000 / 100, late
