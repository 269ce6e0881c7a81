"""Recordings served by the SNMP responder and polled over the wire by `phusong probe snmp`: every row
has the values that profile_eval works out from the file, and nothing else."""

import collections
import json
import subprocess

import pytest

import expected

# One of each kind: ONUs and their roll-ups, texts for numbers, an index that is a text, sensors with
# names from another table, microwatts, conditions, a modem, a radio link, a battery.
DEVICES = ["bdcom_gp3600_16b", "cambium_epmp_ap", "cisco_isr4321", "eaton_5px", "huawei_ma5600t_smartax",
           "huawei_ne8000_m8", "mikrotik_rb5009", "netonix_wispswitch", "teltonika_rutx11",
           "ubiquiti_ufiber_olt", "vsol_v1600d"]

Polled = collections.namedtuple("Polled", "facts device rows cells")


@pytest.fixture
def poll(phusong, snmp_lab, tmp_path, child_env):
    lab = snmp_lab()

    def once(device):
        community = tmp_path / "community"
        community.write_text(device)
        community.chmod(0o600)
        result = subprocess.run(
            [phusong, "probe", "snmp", "--json", "--count", "1", "--timeout", "60s", "--set",
             f"port={lab.port}", "--community", str(community), lab.address],
            capture_output=True, text=True, timeout=90, env=child_env)
        assert result.returncode == 0, result.stderr
        target = json.loads(result.stdout)[0]
        rows = collections.defaultdict(dict)
        for row in target["rows"]:
            metrics = row.pop("metrics")
            tag, name = next(iter(row.items()))
            rows["" if tag == "row" else tag, name].update(metrics)
        cells = {(cell["oid"], cell["column"]): cell for table in target["tables"].values()
                 for cell in table if "oid" in cell}
        return Polled(target["facts"], target["metrics"], rows, cells)

    return once


def is_polled(cell):
    """Counters need two polls; ONUs and stations that serve nobody are only added up."""
    return cell["status"] != "counter" and cell.get("tag") not in ("onu", "outlet")


def told(cell, polled):
    """What the poll has for a cell: a number, or a spread."""
    if cell["measurement"] == "device":
        where = polled.device
    else:
        where = polled.rows.get((cell.get("tag", ""), cell.get("row", "")))
    return None if where is None else where.get(cell["metric"].partition(".")[2])


def is_same(cell, got):
    if cell["status"] == "text":
        return str(cell["text"]) in json.dumps(got)
    if cell["status"] == "word":
        return got is not None and (got if isinstance(got, int) else got.get("last", 0)) >= 1
    spread = got if isinstance(got, dict) else {"min": got, "max": got}
    if got is None or "min" not in spread:
        return False
    near = pytest.approx(cell["value"], rel=1e-6, abs=1e-6)
    if cell["measurement"] != "device":
        return near in (spread["min"], spread["max"])
    return spread["min"] - 1e-6 <= cell["value"] <= spread["max"] + 1e-6  # one part of the device


@pytest.mark.parametrize("device", DEVICES)
def test_polls_what_profiles_read(device, poll, built):
    reading = expected.Reading(built("tests/support/profile_eval"), device)
    polled = poll(device)
    cells = [cell for cell in reading.valued() if is_polled(cell)]
    wrong = [f"{cell['oid']} {cell.get('tag')}={cell.get('row')} {cell['metric']}: "
             f"{told(cell, polled)}, expected {cell.get('value', cell.get('word', cell.get('text')))}"
             for cell in cells if not is_same(cell, told(cell, polled))]
    assert len(cells) > 5
    assert polled.facts["profile"] == reading.head["profile"]
    assert not wrong, f"{len(wrong)} of {len(cells)}, first:\n" + "\n".join(wrong[:20])
    for cell in reading.valued():  # of every row, whether it is sent or only added up
        seen = polled.cells[cell["oid"], cell["column"]]
        if cell["status"] == "value":
            assert seen["value"] == pytest.approx(cell["value"], rel=1e-6), cell
    for one in reading.sums:
        got = polled.rows[one["tag"], one["row"]].get(one["metric"].partition(".")[2])
        assert got, one
        if one["metric"].startswith("pon.onus_"):
            assert got["max"] == one["count"], one
        else:
            assert (got["count"], got["min"], got["max"]) == \
                (one["count"], pytest.approx(one["min"]), pytest.approx(one["max"])), one
    empty = [key for key, metrics in polled.rows.items()
             if key[0] == "sensor" and set(metrics) <= {"polls"}]
    assert not empty, "sensors that say nothing"
