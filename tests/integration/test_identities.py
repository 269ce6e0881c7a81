"""No IMEI, IMSI, ICCID or telephone number is read: not asked for, and not sent by a device because
it happens to stand behind what was asked for.

The lab's devices answer genErr as soon as they are asked, in whatever way, for such an object. A poll
that comes out whole has touched none.
"""

import json
import pathlib
import re
import subprocess

import pytest
import snmprec

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILES = ROOT / "collectors" / "snmp" / "profiles"
# recording, identity's column or scalar, instance
MODEMS = [("mikrotik_ltap_mini", f"14988.1.1.16.1.1.{n}", "3") for n in (11, 12, 13)] + \
         [("teltonika_rutx11", f"48690.2.2.1.{n}", "1") for n in (3, 7, 8, 27)] + \
         [("cisco_ir809", f"9.9.661.1.3.1.1.{n}", "14") for n in (1, 2, 3, 4)] + \
         [("zmtel_ot350_cpe", f"38595.10.1.{n}", "0") for n in (10, 11)]


def signal_tables():
    """(file, table's text) of each table of signal."""
    for path in sorted(PROFILES.glob("*.yaml")):
        for table in re.split(r"^  - name: ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if "measurement: signal" in table:
                yield path.name, table


@pytest.mark.parametrize("file, table", signal_tables(), ids=lambda word: word.split()[0])
def test_tables_of_modems_are_exact(file, table):
    assert "exact: true" in table
    oids = re.findall(r"\boid: ([0-9.]+)", table)
    if "scalars: true" in table:
        return
    for oid in oids[:2]:  # these may find the rows, and then show what comes behind them
        head, last = oid.rsplit(".", 1)
        assert f"{head}.{int(last) + 1}" not in snmprec.IDENTITY, oid


@pytest.mark.parametrize("recording, identity, instance", MODEMS)
def test_a_poll_touches_no_identity(recording, identity, instance, snmp_lab, phusong, tmp_path):
    device = snmp_lab()
    oid = f"1.3.6.1.4.1.{identity}"
    assert oid in snmprec.IDENTITY
    device.tell("set", recording, f"{oid}.{instance}|4|000000000000000")
    device.fault("all", "generr", oid)
    secret = tmp_path / "community"
    secret.write_text(recording + "\n")
    secret.chmod(0o600)
    run = subprocess.run([phusong, "probe", "snmp", "--community", str(secret), "--port",
                          str(device.port), "-c", "2", "-i", "100ms", "--json", device.address],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)[0]
    assert told["results"] == {"ok": 2}, run.stderr
    assert "bad_answers" not in told["metrics"]
    cells = [cell for table in told["tables"].values() for cell in table]
    assert [cell for cell in cells if cell.get("metric") == "signal.rsrp_dbm" and "value" in cell]
    assert "000000000000000" not in run.stdout


def test_the_lab_notices(snmp_lab, tmp_path):
    """A walk past the end of a column that is not careful does touch one."""
    device = snmp_lab()
    column = "1.3.6.1.4.1.14988.1.1.16.1.1.11"
    device.tell("set", "mikrotik_ltap_mini", f"{column}.3|4|000000000000000")
    device.fault("all", "generr", column)
    run = subprocess.run(["snmpbulkget", "-v2c", "-c", "mikrotik_ltap_mini", "-Cr4", "-On",
                          f"{device.address}:{device.port}", "1.3.6.1.4.1.14988.1.1.16.1.1.10"],
                         capture_output=True, text=True, timeout=30, env={"MIBS": "", "PATH": "/usr/bin"})
    assert "genError" in run.stdout + run.stderr or "General error" in run.stdout + run.stderr
