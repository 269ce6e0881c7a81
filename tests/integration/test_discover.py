"""phusong discover, on devices that the lab plays: what it finds, what it proposes, and that it leaves
devices.csv as a person wrote it."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import time

import pytest
import stores
from snmp_lab import RECORDINGS as snmprec

AREAS = "code,level,name,parent_code,id\n24,province,B,,\n09187,commune,K,24,\n" \
        "h-1,hamlet,Khu 1,09187,bn-0001\n"
ENDPOINTS = "id,hamlet,technology,operator,address\nbn-0001-4g,bn-0001,4g,VNPT,127.0.0.1\n"


class Place:
    """A configuration with an inventory and credentials, and the program that reads them."""

    def __init__(self, folder, program, env, port):
        self.folder, self.program, self.env, self.port = folder, program, env, port
        self.inventory = folder / "inventory"
        self.inventory.mkdir()
        (self.inventory / "areas.csv").write_text(AREAS)
        (self.inventory / "endpoints.csv").write_text(ENDPOINTS)
        self.devices = self.inventory / "devices.csv"
        for name, community in (("wrong", "nobody"), ("right", "public")):
            secret = folder / name
            secret.write_text(community + "\n")
            secret.chmod(0o600)
        self.config = folder / "phusong.yaml"
        self.config.write_text(f"""
agent: {{id: node, inventory: inventory, state_dir: {folder}}}
credentials:
  - {{name: wrong, version: 2c, community: {folder}/wrong}}
  - {{name: right, version: 2c, community: {folder}/right}}
checks:
  - {{name: snmp, collector: snmp, port: {port}, pdu_timeout: 1s, retries: 0,
     pdus_per_second: 1000}}
exporters:
  - {{name: out, type: file, path: {folder}/out.lines}}
""")

    def command(self, *arguments):
        return [self.program, "discover", "-c", str(self.config), *map(str, arguments)]

    def run(self, *arguments, code=0):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120,
                              env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *arguments, code=0):
        found = json.loads(self.run("--json", *arguments, code=code).stdout)
        return {device["address"]: device for device in found["devices"]}, found["summary"]

    def check(self):
        done = subprocess.run([self.program, "check-config", "-c", str(self.config)],
                              capture_output=True, text=True, timeout=60, env=self.env)
        assert done.returncode == 0, done.stderr


SYS_NAME = "1.3.6.1.2.1.1.5.0|"
NAMES = {"cisco_ir809": "Trạm Bắc (3)", "teltonika_rutx11": "rutx-7.example.net", "vsol_v1600d": ""}
RECORDINGS = {"127.66.0.1": "cisco_ir809", "127.66.0.2": "teltonika_rutx11",
              "127.66.0.3": "vsol_v1600d", "127.66.0.4": "cisco_ir809"}


@pytest.fixture
def place(tmp_path, snmp_lab, phusong, child_env):
    """Four devices, and silence at the other addresses of the prefix."""
    map_file = tmp_path / "map"
    map_file.write_text("".join(f"{address}/32 {name}\n" for address, name in RECORDINGS.items()))
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for name, sys_name in NAMES.items():
        lines = (snmprec / f"{name}.snmprec").read_text().splitlines()
        lines = [f"{SYS_NAME}4x|{sys_name.encode().hex()}" if line.startswith(SYS_NAME) else line
                 for line in lines]
        (recordings / f"{name}.snmprec").write_text("\n".join(lines) + "\n")
    lab = snmp_lab("--recordings", recordings, "--map", map_file, "--community", "public",
                   "--fault", "127.66.0.8/29 silence", listen="127.66.0.0/28")
    there = Place(tmp_path, phusong, child_env, lab.port)
    there.lab = lab
    return there


# -- What it finds -------------------------------------------------------------------------------


def test_it_tells_what_answers(place):
    devices, summary = place.json("127.66.0.0/29", "127.66.0.9")
    answered = {address for address, device in devices.items() if device["snmp"] == "answered"}
    assert answered == set(RECORDINGS)
    for address in answered:
        assert devices[address]["credential"] == "right"  # after the wrong one
        assert not devices[address]["known"]
    assert devices["127.66.0.9"]["snmp"] == "silent"
    assert summary["addresses"] == summary["asked"] == 7
    assert summary["snmp"] == summary["new"] == 4
    assert summary["known"] == summary["refused"] == 0
    assert sum(summary["profiles"].values()) == 4


def test_it_identifies_devices(place):
    devices, _ = place.json("127.66.0.0/29")
    router, olt = devices["127.66.0.2"], devices["127.66.0.3"]
    assert router["profile"].startswith("teltonika") and router["why"]
    assert olt["profile"].startswith("vsol")
    assert router["sys_name"] == "rutx-7.example.net" and router["interfaces"]
    assert router["sys_object_id"] == "1.3.6.1.4.1.8072.3.2.10"
    assert "signal" in router["tells"]
    onus = [row for row in olt["rows"] if row["tag"] == "onu"]
    assert len(onus) == 16 and all(row["row"] and row["index"] for row in onus)
    assert {"row": "0/1:2", "text": "BBBBBB"}.items() <= onus[1].items()
    text = place.run("127.66.0.0/29").stdout
    assert "16 onu" in text and "rows that could serve an endpoint" in text
    assert "0/1:2  (BBBBBB)" in text and "and 6 more" in text


def test_ids_are_safe_and_unique(place):
    devices, _ = place.json("127.66.0.0/29")
    one, other = devices["127.66.0.1"], devices["127.66.0.4"]  # the same recording
    assert one["own_id"] == other["own_id"] == one["id"] == "Tram-Bac-3"
    assert other["id"] == "Tram-Bac-3-2"
    assert devices["127.66.0.2"]["id"] == "rutx-7.example.net"
    assert devices["127.66.0.3"]["id"] == "device-127.66.0.3"
    ids = [device["id"] for device in devices.values() if device["snmp"] == "answered"]
    assert len(set(ids)) == 4


def test_credentials_are_tried_as_named(place):
    devices, summary = place.json("--credential", "wrong", "127.66.0.1", code=1)
    assert devices["127.66.0.1"]["snmp"] == "silent" and summary["snmp"] == 0
    done = place.run("--credential", "rihgt", "127.66.0.1", code=3)
    assert 'no credential "rihgt"' in done.stderr


def test_a_credential_by_hand(place):
    words = [place.program, "discover", "--community", str(place.folder / "right"), "--set",
             f"port={place.port}", "--csv", "127.66.0.1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=place.env)
    assert done.returncode == 0, done.stderr
    row, = csv.DictReader(io.StringIO(done.stdout))
    assert row["address"] == "127.66.0.1" and row["credential"] == ""


def test_without_ping_everybody_is_asked(place):
    _, summary = place.json("--no-ping", "--credential", "right", "127.66.0.0/28")
    assert summary["asked"] == 14 and summary["ping"] == 0 and summary["snmp"] == 4


def test_version_3(tmp_path, snmp_lab, phusong, child_env):
    lab = snmp_lab("--recording", snmprec / "cisco_ir809.snmprec", "--user",
                   "mon:SHA:authentic:AES:secretive", "--community", "public",
                   listen="127.67.0.0/30")
    place = Place(tmp_path, phusong, child_env, lab.port)
    for name, text in (("auth", "authentic"), ("privacy", "secretive"), ("bad", "something else")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def ask(auth, code):
        return place.json("--version", "3", "--user", "mon", "--auth", "sha1", "--auth_secret",
                          tmp_path / auth, "--privacy", "aes128", "--privacy_secret",
                          tmp_path / "privacy", "--credential", "wrong", "127.67.0.1", code=code)

    devices, summary = ask("auth", 0)
    assert devices["127.67.0.1"]["snmp"] == "answered"
    devices, summary = ask("bad", 1)
    assert devices["127.67.0.1"]["snmp"] == "refused" and summary["refused"] == 1


def test_mistakes_on_the_command_line(place):
    for words, said in ((["127.66.0.1/28"], "did you mean 127.66.0.0/28?"),
                        (["10.0.0.0/8"], "more than 65536"), (["olt-1"], "neither"),
                        ([], "no address"), (["--rate", "0", "127.0.0.1"], "--rate"),
                        (["--from", "/nonexistent", "127.0.0.1"], "No such file")):
        assert said in place.run(*words, code=3).stderr


def test_addresses_from_a_file(place):
    list_file = place.folder / "list"
    list_file.write_text("# devices\n\n127.66.0.1  # the first\r\n127.66.0.2/31;x\n")
    _, summary = place.json("--from", list_file, "127.66.0.1")
    assert summary["addresses"] == 3 and summary["snmp"] == 3
    list_file.write_text("127.66.0.1\n127.66.0\n")
    assert f"{list_file}:2: " in place.run("--from", list_file, code=3).stderr


def test_questions_are_paced(place):
    begun = time.monotonic()
    place.run("--no-ping", "--credential", "right", "--rate", "5", "127.66.0.0/28")
    assert time.monotonic() - begun >= 2.4  # 14 questions, five a second


# -- What it writes ------------------------------------------------------------------------------


def test_a_new_file_is_written(place):
    done = place.run("--write", "127.66.0.0/29")
    assert "4 devices added" in done.stderr
    rows = list(csv.DictReader(io.StringIO(place.devices.read_text())))
    assert [row["address"] for row in rows] == sorted(RECORDINGS)
    assert all(row["credential"] == "right" and row["checks"] == "snmp" for row in rows)
    place.check()
    before = place.devices.read_bytes()
    devices, summary = place.json("127.66.0.0/29")
    assert summary["known"] == 4 and summary["new"] == 0
    assert "0 devices added" in place.run("--write", "127.66.0.0/29").stderr
    assert place.devices.read_bytes() == before


BY_HAND = ("\ufeffinterval;address;id;\"credential\";site\r\n"
           "30s; 127.66.0.2 ;mine;\"right\";\r\n"
           ";;;;\r\n"
           ";10.99.0.1;\"zz-9\";;").encode()  # no line end


def test_what_a_person_wrote_stays(place):
    place.devices.write_bytes(BY_HAND)
    place.devices.chmod(0o640)
    inode = place.devices.stat().st_ino
    devices, summary = place.json("127.66.0.0/29")
    assert devices["127.66.0.2"]["known"] and devices["127.66.0.2"]["id"] == "mine"
    assert summary["known"] == 1 and summary["other_ids"] == 1
    done = place.run("--write", "127.66.0.0/29")
    assert "no column" not in done.stderr
    after = place.devices.read_bytes()
    assert after.startswith(BY_HAND + b"\r\n")
    added = after[len(BY_HAND) + 2:].decode()
    assert added.count("\r\n") == added.count("\n") == 3
    for line in added.splitlines():
        interval, address, name, credential, site = line.split(";")
        assert (interval, credential, site) == ("", "right", "") and name
    assert place.devices.stat().st_mode & 0o7777 == 0o640
    assert place.devices.stat().st_ino != inode  # replaced, not written into
    assert not [path for path in place.inventory.iterdir() if ".new" in path.name]
    place.check()


def test_a_file_with_mistakes_is_not_touched(place):
    wrong = b"id,address,sight\nx,10.0.0.1,\n"
    place.devices.write_bytes(wrong)
    done = place.run("--write", "127.66.0.1", code=3)
    assert "devices.csv:1:" in done.stderr and "not touched" in done.stderr
    assert place.devices.read_bytes() == wrong
    done = place.run("127.66.0.1")  # looking is allowed
    assert "nothing is compared" in done.stderr


def test_a_profile_that_nobody_has_is_a_mistake(place):
    place.devices.write_text("id,address,checks\nx,10.0.0.1,snmp:no-such-profile\n")
    done = place.run("--write", "127.66.0.1", code=3)
    assert "devices.csv:2:" in done.stderr and "no-such-profile" in done.stderr


def test_an_interrupt_leaves_a_partial_result(place):
    command = place.command("--json", "--write", "--no-ping", "--credential", "right", "--rate", "10",
                            "127.66.0.0/28", "127.68.0.0/24")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=place.env)
    # 268 questions take 27 s; behind the first silent address all four have been asked.
    stores.wait_until(lambda: place.lab.counts()["silent"] >= 4, 10, "the first answers")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    found = json.loads(out)
    assert found["interrupted"]
    assert 4 <= found["summary"]["asked"] < found["summary"]["addresses"]
    found_at = {device["address"] for device in found["devices"]}
    assert found_at <= set(RECORDINGS) and len(found_at) >= 3
    assert "nothing is written" in said
    assert not place.devices.exists()


def test_a_terminal_sees_a_bar(place):
    leader, follower = pty.openpty()
    process = subprocess.Popen(place.command("--rate", "10", "127.66.0.0/28"), stderr=follower,
                               stdout=subprocess.PIPE, env=place.env)
    os.close(follower)
    seen = b""
    try:
        while chunk := os.read(leader, 4096):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    out = process.communicate(timeout=60)[0]
    os.close(leader)
    assert process.returncode == 0
    assert b"of 14  [" in seen and b"answer ping" in seen
    assert seen.rstrip().endswith(b"\x1b[K")  # and it is cleared in the end
    assert b"\x1b" not in out
