"""`phusong probe` and the person who interrupts it."""

import json
import signal
import socket
import subprocess
import threading

import pytest

import stores

WAIT = 3  # seconds that the probe waits for an answer


class Mute:
    """Accepts connections and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.accepted.append(self.listener.accept()[0])
        except OSError:
            pass  # closed

    def close(self):
        self.listener.close()
        for connection in self.accepted:
            connection.close()


@pytest.fixture
def mute():
    server = Mute()
    yield server
    server.close()


@pytest.fixture
def start(phusong, child_env, mute):
    """start(options…) probes the mute server, and returns once the first request is out."""
    started = []

    def begin(*options):
        command = [phusong, "probe", f"http:{mute.port}", "-t", f"{WAIT}s", *options, "127.0.0.1"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=child_env)
        started.append(child)
        stores.wait_until(lambda: mute.accepted, 10, "the first request")
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


def test_an_interrupted_probe_accounts_for_what_it_sent(start, mute):
    child = start("-c", "7", "-i", "100ms", "--json")
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=WAIT + 10)
    target = json.loads(output)[0]
    assert child.returncode == 1
    assert (target["sent"], target["lost"]) == (1, 1) == (len(mute.accepted),) * 2
    assert "127.0.0.1: interrupted after 1 of 7 probes" in errors


def test_the_second_interrupt_does_not_wait(start):
    child = start("-t", "1m")
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=10)
    assert "127.0.0.1      0" in output


def test_a_probe_waits_as_long_as_the_agent_would(phusong, child_env):
    def default_timeout(collector):
        text = subprocess.run([phusong, "probe", collector, "--help"], env=child_env, text=True,
                              capture_output=True, timeout=10, check=True).stdout
        line = next(line for line in text.splitlines() if "--timeout" in line)
        return line.split("[")[1].rstrip("]")

    assert [default_timeout(name) for name in ("icmp", "tcp", "http", "snmp")] == \
        ["2s", "2s", "10s", "10s"]
