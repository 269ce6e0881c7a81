#!/usr/bin/python3
"""An InfluxDB-compatible server that fails: at random from a seed, or as told.

Every write that it takes is recorded line by line, and can be passed on to real servers; what it
refuses is not. As a program it listens until SIGTERM:

    faultd.py --port 8086 --seed 7 --fault reset_after=0.1 --fault 500=0.05 --forward URL

Tests use the class:

    server = FaultServer(seed=7, faults={"reset_before": 0.1, "hang": 0.02, "429": 0.05})
    server.rules.poison = re.compile(rb"bad")
    ...
    server.stop()

Faults (each with its share of the requests):
    reset_before  the connection is reset before anything is stored
    reset_after   ... after everything was stored, instead of the answer
    hang          no answer; the connection stays open (nothing stored)
    hang_after    the same, stored
    500 503 429 401 ...   that answer, nothing stored (503 and 429 with Retry-After)
    truncated     stored; an answer that ends in the middle
    garbage       stored; an answer that is not HTTP
    slow          stored; an answer byte by byte
    stale         stored; answers 204 and then closes the connection without having said so
"""

import argparse
import collections
import gzip
import json
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Rules:
    """What is always so, unlike faults; tests change it while the server runs."""

    def __init__(self):
        self.token = None  # the Authorization header that is expected; None: any
        self.max_bytes = None  # 413 for longer bodies (after decompression)
        self.poison = None  # 400 for lines in which this pattern is found
        self.is_partial = True  # the good lines of such a body are stored (InfluxDB 1.x)
        self.status = None  # every request gets this answer, nothing is stored
        self.retry_after = None  # seconds, with 429 and 503
        self.delay = 0.0  # seconds before each answer
        self.is_dead = False  # resets every connection


class Request:
    def __init__(self, path, headers, lines, length):
        self.at = time.monotonic()
        self.path = path
        self.headers = headers
        self.lines = lines
        self.length = length
        self.status = None  # None: no answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, words="", headers=()):
        body = json.dumps({"error": words}).encode() + b"\n" if words else b""
        self.request_record.status = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        self.rfile = self.wfile = open("/dev/null", "r+b")  # what the base class still flushes

    def raw(self, data):
        self.wfile.write(data)
        self.wfile.flush()
        self.close_connection = True

    def read_body(self):
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return body

    def do_GET(self):
        self.request_record = Request(self.path, self.headers, [], 0)
        self.answer(204 if self.path.startswith(("/ping", "/health")) else 404)

    def do_POST(self):
        server = self.server.owner
        if server.rules.is_dead:
            self.request_record = Request(self.path, self.headers, [], 0)
            return self.reset()
        body = self.read_body()
        lines = [line for line in body.split(b"\n") if line]
        record = self.request_record = Request(self.path, self.headers, lines, len(body))
        server.note(record)
        try:
            self.react(server, body, lines)
        finally:
            server.ended(record)

    def react(self, server, body, lines):
        rules = server.rules
        if rules.delay:
            server.stopping.wait(rules.delay)
        fault = server.draw_fault()
        if rules.status or (fault and fault.isdigit()):
            return self.refuse(rules, rules.status or int(fault))
        if rules.token and self.headers.get("Authorization") != rules.token:
            return self.answer(401, "authorization failed")
        if rules.max_bytes and len(body) > rules.max_bytes:
            return self.answer(413, "Request Entity Too Large")
        if fault == "reset_before":
            return self.reset()
        if fault == "hang":
            return self.hang(server)
        status, words = self.store(server, rules, lines)
        if status == 204 and fault:
            return getattr(self, "after_" + fault)(server)
        self.answer(status, words)

    def refuse(self, rules, status):
        headers = []
        if status in (429, 503) and rules.retry_after is not None:
            headers = [("Retry-After", str(rules.retry_after))]
        self.answer(status, f"this server says {status}", headers)

    def store(self, server, rules, lines):
        bad = [line for line in lines if rules.poison and rules.poison.search(line)]
        good = [line for line in lines if line not in bad] if bad else lines
        if bad and not rules.is_partial:
            good = []
        if good and not server.forward(good, self.path):
            return 500, "cannot reach the real server"
        server.keep(good, self.request_record)
        if bad:
            words = bad[0].decode(errors="replace")
            return 400, f"partial write: unable to parse '{words}': invalid number dropped=0"
        return 204, ""

    def hang(self, server):
        server.stopping.wait(60)
        self.reset()

    def after_reset_after(self, server):
        self.reset()

    def after_hang_after(self, server):
        self.hang(server)

    def after_truncated(self, server):
        self.raw(b"HTTP/1.1 204 No Content\r\nX-Influxdb-Ver")

    def after_garbage(self, server):
        self.raw(b"\x16\x03\x01\x02\x00\x01\x00 this is not the protocol you are looking for\r\n\r\n")

    def after_slow(self, server):
        for byte in b"HTTP/1.1 204 No Content\r\n\r\n":
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            server.stopping.wait(0.003)
        self.request_record.status = 204

    def after_stale(self, server):
        self.answer(204)
        self.close_connection = True


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, address)


class FaultServer:
    def __init__(self, port=0, seed=0, faults=None, forward=(), tls=None):
        """`tls` is an ssl.SSLContext; then the address is https://localhost:PORT."""
        self.rules = Rules()
        self.faults = dict(faults or {})
        self.random = random.Random(seed)
        self.forwards = list(forward)  # base URLs of real servers
        self.lock = threading.Lock()
        self.stored = collections.Counter()  # line -> how many times
        self.stored_at = {}  # line -> when first
        self.requests = []
        self.in_flight = self.most_in_flight = 0
        self.drawn = collections.Counter()
        self.stopping = threading.Event()
        self.listener = Listener(("127.0.0.1", port), Handler)
        self.listener.owner = self
        self.port = self.listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if tls:
            self.url = f"https://localhost:{self.port}"
            # the handshake belongs to the connection's own thread
            self.listener.socket = tls.wrap_socket(self.listener.socket, server_side=True,
                                                   do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.listener.shutdown()
        self.listener.server_close()

    def draw_fault(self):
        with self.lock:
            point = self.random.random()
            for name, share in self.faults.items():
                if point < share:
                    self.drawn[name] += 1
                    return name
                point -= share
        return None

    def note(self, record):
        with self.lock:
            self.requests.append(record)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def ended(self, _record):
        with self.lock:
            self.in_flight -= 1

    def keep(self, lines, record):
        with self.lock:
            for line in lines:
                self.stored[line] += 1
                self.stored_at.setdefault(line, record.at)

    def forward(self, lines, path):
        """The same path and query to each real server: that all of them have it is what we answer."""
        body = b"\n".join(lines) + b"\n"
        for base in self.forwards:
            request = urllib.request.Request(base + path, data=body, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    if answer.status != 204:
                        return False
            except (urllib.error.URLError, OSError):
                return False
        return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=8086)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE")
    parser.add_argument("--forward", action="append", default=[], metavar="URL")
    parser.add_argument("--poison", metavar="PATTERN")
    parser.add_argument("--max-bytes", type=int)
    parser.add_argument("--token", help="the whole Authorization header to expect")
    arguments = parser.parse_args()
    faults = {name: float(share) for name, share in (text.split("=") for text in arguments.fault)}
    server = FaultServer(arguments.port, arguments.seed, faults, arguments.forward)
    server.rules.max_bytes = arguments.max_bytes
    server.rules.token = arguments.token
    if arguments.poison:
        server.rules.poison = re.compile(arguments.poison.encode())
    print(f"listening on {server.url}", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
        print(f"requests={len(server.requests)} lines={sum(server.stored.values())} "
              f"distinct={len(server.stored)} faults={dict(server.drawn)}")


if __name__ == "__main__":
    main()
