"""From a cut line to the alert in a real Alertmanager, and back: the whole chain, timed.

tests/bench/bench_detection.py does the same with 200 cuts.
"""

import hashlib
import hmac
import http.server
import json
import pathlib
import subprocess
import threading

import alertmanager as alerting
import detection
import pytest
import stores

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "rules" / "phusong.yaml"
HAMLETS = 80


@pytest.fixture
def manager(tmp_path):
    if not alerting.Alertmanager.is_installed():
        pytest.skip("apt-get install prometheus-alertmanager")
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    one = alerting.Alertmanager(folder)
    yield one
    one.stop()


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes letters whose signature is right; every third is told to come again."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = f"{self.headers['X-Phusong-Timestamp']}.".encode() + body
        wanted = "sha256=" + hmac.new(b"hook-key", signed, hashlib.sha256).hexdigest()
        self.server.asked += 1
        if not hmac.compare_digest(wanted, self.headers["X-Phusong-Signature"] or ""):
            self.server.forged += 1
            self.send_response(401)
        elif self.server.asked % 3 == 0:
            self.send_response(503)
        else:
            letter = json.loads(body)
            assert str(letter["number"]) == self.headers["X-Phusong-Delivery"]
            self.server.letters.append(letter)
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.letters, server.asked, server.forged = [], 0, 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def centre(tmp_path, phusong, spawn, manager, hook):
    key = tmp_path / "hook-key"
    key.touch(0o600)
    key.write_text("hook-key\n", encoding="utf-8")
    url = f"http://127.0.0.1:{hook.server_address[1]}/hook"
    one = detection.Centre(tmp_path, phusong, spawn, manager, RULES, HAMLETS,
                           webhook=f"{{url: '{url}', secret: {key}}}")
    one.make_token()
    one.start_console()
    return one


def listed(centre, *options):
    done = subprocess.run([centre.phusong, "alerts", "ls", "--state-dir", centre.folder / "console",
                           "--json", *options], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.alone
def test_a_cut_line_is_an_alert_within_seconds(district, centre, manager):
    centre.start_agent()
    down, up = detection.measure(district, manager, HAMLETS, count=14, spread_s=12)
    print("to the alert", [f"{value:.1f}" for value in down], "to its end",
          [f"{value:.1f}" for value in up])
    # So few scatter with the phases of probing, and so close together they wait for what they might
    # have in common; the bench has 200 further apart, and the bars.
    assert detection.median(down) < 10 and down[-1] < 20
    assert detection.median(up) < 10 and up[-1] < 20
    # The book has them all, and knows them by the name that Alertmanager has for them.
    over = listed(centre, "--all")
    assert len(over) == 14 and all(alert["state"] == "resolved" for alert in over)


def maintain(centre, *words):
    done = subprocess.run([centre.phusong, "console", "maintenance", *words, "--state-dir",
                           centre.folder / "console"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.alone
def test_alerts_outlive_the_console_and_keep_quiet_under_maintenance(district, centre, manager,
                                                                     hook):
    centre.start_agent()
    maintain(centre, "add", "--for", "hamlet=h-009", "--duration", "1h", "--comment", "splicing")
    for address in ("10.91.7.1/32", "10.91.9.1/32"):
        district("down", address)
    stores.wait_until(manager.alerts, 20, "the alert", interval=0.2)
    stores.wait_until(lambda: len(listed(centre)) == 2, 20, "the other alert", interval=0.2)
    assert [alert["labels"]["hamlet"] for alert in manager.alerts()] == ["h-007"]
    book = {alert["labels"]["hamlet"]: alert for alert in listed(centre)}
    assert book["h-007"]["fingerprint"] == manager.alerts()[0]["fingerprint"]
    assert book["h-009"]["silencedBy"] and not book["h-007"]["silencedBy"]

    centre.console.child.kill()
    centre.console.child.wait()
    for address in ("10.91.7.1/32", "10.91.9.1/32"):
        district("up", address)
    centre.start_console()
    stores.wait_until(lambda: not manager.alerts(), 40, "the end of the alert", interval=0.2)
    stores.wait_until(lambda: not listed(centre), 20, "the end of the other", interval=0.2)
    stores.wait_until(lambda: len(hook.letters) >= 2, 20, "the letter about it", interval=0.2)
    told = [(letter["event"], letter["alert"]["labels"]["hamlet"]) for letter in hook.letters]
    assert told == [("firing", "h-007"), ("resolved", "h-007")] and not hook.forged
