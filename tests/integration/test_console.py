"""The console's door: tokens, limits, misbehaving senders, a full disk, certificates."""

import base64
import gzip
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import console as support
import stores

LIMITS = """
limits:
  max_body: 1MiB
  header_timeout: 1s
  body_timeout: 2s
  idle_timeout: 60s
  max_connections_per_address: 1500
  lines_per_second: 2000
"""


@pytest.fixture(scope="module")
def console(phusong, tmp_path_factory, child_env):
    one = support.Console(phusong, tmp_path_factory.mktemp("console"), LIMITS, env=child_env)
    yield one
    assert one.stop() == 0, one.output()


@pytest.fixture
def another(phusong, tmp_path, child_env):
    running = []

    def start(conf="", **more):
        one = support.Console(phusong, tmp_path / f"console{len(running)}", conf, env=child_env,
                              **more)
        running.append(one)
        return one

    yield start
    for one in running:
        one.stop()


def point(agent="a1", at=None, name="m"):
    return f"{name},agent={agent} v=1i {at or time.time_ns()}\n"


# -- Tokens ------------------------------------------------------------------------------------------


def test_a_token_writes_for_its_own_agent(console):
    token = console.token("--agent", "a1")
    before = console.metrics()
    assert console.write(point("a1"), token) == (204, "")
    status, words = console.write(point("a1") + point("a2") + "m v=1i\n" + point("a1"), token)
    assert status == 400
    assert "line 2: token" in words and "agent=a1 only" in words and words.endswith("dropped=2")
    after = console.metrics()
    lines = 'phusong_ingest_lines_total{result="stored"}'
    assert after[lines] - before[lines] == 3
    foreign = 'phusong_ingest_lines_refused_total{reason="agent"}'
    assert after[foreign] - before[foreign] == 2


def test_tokens_are_checked_in_all_their_forms(console):
    token = console.token("--agent", "a1")
    good = [{"Authorization": f"Token {token}"}, {"Authorization": f"Bearer {token}"}]
    basic = base64.b64encode(f"u:{token}".encode()).decode()
    good.append({"Authorization": f"Basic {basic}"})
    for headers in good:
        assert console.ask("POST", "/write", point(), headers=headers)[0] == 204
    assert console.ask("POST", f"/write?u=x&p={token}", point())[0] == 204
    for headers in ({}, {"Authorization": "Token phu_wrong"}, {"Authorization": "Basic !"},
                    {"Authorization": f"Digest {token}"}):
        status, answer, body = console.ask("POST", "/write?db=x", point(), headers=headers)
        assert status == 401 and answer["WWW-Authenticate"].startswith("Basic realm=")
        assert list(json.loads(body)) == ["error"]
        status, _, body = console.ask("POST", "/api/v2/write", point(), headers=headers)
        assert status == 401 and json.loads(body)["code"] == "unauthorized"


def test_roles_keep_to_their_own(console):
    read, agent = console.token("--read"), console.token("--agent", "a1")
    assert console.write(point(), read)[0] == 403
    assert console.ask("PUT", "/api/v1/agents/a2/inventory", "{}", agent)[0] == 403
    assert console.ask("PUT", "/api/v1/agents/a1/inventory", "{}", read)[0] == 403
    status, _, body = console.ask("GET", "/write", token=agent)
    assert status == 405 and b"POST" in body
    assert console.ask("GET", "/nothing")[0] == 404


def test_a_revoked_token_is_refused_by_name(console):
    token = console.token("--agent", "revoked")
    listed = json.loads(console.run("token", "ls", "--json").stdout)
    assert token not in json.dumps(listed)
    assert token not in (console.state / "tokens").read_text()
    mine = listed[-1]
    assert mine["role"] == "agent:revoked" and mine["revoked"] is None
    console.run("token", "revoke", mine["id"])
    status, words = stores.wait_until(
        lambda: (lambda answer: answer if answer[0] == 401 else None)(console.write(point(), token)),
        5, "the revocation being known")
    assert mine["id"] in words and "revoked" in words
    assert console.run("token", "revoke", mine["id"], check=False).returncode == 2
    assert console.run("token", "revoke", "t-none", check=False).returncode == 2


def test_tokens_that_are_made_at_once_are_all_there(console):
    made = []
    makers = [threading.Thread(target=lambda: made.append(
        console.run("token", "create", "--read").stdout.strip())) for _ in range(4)]
    for one in makers:
        one.start()
    for one in makers:
        one.join()
    assert len(set(made)) == 4
    hashes = {hashlib.sha256(secret.encode()).hexdigest() for secret in made}
    assert hashes <= set((console.state / "tokens").read_text().split())


# -- Bodies -------------------------------------------------------------------------------------------


def test_bodies_that_are_too_much(console):
    token = console.token("--admin")
    large = point() * 40000
    status, words = console.write(large, token)
    assert status == 413 and "at most 1048576" in words
    status, words = console.write(large, token, packed=True)
    assert status == 413 and "gzip body holds more" in words
    bomb = gzip.compress(b"\n" * 60_000_000, 9)
    before = console.metrics()["process_resident_memory_bytes"]
    status, words = console.write(bomb, token, Content_Encoding="gzip")
    assert status == 413
    assert console.metrics()["process_resident_memory_bytes"] - before < 16 << 20
    status, words = console.write(b"\x1f\x8b nonsense", token, Content_Encoding="gzip")
    assert status == 400 and "gzip" in words
    status, words = console.write(gzip.compress(point().encode())[:-5], token,
                                  Content_Encoding="gzip")
    assert status == 400 and "cut off" in words
    status, words = console.write(point(), token, Content_Encoding="zstd")
    assert status == 400 and "zstd" in words


def test_a_line_of_ten_megabytes(another):
    one = another("limits: {max_body: 25MB}")
    line = "m,agent=a1 v=\"" + "x" * 10_000_000 + "\" " + str(time.time_ns()) + "\n"
    status, words = one.write(point() + line + point())
    assert status == 400 and "line 2: " in words and "at most 1048576" in words
    assert words.endswith("dropped=1")
    one = another("limits: {max_body: 1MiB}")
    assert one.write(line)[0] == 413


def test_a_token_that_sends_too_fast_waits(console):
    token = console.token("--agent", "fast")
    body = gzip.compress("".join(point("fast", time.time_ns() - i) for i in range(1500)).encode())
    statuses = []
    for _ in range(30):
        status, headers, _ = console.ask("POST", "/write", body, token,
                                         {"Content-Encoding": "gzip"})
        statuses.append(status)
        if status == 429:
            break
    assert statuses[-1] == 429 and int(headers["Retry-After"]) >= 1
    assert statuses[:-1].count(204) == len(statuses) - 1 >= 10
    assert console.write(point("a1"), console.token("--agent", "a1"))[0] == 204


def test_slow_senders_are_cut_and_others_do_not_notice(console):
    token = console.token("--agent", "a1")
    head = f"POST /write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n".encode()
    slow = []
    for start in (b"", b"POST /wri", head, head + b"Content-Length: 1000\r\n\r\nm,agent"):
        for _ in range(20):
            one = socket.create_connection(("127.0.0.1", console.port))
            one.sendall(start)
            slow.append(one)
    end = time.monotonic() + 8 * stores.PATIENCE
    alive = list(slow)
    while alive and time.monotonic() < end:
        for one in list(alive):
            try:
                one.sendall(b"a")
                one.setblocking(False)
                if one.recv(100) == b"":
                    alive.remove(one)
            except BlockingIOError:
                pass
            except OSError:
                alive.remove(one)
            else:
                continue
            finally:
                one.setblocking(True)
        begun = time.monotonic()
        assert console.write(point(), token)[0] == 204
        assert time.monotonic() - begun < 2 * stores.PATIENCE
        time.sleep(0.2)
    assert not alive
    assert console.metrics()["phusong_http_slow_total"] >= 80
    for one in slow:
        one.close()


def test_seven_hundred_agents_at_once(console):
    token = console.token("--admin")
    request = (f"POST /write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n"
               "Content-Length: {}\r\n\r\n{}")
    agents = [socket.create_connection(("127.0.0.1", console.port)) for _ in range(700)]
    for turn in range(2):
        for number, one in enumerate(agents):
            body = point(f"n{number}", time.time_ns())
            one.sendall(request.format(len(body), body).encode())
        for one in agents:
            one.settimeout(20 * stores.PATIENCE)
            assert one.recv(1000).startswith(b"HTTP/1.1 204")
    # Each transaction takes whatever waits.
    metrics = console.metrics()
    assert metrics["phusong_http_connections"] >= 700
    assert metrics["phusong_ingest_commits_total"] < metrics["phusong_ingest_bodies_total"] / 3
    for one in agents:
        one.close()


# -- Inventory, and what is told --------------------------------------------------------------------


def test_an_inventory_is_registered(console):
    token = console.token("--agent", "inv")
    inventory = {
        "areas": [{"code": "27", "level": "province", "name": "Bắc Ninh"},
                  {"code": "09187", "level": "commune", "name": "Kinh Bắc", "parent": "27"},
                  {"code": "09187-01", "id": "h1", "level": "hamlet", "name": "Thôn \"Bắc\"",
                   "parent": "09187", "households": 120}],
        "endpoints": [{"id": "e1", "hamlet": "h1", "commune": "09187", "technology": "fibre",
                       "operator": "vnpt", "address": "10.0.0.1"}]}
    path = "/api/v1/agents/inv/inventory"
    assert console.ask("PUT", path, json.dumps(inventory), token)[0] == 204
    agents = {row["id"]: row for row in console.get("/api/v1/agents")}
    assert agents["inv"]["endpoints"] == 1 and agents["inv"]["households"] == 120
    hamlet = [row for row in console.get("/api/v1/areas") if row["level"] == "hamlet"]
    assert [row["name"] for row in hamlet] == ["Thôn \"Bắc\""]
    now = time.time_ns()
    line = ("state,agent=inv,endpoint=e1,hamlet=h1,commune=09187,technology=fibre,operator=vnpt "
            f"code=2i,flapping=0i,maintenance=0i {now}\n")
    assert console.write(line, token) == (204, "")
    state = console.get("/api/v1/states?agent=inv")[0]
    assert (state["state"], state["hamlet_name"]) == ("down", "Thôn \"Bắc\"")
    status, _, body = console.ask("PUT", path, "[1,", token)
    assert status == 400 and json.loads(body)["error"]


def test_questions_are_answered(console):
    token = console.token("--admin")
    start = (time.time_ns() // (60 * 10**9) - 5) * 60 * 10**9
    body = "".join(
        f"coverage,agent=q,endpoint=e{n},hamlet=h{n},commune=c1,technology=4g,operator=viettel "
        f"sent=6i,lost={n}i,rtt_sum_us=6000i,rtt_count=6i,rtt_min_us=900i,rtt_max_us=1100i,"
        f"rtt_b93=6i,up_ms=60000i,span_ms=60000i {start + minute * 60 * 10**9}\n"
        for n in range(3) for minute in range(4))
    assert console.write(body, token) == (204, "")
    rows = console.get("/api/v1/summary?agent=q&by=hamlet&from=-1h")
    assert sorted((row["hamlet"], row["sent"], row["lost"]) for row in rows) == \
        [("h0", 24, 0), ("h1", 24, 4), ("h2", 24, 8)]
    rows = console.get("/api/v1/series?agent=q&field=sent,lost,rtt:mean&step=1h&from=-1h")
    assert sum(row["values"][0] for row in rows) == 72
    for bad in ("by=colour", "from=yesterday", "from=-1h&to=-2h"):
        assert console.ask("GET", f"/api/v1/summary?{bad}")[0] == 400, bad
    assert console.ask("GET", "/api/v1/series?field=a:p0")[0] == 400


def test_health_ping_and_version(console):
    assert console.ask("GET", "/ping")[0] == 204
    assert console.ask("HEAD", "/ping")[0] == 204
    status, headers, body = console.ask("GET", "/ping?verbose=true")
    assert status == 200 and "phusong" in headers["X-Influxdb-Version"] and b"version" in body
    status, _, body = console.ask("GET", "/health")
    assert status == 200 and json.loads(body)["status"] == "pass"


# -- The process ---------------------------------------------------------------------------------------


def test_a_full_disk_is_said_and_gets_over(another, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(mount)],
                      capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        one = another(f"store: {{path: {mount}/store.db, min_free: 4MiB}}")
        assert one.write(point()) == (204, "")
        filler = mount / "filler"
        free = os.statvfs(mount)
        filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - (2 << 20)))
        status, headers, body = one.ask("POST", "/write", point(), one.admin)
        assert status == 503 and int(headers["Retry-After"]) > 0
        assert "full" in json.loads(body)["error"]
        assert one.ask("GET", "/health")[0] == 503
        assert one.metrics()["phusong_ingest_failing"] == 1
        filler.unlink()
        assert one.write(point()) == (204, "")
        assert one.ask("GET", "/health")[0] == 200
        one.stop()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem.new",
                    "-out", folder / "cert.pem.new"], check=True, capture_output=True)
    os.chmod(folder / "key.pem.new", 0o600)
    os.rename(folder / "key.pem.new", folder / "key.pem")
    os.rename(folder / "cert.pem.new", folder / "cert.pem")


def subject_at(port):
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, text=True,
                          capture_output=True, check=True).stdout


def test_a_new_certificate_is_taken_without_a_restart(another, tmp_path):
    certificate(tmp_path, "first")
    one = another(f"tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}", wait=False)
    stores.wait_until(lambda: "msg=\"running\"" in one.output() or one.child.poll() is not None,
                      20, "the console running")
    assert "first" in subject_at(one.port)
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    old = context.wrap_socket(socket.create_connection(("127.0.0.1", one.port)),
                              server_hostname="127.0.0.1")
    old.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"204" in old.recv(1000)
    certificate(tmp_path, "second")
    os.kill(one.child.pid, signal.SIGHUP)
    stores.wait_until(lambda: "second" in subject_at(one.port), 5, "the new certificate")
    old.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")  # who is connected stays so once
    answer = old.recv(1000)
    assert b"204" in answer and b"close" in answer
    (tmp_path / "cert.pem").write_text("nonsense")
    os.kill(one.child.pid, signal.SIGHUP)
    stores.wait_until(lambda: "the changed certificate is not used" in one.output(), 5, "the refusal")
    assert "second" in subject_at(one.port)
    assert one.stop() == 0


def test_mistakes_are_named(phusong, tmp_path):
    file = tmp_path / "console.yaml"
    file.write_text("listen: nowhere\n")
    done = subprocess.run([phusong, "console", "check", "-c", file], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"console.yaml:1:\d+: .*listen is an address", done.stderr)
    file.write_text("\nlimits: {max_bdy: 1}\ntls: {key: k.pem}\n")
    done = subprocess.run([phusong, "console", "check", "-c", file], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"console.yaml:2:\d+: .*max_bdy.*did you mean \"max_body\"", done.stderr)
    assert re.search(r"console.yaml:3:\d+: .*belong together", done.stderr)
    file.write_text("rules: [none.yaml]\n")
    done = subprocess.run([phusong, "console", "check", "-c", file], capture_output=True, text=True)
    assert done.returncode == 1 and "none.yaml" in done.stderr


def test_one_console_at_a_time(another, phusong, child_env):
    one = another()
    done = subprocess.run([phusong, "console", "-c", one.config], capture_output=True, text=True,
                          env=child_env, timeout=60)
    assert done.returncode == 4 and "another process has that port" in done.stderr


def test_a_backup_while_it_runs(another, tmp_path, phusong):
    one = another()
    assert one.write(point()) == (204, "")
    one.run("backup", str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_size > 0
    assert one.run("backup", str(tmp_path / "copy.db"), check=False).returncode == 4
    assert one.stop() == 0
    assert "whole" in one.run("check", "--store").stdout
