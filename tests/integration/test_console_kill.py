"""kill -9 of the console again and again while agents write: what was acknowledged is there, and
nothing counts twice. PHU_KILLS says how often (12)."""

import http.client
import os
import random
import signal
import threading
import time

import console as support
import stores

KILLS = int(os.environ.get("PHU_KILLS", "12"))
WRITERS = 3
POINTS = 40


class Writer(threading.Thread):
    """Sends bodies of windows, each until it is acknowledged, some of them twice. Every body is one
    minute of one hamlet of its own writer, every window counts one probe."""

    def __init__(self, console, number, start):
        super().__init__(daemon=True)
        self.console, self.number, self.start_ns = console, number, start
        self.random = random.Random(number)
        self.acknowledged = 0
        self.sent_again = 0
        self.goes_on = True
        self.failure = None

    def body(self, turn):
        at = self.start_ns + turn * 10**9
        return "".join(
            f"coverage,agent=k,endpoint=w{self.number}-{n},hamlet=h{self.number},commune=c,"
            f"technology=fibre,operator=o sent=1i,lost=0i,rtt_sum_us=10i,rtt_count=1i,up_ms=1000i,"
            f"span_ms=1000i {at}\n" for n in range(POINTS)).encode()

    def post(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=20)
        try:
            connection.request("POST", "/write", body,
                               {"Authorization": f"Token {self.console.admin}"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def run(self):
        turn = 0
        while self.goes_on:
            body = self.body(turn)
            status = self.post(body)
            while status != 204 and self.goes_on:
                if status not in (0, 503):
                    self.failure = status
                    return
                time.sleep(0.02)
                self.sent_again += 1
                status = self.post(body)
            if status != 204:
                return
            self.acknowledged += 1
            turn += 1
            if self.random.random() < 0.1:
                self.post(body)


def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(phusong, tmp_path, child_env):
    one = support.Console(phusong, tmp_path / "console", env=child_env)
    one.admin = one.token("--admin")
    start = (time.time_ns() // (3600 * 10**9) - 2) * 3600 * 10**9
    writers = [Writer(one, number, start) for number in range(WRITERS)]
    dice = random.Random(7)
    for writer in writers:
        writer.start()
    kills, end = 0, time.monotonic() + (30 + 2 * KILLS) * stores.PATIENCE
    # A slow machine acknowledges little between two kills.
    while kills < KILLS or min(writer.acknowledged for writer in writers) <= KILLS:
        assert time.monotonic() < end and not any(writer.failure for writer in writers)
        kills += 1
        time.sleep(dice.uniform(0.05, 0.5))
        os.kill(one.child.pid, signal.SIGKILL)
        one.child.wait()
        one.launch()
    time.sleep(0.3)
    for writer in writers:
        writer.goes_on = False
    for writer in writers:
        writer.join(60)
        assert writer.failure is None
    assert sum(writer.sent_again for writer in writers) >= min(KILLS, 3), "no kill hit a writer"
    for writer in writers:
        rows = one.get(f"/api/v1/summary?hamlet=h{writer.number}&from=-4h&by=subject")
        assert len(rows) == POINTS
        for row in rows:
            # One body more may be stored whose acknowledgement was never heard.
            assert writer.acknowledged <= row["sent"] <= writer.acknowledged + 1
            assert row["up_ms"] == 1000 * row["sent"]
    assert one.stop() == 0, one.output()
    assert "whole" in one.run("check", "--store").stdout
