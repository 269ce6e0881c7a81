"""An emulated district for a test: starts phusong-lab, talks to it, and ends it.

    with Lab(program, tmp_path / "lab", "--serve", "80,443") as lab:
        lab("delay", "10.27.3.0/24", "20ms")
        lab.agent(["ping", "-c", "3", "10.27.3.1"])
        assert lab.settled_stats()["10.27.3.1"]["answered"] == 3

The agent's side is a namespace of its own, so labs of tests that run at the same time do not meet.
"""

import json
import os
import subprocess
import time

NOT_POSSIBLE = 77


class Unavailable(Exception):
    """This machine allows no TUN interface or no network namespace; the text says why."""


class Taken(Exception):
    """Another lab on this machine has the prefix."""


class Lab:
    def __init__(self, program, state, *options, own_namespace=True):
        self.program = str(program)
        self.state = str(state)
        self.options = [str(word) for word in options]
        if own_namespace:
            self.options.append("--agent-netns")
        self.process = None

    def __enter__(self):
        command = [self.program, "run", "--state", self.state, "--quiet", "--die-with-parent",
                   "--require-tun", *self.options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 40
        while self.process.poll() is None and time.monotonic() < end:
            if self.run("wait", "--timeout", "1s", check=False).returncode == 0:
                return self
        self.process.terminate()
        said = self.process.communicate(timeout=40)[1].strip()
        if self.process.returncode == NOT_POSSIBLE:
            raise Unavailable(said)
        if "already has a route here" in said:
            raise Taken(said)
        raise RuntimeError(f"the lab did not start: {said}")

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the lab with SIGTERM; returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        said = self.process.communicate(timeout=60)[1]
        if self.process.returncode not in (0, -9):
            raise RuntimeError(f"the lab ended with {self.process.returncode}: {said}")
        return self.process.returncode

    def run(self, *words, check=True, **options):
        return subprocess.run([self.program, str(words[0]), "--state", self.state,
                               *[str(word) for word in words[1:]]],
                              check=check, text=True, capture_output=True, **options)

    def __call__(self, *words):
        """A verb; returns what it prints."""
        result = self.run(*words, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"phusong-lab {' '.join(map(str, words))}: {result.stderr.strip()}")
        return result.stdout

    def command(self, command, side="agent"):
        """The words that run a command on that side, for a Popen of one's own."""
        return [self.program, "exec", "--state", self.state, "--side", side, "--",
                *[str(word) for word in command]]

    def agent(self, command, **options):
        """Runs a command on the agent's side."""
        options.setdefault("check", False)
        env = dict(os.environ, LC_ALL="C")
        return subprocess.run(self.command(command), capture_output=True, text=True, env=env,
                              timeout=120, **options)

    def settle(self):
        self("settle", "--timeout", "60s")

    def totals(self):
        return json.loads(self("stats", "--json"))["totals"]

    def settled_stats(self):
        """Counters by address, when nothing is under way any more."""
        self.settle()
        stats = json.loads(self("stats", "--json"))
        assert stats["totals"]["overruns"] == 0, "the lab itself lost packets: no truth to compare"
        return {host["address"]: host for host in stats["hosts"]}

    def records(self):
        """The fate of every echo, in the order they were settled."""
        self.settle()
        return json.loads(self("truth", "--json"))

    def summary(self):
        """Counts and percentiles by address."""
        self.settle()
        return {row["address"]: row for row in json.loads(self("truth", "--summary", "--json"))}
