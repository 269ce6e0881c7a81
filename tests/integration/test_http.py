"""The http collector and the prometheus exporter, against servers that behave and that do not."""

import http.server
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

import stores

FLOOD = b"X-Flood: " + b"z" * 1000 + b"\r\n"


class Page(http.server.BaseHTTPRequestHandler):
    """What it does is in the path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"hello, coverage\n", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def without_end(self, piece, pause):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(pause)

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        here = self.path.strip("/").split("/")
        try:
            if here[0] == "status":
                self.answer(int(here[1]))
            elif here[0] == "to":  # /to/HOST/PORT/rest: a redirect
                self.answer(302, b"", Location="http://%s:%s/%s" % (here[1], here[2], here[3]))
            elif here[0] == "loop":
                self.answer(302, b"", Location="/loop")
            elif here[0] == "endless":
                self.without_end(b"y" * 65536, 0)
            elif here[0] == "drip":
                self.without_end(b"d", 0.05)
            elif here[0] == "flood":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    self.wfile.write(FLOOD)
            elif here[0] == "half":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                self.close_connection = True
            elif here[0] == "garbage":
                self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
                self.close_connection = True
            elif here[0] == "silent":
                time.sleep(20)
            else:
                self.answer(200)
        except OSError:
            self.close_connection = True  # the prober has had enough

    do_HEAD = do_GET


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Server:
    def __init__(self, host="127.0.0.1", certificate=None):
        self.server = Quiet((host, 0), Page)
        self.server.seen = []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def seen(self):
        return self.server.seen

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(*arguments, **options):
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def web(serve):
    return serve()


@pytest.fixture
def probe(phusong, child_env):
    """probe(what, options…) gives (exit code, results by name, metrics by name, seconds)."""

    def run(what, *options, target="127.0.0.1", count=1, timeout="10s"):
        command = [phusong, "probe", what, "-c", str(count), "-i", "100ms", "-t", timeout, "--json"]
        for option in options:
            command += ["-s", option]
        began = time.monotonic()
        done = subprocess.run([*command, target], env=child_env, timeout=60, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        took = time.monotonic() - began
        assert done.returncode in (0, 1, 2), done.stderr
        row = json.loads(done.stdout)[0]
        return done.returncode, row["results"], row.get("metrics", {}), took

    return run


@pytest.fixture
def timed(probe):
    """The same, until the machine was quiet enough for times."""

    def run(*arguments, **options):
        for _ in range(10):
            outcome = probe(*arguments, **options)
            if "timing_unsure" not in outcome[2]:
                return outcome
        pytest.fail("the times of no probe in ten could be trusted")

    return run


# -- Answers ------------------------------------------------------------------------------------


@pytest.mark.alone
def test_a_page_and_its_times(timed, web):
    code, results, metrics, _ = timed(f"http:{web.port}/page", count=3)
    assert (code, results) == (0, {"ok": 3})
    assert metrics["status_2xx"] == 3
    assert metrics["body_bytes"]["last"] == 16
    total, connect = metrics["total_us"], metrics["connect_us"]
    first = metrics["first_byte_us"]
    assert 0 < connect["min"] <= connect["max"] < total["max"]
    assert connect["min"] + first["min"] <= total["max"]
    assert "tls_us" not in metrics and "lookup_us" not in metrics
    # Each probe makes a connection of its own and says who it is.
    assert [seen[0] for seen in web.seen[:3]] == ["GET"] * 3
    assert web.seen[0][2]["User-Agent"] == "phusong"


@pytest.mark.parametrize("status, options, verdict", [
    (204, [], "ok"),
    (302, [], "ok"),
    (404, [], "mismatch"),
    (503, [], "mismatch"),
    (404, ["expect_status=[404]"], "ok"),
    (401, ["expect_status=[200-299, 401]"], "ok"),
    (200, ["expect_status=[201-299]"], "mismatch"),
])
def test_statuses(probe, web, status, options, verdict):
    code, results, metrics, _ = probe(f"http:{web.port}/status/{status}", *options)
    assert results == {verdict: 1}
    assert code == (0 if verdict == "ok" else 1)
    assert metrics[f"status_{status // 100}xx"] == 1
    assert metrics.get("status_mismatch", 0) == (verdict != "ok")


@pytest.mark.parametrize("option, verdict", [
    ("expect_body=coverage", "ok"),
    ("expect_body=Coverage", "mismatch"),
    ("expect_regex=^hello, [a-z]+$", "ok"),
    ("expect_regex=^coverage", "mismatch"),
])
def test_bodies(probe, web, option, verdict):
    _, results, metrics, _ = probe(f"http:{web.port}/", option)
    assert results == {verdict: 1}
    assert metrics.get("body_mismatch", 0) == (verdict != "ok")


def test_a_whole_url_and_other_methods(probe, web):
    assert probe(f"http:http://127.0.0.1:{web.port}/a", "method=HEAD")[1] == {"ok": 1}
    assert probe("http", f"url=http://{{address}}:{web.port}/b", "headers=[\"X-Asked: yes\"]",
                 "user_agent=tester/1")[1] == {"ok": 1}
    assert web.seen[0][:2] == ("HEAD", "/a")
    assert web.seen[1][:2] == ("GET", "/b")
    assert web.seen[1][2]["X-Asked"] == "yes"
    assert web.seen[1][2]["User-Agent"] == "tester/1"


def test_a_source_address_is_used(probe, web, serve):
    peers = []
    original = web.server.verify_request
    web.server.verify_request = lambda request, peer: peers.append(peer[0]) or original(request, peer)
    assert probe(f"http:{web.port}", "interface=127.0.0.77")[1] == {"ok": 1}
    assert peers == ["127.0.0.77"]
    assert probe(f"http:{web.port}", "interface=nope0")[1] == {"local_error": 1}


# -- Redirects ----------------------------------------------------------------------------------


def test_redirects_stay_on_the_list(probe, web, serve):
    other = serve("127.0.0.2")
    path = f"http:{web.port}/to/127.0.0.2/{other.port}/there"
    assert probe(path)[1] == {"ok": 1}  # the redirect is the answer
    assert other.seen == []
    _, results, metrics, _ = probe(path, "max_redirects=3")
    assert results == {"mismatch": 1}
    assert metrics["redirect_errors"] == 1
    assert other.seen == []  # nobody went there
    code, results, metrics, _ = probe(path, "max_redirects=3", "redirect_hosts=[127.0.0.2]",
                                      "headers=[\"Authorization: secret\"]")
    assert (code, results) == (0, {"ok": 1})
    assert other.seen[0][1] == "/there"
    assert "Authorization" not in other.seen[0][2]
    assert web.seen[-1][2]["Authorization"] == "secret"


def test_a_redirect_loop_ends(probe, web):
    _, results, metrics, took = probe(f"http:{web.port}/loop", "max_redirects=5")
    assert results == {"mismatch": 1}
    assert metrics["redirect_errors"] == 1
    assert len(web.seen) == 6
    assert took < 30


# -- Servers that do not behave -------------------------------------------------------------------


def test_an_endless_page_is_cut_off(probe, web):
    code, results, metrics, took = probe(f"http:{web.port}/endless", "max_body=64KiB", timeout="20s")
    assert (code, results) == (0, {"ok": 1})
    assert metrics["truncated"] == 1
    assert 65536 < metrics["body_bytes"]["last"] < 65536 + 1048576
    assert took < 20  # not for the timeout


@pytest.mark.parametrize("path", ["drip", "silent"])
def test_slow_answers_cost_their_timeout(probe, web, path):
    code, results, metrics, took = probe(f"http:{web.port}/{path}", timeout="700ms")
    assert (code, results) == (1, {"timeout": 1})
    assert metrics["timeouts"] == 1
    assert "total_us" not in metrics
    assert 0.7 <= took < 15


@pytest.mark.parametrize("path", ["flood", "half", "garbage"])
def test_what_is_not_http(probe, web, path):
    _, results, metrics, took = probe(f"http:{web.port}/{path}", timeout="20s")
    assert results == {"mismatch": 1}
    assert metrics["protocol_errors"] == 1
    assert took < 20  # not for the timeout


def test_a_closed_port_and_a_name_that_is_none(probe):
    assert probe(f"http:{stores.free_port()}")[1] == {"refused": 1}


# -- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """certificates.good, .wrong, .expired, .alone: (certificate, key); .ca: a file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is missing: apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def make(name, alternative, days):
        (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", "/CN=phusong test")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", str(days), "-extfile", f"{name}.ext", "-out",
                f"{name}.pem")
        return (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))

    def alone():
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "alone.key", "-out",
                "alone.pem", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                "-days", "30")
        return (str(folder / "alone.pem"), str(folder / "alone.key"))

    class Certificates:
        pass

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=phusong test authority", "-days", "30")
    made = Certificates()
    made.ca = str(folder / "ca.pem")
    made.good = make("good", "IP:127.0.0.1,DNS:web.test", 20)
    made.wrong = make("wrong", "DNS:other.test", 20)
    made.expired = make("expired", "IP:127.0.0.1", -1)
    made.alone = alone()
    return made


def https(server, certificates, *more):
    return [f"http:https://127.0.0.1:{server.port}/", f"tls.ca={certificates.ca}", *more]


@pytest.mark.alone
def test_tls_good(timed, serve, certificates):
    server = serve(certificate=certificates.good)
    code, results, metrics, _ = timed(*https(server, certificates), count=2)
    assert (code, results) == (0, {"ok": 2})
    assert metrics["tls_us"]["count"] == 2
    assert metrics["tls_us"]["min"] > 0
    assert metrics["certificate_expires_days"]["last"] in (19, 20)


def test_tls_server_name(probe, serve, certificates):
    server = serve(certificate=certificates.good)
    assert probe(*https(server, certificates, "tls.server_name=web.test"))[1] == {"ok": 1}
    assert server.seen[0][2]["Host"] == f"web.test:{server.port}"
    assert probe(*https(server, certificates, "tls.server_name=no.test"))[1] == {"tls": 1}


@pytest.mark.parametrize("kind, days", [("wrong", (19, 20)), ("expired", (-1, -2)),
                                        ("alone", (29, 30))])
def test_tls_refused(probe, serve, certificates, kind, days):
    server = serve(certificate=getattr(certificates, kind))
    code, results, metrics, _ = probe(*https(server, certificates))
    assert (code, results) == (1, {"tls": 1})
    assert metrics["tls_errors"] == 1
    assert metrics["certificate_expires_days"]["last"] in days  # known although refused
    assert server.seen == []  # no request was sent
    assert probe(*https(server, certificates, "tls.verify=false"))[1] == {"ok": 1}


def test_tls_against_a_plain_server(probe, web, certificates):
    assert probe(*https(web, certificates))[1] == {"tls": 1}


def test_an_authority_that_cannot_be_read_is_our_own_failure(probe, serve, certificates):
    server = serve(certificate=certificates.good)
    assert probe(f"http:https://127.0.0.1:{server.port}/", "tls.ca=/nonexistent.pem")[1] == {
        "local_error": 1}


# -- The agent: a dead name server, and /metrics --------------------------------------------------

AREAS = """code,level,name,parent_code,id,valid_from
24,province,Bắc Ninh,,,2025-07-01
24001,commune,Xã Một,24,,2025-07-01
240010001,hamlet,Thôn Một,24001,h-1,2025-07-01
"""


@pytest.fixture
def district(tmp_path):
    """district(endpoints, dns) writes a configuration with its inventory and returns its path."""

    def write(endpoints, dns, options=""):
        inventory = tmp_path / "inventory"
        inventory.mkdir(exist_ok=True)
        (inventory / "areas.csv").write_text(AREAS)
        (inventory / "sites.csv").write_text("id,name,area\n")
        (inventory / "devices.csv").write_text("id,address\n")
        rows = [f"e{i},h-1,fibre,vnpt,{address},{checks}"
                for i, (address, checks) in enumerate(endpoints)]
        (inventory / "endpoints.csv").write_text(
            "\n".join(["id,hamlet,technology,operator,address,checks", *rows]) + "\n")
        config = tmp_path / "phusong.yaml"
        config.write_text(f"""
agent: {{id: test, inventory: inventory, state_dir: state, window: 10s, boot_jitter: 0s,
        dns_servers: ["{dns}"]}}
checks:
  - {{name: http, collector: http, interval: 1s, timeout: 800ms}}
exporters:
  - {{type: prometheus, name: self, listen: "127.0.0.1:0"{options}}}
""")
        (tmp_path / "state").mkdir(exist_ok=True)
        return config

    return write


def metrics_url(tmp_path, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        log = (tmp_path / "agent.log").read_text()
        found = re.search(r"url=(http://\S+/metrics)", log)
        if found and "msg=\"running\"" in log:
            return found.group(1)
        time.sleep(0.05)
    pytest.fail("the agent does not say where its statistics are:\n" + log)


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def sample(text, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    assert found, f"no {name} in\n{text}"
    return float(found.group(1))


@pytest.fixture
def dead_dns():
    """A port that takes queries and never answers."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    yield f"127.0.0.1:{sink.getsockname()[1]}"
    sink.close()


def test_a_dead_name_server_holds_up_nobody(agent, district, dead_dns, web, tmp_path):
    names = [(f"name-{i}.test", "http") for i in range(50)]
    agent(district([("127.0.0.1", f"http:{web.port}"), *names], dead_dns))
    url = metrics_url(tmp_path)
    fetch(url)

    def count(result):
        return sample(fetch(url), f'phusong_observations_total{{result="{result}"}}')

    # One a second: the page, and each of the fifty names.
    stores.wait_until(lambda: count("ok") >= 5 and count("dns") >= 200, 10, "probes", 0.2)
    assert len(web.seen) >= 5
    text = fetch(url)
    assert sample(text, 'phusong_observations_total{result="timeout"}') == 0
    assert sample(text, 'phusong_slots_missed_total{reason="busy"}') == 0
    # libcurl's own resolver stood the loop still for 9 s here.
    assert sample(text, "phusong_loop_lag_max_seconds") < 2


def test_metrics_are_what_prometheus_expects(agent, district, tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing: apt-get install prometheus")
    agent(district([("127.0.0.1", f"http:{stores.free_port()}")], "127.0.0.1:1"))
    url = metrics_url(tmp_path)
    for wanted in ("/-/healthy", "/-/ready"):
        fetch(url.replace("/metrics", wanted))
    text = fetch(url)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert re.search(r'^phusong_build_info\{version="[0-9.]+",agent="test"\} 1$', text, re.M)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(url.replace("/metrics", "/other"))


def test_scrapers_that_dawdle_are_dropped(agent, district, tmp_path):
    agent(district([("127.0.0.1", f"http:{stores.free_port()}")], "127.0.0.1:1",
                   ", max_connections: 4"))
    url = metrics_url(tmp_path)
    port = int(re.search(r":(\d+)/", url).group(1))
    slow = [socket.create_connection(("127.0.0.1", port), timeout=15) for _ in range(6)]
    began = time.monotonic()
    while time.monotonic() - began < 60 and slow:
        for connection in list(slow):
            try:
                connection.sendall(b"G")
                connection.settimeout(0.01)
                if not connection.recv(1):
                    raise OSError
            except TimeoutError:
                continue
            except OSError:
                slow.remove(connection)
                connection.close()
        assert "phusong_build_info" in fetch(url)  # served all the while
        time.sleep(0.2)
    assert not slow  # the exporter gives a request 10 s
