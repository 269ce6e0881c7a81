"""The lab against Debian's own tools: what ping and fping saw is what the lab says it did."""

import collections
import datetime
import ipaddress
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import time

import pytest

import stores

REPLY = re.compile(r"icmp_seq=(\d+) ttl=\d+ time=([\d.]+) ms(.*)")


def need(*programs):
    for program, package in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is missing: apt-get install {package}")


def ping(lab, target, count, *options, interval="0.01"):
    """{sequence: round trip in ms} of the replies, without duplicates, and ping's last words."""
    need(("ping", "iputils-ping"))
    done = lab.agent(["ping", "-c", count, "-i", interval, "-W", "2", *options, target])
    seen = {}
    for sequence, rtt, rest in REPLY.findall(done.stdout):
        if "DUP" not in rest:
            seen.setdefault(int(sequence), float(rtt))
    return seen, done.stdout.splitlines()


@pytest.mark.alone
@pytest.mark.parametrize("target", ["10.27.3.1", "fd27::3:1"])
def test_ping_sees_what_the_truth_says(lab, target):
    district = lab("--seed", "5")
    for prefix in ("10.27.0.0/16", "fd27::/48"):
        district("delay", prefix, "8ms", "--jitter", "3ms", "--dir", "to")
        district("delay", prefix, "4ms", "--jitter", "1ms", "--distribution", "normal", "--dir",
                 "from")
        district("loss", prefix, "10%")
    seen, _ = ping(district, target, 300)
    records = {record["sequence"]: record for record in district.records()}
    host = district.settled_stats()[target]

    assert len(records) == host["sent"] == 300
    assert {s for s, r in records.items() if r["fate"] == "answered"} == set(seen)
    assert host["answered"] == len(seen)
    assert host["lost_request"] + host["lost_reply"] == 300 - len(seen) > 20
    assert host["lost_request"] > 0 and host["lost_reply"] > 0
    # What ping adds is its own path: the time between its clock and the kernel's.
    beyond = [rtt - (records[s]["to_ns"] + records[s]["from_ns"]) / 1e6 for s, rtt in seen.items()]
    assert -0.1 < statistics.median(beyond) < 0.3
    applied = sorted(r["to_ns"] / 1e6 for r in records.values() if r["fate"] != "lost_request")
    assert 5 <= applied[0] and 7 < statistics.median(applied) < 9
    summary = district.summary()[target]
    assert summary["sent"] == 300 and summary["answered"] == len(seen)
    assert summary["applied_ns"]["p50"] / 1e6 == pytest.approx(
        statistics.median(seen.values()), abs=0.5)


@pytest.mark.parametrize("family, pattern", [("-4", "10.27.{}.{}"), ("-6", "fd27::{:x}:{:x}")])
def test_fping_of_many_addresses_agrees_one_by_one(lab, family, pattern):
    need(("fping", "fping"))
    district = lab()
    for third in range(10):
        prefix = f"10.27.{third}.0/24" if family == "-4" else f"fd27::{third:x}:0/112"
        district("loss", prefix, f"{third * 7}%")
        district("delay", prefix, f"{third}ms")
    targets = [pattern.format(third, fourth) for third in range(10) for fourth in range(1, 21)]
    done = district.agent(["fping", family, "-q", "-c", "10", "-p", "60", "-i", "1", "-t", "2000",
                           *targets])
    heard = {}
    for line in done.stderr.splitlines():
        address, sent, received = re.match(r"(\S+)\s+: xmt/rcv/%loss = (\d+)/(\d+)/", line).groups()
        heard[address] = (int(sent), int(received))
    stats = district.settled_stats()

    assert len(heard) == len(targets)
    for address, (sent, received) in heard.items():
        address = str(ipaddress.ip_address(address))
        assert (stats[address]["sent"], stats[address]["answered"]) == (sent, received), address
    assert sum(received for _, received in heard.values()) < 10 * len(targets)


def fates(lab, seed):
    district = lab("--seed", seed, "--prefix", "10.27.0.0/16")
    district("loss", "10.27.0.0/16", "30%", "--burst", "3")
    # Chance goes by a packet's number in its flow: on a busy machine two pings leave at once, and
    # with jitter alone the later one might arrive as the earlier.
    district("delay", "10.27.0.0/16", "2ms", "--jitter", "2ms", "--keep-order")
    ping(district, "10.27.3.1", 200, "-q", interval="0.005")
    return [r["fate"] for r in sorted(district.records(), key=lambda r: r["sequence"])]


@pytest.mark.alone
def test_a_seed_repeats_every_fate(lab):
    first = fates(lab, 11)
    assert fates(lab, 11) == first
    assert fates(lab, 12) != first


def logged(line):
    """The time of a line of the log, in ns."""
    stamp = datetime.datetime.fromisoformat(line.split(" ", 1)[0].replace("Z", "+00:00"))
    return int(stamp.timestamp() * 1e6) * 1000


def test_an_outage_takes_exactly_its_time(lab):
    district = lab()
    process = subprocess.Popen(district.command(["ping", "-i", "0.01", "-c", "300", "10.27.3.1"]),
                               stdout=subprocess.PIPE, text=True)
    stores.wait_until(lambda: district.totals()["truth_records"] >= 20, 10, "the first pings")
    district("down", "10.27.3.0/24")
    time.sleep(0.3)
    district("up", "10.27.3.0/24")
    out = process.communicate(timeout=60)[0]
    seen = {int(sequence) for sequence, _, _ in REPLY.findall(out)}
    records = district.records()
    lost = {r["sequence"] for r in records if r["fate"] == "lost_request" and r["cause"] == "down"}
    down, up = [logged(line) for line in district("log").splitlines() if "10.27.3.0/24" in line]
    slack = 5_000_000   # a packet may be between its sender and the lab at that moment

    assert len(lost) > 5 and lost == set(range(1, 301)) - seen
    for record in records:
        if record["sequence"] in lost:
            assert down - slack <= record["time_ns"] <= up + slack
        else:
            assert record["time_ns"] <= down + slack or record["time_ns"] >= up - slack


def test_duplicates_are_extra_replies(lab):
    district = lab()
    district("duplicate", "10.27.3.0/24", "30%", "--dir", "from")
    district("delay", "10.27.3.0/24", "3ms", "--jitter", "3ms")
    _, lines = ping(district, "10.27.3.1", 200)
    host = district.settled_stats()["10.27.3.1"]
    said = re.search(r"\+(\d+) duplicates", "\n".join(lines))

    assert host["answered"] == 200
    assert host["extra_replies"] == host["from"]["duplicated"] > 30
    # ping stops listening once it has a reply to the last request
    assert host["extra_replies"] - 5 <= int(said.group(1)) <= host["extra_replies"]


def test_a_corrupted_request_is_not_answered(lab):
    district = lab()
    district("corrupt", "10.27.3.0/24", "30%", "--dir", "to")
    seen, _ = ping(district, "10.27.3.1", 100)
    host = district.settled_stats()["10.27.3.1"]

    assert host["unanswered"] == host["to"]["corrupted"] == 100 - len(seen) > 10


def test_a_mended_corruption_reaches_the_sender(lab):
    district = lab()
    district("corrupt", "10.27.3.0/24", "100%", "--fix-checksum", "--dir", "from")
    _, lines = ping(district, "10.27.3.1", 20)
    assert sum("wrong data byte" in line or "wrong" in line for line in lines) > 0 or \
        any("20 received" in line for line in lines)
    host = district.settled_stats()["10.27.3.1"]
    assert host["answered"] == host["from"]["corrupted"] == 20


@pytest.mark.alone
def test_a_rate_holds_packets_back_and_then_drops(lab):
    district = lab()
    district("rate", "10.27.3.0/24", "20kB", "--limit", "2kB", "--dir", "to")
    done = district.agent([district.program, "load", "10.27.3.1/32", "--hosts", "1", "--rate",
                           "500", "--for", "1s", "--json"])
    result = json.loads(done.stdout)
    answered = result["answered"]
    host = district.settled_stats()["10.27.3.1"]

    assert host["to"]["dropped"]["rate"] == host["lost_request"] == result["sent"] - answered
    # 84 bytes take 4.2 ms, so 238 pass in a second, and the 23 that may wait.
    assert 220 <= answered <= 270 < result["sent"]
    assert 4e6 < host["to"]["delay_min_ns"] and host["to"]["delay_max_ns"] < 140e6
    spaced = sorted(r["time_ns"] + r["to_ns"] for r in district.records()
                    if r["fate"] == "answered")
    gaps = [b - a for a, b in zip(spaced, spaced[1:])]
    assert statistics.median(gaps) == pytest.approx(4.2e6, rel=0.05)


FETCH = """
import socket, sys, urllib.request
for host in sys.argv[1:]:
    body = urllib.request.urlopen(f"http://{host}/", timeout=5).read().decode()
    assert body == "phusong-lab\\n" + host.strip("[]").split("]")[0] + "\\n", (host, body)
with socket.create_connection(("10.27.200.1", 443), timeout=5) as plain:
    plain.sendall(b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00\\x01\\xfc")     # a TLS greeting: closed
    assert plain.recv(100) == b""
with socket.create_connection(("10.27.200.1", 80), timeout=5) as two:
    two.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\nHEAD / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    got = b""
    while got.count(b"HTTP/1.1 200 OK") < 2 or not got.endswith(b"\\r\\n\\r\\n"):
        more = two.recv(1000)
        assert more, got
        got += more
try:
    socket.create_connection(("10.27.200.1", 81), timeout=5)
    raise SystemExit("nobody listens on port 81")
except ConnectionRefusedError:
    pass
print("done")
"""


def test_services_answer_on_every_address(lab):
    district = lab("--serve", "80,443")
    district("delay", "10.27.0.0/16", "2ms")
    done = district.agent(["/usr/bin/python3", "-c", FETCH, "10.27.0.1", "10.27.3.7",
                           "10.27.255.254", "[fd27::1]", "[fd27::ffff:ffff:1]"])
    assert done.returncode == 0 and done.stdout.strip() == "done", done.stderr


# An SNMPv2c GET of sysName.0, community "public".
SYSNAME = """
import socket, sys
get = bytes.fromhex("302602010104067075626c6963a019020101020100020100300e300c06082b060102010105000500")
for host in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect((host, 161))      # the kernel refuses answers from other addresses
        asker.send(get)
        assert b"phusong-lab" in asker.recv(2000)
print("done")
"""


def test_snmpd_answers_from_the_address_asked(lab):
    need(("snmpd", "snmpd"), ("snmpget", "snmp"))
    district = lab("--snmpd", "public", "--snmp-user", "ops:authpass1:privpass1")
    hosts = ["10.27.0.1", "10.27.3.7", "10.27.255.254"]
    deadline = time.monotonic() + 40
    done = None
    while time.monotonic() < deadline:
        done = district.agent(["/usr/bin/python3", "-c", SYSNAME, *hosts])
        if done.returncode == 0:
            break
        time.sleep(0.2)
    assert done.stdout.strip() == "done", done.stderr
    v3 = district.agent(["snmpget", "-v3", "-u", "ops", "-l", "authPriv", "-a", "SHA-256", "-A",
                         "authpass1", "-x", "AES", "-X", "privpass1", "-On", "10.27.9.9",
                         ".1.3.6.1.2.1.1.5.0"])
    assert "phusong-lab" in v3.stdout, v3.stderr
    assert json.loads(district("show", "--json"))["snmpd_pid"] > 0


def test_a_scenario_plays(lab, tmp_path):
    scenario = tmp_path / "scenario"
    scenario.write_text("delay 10.27.0.0/16 1ms\nat 2500ms down 10.27.3.0/24 for 300ms\n"
                        "every 100ms from 50ms loss pick:10.27.0.0/16:24 5% for 50ms\n")
    district = lab("--scenario", scenario)
    ping(district, "10.27.3.1", 400, "-q")
    log = [line.split(" ", 1)[1] for line in district("log").splitlines()]

    assert log[0].startswith("delay 10.27.0.0/16 1ms")
    assert log.index("down 10.27.3.0/24 for 300ms") < log.index("end of down 10.27.3.0/24")
    picked = collections.Counter(line for line in log if line.startswith("loss 10.27."))
    assert sum(picked.values()) >= 5 and len(picked) > 1
    host = district.settled_stats()["10.27.3.1"]
    assert 10 < host["to"]["dropped"]["down"] <= 60


def test_many_rules_are_applied_at_once(lab):
    district = lab()
    lines = "".join(f"delay 10.27.{n // 4}.{n % 4 * 64}/26 {n % 50 + 1}ms\n" for n in range(733))
    result = district.run("apply", "-", input=lines)
    assert result.returncode == 0, result.stderr
    assert len(json.loads(district("show", "--json"))["rules"]) == 733
    seen, _ = ping(district, "10.27.100.70", 20)     # n = 401: 2 ms each way
    assert len(seen) == 20 and min(seen.values()) == pytest.approx(4, abs=0.8), seen
    bad = district.run("apply", "-", input="down 10.27.1.0/24\ndown 10.28.0.0/16\n", check=False)
    assert bad.returncode == 1 and "line 2: 10.28.0.0/16 is not in the district" in bad.stderr
    assert "down" not in district("show"), "a text with a mistake changes nothing"


@pytest.mark.parametrize("words, why", [
    (["delay", "10.27.3.1/24", "20ms"], "did you mean 10.27.3.0/24?"),
    (["delay", "10.27.3.0/24", "20"], "is no duration"),
    (["down", "192.0.2.0/24"], "is not in the district"),
    (["down", "pick:10.27.0.0/16:24"], "belongs into a scenario"),
    (["up", "10.27.3.0/24", "--now"], "does not belong here"),
])
def test_mistakes_are_told(lab, words, why):
    district = lab()
    result = district.run(*words, check=False)
    assert result.returncode == 1 and why in result.stderr


def test_up_tells_what_still_holds_down(lab):
    district = lab()
    district("down", "10.27.0.0/16")
    district("down", "10.27.3.0/24")
    assert "10.27.3.0/24 is still down, for 10.27.0.0/16 is" in district("up", "10.27.3.0/24")
    assert district("up", "10.27.0.0/16") == ""


@pytest.mark.alone
def test_thousands_a_second_without_overrun(lab):
    district = lab("--truth", "counts")
    district("delay", "10.27.0.0/16", "5ms", "--jitter", "2ms")
    done = district.agent([district.program, "load", "10.27.0.0/16", "--rate", "5000", "--for", "2s",
                           "--hosts", "1000", "--json"])
    result = json.loads(done.stdout)
    stats = district.settled_stats()

    assert result["sent"] == result["answered"] == sum(host["answered"] for host in stats.values())
    assert len([host for host in stats.values() if host["sent"]]) == 1000
    assert 9900 <= result["rtt_p50_us"] <= 11500


def processes_with(state):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if str(state).encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("how, prefix", [("stop", "10.127.0.0/16"), ("SIGTERM", "10.126.0.0/16"),
                                         ("SIGINT", "10.125.0.0/16")])
def test_nothing_is_left_behind(lab, how, prefix):
    need(("snmpd", "snmpd"))
    district = lab("--serve", "80", "--snmpd", "public", own_namespace=False,
                   *["--prefix", prefix])
    interface = json.loads(district("show", "--json"))["agent_interface"]
    inside = subprocess.Popen(district.command(["sleep", "1000"], side="district"))
    assert os.path.exists(f"/sys/class/net/{interface}")
    while not open(f"/proc/{inside.pid}/cmdline", "rb").read().startswith(b"sleep"):
        time.sleep(0.01)
    if how == "stop":
        district("stop")
    else:
        district.process.send_signal(getattr(signal, how))
    assert district.process.wait(timeout=20) == 0
    assert inside.wait(timeout=30) == -signal.SIGTERM
    assert not os.path.exists(district.state)
    assert not os.path.exists(f"/sys/class/net/{interface}")
    assert [pid for pid in processes_with(district.state) if is_running(pid)] == []


def test_what_a_killed_lab_leaves_is_swept(lab):
    need(("snmpd", "snmpd"))
    district = lab("--serve", "80", "--snmpd", "public")
    inside = subprocess.Popen(district.command(["sleep", "1000"], side="district"))
    bystander = subprocess.Popen(["sleep", "1000"])
    while not open(f"/proc/{inside.pid}/cmdline", "rb").read().startswith(b"sleep"):
        time.sleep(0.01)
    district.process.kill()
    district.process.wait()
    assert os.path.exists(district.state)
    swept = district.run("sweep")
    assert "ended 1 processes" in swept.stdout
    assert inside.wait(timeout=30) == -signal.SIGTERM
    assert not os.path.exists(district.state)
    assert bystander.poll() is None
    bystander.terminate()
    bystander.wait()
    assert [pid for pid in processes_with(district.state) if is_running(pid)] == []


def test_a_second_lab_in_the_same_place_is_refused(lab):
    district = lab()
    second = district.run("run", "--agent-netns", check=False)
    assert second.returncode == 1 and "is running with" in second.stderr
    assert "mode      tun" in district("show")


def test_loopback_says_that_it_impairs_nothing(built, tmp_path):
    program = built("tests/lab/phusong-lab")
    state, port = str(tmp_path / "lab"), stores.free_port()
    run = subprocess.Popen([program, "run", "--state", state, "--loopback", "--serve", str(port),
                            "--quiet", "--die-with-parent"])
    try:
        subprocess.run([program, "wait", "--state", state], check=True)
        show = json.loads(subprocess.run([program, "show", "--json", "--state", state], check=True,
                                         capture_output=True).stdout)
        assert show["mode"] == "loopback" and show["impairments"] is False
        assert show["prefixes"] == ["127.27.0.0/16"]
        delay = subprocess.run([program, "delay", "127.27.3.0/24", "5ms", "--state", state],
                               capture_output=True, text=True)
        assert delay.returncode == 1 and "without impairments" in delay.stderr
        fetch = f"import urllib.request as u; print(u.urlopen('http://127.27.3.7:{port}/').read())"
        body = subprocess.run(["/usr/bin/python3", "-c", fetch], capture_output=True, text=True)
        assert "127.27.3.7" in body.stdout, body.stderr
    finally:
        run.terminate()
        assert run.wait(timeout=40) == 0
    assert not os.path.exists(state)


def test_every_verb_has_help(built):
    program = built("tests/lab/phusong-lab")
    top = subprocess.run([program, "--help"], check=True, capture_output=True, text=True).stdout
    verbs = re.findall(r"^  (\w+) ", top, re.MULTILINE)
    assert len(verbs) > 15
    for verb in verbs:
        text = subprocess.run([program, verb, "--help"], check=True, capture_output=True,
                              text=True).stdout
        assert text.startswith(f"Usage: phusong-lab {verb} ")
