"""icmp and tcp through `phusong probe`: on loopback, without rights, and against a host in another
network namespace that lies.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import pytest

import stores

HOST = pathlib.Path(__file__).resolve().parents[1] / "support/icmp_host.py"
NOBODY = 65534


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root for namespaces and raw sockets")


@pytest.fixture
def probe(phusong, child_env):
    """Runs `phusong probe … --json`: (exit code, list of targets, standard error)."""

    def run(*arguments, prefix=()):
        done = subprocess.run([*prefix, phusong, "probe", *arguments, "--json"], text=True,
                              env=child_env, capture_output=True, timeout=60)
        return done.returncode, json.loads(done.stdout or "[]"), done.stderr

    return run


# -- Loopback ---------------------------------------------------------------------------------


def test_loopback_answers_on_both_families(probe):
    needs_root()
    code, targets, _ = probe("icmp", "-c", "3", "-i", "20ms", "127.0.0.1", "127.1.2.3", "::1")
    assert code == 0
    for target in targets:
        assert (target["sent"], target["lost"]) == (3, 0)
        assert 0 < target["max_us"] < 1_000_000


@pytest.mark.parametrize("size", [16, 17, 56, 1400, 20000, 65507])
def test_any_size_comes_back(probe, size):
    needs_root()
    code, targets, _ = probe("icmp", "-c", "1", f"--size={size}", "127.0.0.1")
    assert code == 0 and targets[0]["results"] == {"ok": 1}


def test_df_beyond_the_mtu_is_our_own_failure(probe):
    needs_root()
    code, targets, _ = probe("icmp", "-c", "1", "--size=65507", "--df", "127.0.0.1")
    assert targets[0]["results"] == {"ok": 1}  # loopback's MTU is 65,536
    with namespaces() as (here, _):
        code, targets, _ = probe("icmp", "-c", "1", "--size=1400", "--df", "10.77.0.2", prefix=here)
        assert targets[0]["results"] == {"ok": 1}
        code, targets, _ = probe("icmp", "-c", "1", "--size=1600", "--df", "10.77.0.2", prefix=here)
        assert code == 1 and targets[0]["results"] == {"local_error": 1}
        code, targets, _ = probe("icmp", "-c", "1", "--size=1600", "10.77.0.2", prefix=here)
        assert targets[0]["results"] == {"ok": 1}  # in fragments


@pytest.mark.alone
def test_thousands_of_targets(probe):
    needs_root()
    addresses = [f"127.1.{i // 250}.{i % 250 + 1}" for i in range(3000)]
    code, targets, _ = probe("icmp", "-c", "2", "-i", "500ms", *addresses)
    assert code == 0
    assert [t["target"] for t in targets] == addresses
    assert all(t["results"] == {"ok": 2} for t in targets)


def test_a_name_that_does_not_exist_is_exit_2(probe):
    needs_root()
    code, targets, _ = probe("icmp", "-c", "1", "127.0.0.1", "nosuch.invalid")
    assert code == 2
    assert targets[1]["results"] == {"dns": 1}


def test_tcp_tells_open_from_closed(probe):
    port = stores.free_port()
    with socket.create_server(("127.0.0.1", port)):
        code, targets, _ = probe(f"tcp:{port}", "-c", "3", "-i", "10ms", "127.0.0.1")
        assert code == 0 and targets[0]["results"] == {"ok": 3}
    code, targets, _ = probe(f"tcp:{port}", "-c", "1", "127.0.0.1")
    assert code == 1 and targets[0]["results"] == {"refused": 1}


@pytest.mark.parametrize("arguments, words", [
    (["icmp"], "no target"),
    (["nosuch", "127.0.0.1"], 'no collector "nosuch"'),
    (["icmp:80", "127.0.0.1"], "icmp takes no argument"),
    (["tcp", "127.0.0.1"], "tcp needs a port"),
    (["tcp:0", "127.0.0.1"], "from 1 to 65535"),
    (["icmp", "--size=15", "127.0.0.1"], '"size" is 15'),
    (["icmp", "--set", "sise=20", "127.0.0.1"], 'did you mean "size"'),
    (["icmp", "--set", "size", "127.0.0.1"], "KEY=VALUE"),
    (["icmp", "-i", "5", "127.0.0.1"], "is not a duration"),
    (["icmp", "-c", "x", "127.0.0.1"], "not a number"),
    (["icmp", "--family=ipv6", "127.0.0.1"], "cannot be set up"),
    (["icmp", "-f", "/nonexistent"], "No such file"),
])
def test_mistakes_say_what_would_be_right(probe, arguments, words):
    code, _, error = probe(*arguments)
    assert code == 3
    assert words in error


# -- Rights -----------------------------------------------------------------------------------


@pytest.fixture
def as_nobody(phusong):
    """The program where anybody may run it, and how to become nobody."""
    needs_root()
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="phusong-test-"))
    folder.chmod(folder.stat().st_mode | stat.S_IRWXG | stat.S_IROTH | stat.S_IXOTH)
    program = folder / "phusong"
    shutil.copy(phusong, program)
    yield program, ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    shutil.rmtree(folder)


def run_as_nobody(as_nobody, child_env, *arguments, ping_group=None):
    program, become = as_nobody
    setting = f"sysctl -qw net.ipv4.ping_group_range='{ping_group or '1 0'}'"
    done = subprocess.run(["unshare", "-n", "sh", "-c",
                           f'ip link set lo up && {setting} && exec "$@"', "sh", *become,
                           str(program), "probe", *arguments, "--json"],
                          capture_output=True, text=True, env=child_env, timeout=60)
    return done.returncode, json.loads(done.stdout or "[]"), done.stderr


def test_without_rights_nothing_is_known_and_the_remedy_is_told(as_nobody, child_env):
    code, targets, error = run_as_nobody(as_nobody, child_env, "icmp", "-c", "1", "127.0.0.1",
                                         "::1")
    assert code == 4
    for target in targets:
        assert target["results"] == {"noperm": 1}
        assert (target["sent"], target["unknown"]) == (0, 1)
    assert f"setcap cap_net_raw+ep {as_nobody[0]}" in error
    assert "net.ipv4.ping_group_range='65534 65534'" in error


def test_the_remedy_is_that_of_the_socket_asked_for(as_nobody, child_env):
    words = {"ping": "net.ipv4.ping_group_range", "raw": "setcap cap_net_raw+ep"}
    for kind, other in (("ping", "raw"), ("raw", "ping")):
        _, _, error = run_as_nobody(as_nobody, child_env, "icmp", "-c", "1", "--collector",
                                    f"socket={kind}", "127.0.0.1")
        assert words[kind] in error and words[other] not in error, error


def test_a_ping_socket_needs_no_rights(as_nobody, child_env):
    code, targets, _ = run_as_nobody(as_nobody, child_env, "icmp", "-c", "2", "-i", "20ms",
                                     "127.0.0.1", "::1", ping_group=f"{NOBODY} {NOBODY}")
    assert code == 0
    assert all(target["results"] == {"ok": 2} for target in targets)


# -- A host that lies -------------------------------------------------------------------------


@contextlib.contextmanager
def namespaces():
    """Two namespaces and a cable: 10.77.0.1 here, 10.77.0.2 there; everything else of 10.77.0.0/16
    leads there. Yields the prefixes of commands to run in them."""
    needs_root()
    holders = []
    try:
        for _ in range(2):
            holder = subprocess.Popen(["unshare", "-n", "sh", "-c",
                                       "ip link set lo up; echo; exec sleep 600"],
                                      stdout=subprocess.PIPE)
            holders.append(holder)
            if not holder.stdout.readline():
                pytest.skip("network namespaces are not allowed here")
        here, there = (["nsenter", "-n", "-t", str(h.pid)] for h in holders)
        steps = [
            [*here, "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable",
             "netns", str(holders[1].pid)],
            [*here, "ip", "addr", "add", "10.77.0.1/24", "dev", "cable"],
            [*there, "ip", "addr", "add", "10.77.0.2/24", "dev", "cable"],
            [*here, "ip", "link", "set", "cable", "up"],
            [*there, "ip", "link", "set", "cable", "up"],
            [*here, "ip", "route", "add", "10.77.0.0/16", "via", "10.77.0.2"],
            [*there, "sysctl", "-qw", "net.ipv4.ip_forward=1",
             "net.ipv4.icmp_ratelimit=0"],
            [*there, "ip", "route", "add", "blackhole", "10.77.9.0/24"],
            [*there, "ip", "route", "add", "unreachable", "10.77.8.0/24"],
        ]
        for step in steps:
            subprocess.run(step, check=True)
        yield here, there
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


@contextlib.contextmanager
def lying_host(there, mode):
    host = subprocess.Popen([*there, sys.executable, HOST, "cable", mode], stdout=subprocess.PIPE)
    try:
        assert host.stdout.readline() == b"ready\n"
        yield
    finally:
        host.kill()
        host.wait()


def ask(probe, mode, count=3, timeout="700ms"):
    with namespaces() as (here, there), lying_host(there, mode):
        _, targets, _ = probe("icmp", "-c", str(count), "-i", "50ms", "-t", timeout, "10.77.9.9",
                              prefix=here)
    return targets[0]["results"], targets[0]["metrics"]


def test_an_honest_host_is_believed(probe):
    results, metrics = ask(probe, "honest")
    assert results == {"ok": 3}
    assert set(metrics) == {"rtt_us"}


@pytest.mark.parametrize("mode", ["cookie", "sequence", "sender"])
def test_a_forged_reply_is_counted_and_not_believed(probe, mode):
    results, metrics = ask(probe, mode)
    assert results == {"timeout": 3}
    assert metrics == {"forged": 3}


def test_a_forged_reply_does_not_keep_the_true_one_out(probe):
    results, metrics = ask(probe, "forged_then_honest")
    assert results == {"ok": 3}
    assert metrics["forged"] == 3
    assert metrics["rtt_us"]["min"] >= 10000


@pytest.mark.parametrize("mode", ["pattern", "checksum", "truncated"])
def test_a_changed_reply_is_no_loss_and_no_success(probe, mode):
    results, metrics = ask(probe, mode)
    assert results == {"mismatch": 3}
    assert metrics == {"corrupted": 3}


def test_a_reply_too_short_to_say_anything_is_ignored(probe):
    assert ask(probe, "tiny") == ({"timeout": 3}, {})


def test_duplicates_are_counted(probe):
    results, metrics = ask(probe, "duplicate")
    assert results == {"ok": 3}
    assert metrics["duplicate"] >= 2  # the last may come after the end


def test_late_replies_are_lost_and_counted(probe):
    results, metrics = ask(probe, "late", count=8, timeout="200ms")
    assert results == {"timeout": 8}
    assert metrics["late"] >= 2


@pytest.mark.parametrize("mode, metric", [("unreachable", "unreachable"), ("ttl", "ttl_exceeded")])
def test_error_messages_end_the_wait(probe, mode, metric):
    results, metrics = ask(probe, mode)
    assert results == {"unreachable": 3}
    assert metrics == {metric: 3}


def test_an_error_message_that_proves_nothing_is_only_a_hint(probe):
    assert ask(probe, "short") == ({"unreachable": 3}, {"unreachable": 3})
    results, metrics = ask(probe, "short_then_honest")
    assert results == {"ok": 3}
    assert metrics["unreachable"] == 3


def test_a_forged_error_message_is_not_believed(probe):
    assert ask(probe, "forged_error") == ({"timeout": 3}, {"forged": 3})


def test_silence_costs_its_own_timeout_only(probe):
    with namespaces() as (here, _):
        _, targets, _ = probe("icmp", "-c", "3", "-i", "50ms", "-t", "1s", "10.77.9.9",
                              "10.77.0.2", prefix=here)
    assert targets[0]["results"] == {"timeout": 3}
    assert targets[1]["results"] == {"ok": 3}


def test_a_ping_socket_hears_errors_too(probe):
    with namespaces() as (here, _):
        subprocess.run([*here, "sysctl", "-qw", "net.ipv4.ping_group_range=0 0"], check=True)
        for kind in ("ping", "raw"):
            _, targets, _ = probe("icmp", "-c", "2", "-i", "20ms", "--collector", f"socket={kind}",
                                  "10.77.8.1", "10.77.0.2", prefix=here)
            assert targets[0]["results"] == {"unreachable": 2}, kind
            assert targets[0]["metrics"] == {"unreachable": 2}, kind
            assert targets[1]["results"] == {"ok": 2}, kind


def test_source_and_interface_are_used(probe):
    with namespaces() as (here, there):
        subprocess.run([*here, "ip", "addr", "add", "10.77.0.11/24", "dev", "cable"], check=True)
        dump = subprocess.Popen([*there, sys.executable, "-u", "-c", SNIFF], text=True,
                                stdout=subprocess.PIPE)
        try:
            dump.stdout.readline()
            code, _, _ = probe("icmp", "-c", "1", "--source=10.77.0.11", "--interface=cable",
                               "--tos=184", "--ttl=9", "--df", "10.77.0.2", prefix=here)
            assert code == 0
            assert dump.stdout.readline().split() == ["10.77.0.11", "184", "9", "df"]
        finally:
            dump.kill()
            dump.wait()
        code, targets, _ = probe("icmp", "-c", "1", "--source=10.77.0.99", "10.77.0.2",
                                 prefix=here)
        assert targets[0]["results"] == {"local_error": 1}


def test_an_interface_may_come_and_go(phusong, child_env):
    """As a modem does: with another index each time."""
    with namespaces() as (here, _):
        def ip(*words):
            subprocess.run([*here, "ip", *words], check=True)

        def plug():
            ip("link", "add", "modem", "type", "veth", "peer", "name", "air")
            ip("addr", "add", "10.78.0.1/24", "dev", "modem")
            ip("link", "set", "modem", "up")

        child = subprocess.Popen([*here, phusong, "probe", "icmp", "-c", "0", "-i", "20ms", "-t",
                                  "100ms", "--interface=modem", "--json", "10.78.0.2"], text=True, env=child_env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        try:
            time.sleep(1)
            plug()
            time.sleep(1)
            ip("link", "del", "modem")
            time.sleep(1)
            plug()
            time.sleep(2)
            child.send_signal(signal.SIGINT)
            output, said = child.communicate(timeout=60)
        finally:
            child.kill()
            child.wait()
        assert said.count("no such interface") == 1
        # Behind the modem nobody answers: what left was lost, one every 100 ms; what could not
        # leave is unknown.
        results = json.loads(output)[0]["results"]
        assert results["timeout"] >= 8 and results["local_error"] >= 5, results


SNIFF = """
import socket
seen = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
seen.bind(("cable", 0x0800))
print("ready")
while True:
    p, sender = seen.recvfrom(2048)
    if sender[2] != socket.PACKET_OUTGOING and p[9] == 1 and p[20] == 8:
        print(socket.inet_ntoa(p[12:16]), p[1], p[8], "df" if p[6] & 0x40 else "-")
"""


def test_tcp_tells_silence_from_icmp(probe):
    with namespaces() as (here, _):
        _, targets, _ = probe("tcp:80", "-c", "1", "-t", "1s", "10.77.9.9", "10.77.8.1",
                              "10.77.0.2", prefix=here)
    assert [t["results"] for t in targets] == [{"timeout": 1}, {"unreachable": 1}, {"refused": 1}]
