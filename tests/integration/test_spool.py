"""The spool against real files: killed at random moments, on a full disk, and seen through
`phusong spool`. Lines are judged one by one: nothing acknowledged is missing, nothing altered."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import pytest

BUILD = pathlib.Path(os.environ.get("PHUSONG_BUILD", "build/dev")).resolve()
WRITER = BUILD / "tests/support/spool_writer"
PHUSONG = BUILD / "agent/phusong"
RUN = 10_000_000  # numbers of one run of the writer


def hashed(number):
    mask = (1 << 64) - 1
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & mask
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & mask
    return (number ^ number >> 31) >> 1


def number_of(line):
    """Of one line, which must be exactly as it was written."""
    head, value, stamp = line.split(" ")
    number = int(stamp)
    assert head.startswith(f"crash,n={number},p=x"), line
    assert set(head.rsplit("=", 1)[1]) == {"x"}, line
    assert value == f"v={hashed(number)}i", line
    return number


def run_and_kill(arguments, first, seconds):
    """Runs the writer, kills it after so long; the end of what it acknowledged."""
    process = subprocess.Popen(
        [WRITER, "--first", str(first), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(seconds)
    assert process.poll() is None, process.stderr.read().decode()
    process.kill()
    out, _ = process.communicate()
    whole = out[: out.rfind(b"\n") + 1].split()
    return int(whole[-1]) if whole else first


def export(folder, *arguments):
    result = subprocess.run([PHUSONG, "spool", "export", "--dir", folder, *arguments],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def spool(*arguments, expect=0):
    result = subprocess.run([PHUSONG, "spool", *arguments], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
    return result


def assert_all_there(numbers, acknowledged):
    there = set(numbers)
    for first, end in acknowledged:
        missing = [n for n in range(first, end) if n not in there]
        assert not missing, f"{len(missing)} acknowledged lines are missing, the first {missing[0]}"


def test_fifty_kills_lose_nothing_acknowledged(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = []
    for run in range(50):
        end = run_and_kill([str(tmp_path)], run * RUN, chance.uniform(0.01, 0.15))
        acknowledged.append((run * RUN, end))
    numbers = [number_of(line) for line in export(str(tmp_path))]
    assert sum(end - first for first, end in acknowledged) > 10_000
    assert_all_there(numbers, acknowledged)
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    spool("verify", "--dir", str(tmp_path))


def test_fifty_kills_while_delivering(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = []
    delivered = tmp_path / "delivered"
    folder = str(tmp_path / "spool")
    for run in range(50):
        end = run_and_kill(["--deliver", str(delivered), folder], run * RUN,
                           chance.uniform(0.01, 0.15))
        acknowledged.append((run * RUN, end))
    subprocess.run([WRITER, "--deliver", delivered, "--drain", folder], check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    numbers = [number_of(line) for line in delivered.read_text().splitlines()]
    assert_all_there(numbers, acknowledged)
    twice = len(numbers) - len(set(numbers))
    assert twice < len(numbers) / 2, "sent again far more than the last second before each kill"
    assert not list(pathlib.Path(folder).glob("*.seg")), "delivered segments are still there"
