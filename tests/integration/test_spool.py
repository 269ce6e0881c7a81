"""The spool against real files: killed at random moments, on a full disk, and seen through
`phusong spool`. Lines are judged one by one: nothing acknowledged is missing, nothing altered."""

import contextlib
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
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
                            capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def spool(*arguments, expect=0):
    result = subprocess.run([PHUSONG, "spool", *arguments], capture_output=True, text=True,
                            timeout=240)
    assert result.returncode == expect, (result.returncode, result.stdout, result.stderr)
    return result


def delivered_numbers(*paths):
    """Of all files. A kill may cut a write short, but nothing follows it in that file."""
    numbers = []
    for path in paths:
        text = path.read_text()
        numbers += [number_of(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return numbers


def assert_all_there(numbers, acknowledged):
    there = set(numbers)
    for first, end in acknowledged:
        missing = [n for n in range(first, end) if n not in there]
        assert not missing, f"{len(missing)} acknowledged lines are missing, the first {missing[0]}"


def until_enough(acknowledged):
    """Numbers of runs: fifty, and more where a slow machine has written little by then."""
    run, end = 0, time.monotonic() + 180
    while run < 50 or sum(last - first for first, last in acknowledged) <= 10_000:
        assert time.monotonic() < end, f"{run} kills, and hardly anything was acknowledged"
        yield run
        run += 1


def test_fifty_kills_lose_nothing_acknowledged(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = []
    for run in until_enough(acknowledged):
        end = run_and_kill([str(tmp_path)], run * RUN, chance.uniform(0.01, 0.15))
        acknowledged.append((run * RUN, end))
    numbers = [number_of(line) for line in export(str(tmp_path))]
    assert_all_there(numbers, acknowledged)
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    spool("verify", "--dir", str(tmp_path))


def test_fifty_kills_while_delivering(tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged = []
    delivered = []
    folder = str(tmp_path / "spool")
    for run in until_enough(acknowledged):
        delivered.append(tmp_path / f"delivered-{run}")
        end = run_and_kill(["--deliver", str(delivered[-1]), folder], run * RUN,
                           chance.uniform(0.01, 0.15))
        acknowledged.append((run * RUN, end))
        delivered[-1].touch()
    delivered.append(tmp_path / "delivered-last")
    subprocess.run([WRITER, "--deliver", delivered[-1], "--drain", folder], check=True,
                   timeout=240, stdout=subprocess.DEVNULL)
    assert_all_there(delivered_numbers(*delivered), acknowledged)
    assert not list(pathlib.Path(folder).glob("*.seg")), "delivered segments are still there"


# -- A full disk -------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs in a mount namespace of its own, reached through the process that holds it."""
    script = f'mount -t tmpfs -o size={size} none "$0" && echo ready && exec sleep 600'
    for unshare in (["unshare", "-m"], ["unshare", "-m", "--map-root-user"]):
        holder = subprocess.Popen([*unshare, "sh", "-c", script, folder], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        if holder.stdout.readline() == "ready\n":
            break
        holder.wait()
    else:
        pytest.skip("mounting a tmpfs in a namespace is not allowed here")
    try:
        yield f"/proc/{holder.pid}/root{folder}"
    finally:
        holder.kill()
        holder.wait()


def last_acknowledged(path, default):
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1].split()
    return int(whole[-1]) if whole else default


class Writer:
    """The writer in the background, its acknowledgements in a file."""

    def __init__(self, tmp_path, first, *arguments):
        self.first = first
        self.acks = tmp_path / f"acks-{first}"
        self.log = tmp_path / f"log-{first}"
        with open(self.acks, "wb") as acks, open(self.log, "wb") as log:
            self.process = subprocess.Popen([WRITER, "--first", str(first), *arguments],
                                            stdout=acks, stderr=log)

    def acknowledged(self):
        return last_acknowledged(self.acks, self.first)

    def wait_for(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return (self.first, self.acknowledged())


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    with small_disk(str(mount), "3m") as disk:
        folder = f"{disk}/spool"
        writer = Writer(tmp_path, 0, folder)
        writer.wait_for(lambda: "the disk is full" in writer.log.read_text())
        writer.wait_for(lambda: "dropping new points" in writer.log.read_text())
        full_at = writer.acknowledged()
        assert full_at > 10_000
        acknowledged = [writer.kill()]
        numbers = [number_of(line) for line in export(folder)]
        assert_all_there(numbers, acknowledged)

        # The next process finds the disk full, delivers, and has room again by that.
        first, rest = tmp_path / "delivered-1", tmp_path / "delivered-2"
        writer = Writer(tmp_path, RUN, "--deliver", str(first), "--rate", "2", folder)
        writer.wait_for(lambda: writer.acknowledged() > RUN + 1000)
        acknowledged.append(writer.kill())
        subprocess.run([WRITER, "--deliver", rest, "--drain", folder], check=True, timeout=240,
                       stdout=subprocess.DEVNULL)
        assert_all_there(delivered_numbers(first, rest), acknowledged)


def test_a_disk_that_others_filled_is_used_again_when_they_are_gone(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    with small_disk(str(mount), "8m") as disk:
        folder, filler = f"{disk}/spool", pathlib.Path(f"{disk}/filler")
        writer = Writer(tmp_path, 0, "--rate", "1", folder)
        writer.wait_for(lambda: writer.acknowledged() > 100)
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        writer.wait_for(lambda: "the disk is full" in writer.log.read_text())
        stuck = writer.acknowledged()
        time.sleep(0.3)
        filler.unlink()
        writer.wait_for(lambda: writer.acknowledged() > stuck + 500)
        assert "the disk takes points again" in writer.log.read_text()
        acknowledged = [writer.kill()]
        numbers = [number_of(line) for line in export(folder)]
        assert_all_there(numbers, acknowledged)
        assert numbers == sorted(set(numbers))


# -- phusong spool -----------------------------------------------------------------------------


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def write_cursor(folder, name, live):
    """As docs/spool.md describes it."""
    slot = b"\xffPHUCUR\xfe" + struct.pack("<IIQQ", 1, 0, 1, live)
    slot += bytes(4092 - len(slot))
    slot += struct.pack("<I", crc32c(slot))
    (pathlib.Path(folder) / "cursors" / f"{name}.cursor").write_bytes(slot + slot)


@pytest.fixture
def filled(tmp_path):
    """A spool of 2,000 lines that nobody uses."""
    folder = tmp_path / "spool"
    subprocess.run([WRITER, "--lines", "2000", folder], check=True, timeout=240,
                   stdout=subprocess.DEVNULL)
    return str(folder)


def test_stat_and_ls_agree(filled):
    write_cursor(filled, "slow", 0)
    stat = json.loads(spool("stat", "--json", "--dir", filled).stdout)
    segments = json.loads(spool("ls", "--json", "--dir", filled).stdout)
    assert stat["records"] == 2000 == sum(segment["records"] for segment in segments)
    assert stat["bytes"] == sum(segment["bytes"] for segment in segments)
    assert stat["bytes"] == sum(f.stat().st_size for f in pathlib.Path(filled).glob("*.seg"))
    assert all(segment["sealed"] for segment in segments)
    assert not stat["in_use"]
    (reader,) = stat["readers"]
    assert reader["name"] == "slow" and reader["backfill_bytes"] == 0
    assert 0 < reader["live_bytes"] < stat["bytes"]
    assert reader["oldest"] == stat["oldest"]
    table = spool("stat", "--dir", filled).stdout
    assert "2000" in table and "slow" in table
    assert len(spool("ls", "--dir", filled).stdout.splitlines()) == len(segments) + 1


def test_verify_names_what_is_damaged(filled):
    assert "2000 records" in spool("verify", "--dir", filled).stdout
    path = sorted(pathlib.Path(filled).glob("*.seg"))[0]
    data = bytearray(path.read_bytes())
    place = data.index(b"crash,n=7,") - 28  # the header of record 7: its length
    data[place + 4] ^= 0x40
    path.write_bytes(data)
    result = spool("verify", "--dir", filled, expect=1)
    assert f"{path.name}: offset {place}: damaged" in result.stdout
    assert "1999 records" in result.stdout and "1 are lost" in result.stdout
    report = json.loads(spool("verify", "--json", "--dir", filled, expect=1).stdout)
    assert report["good"] == 1999 and report["lost"] == 1
    assert report["list"][0]["offset"] == place and report["list"][0]["records"] == 1
    numbers = [number_of(line) for line in export(filled)]
    assert numbers == [n for n in range(2000) if n != 7]


def test_export_keeps_to_the_times(filled):
    stat = json.loads(spool("stat", "--json", "--dir", filled).stdout)
    assert len(export(filled, "--from", stat["oldest"])) == 2000
    assert export(filled, "--to", stat["oldest"]) == []
    assert export(filled, "--from", "2100-01-01") == []
    assert len(export(filled, "--to", "2100-01-01T00:00:00+07:00")) == 2000


def test_a_running_agent_is_looked_at_but_not_disturbed(tmp_path):
    folder = str(tmp_path / "spool")
    writer = Writer(tmp_path, 0, "--rate", "5", folder)
    writer.wait_for(lambda: writer.acknowledged() > 1000)
    write_cursor(folder, "central", 0)
    before = writer.acknowledged()
    assert json.loads(spool("stat", "--json", "--dir", folder).stdout)["in_use"]
    spool("verify", "--dir", folder)
    numbers = [number_of(line) for line in export(folder)]
    assert_all_there(numbers, [(0, before)])
    result = spool("replay", "--reader", "central", "--from", "2020-01-01", "--dir", folder,
                   expect=4)
    assert "stop it first" in result.stderr
    spool("forget", "central", "--dir", folder, expect=4)
    second = subprocess.run([WRITER, folder], capture_output=True, text=True, timeout=240)
    assert second.returncode == 4
    assert f"pid={writer.process.pid}" in second.stderr and "stop it first" in second.stderr
    writer.kill()


def test_replay_sends_again_and_forget_lets_go(filled, tmp_path):
    delivered = tmp_path / "delivered"
    write_cursor(filled, "slow", 0)  # holds the segments
    drain = [WRITER, "--deliver", delivered, "--drain", filled]
    subprocess.run(drain, check=True, timeout=240, stdout=subprocess.DEVNULL)
    assert len(delivered.read_text().splitlines()) == 2000
    delivered.unlink()
    subprocess.run(drain, check=True, timeout=240, stdout=subprocess.DEVNULL)
    assert not delivered.read_text()
    delivered.unlink()

    out = spool("replay", "--reader", "central", "--from", "2020-01-01", "--dir", filled).stdout
    assert "will be sent again" in out
    subprocess.run(drain, check=True, timeout=240, stdout=subprocess.DEVNULL)
    numbers = [number_of(line) for line in delivered.read_text().splitlines()]
    assert sorted(set(numbers)) == list(range(2000))
    spool("replay", "--reader", "nobody", "--from", "2020-01-01", "--dir", filled, expect=2)

    spool("forget", "slow", "--dir", filled)
    spool("forget", "slow", "--dir", filled, expect=2)
    subprocess.run(drain, check=True, timeout=240, stdout=subprocess.DEVNULL)
    assert not list(pathlib.Path(filled).glob("*.seg"))


@pytest.mark.parametrize("arguments, code, words", [
    ([], 3, "a verb is missing"),
    (["stats"], 3, 'no verb "stats"'),
    (["stat", "--dir", "/nonexistent/spool"], 2, "no spool in /nonexistent/spool"),
    (["stat", "more", "--dir", "/tmp"], 3, "too much on the command line"),
    (["export", "--from", "yesterday", "--dir", "/tmp"], 3, '--from "yesterday" is not a time'),
    (["export", "--to", "2026-02-30", "--dir", "/tmp"], 3, '--to "2026-02-30" is not a time'),
    (["export", "--from", "2026-11-23T08:00:00", "--dir", "/tmp"], 3, "is not a time"),
    (["stat", "-c", "/nonexistent.yaml"], 3, "/nonexistent.yaml"),
    (["replay", "--reader", "x", "--from", "2026-11-23", "--to", "2026-11-24", "--dir", "/tmp"], 3,
     "replay has no --to"),
    (["verify", "--from", "2026-11-23", "--dir", "/tmp"], 3, "verify has no --from"),
    (["export", "--json", "--dir", "/tmp"], 3, "export has no --json"),
    (["ls", "--reader", "x", "--dir", "/tmp"], 3, "ls has no --reader"),
])
def test_mistakes_are_explained(arguments, code, words):
    assert words in spool(*arguments, expect=code).stderr


def test_mistakes_of_replay_and_forget(filled):
    assert "needs --reader" in spool("replay", "--dir", filled, expect=3).stderr
    assert "needs the exporter's name" in spool("forget", "--dir", filled, expect=3).stderr


def test_help_is_an_answer():
    assert "verbs:" in spool("--help").stdout
