"""The SNMP responder of the lab, asked by net-snmp's programs."""

import os
import shutil
import subprocess

import pytest

import snmp_lab as responder
import snmprec

FILES = sorted(responder.RECORDINGS.glob("*.snmprec"))
UPTIME = "1.3.6.1.2.1.1.3.0"

pytestmark = pytest.mark.skipif(not shutil.which("snmpget"), reason="apt-get install snmp")


def ask(program, lab, *words, address=None, check=True):
    """Runs one of net-snmp's programs; returns its lines."""
    command = [program, "-On", "-Oq", "-Ih", "-t", "2", "-r", "0", *words[:-1]]
    command += [f"{address or lab.address}:{lab.port}", *words[-1]]
    result = subprocess.run(command, capture_output=True, timeout=60,
                            env=dict(os.environ, MIBS="", SNMPCONFPATH="/nonexistent"))
    if check:
        assert result.returncode == 0, result.stderr
    return [line for line in result.stdout.split(b"\n") if line.startswith(b".")]


def oids(lines):
    return [line.split(b" ")[0].decode().lstrip(".") for line in lines if b"No more" not in line]


def test_every_recording_is_walked_to_its_end(snmp_lab):
    lab = snmp_lab()
    for path in FILES:
        expected = [record.oid for record in snmprec.read(path)]
        got = oids(ask("snmpbulkwalk", lab, "-v2c", "-Cr25", "-c", path.stem, [".1"]))
        assert got == expected, path.stem
    counts = lab.stop()
    assert counts["bad"] == 0 and counts["requests"] == counts["answers"]


def test_version_1_has_no_64_bit_counters(snmp_lab):
    lab = snmp_lab()
    path = responder.RECORDINGS / "teltonika_trb500.snmprec"
    expected = [record.oid for record in snmprec.read(path) if record.tag != "70"]
    assert len(expected) < len(snmprec.read(path))
    assert oids(ask("snmpwalk", lab, "-v1", "-c", path.stem, [".1"])) == expected
