#!/usr/bin/env python3
"""The console's ingest beside InfluxDB 1.6 and VictoriaMetrics: the same gzip bodies of 5,000
windows each, by the same senders, one server at a time on the first core, the senders on the others.

A point is acknowledged when it is durable: the console syncs before it says 204; InfluxDB does by
default (wal-fsync-delay 0); VictoriaMetrics has no such setting and keeps seconds in memory.
"""
import http.client
import os
import pathlib
import sys
import tempfile
import threading
import time
import zlib

import support
from support import cpu_seconds, figure, median, note

sys.path.insert(0, str(support.ROOT / "tests/support"))
import console as consoles  # noqa: E402
import stores  # noqa: E402

LINES = 5000
ENDPOINTS = 20000
MINUTES = 24
SENDERS = 4


def line(endpoint, minute, at):
    loss = (endpoint * 7 + minute) % 50 == 0
    base = 60 + endpoint % 40
    buckets = ",".join(f"rtt_b{base + i}={c}i" for i, c in enumerate((1, 3, 2)))
    mean = 1000 + endpoint % 9000
    return (f"coverage,agent=bench,commune=c{endpoint // 200:05},endpoint=e{endpoint:06},"
            f"hamlet=h{endpoint // 4:05},operator=vnpt,technology=fibre "
            f"sent=6i,lost={int(loss)}i,rtt_sum_us={mean * 6}i,rtt_count=6i,rtt_min_us={mean - 90}i,"
            f"rtt_max_us={mean + 300 + minute}i,{buckets},jitter_sum_us={400 + minute}i,"
            f"jitter_count=5i,up_ms=60000i,good_ms=60000i,span_ms=60000i {at}\n")


def make_bodies():
    """Every endpoint's window of each minute, in the order in which agents would send them."""
    start = (time.time_ns() // (60 * 10**9) - MINUTES - 1) * 60 * 10**9
    bodies, size = [], 0
    for minute in range(MINUTES):
        at = start + minute * 60 * 10**9
        for first in range(0, ENDPOINTS, LINES):
            text = "".join(line(e, minute, at) for e in range(first, first + LINES)).encode()
            size += len(text)
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            bodies.append(packer.compress(text) + packer.flush())
    note(f"{len(bodies)} bodies, {size // len(bodies) // LINES} bytes a line, "
         f"{sum(map(len, bodies)) // len(bodies)} bytes packed")
    return bodies


def send(port, path, headers, bodies, lock, statuses):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while True:
        with lock:
            if not bodies:
                return
            body = bodies.pop()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)


def load(pid, port, path, headers, bodies):
    """(points a second, CPU microseconds a point)"""
    queue, lock, statuses = list(reversed(bodies)), threading.Lock(), []
    headers = {"Content-Encoding": "gzip", **headers}
    senders = [threading.Thread(target=send, args=(port, path, headers, queue, lock, statuses))
               for _ in range(SENDERS)]
    cpu, began = cpu_seconds(pid), time.monotonic()
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    took, used = time.monotonic() - began, cpu_seconds(pid) - cpu
    assert set(statuses) == {204}, statuses
    points = len(bodies) * LINES
    return points / took, used / points * 1e6


def pin(pid):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {0})


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def our_round(bodies, folder):
    conf = "limits: {lines_per_second: 0}\n"
    console = consoles.Console(support.PHUSONG, folder, conf)
    try:
        token = console.token("--admin")
        pin(console.child.pid)
        figures = load(console.child.pid, console.port, "/api/v2/write",
                       {"Authorization": f"Token {token}"}, bodies)
        return (*figures, resident(console.child.pid))
    finally:
        console.stop()


def peer_round(kind, bodies, folder):
    store = kind(folder)
    path = "/write"
    if kind is stores.Influx:
        store.create("bench")
        path = "/write?db=bench"
    try:
        pin(store.process.child.pid)
        return load(store.process.child.pid, store.port, path, {}, bodies)
    finally:
        store.stop()


def main():
    os.sched_setaffinity(0, set(range(1, os.cpu_count())) or {0})
    bodies = make_bodies()
    ours, peers = [], {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("PHU_BENCH_DIR")) as folder:
        for number in range(support.ROUNDS):
            ours.append(our_round(bodies, pathlib.Path(folder) / f"console{number}"))
            note(f"console: {ours[-1][0]:.0f} points/s, {ours[-1][1]:.2f} us, {ours[-1][2]:.0f} MiB")
            for kind in (stores.Influx, stores.Victoria):
                if not kind.is_installed():
                    continue
                place = pathlib.Path(folder) / f"{kind.program}{number}"
                place.mkdir()
                peers.setdefault(kind.program, []).append(peer_round(kind, bodies, place))
                note(f"{kind.program}: {peers[kind.program][-1][0]:.0f} points/s, "
                     f"{peers[kind.program][-1][1]:.2f} us")
    rate = median([one[0] for one in ours])
    figure("console_ingest", "points/s on one core", round(rate), ">= 200000")
    figure("console_ingest_cpu", "us/point", round(median([one[1] for one in ours]), 3))
    figure("console_ingest_memory", "MiB", round(median([one[2] for one in ours])), "<= 256")
    for name, rounds in peers.items():
        figure(f"console_ingest_beside_{name}", "points/s on one core", round(rate), ">= 1 x peer",
               round(median([one[0] for one in rounds])), name)


if __name__ == "__main__":
    main()
