"""Made-up devices, see made.py: power plants and UPS of many makes, microwave links beyond the common
ones, and devices whose sysObjectID misleads.
"""

E = "1.3.6.1.4.1."
UPS = "1.3.6.1.2.1.33.1."
NAME = "1.3.6.1.2.1.47.1.1.1.1.7."
IFNAME = "1.3.6.1.2.1.31.1.1.1.1."
PACK = E + "12148.10."
SC = E + "1918.2.13.10."
MGE = E + "705.1."
SROS = E + "6527."
LINK = E + "7262.2.5.4."
CFIP = E + "7571.100.1.1.5.1.1.1."
INTEGRA = E + "7571.100.1.1.7.9."
IES = E + "890.1.5.13.13."
LTU = E + "41112.1.10.1."
AF = E + "41112.1.3."
SENSOR = E + "9.9.91.1.1.1.1."


def sensor(index, name, celsius):
    """One in CISCO-ENTITY-SENSOR-MIB."""
    return [
        (NAME + index, 4, name, None, None, None),
        (f"{SENSOR}1.{index}", 2, 8, None, None, None),
        (f"{SENSOR}2.{index}", 2, 9, None, None, None),
        (f"{SENSOR}3.{index}", 2, 0, None, None, None),
        (f"{SENSOR}4.{index}", 2, celsius, "sensor.temperature_c", celsius, name),
        (f"{SENSOR}5.{index}", 2, 1, "sensor.state_ok", "ok", name),
    ]


def old_sensor(index, name, celsius):
    """One in CISCO-ENVMON-MIB: a row of its own."""
    return [
        (f"{E}9.9.13.1.3.1.2.{index}", 4, name, None, None, None),
        (f"{E}9.9.13.1.3.1.3.{index}", 66, celsius, "sensor.temperature_c", celsius,
         "envmon " + name),
        (f"{E}9.9.13.1.3.1.6.{index}", 2, 1, "sensor.state_ok", "ok", "envmon " + name),
    ]


def ray(tree, has_snr):
    return [
        (f"{E}33555.{tree}.2.1.3.0", 66, 17500500, "radio.rx_frequency_mhz", 17500.5, "1"),
        (f"{E}33555.{tree}.2.1.13.0", 2, 250500, "radio.tx_rate_bps", 250500000, "1"),
        (f"{E}33555.{tree}.2.1.14.0", 2, 360, "radio.capacity_bps", 360000000, "1"),
        (f"{E}33555.{tree}.3.2.1.0", 2, -617, "radio.rx_dbm", -61.7, "1"),
        (f"{E}33555.{tree}.1.4.2.0", 2, 2950, "sensor.temperature_c", 29.5, "unit"),
    ] + ([(f"{E}33555.{tree}.3.2.2.0", 2, 275, "radio.snr_db", 27.5, "1")] if has_snr else [])


MADE = {
    # the plant tells tenths of amperes, and ampere-hours
    "eltek-smartpack": (E + "12148.10", "ELTEK Power System", [
        (PACK + "2.1.0", 2, 2, "sensor.state_warning", "warning", "system"),
        (PACK + "2.15.0", 2, 1, None, None, None),
        (PACK + "2.16.0", 2, 0, None, None, None),
        (PACK + "2.17.0", 2, 0, None, None, None),
        (PACK + "3.1.0", 2, 3, "power.mains_failed", "failed", None),
        (PACK + "3.4.1.2.1", 2, 1, None, None, None),
        (PACK + "3.4.1.6.1", 2, 231, "power.input_voltage_v", 231, "1"),
        (PACK + "5.2.5.0", 2, 87, "power.output_current_a", 8.7, "all"),
        (PACK + "5.6.1.2.1", 2, 1, "sensor.state_ok", "ok", "rectifier 1"),
        (PACK + "5.6.1.3.1", 2, 43, "power.output_current_a", 4.3, "1"),
        (PACK + "5.6.1.2.2", 2, 6, "sensor.state_absent", "absent", "rectifier 2"),
        (PACK + "5.6.1.3.2", 2, 0, "", None, "2"),
        (PACK + "9.2.5.0", 2, 79, "power.output_current_a", 7.9, None),
        (PACK + "10.5.5.0", 2, 5347, "power.battery_voltage_v", 53.47, None),
        (PACK + "10.6.5.0", 2, -12, "power.battery_current_a", -1.2, None),
        (PACK + "10.7.1.0", 2, 4, None, None, None),
        (PACK + "10.7.5.0", 2, 0, "", None, None),
        (PACK + "10.8.5.0", 2, 411, "power.runtime_min", 411, None),
        (PACK + "10.9.5.0", 2, 180, "power.battery_left_ah", 180, None),
        (PACK + "10.18.3.1.2.1.1", 2, 1, None, None, None),
        (PACK + "10.18.3.1.6.1.1", 2, 24, "power.battery_temperature_c", 24, "1.1"),
        (PACK + "10.18.3.1.2.1.2", 2, 4, None, None, None),
        (PACK + "10.18.3.1.6.1.2", 2, -14, "", None, "1.2"),
    ]),
    # and here whole ones, degrees Fahrenheit and percent
    "eltek-smartpack whole": (E + "12148.10", "ELTEK Power System", [
        (PACK + "2.15.0", 2, 0, None, None, None),
        (PACK + "2.16.0", 2, 1, None, None, None),
        (PACK + "2.17.0", 2, 1, None, None, None),
        (PACK + "9.2.5.0", 2, 79, "power.output_current_a", 79, None),
        (PACK + "10.6.5.0", 2, -12, "power.battery_current_a", -12, None),
        (PACK + "10.7.1.0", 2, 1, None, None, None),
        (PACK + "10.7.5.0", 2, 77, "power.battery_temperature_c", 25, None),
        (PACK + "10.9.5.0", 2, 64, "power.charge_pct", 64, None),
    ]),
    "eaton-sc": (E + "1918.2.13", "SC200 Controller", [
        (SC + "50.30.0", 2, 121, "power.output_power_w", 1210, None),
        (SC + "70.10.20.0", 2, 5412, "power.output_voltage_v", 54.12, None),
        (SC + "60.30.1.120.1", 2, 2, None, None, None),
        (SC + "60.30.1.95.1", 2, 5420, "power.output_voltage_v", 54.2, "1"),
        (SC + "60.30.1.105.1", 2, 158, "power.load_pct", 15.8, "1"),
        (SC + "60.30.1.120.2", 2, 0, None, None, None),
        (SC + "60.30.1.95.2", 2, 0, "", None, "2"),
        (SC + "60.30.1.110.2", 2, 0, "", None, "2"),
    ]),
    "mge-galaxy": (E + "705.1.2", "Galaxy", [
        (MGE + "5.1.0", 2, 3600, "power.runtime_min", 60, None),
        (MGE + "5.5.0", 2, 5810, "power.battery_voltage_v", 581, None),
        (MGE + "6.4.0", 2, 2, "power.mains_failed", "failed", None),
        (MGE + "6.2.1.2.1.0", 2, 4010, "power.input_voltage_v", 401, "1"),
        (MGE + "6.2.1.3.1.0", 2, 502, "power.input_frequency_hz", 50.2, "1"),
        (MGE + "7.2.1.4.2.0", 2, 7, "power.output_apparent_va", 7000, "2"),
    ]),
    "cyberpower": (E + "3808.1.1.1", "UPS SYSTEM", [
        (E + "3808.1.1.1.2.1.1.0", 2, 3, "power.battery_low", "low", None),
        (E + "3808.1.1.1.2.2.4.0", 67, 90000, "power.runtime_min", 15, None),
        (E + "3808.1.1.1.3.2.1.0", 66, 2215, "power.input_voltage_v", 221.5, None),
        (E + "3808.1.1.1.4.1.1.0", 2, 3, "power.source_battery", "battery", None),
        (E + "3808.1.1.1.4.2.2.0", 66, 0, "", None, None),
    ]),
    "netagent": (E + "935", "Network Management Card for UPS", [
        (E + "935.1.1.1.2.2.1.0", 2, 97, "power.charge_pct", 97, None),
        (E + "935.1.1.1.2.2.3.0", 2, 265, "power.battery_temperature_c", 26.5, None),
        (E + "935.1.1.1.4.1.1.0", 2, 3, "power.source_battery", "battery", None),
        (E + "935.1.1.1.8.3.3.0", 2, 2307, "power.output_voltage_v", 230.7, "2"),
        (E + "935.1.1.1.8.3.6.0", 2, 312, "power.load_pct", 31.2, "2"),
    ]),
    # the same make of card, with nothing but UPS-MIB
    "ups card": (E + "935.10.1", "Network Management Card for UPS", [
        (UPS + "2.4.0", 2, 88, "power.charge_pct", 88, None),
        (UPS + "4.4.1.5.1", 2, 22, "power.load_pct", 22, "1"),
    ]),
    "socomec": (E + "4555.1.1.7", "Net Vision", [
        (E + "4555.1.1.7.1.2.3.0", 2, 65535, "", None, None),
        (E + "4555.1.1.7.1.2.5.0", 2, 543, "power.battery_voltage_v", 54.3, None),
        (E + "4555.1.1.7.1.3.3.1.3.1", 2, 655350, "", None, "1"),
        (E + "4555.1.1.7.1.4.4.1.2.1", 2, 2301, "power.output_voltage_v", 230.1, "1"),
    ]),
    "nokia-sros": (E + "6527.6.1.1.2.1", "TiMOS SAR 7705", [
        (IFNAME + "39976960", 4, "1/3/4", None, None, None),
        (SROS + "3.1.2.2.1.8.1.8.1.134217729", 4, "Slot 1", None, None, None),
        (SROS + "3.1.2.2.1.8.1.18.1.134217729", 2, 33, "sensor.temperature_c", 33, "Slot 1"),
        (SROS + "3.1.2.2.1.8.1.18.1.134217730", 2, -128, "", None, None),
        (SROS + "3.1.2.2.4.31.1.1.1.39976960", 2, 6528, "optics.temperature_c", 25.5, "1/3/4"),
        (SROS + "3.1.2.2.4.31.1.11.1.39976960", 2, 14000, "optics.bias_ma", 28, "1/3/4"),
        (SROS + "3.1.2.2.4.31.1.16.1.39976960", 2, 5000, "optics.tx_dbm", -3.0103, "1/3/4"),
        (SROS + "3.1.2.2.4.31.1.21.1.39976960", 2, 0, "", None, "1/3/4"),
        (SROS + "3.1.2.2.4.66.1.17.1.39976960.2", 2, 10000, "optics.rx_dbm", 0, "1/3/4 lane 2"),
        (SROS + "6.1.2.2.7.1.3.1.2.1.39976960", 2, -437, "radio.rx_dbm", -43.7, "1/3/4"),
    ]),
    "racom-ray": (E + "33555.1.1", "RAy2", ray("1", True)),
    "racom-ray three": (E + "33555.4.1", "RAy3", ray("4", False)),
    "saf-cfip": (E + "7571.100.1.1.5.1", "SAF microwave radio", [
        (CFIP + "10.1.5.1", 2, -47, "radio.rx_dbm", -47, "1"),
        (CFIP + "10.1.9.1", 2, 11405000, "radio.tx_frequency_mhz", 11405, "1"),
        (CFIP + "12.1.10.1", 2, -317, "radio.mse_db", -31.7, "1"),
        (CFIP + "12.1.6.1", 2, 180000, "radio.capacity_bps", 180000000, "1"),
    ]),
    "saf-integra": (E + "7571.100.1.1.7.9", "Prod: Integra-E", [
        (INTEGRA + "2.2.0", 2, 75750000, "radio.tx_frequency_mhz", 75750, "1"),
        (INTEGRA + "2.3.0", 2, -39, "radio.rx_dbm", -39, "1"),
        (INTEGRA + "3.2.0", 2, -355, "radio.mse_db", -35.5, "1"),
        (INTEGRA + "4.5.0", 2, 52000, "sensor.voltage_v", 52, "power input"),
    ]),
    "cambium-cnwave60": (E + "17713.60.1", "cnWave V1000", [
        (E + "17713.60.1.1.1.6.1", 2, 14, "radio.snr_db", 14, "1"),
        (E + "17713.60.1.1.1.7.1", 2, -58, "radio.rx_dbm", -58, "1"),
    ]),
    "ericsson-minilink": (E + "193.223.2.1", "MINI-LINK 6352", [
        (E + "193.223.2.7.1.1.1.110101", 4, "-42.5", "radio.rx_dbm", -42.5, "110101"),
        (E + "193.223.2.7.1.1.10.110101", 2, 82500000, "radio.tx_frequency_mhz", 82500, "110101"),
        (E + "193.223.2.7.1.1.43.110101", 4, "31.5", "radio.snr_db", 31.5, "110101"),
    ]),
    "dragonwave": (E + "7262.2.5", "Horizon", [
        (LINK + "2.1.1.3.1", 2, -512, "radio.rx_dbm", -51.2, "1"),
        (LINK + "2.1.1.8.1", 2, 333, "radio.snr_db", 33.3, "1"),
        (LINK + "4.1.1.7.1", 2, 185, "radio.tx_dbm", 18.5, "1"),
    ]),
    "tachyon": (E + "57344.1", "TNA", [
        (E + "57344.1.2.2.1.5.1", 2, 64800, "radio.tx_frequency_mhz", 64800, "1"),
        (E + "57344.1.2.6.1.6.2", 2, -63, "radio.rx_dbm", -63, "2"),
        (E + "57344.1.2.6.1.8.2", 2, 0, "radio.snr_db", 0, "2"),
        (E + "57344.1.2.6.1.9.2", 66, 1155, "radio.rx_rate_bps", 1155000000, "2"),
    ]),
    "radwin": (E + "4458.20.6.1.1", "Wireless Link", [
        (E + "4458.1000.1.5.9.1.0", 2, -61, "radio.rx_dbm", -61, "1"),
        (E + "4458.1000.1.5.29.0", 2, 4200, "radio.distance_m", 4200, "1"),
    ]),
    "zyxel-ies52": (E + "890.1.5.13.16", "MSC1240XA", [
        (IES + "5.6.1.1.1.2", 2, 12010, "sensor.voltage_v", 12.01, "voltage 1.2"),
        (IES + "4.4.1.21.10001", 2, -154321, "optics.rx_dbm", -15.4321, "10001"),
        (IES + "4.4.1.18.10001", 2, 0, "", None, "10001"),
    ]),
    "comware": (E + "25506.1.244", "H3C Comware Platform Software", [
        (NAME + "65", 4, "Board", None, None, None),
        (E + "25506.2.6.1.1.1.1.12.65", 2, 41, "sensor.temperature_c", 41, "Board 65"),
        (E + "25506.2.6.1.1.1.1.12.66", 2, 65535, "", None, None),
        (E + "25506.2.6.1.1.1.1.6.65", 2, 17, "device.cpu_pct", 17, None),
        (E + "25506.2.6.1.1.1.1.6.66", 2, 0, "", None, None),
    ]),
    "raisecom": (E + "8886.18.4.10", "ROAP", [
        (E + "8886.1.1.4.2.1.0", 2, 36, "sensor.temperature_c", 36, "system"),
        (E + "8886.1.1.4.3.1.1.3.2", 2, 1210, "sensor.voltage_v", 1.21, "voltage 2"),
        (E + "8886.1.1.5.2.2.1.3.1", 2, 2, "sensor.state_failed", "failed", "fan 1"),
    ]),
    # -- sysObjectIDs that mislead ---------------------------------------------------------------
    "airfiber-ltu linux": (E + "8072.3.2.10", "Linux PRIVATE 3.14.65", [
        (LTU + "2.2.0", 2, 5780, "radio.tx_frequency_mhz", 5780, "1"),
        (LTU + "4.1.5.24.232.41.1.2.3", 2, -52, "radio.rx_dbm", -52, "24.232.41.1.2.3"),
        (LTU + "4.1.3.24.232.41.1.2.3", 2, 90000, "radio.tx_rate_bps", 90000000,
         "24.232.41.1.2.3"),
    ]),
    # kHz, where the MIB says MHz
    "airfiber khz": (E + "10002.1", "Linux 2.6.33", [
        (AF + "1.1.5.1", 2, 11225000, "radio.tx_frequency_mhz", 11225, "1"),
        (AF + "2.1.11.1", 2, -44, "radio.rx_dbm", -44, "1"),
    ]),
    "airfiber mhz": (E + "10002.1", "Linux 2.6.33", [
        (AF + "1.1.5.1", 2, 5775, "radio.tx_frequency_mhz", 5775, "1"),
        (AF + "2.1.11.1", 2, -44, "radio.rx_dbm", -44, "1"),
    ]),
    "ucd edgerouter": (E + "41112.1.5", "EdgeOS v2.0.9", [
        (E + "2021.11.11.0", 2, 80, "device.cpu_pct", 20, None),
    ]),
    "generic broadcom": (E + "4413", "some access point", [
        ("1.3.6.1.2.1.25.3.3.1.2.1", 2, 9, "device.cpu_pct", 9, None),
    ]),
    "ups on-linux": (E + "2021.1.1.1", "Linux", [
        (UPS + "2.4.0", 2, 71, "power.charge_pct", 71, None),
    ]),
    "cisco twice": (E + "9.1.2494", "Cisco IOS Software [Amsterdam], Catalyst L3 Switch Software",
                    sensor("1012", "Inlet", 31) + old_sensor("1012", "Inlet", 32)),
}
