"""What recordings mean by somebody else's reckoning (tests/data/snmprec/expected.csv), compared with
what our profiles make of them (tests/support/profile_eval.c).

    rows = expected.rows("vsol_v1600d")
    reading = expected.Reading(evaluator, "vsol_v1600d")
    verdict = expected.judge(rows[0], reading)      verdict.is_covered, verdict.wrong

Three ways lead from a row to a cell: rows of LibreNMS name the object identifier; named rows
(`onu_rx_power`) name the index, and NAMED says which of our metrics or columns is meant; everything
else (`if_*`, `sys_*`) is no matter of profiles.
"""

import collections
import csv
import functools
import json
import pathlib
import subprocess

TESTS = pathlib.Path(__file__).resolve().parents[1]
RECORDINGS = TESTS / "data" / "snmprec"
PROFILES = TESTS.parent / "collectors" / "snmp" / "profiles"
UNCOVERED = TESTS / "data" / "profiles" / "uncovered.csv"
OVERRULED = TESTS / "data" / "profiles" / "overruled.csv"

Row = collections.namedtuple("Row", "device metric index value unit source")
Verdict = collections.namedtuple("Verdict", "is_covered wrong")  # wrong: "" or what is

NO_VALUE = ("invalid", "no_signal", "not_in_service")
VALUED = ("value", "word", "text", "counter")
NOT_OF_PROFILES = ("if_", "sys_", "snmp_", "librenms_if_", "librenms_port_")

# -- Optical lines, switches ----------------------------------------------------------------------

# Our metric, or "column:NAME" for a column of which only the text is of interest.
NAMED = {
    "onu_rx_power": ["optics.onu_rx_dbm"],
    "onu_tx_power": ["optics.onu_tx_dbm"],
    "olt_rx_power_from_onu": ["optics.olt_rx_dbm"],
    "onu_temperature": ["optics.temperature_c"],
    "onu_voltage": ["optics.voltage_v"],
    "onu_bias_current": ["optics.bias_ma"],
    "onu_up_bytes": ["optics.up_bytes"],
    "onu_down_bytes": ["optics.down_bytes"],
    "onu_rx_bytes": ["optics.up_bytes"],  # as the OLT's port sees it
    "onu_tx_bytes": ["optics.down_bytes"],
    "onu_state": ["optics.state"],
    "onu_description": ["column:description"],
    "onu_serial": ["column:serial"],
    "onu_serial_hex": ["column:serial"],
    "onu_pon_port": ["column:port"],
    "onu_count": ["pon.onus_configured"],
    "olt_temperature": ["sensor.temperature_c"],
    "pon_tx_power": ["optics.tx_dbm"],
    "pon_rx_power": ["optics.rx_dbm"],
    "pon_temperature": ["optics.temperature_c"],
    "pon_voltage": ["optics.voltage_v"],
    "pon_bias_current": ["optics.bias_ma"],
    "pon_state": ["pon.state"],
    "pon_onu_count": ["pon.onus_configured"],
    "pon_onu_active_count": ["pon.onus_online"],
    "pon_onu_inactive_count": ["pon.onus_offline"],
    "sfp_tx_power": ["optics.tx_dbm"],
    "sfp_rx_power": ["optics.rx_dbm"],
}

# -- Modems, radio links, power --------------------------------------------------------------------

NAMED |= {
    # Without its technology, which chooses the metric, such a cell is only its column.
    "cell_rsrp": ["signal.rsrp_dbm", "column:rsrp"],
    "cell_rsrp_ant1": ["signal.rsrp_dbm"],
    "cell_rsrq": ["signal.rsrq_db", "column:rsrq"],
    "cell_rssi": ["signal.rssi_dbm"],
    "cell_sinr": ["signal.sinr_db", "column:sinr"],
    "cell_snr": ["signal.snr_db"],
    "cell_technology": ["signal.technology"],
    "cell_access_tech": ["signal.technology"],
    "cell_connection": ["signal.connection"],
    "cell_registration": ["signal.registration"],
    "cell_sim_state": ["signal.sim"],
    "cell_operator": ["signal.cell_operator"],
    "cell_plmn": ["signal.plmn"],
    "cell_id": ["signal.cell"],
    "cell_enb_id": ["signal.node_id"],
    "cell_sector_id": ["column:sector"],
    "cell_lac": ["signal.area_code"],
    "cell_physical_id": ["signal.pci"],
    "cell_band": ["signal.band"],
    "cell_channel_rx": ["signal.channel"],
    "modem_temperature": ["signal.temperature_c"],
    "radio_frequency": ["radio.tx_frequency_mhz"],
    "ups_battery_status": ["power.battery"],
    "ups_output_source": ["power.source"],
    "ups_seconds_on_battery": ["power.on_battery_s"],
    "ups_minutes_remaining": ["power.runtime_min"],
    "ups_charge_remaining": ["power.charge_pct"],
    "ups_battery_voltage": ["power.battery_voltage_v"],
    "ups_battery_current": ["power.battery_current_a"],
    "ups_battery_temperature": ["power.battery_temperature_c"],
    "ups_input_voltage": ["power.input_voltage_v"],
    "ups_input_frequency": ["power.input_frequency_hz"],
    "ups_output_voltage": ["power.output_voltage_v"],
    "ups_output_load": ["power.load_pct"],
}

# -- What rows mean --------------------------------------------------------------------------------

# What a row of such a name is a row of: several tables may have the same metric and index.
TAGS = {
    "onu_count": ("pon",),
    "onu_": ("onu",),
    "olt_rx_power_from_onu": ("onu",),
    "pon_": ("pon", "interface"),
    "sfp_": ("interface",),
}

# The expected word, and ours where it is another.
WORDS = {
    ("cell_technology", "LTE"): "lte",
    ("cell_technology", "4G"): "lte",
    ("cell_technology", "Evolved 3G (LTE)"): "lte",
    ("cell_technology", "5G-NSA"): "nr_nsa",
    ("cell_technology", "WCDMA"): "umts",
    ("cell_access_tech", "eutran"): "lte",
    ("cell_connection", "Connected"): "up",
    ("cell_connection", "connected"): "up",
    ("cell_registration", "registered (home)"): "home",
    ("cell_registration", "Registered, home"): "home",
    ("cell_registration", "Roaming"): "roaming",
    ("cell_sim_state", "inserted"): "ready",
    ("ups_battery_status", "batteryNormal"): "normal",
    ("ups_output_source", "normal"): "mains",
}

# The expected unit and ours: ours is so many times as large a number.
UNITS = {
    ("A", "mA"): 1000,
    ("octets", "bytes"): 1,
    ("", "1"): 1,
    ("enum", "1"): 1,
    ("MHz", "Hz"): 1e6,
    ("Hz", "MHz"): 1e-6,
    ("min", "s"): 60,
    ("s", "min"): 1 / 60,
    ("%", "1"): 0.01,
    ("A", "A.h"): 1,  # LibreNMS has no class for charge
    ("bit/s", "1"): 1,  # nor for modulations
    ("dBm", "1"): 1,  # nor for a vendor's own scale
    ("dBm", "dB"): 1,  # its class `signal` says dBm of a quality too
    ("", "dB"): 1,
    ("", "bytes"): 1,
}
# LibreNMS has these in another unit than its own column says.
FACTORS = {
    "librenms_wireless_distance": 1000,  # km, whatever the column says
}
# States that LibreNMS makes out of texts: its number, by object identifier's column and our word,
# or the text itself where it has several numbers for one meaning.
TELTONIKA = "1.3.6.1.4.1.48690.2."
STATES = {
    (TELTONIKA + "2.1.9", "ready"): "0",
    (TELTONIKA + "2.1.10", "READY"): "2",
    (TELTONIKA + "2.1.10", "OK"): "5",
    (TELTONIKA + "2.1.11", "registered (home)"): "1",
    (TELTONIKA + "2.1.11", "Registered, home"): "5",
    (TELTONIKA + "2.1.15", "up"): "0",
    (TELTONIKA + "2.1.16", "lte"): "0",
    (TELTONIKA + "2.1.16", "nr_nsa"): "24",
    (TELTONIKA + "1", "ready"): "0",
    (TELTONIKA + "2", "READY"): "2",
    (TELTONIKA + "3", "home"): "1",
    (TELTONIKA + "7", "up"): "0",
    (TELTONIKA + "8", "lte"): "0",
    (TELTONIKA + "8", "umts"): "4",
    ("1.3.6.1.4.1.13191.10.3.9.2.1.46", "lte"): "4",
    ("1.3.6.1.4.1.41809.1.55.1.28", "mains"): "64",
    ("1.3.6.1.4.1.41809.1.55.1.28", "ok"): "0",
    ("1.3.6.1.4.1.41112.1.11.1.3.1.2.244.146.191.226.158.141", "ok"): "1",
}


# -- Reading --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=None)
def rows(device=None):
    if device:
        return [row for row in rows() if row.device == device]
    with (RECORDINGS / "expected.csv").open(encoding="utf-8", newline="") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def devices():
    return sorted(path.stem for path in RECORDINGS.glob("*.snmprec"))


def uncovered():
    """(device, metric, prefix, reason) of what no profile reads, on purpose."""
    with UNCOVERED.open(encoding="utf-8", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def overruled():
    """(device, object identifier): our number, "" for no value, "-" where the row says nothing."""
    with OVERRULED.open(encoding="utf-8", newline="") as file:
        return {(device, oid): ours for device, oid, ours, _reason in list(csv.reader(file))[1:]}


class Reading:
    """What profile_eval prints for a recording."""

    def __init__(self, evaluator, recording, profile=None, folder=PROFILES):
        path = recording if isinstance(recording, pathlib.Path) else \
            RECORDINGS / f"{recording}.snmprec"
        words = [str(evaluator), str(folder), str(path)]
        words += ["--profile", profile] if profile else []
        result = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        self.take([json.loads(line) for line in result.stdout.splitlines()], profile)

    @classmethod
    def of_lines(cls, lines):
        """Of one recording among several, without what stands before it."""
        reading = cls.__new__(cls)
        reading.take(lines, None)
        return reading

    def take(self, lines, profile):
        self.head = next((line for line in lines if "profile" in line), {"profile": profile})
        self.cells = [line for line in lines if "oid" in line and "column" in line]
        self.sums = [line for line in lines if line.get("rollup")]
        self.by_oid = collections.defaultdict(list)
        self.by_index = collections.defaultdict(list)
        for cell in self.cells:
            self.by_oid[cell["oid"]].append(cell)
            self.by_index[cell["index"]].append(cell)

    def at(self, oid):
        return self.by_oid.get(oid, [])

    def valued(self):
        return [cell for cell in self.cells if cell["status"] in VALUED and "metric" in cell]

    def named(self, metric, index):
        """Cells of this index whose column is the one that NAMED means."""
        tags = next((TAGS[start] for start in TAGS if metric.startswith(start)), None)
        return [cell for cell in self.by_index[index] if
                (tags is None or cell.get("tag") in tags) and
                any(is_metric(cell, one) for one in NAMED[metric])]


def read_all(evaluator, paths):
    """{path: Reading} of several recordings: one process, which loads the profiles once."""
    assert len(paths) > 1
    result = subprocess.run([evaluator, str(PROFILES), *map(str, paths)], capture_output=True,
                            text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    lines = {}
    for line in map(json.loads, result.stdout.splitlines()):
        if "recording" in line:
            current = lines.setdefault(pathlib.Path(line["recording"]), [])
        else:
            current.append(line)
    return {path: Reading.of_lines(lines[path]) for path in paths}


@functools.lru_cache(maxsize=None)
def readings(evaluator):
    """{device: Reading} of all recordings."""
    found = read_all(evaluator, sorted(RECORDINGS.glob("*.snmprec")))
    return {path.stem: reading for path, reading in found.items()}


@functools.lru_cache(maxsize=None)
def reading(evaluator, device, profile=None):
    """The Reading of a recording, worked out once for all tests."""
    return Reading(evaluator, device, profile) if profile else readings(evaluator)[device]


def is_metric(cell, wanted):
    if wanted.startswith("column:"):
        return cell["column"] == wanted[7:]
    return wanted in (cell.get("metric"), cell.get("feeds"))


# -- Judging --------------------------------------------------------------------------------------


def decimals(text):
    return len(text.partition(".")[2])


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def serial_hex(text):
    """"ANON00000001": four letters and four bytes."""
    return (text[:4].encode().hex() + text[4:]).upper()


def compare_number(row, cell):
    unit = cell.get("unit", "")
    if row.unit == "enum" and is_number(str(cell["raw"])):
        same = float(row.value) in (float(cell["raw"]), cell.get("value"))
        return "" if same else f"raw {cell['raw']}, expected {row.value}"
    factor = UNITS.get((row.unit, unit), 1) * FACTORS.get(row.metric, 1)
    if row.unit != unit and (row.unit, unit) not in UNITS:
        return f"unit {unit}, expected {row.unit}"
    value, want = float(cell["value"]), float(row.value) * factor
    places = decimals(row.value)
    slack = 0.5 * 10 ** -places * factor * 1.000001 if places else 1e-9 * max(1, abs(want))
    return "" if abs(value - want) <= slack else f"{value} {unit}, expected {want}"


def compare_word(row, cell):
    """A state: the word where one is expected, else the number that it came from."""
    if not is_number(row.value):
        want = WORDS.get((row.metric, row.value), row.value)
        return "" if cell["word"] == want else f"{cell['word']}, expected {want}"
    column = cell["oid"].rpartition(".")[0]
    for told in (cell["word"], str(cell["raw"])):
        if (column, told) in STATES:
            want = STATES[column, told]
            return "" if want == row.value else f"{told} is {want}, expected {row.value}"
    same = is_number(str(cell["raw"])) and float(cell["raw"]) == float(row.value)
    return "" if same else f"{cell['word']} from {cell['raw']}, expected {row.value}"


def compare_text(row, cell):
    text = cell.get("text", str(cell.get("raw", "")))
    if row.metric == "onu_serial_hex":
        text = serial_hex(text)
    if row.metric.startswith("librenms_") and is_number(text):
        same = float(text) == float(row.value)
    else:
        same = text == WORDS.get((row.metric, row.value), row.value)
    return "" if same else f"'{text}', expected '{row.value}'"


def compare(row, cell):
    status = cell["status"]
    if row.value in NO_VALUE:
        return "" if status not in VALUED else f"{cell.get('value')}, expected no value"
    if status == "word":
        return compare_word(row, cell)
    if status == "text" or status == "help":
        return compare_text(row, cell)
    if status in ("value", "counter"):
        return compare_number(row, cell)
    return f"no value ({cell.get('why', status)}), expected {row.value}"


def candidates(row, reading):
    if row.metric.startswith("librenms_"):
        return [cell for cell in reading.at(row.index.lstrip(".")) if cell["status"] != "help"]
    return reading.named(row.metric, row.index) if row.metric in NAMED else []


def judge(row, reading, overrule={}):
    """Covered, and right in one of the ways in which we read the cell."""
    cells = candidates(row, reading)
    ours = overrule.get((row.device, row.index.lstrip(".")), row.value)
    if ours == "-":
        return Verdict(bool(cells), "" if cells else "no profile reads it")
    row = row._replace(value=ours or "invalid")
    if row.value not in NO_VALUE:
        # One cell may be read in several ways, each under a condition.
        cells = [cell for cell in cells if cell["status"] != "condition"] or cells
    if not cells:
        return Verdict(False, "no profile reads it")
    wrongs = [compare(row, cell) for cell in cells]
    return Verdict(True, "" if "" in wrongs else "; ".join(wrongs))
