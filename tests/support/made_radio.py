"""Modems, radios and power supplies of which there is no recording, or none in such a state. See
made.py.
"""

E = "1.3.6.1.4.1."
LINUX = E + "8072.3.2.10"
RUT = E + "48690.2.2.1."
LTE = E + "14988.1.1.16.1.1."
CELL = E + "23695.200.1.12.1.1.1."
WAN = E + "9.9.661.1.3."
EXT = E + "9.9.817.1.1.1.1.1."
AIRLINK = E + "20542.9.1.1."
SARIAN = E + "16378.10000.2."
WIPIPE = E + "20992.1.2.2.1."
CONEL = E + "30140.4."
ORBIT = E + "4130.10.2.1.1.2.1.1."
SAR = E + "6527.3.1.2.109.3.1.1.1."
H3C = E + "25506.2.98.1."
AR = E + "2011.5.25.241.1.2.1.1."
VEDGE = E + "41916.16.1.1.1."
CELLULAR0 = ".".join(str(byte) for byte in b"cellular0")
UPS = "1.3.6.1.2.1.33.1."
XUPS = E + "534.1."
APC = E + "318.1.1.1."

# name: (sysObjectID, sysDescr, answers); an answer is identifier, tag, raw, metric, value, row.
MADE = {
    "teltonika 5G alone": (LINUX, "Linux RUTM50", [
        (RUT + "12.1", 4, "-58", "signal.rssi_dbm", -58, "1"),
        (RUT + "16.1", 4, "5G-SA", "signal.technology_nr_sa", "nr_sa", "1"),
        (RUT + "19.1", 4, "0", "signal.nr_sinr_db", 0, "1"),
        (RUT + "20.1", 4, "-101", "signal.nr_rsrp_dbm", -101, "1"),
        (RUT + "21.1", 4, "-11", "signal.nr_rsrq_db", -11, "1"),
        (RUT + "11.1", 4, "Not registered, searching", "signal.registration_searching",
         "searching", "1"),
        (RUT + "9.1", 4, "not inserted", "signal.sim_missing", "missing", "1"),
        (RUT + "15.1", 4, "Disconnected", "signal.connection_down", "down", "1"),
        (RUT + "22.1", 2, -1, "signal.tx_bytes", 4294967295, "1"),
        (RUT + "23.1", 70, 52535370, "signal.rx_bytes", 52535370, "1"),
    ]),
    # What it sends in the columns of LTE is no field of LTE's then.
    "teltonika UMTS": (LINUX, "Linux RUT955", [
        (RUT + "16.1", 4, "HSPA+", "signal.technology_umts", "umts", "1"),
        (RUT + "12.1", 2, -77, "signal.rssi_dbm", -77, "1"),
        (RUT + "20.1", 4, "-95", "", None, "1"),
        (RUT + "21.1", 4, "N/A", "", None, "1"),
        (RUT + "19.1", 4, "0", "", None, "1"),
        (RUT + "13.1", 4, "N/A", "", None, "1"),
    ]),
    "mikrotik 5G alone": (E + "14988.1", "RouterOS Chateau 5G", [
        (LTE + "2.1", 2, 0, "", None, None),
        (LTE + "3.1", 2, -11, "signal.nr_rsrq_db", -11, "lte1"),
        (LTE + "4.1", 2, -108, "signal.nr_rsrp_dbm", -108, "lte1"),
        (LTE + "6.1", 2, 11, "signal.technology_nr_sa", "nr_sa", "lte1"),
        (LTE + "7.1", 2, 0, "signal.nr_sinr_db", 0, "lte1"),
        ("1.3.6.1.2.1.31.1.1.1.1.1", 4, "lte1", None, None, None),
    ]),
    "mikrotik 5G beside LTE": (E + "14988.1", "RouterOS Chateau 5G", [
        (LTE + "3.1", 2, -11, "signal.rsrq_db", -11, None),
        (LTE + "4.1", 2, -108, "signal.rsrp_dbm", -108, None),
        (LTE + "6.1", 2, 13, "signal.technology_nr_nsa", "nr_nsa", None),
        (LTE + "7.1", 2, 0, "signal.sinr_db", 0, None),
    ]),
    "mikrotik without network": (E + "14988.1", "RouterOS LtAP", [
        (LTE + "2.1", 2, 0, "", None, None),
        (LTE + "3.1", 2, 0, "", None, None),
        (LTE + "4.1", 2, 0, "", None, None),
        (LTE + "6.1", 2, -1, "", None, None),
        (LTE + "7.1", 2, 0, "", None, None),
    ]),
    "peplink": (E + "23695", "Peplink Balance 20X", [
        (CELL + "3.0", 2, -9999, "", None, None),
        (CELL + "5.0", 2, 0, "signal.sinr_db", 0, "0"),
        (CELL + "7.0", 2, -95, "signal.rsrp_dbm", -95, "0"),
        (CELL + "9.0", 4, "LTE-A", "signal.technology_lte", "lte", "0"),
        (CELL + "12.0", 2, -1, "", None, None),
    ]),
    "cisco-wwan UMTS": (E + "9.1.1858", "Cisco IOS Software, C800", [
        (WAN + "2.1.5.13", 2, 9, "signal.technology_umts", "umts", "13"),
        (WAN + "4.1.1.1.13", 2, -82, "signal.rssi_dbm", -82, "13"),
        (WAN + "4.1.1.2.13", 2, -6, "signal.ecio_db", -6, "13"),
        (WAN + "5.1.1.2.13", 2, 3, "signal.sim_missing", "missing", "13"),
        (EXT + "1.13", 2, 0, "", None, None),
        (EXT + "3.13", 2, 0, "", None, None),
    ]),
    "sierra-aleos": (E + "20542.9.1", "Sierra Wireless AirLink RV50", [
        (AIRLINK + "1.261.0", 2, -71, "signal.rssi_dbm", -71, "1"),
        (AIRLINK + "1.264.0", 4, "LTE", "signal.technology_lte", "lte", "1"),
        (AIRLINK + "2.10210.0", 2, -104, "signal.rsrp_dbm", -104, "1"),
        (AIRLINK + "2.10209.0", 2, -12, "signal.rsrq_db", -12, "1"),
        (AIRLINK + "2.10211.0", 4, "7.2", "signal.sinr_db", 7.2, "1"),
        (AIRLINK + "1.259.0", 4, "Network Ready", "signal.connection_up", "up", "1"),
        (AIRLINK + "1.283.0", 65, 1234, "signal.tx_bytes", 1234, "1"),
    ]),
    "digi-transport": (E + "16378.1", "Digi TransPort WR21", [
        (SARIAN + "1.0", 2, -79, "signal.rssi_dbm", -79, "1"),
        (SARIAN + "2.0", 2, 5, "signal.registration_roaming", "roaming", "1"),
        (SARIAN + "7.0", 2, 4, "signal.technology_umts", "umts", "1"),
    ]),
    "cradlepoint": (E + "20992.1.1", "Cradlepoint IBR600", [
        (WIPIPE + "4.1", 2, -68, "signal.rssi_dbm", -68, "1"),
        (WIPIPE + "5.1", 2, 1, "signal.connection_up", "up", "1"),
        (WIPIPE + "13.1", 4, "0.0", "signal.sinr_db", 0, "1"),
        (WIPIPE + "14.1", 2, -97, "signal.rsrp_dbm", -97, "1"),
        (WIPIPE + "18.1", 4, "Viettel", None, None, "1"),
    ]),
    "icr": (E + "30140.2.1", "ICR-3232", [
        (CONEL + "1.0", 2, 14, "signal.technology_lte", "lte", "1"),
        (CONEL + "23.0", 2, 4, "signal.registration_home", "home", "1"),
        (CONEL + "32.0", 2, -99, "signal.rsrp_dbm", -99, "1"),
        (CONEL + "41.0", 2, 0, "signal.sinr_db", 0, "1"),
        (CONEL + "101.0", 2, 6, "signal.technology_umts", "umts", "2"),
        (CONEL + "131.0", 2, -88, "signal.rscp_dbm", -88, "2"),
    ]),
    "mds-orbit": (E + "4130.10", "GE MDS Orbit MCR", [
        (ORBIT + "11.5", 2, 14, "signal.technology_lte", "lte", None),
        (ORBIT + "13.5", 2, -93, "signal.rsrp_dbm", -93, None),
        (ORBIT + "20.5", 66, 4294967295, "", None, None),
        (ORBIT + "21.5", 66, 65535, "", None, None),
    ]),
    "nokia-sar-hc": (E + "6527.6.2.1.2.2.4", "TiMOS-B 7705 SAR-Hc", [
        (SAR + "8.1", 2, -63, "signal.rssi_dbm", -63, "1"),
        (SAR + "9.1", 2, -92, "signal.rsrp_dbm", -92, "1"),
        (SAR + "12.1", 2, 132, "signal.sinr_db", 13.2, "1"),
        (SAR + "9.2", 2, 0, "", None, None),
        (SAR + "10.2", 2, 0, "", None, None),
        (SAR + "12.2", 2, -200, "", None, None),
    ]),
    "comware-modem": (E + "25506.1.1", "H3C Comware Software, MSR810-LM", [
        (H3C + "1.1.1.13.1", 2, 12, "signal.technology_lte", "lte", "1"),
        (H3C + "5.1.1.1.1", 2, -100, "signal.rsrp_dbm", -100, "1"),
        (H3C + "5.1.1.3.1", 2, 0, "signal.sinr_db", 0, "1"),
        (H3C + "5.1.1.5.1", 2, -2147483648, "", None, None),
    ]),
    "huawei-ar-modem": (E + "2011.2.224.279", "Huawei AR617VW-LTE4EA", [
        (AR + "35.7", 4, "-65", "signal.rssi_dbm", -65, None),
        (AR + "36.7", 4, "-", "", None, None),
        (AR + "38.7", 4, "-94", "signal.rsrp_dbm", -94, None),
        (AR + "56.7", 4, "-99", "signal.nr_rsrp_dbm", -99, None),
    ]),
    "fortigate-modem": (E + "12356.101.1.442", "FortiGate-40F-3G4G", [
        (E + "12356.101.19.3.1.1.11.1", 2, -66, "signal.rssi_dbm", -66, "1"),
        (E + "12356.101.19.3.1.1.9.1", 2, 0, "", None, None),
        (E + "12356.101.19.5.1.1.4.1", 2, 2, "signal.connection_up", "up", "1"),
    ]),
    "viptela": (E + "41916.3.1.2", "Viptela SNMP agent", [
        (VEDGE + "7." + CELLULAR0, 2, -98, "signal.rsrp_dbm", -98, None),
        (VEDGE + "11." + CELLULAR0, 4, "0.0", "signal.snr_db", 0, None),
        (VEDGE + "16." + CELLULAR0, 2, 9, "signal.technology_lte", "lte", None),
    ]),
    "baicells": (LINUX, "Linux BaiCPE", [
        (E + "53058.2.2.3.0", 4, "3555000", "signal.rx_frequency_mhz", 3555, "1"),
        (E + "53058.2.2.5.0", 4, "20", "signal.bandwidth_mhz", 20, "1"),
        (E + "53058.2.2.7.0", 4, "-88", "signal.rsrp_dbm", -88, "1"),
        (E + "53058.2.2.10.0", 4, "0", "signal.sinr_db", 0, "1"),
    ]),
    "airfiber": (E + "10002.1", "Linux AF5X", [
        (E + "41112.1.3.2.1.11.1", 2, -55, "radio.rx_dbm", -55, "1"),
        (E + "41112.1.3.2.1.14.1", 2, -57, "radio.rx_dbm", -57, "1 chain 1"),
        (E + "41112.1.3.2.1.4.1", 2, 8400, "radio.distance_m", 8400, "1"),
    ]),
    "airfiber-ltu": (E + "10002.1", "Linux AF-5XHD", [
        (E + "41112.1.10.1.2.2.0", 2, 5740, "radio.tx_frequency_mhz", 5740, "1"),
        (E + "41112.1.10.1.4.1.3.1.2.3.4.5.6.1", 2, 300000, "radio.tx_rate_bps", 3e8, None),
    ]),
    "cambium-ptp650": (E + "17713.7", "Cambium PTP 50650", [
        (E + "17713.7.12.12.0", 2, -613, "radio.rx_dbm", -61.3, "1"),
        (E + "17713.7.20.3.0", 2, 450000, "radio.capacity_bps", 4.5e8, "1"),
    ]),
    "cambium-pmp older": (E + "161.19.250.256", "CANOPY 13.4 AP", [
        (E + "161.19.3.1.7.37.0", 2, 574500, "radio.tx_frequency_mhz", 5745, "1"),
    ]),
    "aprisa": (E + "14817.1", "Aprisa XE", [
        (E + "14817.7.3.1.2.51.6.0", 2, -673, "radio.rx_dbm", -67.3, "1"),
        (E + "14817.7.3.1.2.6.3.0", 2, 2855, "radio.snr_db", 28.55, "1"),
        (E + "14817.7.3.1.2.36.7.0", 66, 1417500000, "radio.tx_frequency_mhz", 1417.5, "1"),
    ]),
    # Nobody's sysObjectID; it breaks the RFC as several makers do.
    "ups": (E + "99999.1", "Some UPS", [
        (UPS + "2.1.0", 2, 3, "power.battery_low", "low", None),
        (UPS + "2.3.0", 2, -1, "", None, None),
        (UPS + "2.5.0", 2, 54, "power.battery_voltage_v", 54, None),
        (UPS + "2.7.0", 2, -273, "", None, None),
        (UPS + "3.3.1.2.1", 2, 50, "power.input_frequency_hz", 50, "1"),
        (UPS + "3.3.1.3.1", 2, 1191, "power.input_voltage_v", 119.1, "1"),
        (UPS + "3.3.1.3.2", 2, 0, "power.input_voltage_v", 0, "2"),
        (UPS + "4.1.0", 2, 5, "power.source_battery", "battery", None),
        (UPS + "4.4.1.5.1", 2, 65535, "", None, None),
    ]),
    "eaton-xups": (E + "534.1", "ConnectUPS Web/SNMP Card", [
        (XUPS + "2.1.0", 2, 1980, "power.runtime_min", 33, None),
        (XUPS + "2.4.0", 2, 97, "power.charge_pct", 97, None),
        (XUPS + "3.4.1.2.1", 2, 231, "power.input_voltage_v", 231, "1"),
        (XUPS + "4.5.0", 2, 5, "power.source_battery", "battery", None),
    ]),
    "apc older": (E + "318.1.3.2.7", "APC Web/SNMP Management Card AP9606", [
        (APC + "2.1.1.0", 2, 2, "power.battery_normal", "normal", None),
        (APC + "2.2.1.0", 66, 98, "power.charge_pct", 98, "plain"),
        (APC + "2.2.3.0", 67, 150000, "power.runtime_min", 25, None),
        (APC + "3.2.1.0", 66, 229, "power.input_voltage_v", 229, "plain"),
        (APC + "4.1.1.0", 2, 3, "power.source_battery", "battery", None),
    ]),
}
