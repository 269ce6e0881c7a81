"""Devices of which there is no recording, made up after what is known of them: a few answers of each,
and what they mean by the formulas of the vendor's MIB or of whoever reads them in production. They
prove the arithmetic of a profile, not that the device answers so.

    made.MADE["zte-olt-v1"]     a Device
"""

import collections

import made_others
import made_radio

Device = collections.namedtuple("Device", "sys_object_id sys_descr answers sums", defaults=((),))
# One answer: object identifier, tag as in .snmprec, value, our metric ("" for none), our value, row.
E = "1.3.6.1.4.1."
HUAWEI = E + "2011.6.128.1.1.2."
ZTE = E + "3902."


def gpon_huawei():
    index = "4194312192"  # 0/1/0
    states = [(1, 1, -1, "online"), (2, 2, 13, "dying_gasp"), (3, 2, 1, "los"), (4, 2, 9, "offline"),
              (5, 2, 8, "disabled"), (6, -1, -1, "unknown")]
    answers = [(HUAWEI + "21.1.16." + index, 2, 6, "pon.onus_configured", 6, "0/1/0")]
    for onu, state, cause, word in states:
        row = f"0/1/0:{onu}"
        where = "46.1.15" if word in ("online", "unknown") else "46.1.24"
        answers.append((f"{HUAWEI}46.1.15.{index}.{onu}", 2, state, None, None, row))
        answers.append((f"{HUAWEI}46.1.24.{index}.{onu}", 2, cause, None, None, row))
        answers.append((f"{HUAWEI}{where}.{index}.{onu}", None, None, f"optics.state_{word}", word,
                        row))
    answers += [
        (f"{HUAWEI}46.1.24.{index}.2", None, None, "optics.cause_power", "power", "0/1/0:2"),
        (f"{HUAWEI}46.1.24.{index}.3", None, None, "optics.cause_fibre", "fibre", "0/1/0:3"),
        (f"{HUAWEI}46.1.20.{index}.1", 2, 2345, "optics.distance_m", 2345, "0/1/0:1"),
        (f"{HUAWEI}46.1.20.{index}.2", 2, -1, "", None, "0/1/0:2"),
        (f"{HUAWEI}51.1.4.{index}.1", 2, -2134, "optics.onu_rx_dbm", -21.34, "0/1/0:1"),
        (f"{HUAWEI}51.1.6.{index}.1", 2, 7890, "optics.olt_rx_dbm", -21.1, "0/1/0:1"),
        (f"{HUAWEI}51.1.4.{index}.2", 2, 2147483647, "", None, "0/1/0:2"),
        (f"{HUAWEI}51.1.6.{index}.2", 2, 2147483647, "", None, "0/1/0:2"),
    ]
    return answers


def epon_huawei():
    index = "4227858688"  # 0xFC000100: 0/0/1
    return [
        (f"{HUAWEI}21.1.16.4194304000", 2, 0, "pon.onus_configured", 0, "0/0/0"),
        (f"{HUAWEI}57.1.15.{index}.1", 2, 1, "optics.state_online", "online", "0/0/1:1"),
        (f"{HUAWEI}104.1.5.{index}.1", 2, 7899, "optics.onu_rx_dbm", -21.01, "0/0/1:1"),
        (f"{HUAWEI}104.1.4.{index}.1", 2, 10213, "optics.onu_tx_dbm", 2.13, "0/0/1:1"),
        (f"{HUAWEI}104.1.1.{index}.1", 2, 7600, "optics.olt_rx_dbm", -24, "0/0/1:1"),
    ]


def zte(tree, first, power):
    """The phase states of one tree begin at `first`."""
    index = "285278465"
    words = ["starting", "los", "starting", "online", "dying_gasp", "auth_failed", "offline"]
    answers = [("1.3.6.1.2.1.31.1.1.1.1." + index, 4, "gpon_1/1/1", None, None, None)]
    for at, word in enumerate(words):
        answers.append((f"{tree}.4.{index}.{at + 1}", 2, first + at, f"optics.state_{word}", word,
                        f"gpon_1/1/1:{at + 1}"))
    answers += [
        (f"{tree}.7.{index}.2", 2, 2, "optics.cause_fibre", "fibre", "gpon_1/1/1:2"),
        (f"{tree}.7.{index}.5", 2, 9, "optics.cause_power", "power", "gpon_1/1/1:5"),
        # above 30000 two's complement of 16 bits, in steps of 0.002 above -30
        (f"{power}.10.{index}.4.1", 2, 4000, "optics.onu_rx_dbm", -22, "gpon_1/1/1:4"),
        (f"{power}.10.{index}.5.1", 2, 64536, "optics.onu_rx_dbm", -32, "gpon_1/1/1:5"),
        (f"{power}.10.{index}.6.1", 2, 65535, "", None, "gpon_1/1/1:6"),
        (f"{power}.14.{index}.4.1", 2, 16250, "optics.onu_tx_dbm", 2.5, "gpon_1/1/1:4"),
    ]
    return answers


FIBERHOME = str(2 * 2 ** 25 + 5 * 2 ** 19 + 17 * 2 ** 8)
FIBER = E + "5875.800.3."
BDCOM = E + "3320."
CDATA = E + "17409.2."
DASAN = E + "6296.101.23.3.1.1."
VSOL = E + "37950.1.1."
AXOS = E + "6321.1.2.4.2.6.1.1."
NOKIA = E + "637.61.1."
UFIBER = E + "41112.1.5."
SERIAL = "12." + ".".join(str(byte) for byte in b"UBNT00000001")

MADE = {
    "huawei-olt": Device(E + "2011.2.344", "Huawei Integrated Access Software", gpon_huawei(), (
        ("0/1/0", "pon.onus_total", 6), ("0/1/0", "pon.onus_online", 1),
        ("0/1/0", "pon.onus_los", 1), ("0/1/0", "pon.onus_dying_gasp", 1),
        ("0/1/0", "pon.onus_offline", 1), ("0/1/0", "pon.onus_disabled", 1),
        ("0/1/0", "pon.onus_unknown", 1))),
    "huawei-olt epon": Device(E + "2011.2.248", "Huawei Integrated Access Software", epon_huawei()),
    "huawei-access": Device(E + "2011.2.186", "Huawei Integrated Access Software", [
        (E + "2011.2.6.7.1.1.2.1.10.0.3", 2, 41, "sensor.temperature_c", 41, "board 0/3"),
        (E + "2011.6.2.1.2.1.2.0", 2, 2, "power.mains_failed", "failed", "ac 0"),
        (E + "2011.6.2.1.2.1.3.0", 2, 221500, "power.input_voltage_v", 221.5, "ac 0"),
        (E + "2011.6.2.1.6.3.1.6.0", 2, -3200, "power.battery_current_a", -3.2, "battery 0"),
    ]),
    "zte-olt": Device(E + "3902.1082.1001.620.1.1", "C620 Version V2.2.1 Software",
                      zte(ZTE + "1082.500.10.2.3.8.1", 1, ZTE + "1082.500.20.2.2.2.1"), (
                          ("gpon_1/1/1", "pon.onus_total", 7), ("gpon_1/1/1", "pon.onus_online", 1),
                          ("gpon_1/1/1", "pon.onus_starting", 2))),
    "zte-olt-v1": Device(E + "3902.1015.300.1", "ZXA10 C300, ZTE ZXA10 Software Version: V1.2.5P3",
                         zte(ZTE + "1012.3.28.2.1", 0, ZTE + "1012.3.50.12.1.1") + [
                             (ZTE + "1015.1010.11.2.1.2.285278465.4", 2, -23456,
                              "optics.olt_rx_dbm", -23.456, "gpon_1/1/1:4"),
                             (ZTE + "1015.1010.11.2.1.2.285278465.5", 2, -80000, "", None,
                              "gpon_1/1/1:5"),
                             (ZTE + "1015.1010.11.2.1.2.285278465.6", 2, 65535000, "", None,
                              "gpon_1/1/1:6"),
                         ]),
    "fiberhome-olt": Device(E + "5875.800.1001.1", "AN5516-06", [
        (FIBER + "10.1.1.11." + FIBERHOME, 2, 1, "optics.state_online", "online", "2/5:17"),
        (FIBER + "9.3.3.1.6." + FIBERHOME, 2, -2211, "optics.onu_rx_dbm", -22.11, "2/5:17"),
        (FIBER + "9.3.3.1.7." + FIBERHOME, 2, 215, "optics.onu_tx_dbm", 2.15, "2/5:17"),
        (FIBER + "9.3.3.1.11." + FIBERHOME, 2, 1, None, None, None),
    ], (("2/5", "pon.onus_online", 1),)),
    "nokia-isam": Device(E + "637.61.1", "R6.2.04 NFXS-E FANT-F", [
        (NOKIA + "35.10.14.1.2.94838784", 2, -10500, "optics.onu_rx_dbm", -21, "94838784"),
        (NOKIA + "35.10.14.1.4.94838784", 2, 1150, "optics.onu_tx_dbm", 2.3, "94838784"),
        (NOKIA + "35.10.14.1.2.94839000", 2, 32768, "", None, "94839000"),
    ]),
    "vsol-epon": Device(E + "37950.1.1.5.10.14.3", "V1600D4", [
        (VSOL + "5.12.1.29.1.4.1.3", 2, 0, "optics.state_offline", "offline", "0/1:3"),
        (VSOL + "5.12.1.29.1.15.1.3", 2, 1, "optics.cause_power", "power", "0/1:3"),
    ], (("0/1", "pon.onus_offline", 1),)),
    "vsol-gpon": Device(E + "37950.1.1.5.10.14.2", "V1600G1", [
        (VSOL + "6.1.1.1.1.5.2.7", 2, 3, "optics.state_online", "online", "0/2:7"),
        (VSOL + "6.1.1.1.1.5.2.8", 2, 4, "optics.state_dying_gasp", "dying_gasp", "0/2:8"),
        (VSOL + "6.1.1.3.1.7.2.7", 4, "0.01 mW (-19.83 dBm)", "optics.onu_rx_dbm", -19.83, "0/2:7"),
        (VSOL + "6.1.1.3.1.7.2.8", 4, "N/A", "", None, "0/2:8"),
        (VSOL + "6.1.1.12.1.3.2.7", 2, 1420, "optics.distance_m", 1420, "0/2:7"),
    ], (("0/2", "pon.onus_total", 2),)),
    "bdcom-gpon": Device(E + "3320.1.355.0", "BDCOM(tm) GP1704-4F Software, Version 10.1.0E", [
        ("1.3.6.1.2.1.31.1.1.1.1.12", 4, "GPON0/1", None, None, None),
        ("1.3.6.1.2.1.31.1.1.1.1.40", 4, "GPON0/1:1", None, None, None),
        (BDCOM + "10.2.1.1.4.12", 2, 31, "pon.onus_online", 31, "GPON0/1"),
        (BDCOM + "10.3.3.1.4.40", 2, 0, "optics.state_online", "online", "GPON0/1:1"),
        (BDCOM + "10.3.4.1.2.40", 2, -213, "optics.onu_rx_dbm", -21.3, "GPON0/1:1"),
        (BDCOM + "10.3.4.1.3.40", 2, 231, "optics.onu_tx_dbm", 2.31, "GPON0/1:1"),
        (BDCOM + "10.3.1.1.33.40", 2, 12345, "optics.distance_m", 1234.5, "GPON0/1:1"),
        (BDCOM + "10.3.1.1.35.40", 2, 8, "optics.cause_fibre", "fibre", "GPON0/1:1"),
    ]),
    "bdcom-epon": Device(E + "3320.1.226.0", "BDCOM(tm) P3310D Software, Version 10.1.0E", [
        ("1.3.6.1.2.1.31.1.1.1.1.20", 4, "EPON0/1:1", None, None, None),
        (BDCOM + "101.10.1.1.26.20", 2, 3, "optics.state_online", "online", "EPON0/1:1"),
        (BDCOM + "101.10.5.1.5.20", 2, -187, "optics.onu_rx_dbm", -18.7, "EPON0/1:1"),
        (BDCOM + "101.10.5.1.2.20", 2, 10752, "optics.temperature_c", 42, "EPON0/1:1"),
        (BDCOM + "101.10.5.1.3.20", 2, 33000, "optics.voltage_v", 3.3, "EPON0/1:1"),
        (BDCOM + "101.108.1.3.20", 2, -221, "optics.olt_rx_dbm", -22.1, "EPON0/1:1"),
    ]),
    "bdcom": Device(E + "3320.1.300.0", "BDCOM(tm) S2528 Software, Version 2.2.0F", [
        (BDCOM + "9.63.1.7.1.3.5", 2, -731, "optics.rx_dbm", -7.31, "5"),
        (BDCOM + "9.63.1.7.1.4.5", 2, 9984, "optics.temperature_c", 39, "5"),
        (BDCOM + "9.63.1.7.1.3.6", 2, -65535, "", None, "6"),
    ]),
    "cdata-gpon": Device(E + "17409", "FD1608S-B1", [
        (CDATA + "8.4.1.1.7.16779265", 2, 2, "optics.state_offline", "offline", "16779265"),
        (CDATA + "8.4.1.1.103.16779265", 4, "dying-gasp", "optics.cause_power", "power", "16779265"),
        (CDATA + "8.4.4.1.4.16779266.0.0", 2, -2050, "optics.onu_rx_dbm", -20.5, "16779266"),
    ], (("all", "pon.onus_offline", 1),)),
    "cdata-epon": Device(E + "34592.1.3", "FD1208S", [
        (CDATA + "3.4.1.1.8." + str((1 << 24) + (3 << 16) + (9 << 8)), 2, 1, "optics.state_online",
         "online", "1/3:9"),
        (CDATA + "3.4.2.1.4." + str((1 << 24) + (3 << 16) + (9 << 8)) + ".0.0", 2, -1822,
         "optics.onu_rx_dbm", -18.22, "1/3:9"),
    ]),
    "dasan-gpon": Device(E + "6296.1.1.1.137", "V5824G", [
        (DASAN + "2.1.4", 2, 3, "optics.state_online", "online", "1:4"),
        (DASAN + "45.1.4", 2, 2, "optics.cause_power", "power", "1:4"),
        (DASAN + "16.1.4", 2, 65536 - 223, "optics.onu_rx_dbm", -22.3, "1:4"),
        (DASAN + "21.1.4", 2, -231, "optics.olt_rx_dbm", -23.1, "1:4"),
        (DASAN + "10.1.4", 2, 812, "optics.distance_m", 812, "1:4"),
    ], (("1", "pon.onus_online", 1),)),
    # The UISP XGS answers its chip maker's sysObjectID, and degrees where the UF-OLT has thousandths.
    "ubiquiti-ufiber": Device(E + "4413", "UISP Fiber OLT XGS", [
        (UFIBER + "4.2.1.3.0", 2, 44, "sensor.temperature_c", 44, "temperature 0"),
        (UFIBER + "6.1.0", 66, 1, "pon.onus_configured", 1, "all"),
        (UFIBER + "6.2.1.3." + SERIAL, 2, 1, "optics.state_online", "online", "UBNT00000001"),
        (UFIBER + "6.2.1.5." + SERIAL, 2, 3, None, None, None),
        (UFIBER + "6.2.1.9." + SERIAL, 2, -1875, "optics.onu_rx_dbm", -18.75, "UBNT00000001"),
    ], (("pon3", "pon.onus_online", 1),)),
    "calix-axos": Device(E + "6321.1.2.2.5.10", "AXOS E7-2", [
        (AXOS + "4.801", 2, 1, "optics.state_online", "online", "801"),
        (AXOS + "4.802", 2, 2, None, None, None),
        (AXOS + "5.802", 2, 1, "optics.state_dying_gasp", "dying_gasp", "802"),
        (AXOS + "6.801", 2, 63, "optics.onu_rx_dbm", -22.007, "801"),
        (AXOS + "6.802", 2, 0, "", None, "802"),
    ], (("all", "pon.onus_total", 2), ("all", "pon.onus_dying_gasp", 1))),
    "juniper": Device(E + "2636.1.1.1.2.99", "Juniper Networks, Inc. mx204 internet router", [
        ("1.3.6.1.2.1.31.1.1.1.1.514", 4, "xe-0/1/0", None, None, None),
        (E + "2636.3.60.1.1.1.1.5.514", 2, -512, "optics.rx_dbm", -5.12, "xe-0/1/0"),
        (E + "2636.3.60.1.1.1.1.6.514", 2, 35210, "optics.bias_ma", 35.21, "xe-0/1/0"),
    ]),
    "huawei-vrp": Device(E + "2011.2.224.279", "Huawei AR Versatile Routing Platform Software", [
        ("1.3.6.1.2.1.47.1.1.1.1.7.99", 4, "GigabitEthernet0/0/8", None, None, None),
        (E + "2011.5.25.31.1.1.3.1.6.99", 2, 3300, "optics.voltage_v", 3.3, "GigabitEthernet0/0/8"),
        (E + "2011.5.25.31.1.1.3.1.7.99", 2, 15400, "optics.bias_ma", 15.4, "GigabitEthernet0/0/8"),
        (E + "2011.5.25.31.1.1.3.1.8.99", 2, -711, "optics.rx_dbm", -7.11, "GigabitEthernet0/0/8"),
        (E + "2011.5.25.31.1.1.3.1.9.99", 2, 500, "optics.tx_dbm", -3.0103, "GigabitEthernet0/0/8"),
        (E + "2011.5.25.31.1.1.3.1.32.99", 4, "-711,-722", "optics.rx_dbm", -7.11,
         "GigabitEthernet0/0/8 lane 1"),
    ]),
    "cisco": Device(E + "9.1.1745", "Cisco IOS Software, IOS-XE Software, Catalyst L3 Switch", [
        (E + "9.9.109.1.1.1.1.7.1", 66, 23, "device.cpu_pct", 23, None),
        (E + "9.9.109.1.1.1.1.12.1", 66, 300, "device.memory_pct", 75, None),
        (E + "9.9.109.1.1.1.1.13.1", 66, 100, None, None, None),
        ("1.3.6.1.2.1.47.1.1.1.1.7.1010", 4, "Gi1/1/1 Receive Power Sensor", None, None, None),
        (E + "9.9.91.1.1.1.1.1.1010", 2, 14, None, None, None),
        (E + "9.9.91.1.1.1.1.2.1010", 2, 9, None, None, None),
        (E + "9.9.91.1.1.1.1.3.1010", 2, 1, None, None, None),
        (E + "9.9.91.1.1.1.1.4.1010", 2, -61, "sensor.light_dbm", -6.1,
         "Gi1/1/1 Receive Power Sensor"),
        (E + "9.9.91.1.1.1.1.5.1010", 2, 1, "sensor.state_ok", "ok", "Gi1/1/1 Receive Power Sensor"),
    ]),
    "ucd": Device(E + "8072.3.2.10", "Linux gateway 5.15.0", [
        (E + "2021.11.11.0", 2, 93, "device.cpu_pct", 7, None),
        (E + "2021.4.5.0", 2, 2000, None, None, None),
        (E + "2021.4.6.0", 2, 500, "device.memory_pct", 75, None),
        (E + "2021.13.16.2.1.2.1", 4, "Core 0", None, None, None),
        (E + "2021.13.16.2.1.3.1", 66, 51000, "sensor.temperature_c", 51, "Core 0"),
    ]),
    "generic": Device(E + "99999.1", "some device", [
        ("1.3.6.1.2.1.47.1.1.1.1.7.5", 4, "Inlet", None, None, None),
        ("1.3.6.1.2.1.99.1.1.1.1.5", 2, 8, None, None, None),
        ("1.3.6.1.2.1.99.1.1.1.2.5", 2, 8, None, None, None),
        ("1.3.6.1.2.1.99.1.1.1.4.5", 2, 31250, "sensor.temperature_c", 31.25, "Inlet"),
        ("1.3.6.1.2.1.99.1.1.1.4.6", 2, 0, "", None, None),
        ("1.3.6.1.2.1.99.1.1.1.1.6", 2, 8, None, None, None),
        ("1.3.6.1.2.1.99.1.1.1.5.6", 2, 3, "sensor.state_failed", "failed", "6"),
        ("1.3.6.1.2.1.25.3.3.1.2.1", 2, 12, "device.cpu_pct", 12, None),
    ]),
}

for made in (made_radio, made_others):
    MADE |= {name: Device(*device) for name, device in made.MADE.items()}


def write(device, path):
    """As a recording."""
    lines = {"1.3.6.1.2.1.1.1.0": (4, device.sys_descr),
             "1.3.6.1.2.1.1.2.0": (6, device.sys_object_id)}
    for oid, tag, value, *_ in device.answers:
        if tag:
            lines[oid] = (tag, value)
    in_order = sorted(lines, key=lambda oid: [int(part) for part in oid.split(".")])
    path.write_text("".join(f"{oid}|{lines[oid][0]}|{lines[oid][1]}\n" for oid in in_order),
                    encoding="utf-8")
