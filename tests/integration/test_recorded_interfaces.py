"""The interface walk on recordings of real devices, against tests/data/snmprec/expected.csv: names,
states, speeds and the counters' own values, by index."""

import collections
import functools
import json
import subprocess

import pytest

import expected
import snmprec

STATES = {"up": 1, "down": 2, "testing": 3, "unknown": 4, "dormant": 5, "notPresent": 6,
          "lowerLayerDown": 7}
# What is no matter of the interface walk, and why.
NOT_OURS = {
    "librenms_port_count": "LibreNMS does not count the interfaces that it leaves out",
    "if_alias": "read with the names of rows, not by the interface walk",
}
# Single rows: device, metrics, index ("*": all), and why.
EXCEPT = [
    ("ubiquiti_ufiber_olt", "librenms_if_", "10",
     "LibreNMS makes interfaces 1000 and up out of the vendor's table; the profile reads that"),
    ("nokia_isam_7360_fx8", "librenms_if_", "1079377920",
     "it sends these two counters as texts of eight zero bytes"),
    ("huawei_ma5616_mdu", "librenms_if_speed", "*",
     "it sends bit/s where Mbit/s belong, and LibreNMS stores 100 Tbit/s"),
    ("ceragon_ip20", "if_in_octets", "*", "the 64-bit counter, which it answers too, is preferred"),
    ("ceragon_ip20", "if_out_octets", "*", "the 64-bit counter, which it answers too, is preferred"),
]

Interfaces = collections.namedtuple("Interfaces", "device rows")


@pytest.fixture(scope="session")
def walk(built):
    program = built("tests/support/ifmib_eval")

    @functools.lru_cache(maxsize=None)
    def interfaces(device):
        path = expected.RECORDINGS / f"{device}.snmprec"
        result = subprocess.run([program, str(path)], capture_output=True, timeout=60)
        assert result.returncode == 0, result.stderr
        first, *rest = [json.loads(line) for line in result.stdout.decode().splitlines()]
        return Interfaces(first, {str(row["index"]): row for row in rest})

    return interfaces


def octets(row, name, bits):
    return row.get(name) if row.get(f"{name}_bits") in bits else None


def has(device, column, index):
    return f"{column}.{index}" in recorded(device)


@functools.lru_cache(maxsize=4)
def recorded(device):
    return {record.oid for record in snmprec.read(expected.RECORDINGS / f"{device}.snmprec")}


def is_excused(row):
    """Where the row tells of something that the walk does not take, on purpose."""
    if any(row.device == device and row.metric.startswith(metric) and
           (index == "*" or row.index.startswith(index))
           for device, metric, index, _why in EXCEPT):
        return True
    # A 64-bit counter of the same interface is another row's matter.
    if row.metric in ("if_in_octets", "if_out_octets"):
        column = "6" if "in" in row.metric else "10"
        return has(row.device, f"1.3.6.1.2.1.31.1.1.1.{column}", row.index)
    # 0 of the 32 bits of ifHighSpeed means that ifSpeed tells, if anything.
    if row.metric == "if_high_speed" and row.value == "0":
        return True
    # LibreNMS stores 0 for counters that a device does not have, and nothing for other speeds.
    if row.metric.startswith("librenms_if_") and "octets" in row.metric and row.value == "0":
        columns = ("2.2.1.10", "31.1.1.1.6") if "_in_" in row.metric else ("2.2.1.16", "31.1.1.1.10")
        return not any(has(row.device, "1.3.6.1.2.1." + column, row.index) for column in columns)
    return row.value == ""


def ours(row, interfaces):
    """What the walk has for a row of expected.csv."""
    metric = row.metric.replace("librenms_if", "if")
    if metric == "if_count":
        return interfaces.device["interfaces"]
    if metric == "sys_uptime":
        return interfaces.device.get("uptime")
    if metric == "snmp_engine_time":
        return interfaces.device.get("engine_time")
    one = interfaces.rows.get(row.index)
    if one is None:
        return None
    return {
        "if_name": lambda: one["name"].removesuffix("#" + row.index),  # of two with one name
        "if_oper_status": lambda: one["oper"],
        # Some devices send bit/s.
        "if_high_speed": lambda: one["speed_bps"] // (1 if int(row.value) >= 10 ** 7 else 10 ** 6),
        "if_speed": lambda: one["speed_bps"],
        "if_hc_in_octets": lambda: octets(one, "in_octets", (64,)),
        "if_hc_out_octets": lambda: octets(one, "out_octets", (64,)),
        "if_in_octets": lambda: octets(one, "in_octets", (32, 64)),
        "if_out_octets": lambda: octets(one, "out_octets", (32, 64)),
        "if_counter_discontinuity": lambda: one.get("discontinuity"),
    }[metric]()


def wanted(row):
    if row.metric.endswith("oper_status"):
        return int(row.value) if row.value.isdigit() else STATES[row.value]
    return row.value.strip() if row.metric == "if_name" else int(row.value)


def of_interfaces(row):
    return row.metric.startswith(expected.NOT_OF_PROFILES) and row.metric not in NOT_OURS and \
        row.metric != "sys_object_id"


@pytest.mark.parametrize("device", expected.devices())
def test_reads_what_was_recorded(device, walk):
    interfaces = walk(device)
    wrong = []
    for row in filter(of_interfaces, expected.rows(device)):
        if is_excused(row):
            continue
        value = ours(row, interfaces)
        if value != wanted(row):
            wrong.append(f"{row.metric} {row.index}: {value}, expected {row.value} ({row.source})")
    assert not wrong, f"{len(wrong)} rows, first:\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("device", expected.devices())
def test_knows_the_kind_of_device(device, built):
    for row in expected.rows(device):
        if row.metric == "sys_object_id":
            reading = expected.reading(built("tests/support/profile_eval"), device)
            assert reading.head["sys_object_id"] == row.value.lstrip(".")
