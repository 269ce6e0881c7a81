"""The profiles that come with phusong, held against what somebody else makes of real devices.

tests/data/snmprec/expected.csv says what the answers of 66 devices mean. Every row that profiles
could reach is either right here, or listed with a reason in tests/data/profiles: uncovered.csv has
what no profile reads, overruled.csv what we read otherwise.
"""

import collections

import pytest

import expected
import made

# Devices whose recording lacks the system group: what they are has to be said.
FORCED = {
    "huawei_olt_gpon_ont": "huawei-olt",
}

# What each recording has to be recognised as.
PROFILE = {
    "bdcom_gp3600_16b": "bdcom-gpon",
    "calix_e7_exa_pon": "calix-e7",
    "cisco_asr920": "cisco",
    "cisco_c8200_iosxr": "cisco",
    "cisco_cbs350": "cisco-small-business",
    "cisco_ios_switch": "cisco",
    "cisco_isr4321": "cisco",
    "fiberhome_an5516_01": "fiberhome-olt",
    "gwd_easypath_epon": "gwd-epon",
    "huawei_ma5600t_smartax": "huawei-olt",
    "huawei_ma5616_mdu": "huawei-access",
    "huawei_ne8000_m8": "huawei-vrp",
    "huawei_s5328c": "huawei-vrp",
    "juniper_vmx": "juniper",
    "netonix_wispswitch": "netonix",
    "nokia_isam_7360_fx8": "nokia-isam",
    "tplink_sg2218p": "tplink",
    "ubiquiti_edgeswitch_10xp": "generic",
    "ubiquiti_ufiber_olt": "ubiquiti-ufiber",
    "vsol_v1600d": "vsol-epon",
    "zte_c320_v2": "zte-olt",
    "zyxel_ies5106": "zyxel-ies",
    "apc_smt750x": "apc",
    "aviat_wtm": "aviat-wtm",
    "baicells_od04_cpe": "baicells",
    "cambium_epmp_ap": "cambium-epmp",
    "cambium_pmp450": "cambium-pmp",
    "cambium_ptp670": "cambium-ptp",
    "ceragon_ip20": "ceragon",
    "cisco_c1100tgx": "cisco-wwan",
    "cisco_ir809": "cisco-wwan",
    "delta_ups_rfc1628": "ups",
    "eaton_5px": "eaton-mge",
    "eltek_webpower": "eltek",
    "fortinet_fortiextender_201e": "fortiextender",
    "generex_cs141_ups": "ups",
    "himoinsa_genset": "himoinsa",
    "huawei_rtn905": "huawei-rtn",
    "huawei_smu02b": "huawei-smu",
    "huawei_ups2000": "ups",
    "mikrotik_crs317": "mikrotik",
    "mikrotik_lhg_lte": "mikrotik",
    "mikrotik_ltap_mini": "mikrotik",
    "mikrotik_rb433gl": "mikrotik",
    "mikrotik_rb5009": "mikrotik",
    "mikrotik_wifi": "mikrotik",
    "mimosa_b5": "mimosa",
    "nokia_wavence_e": "wavence",
    "oneaccess_lbb154_lte": "oneaccess",
    "peplink_max_hd4": "pepwave",
    "saf_integra_x": "saf-integra-x",
    "siklu_etherhaul": "siklu",
    "siklu_mh_n366": "siklu-multihaul",
    "socomec_netvision_rfc": "ups",
    "teldat_rs123w_4g": "teldat",
    "teltonika_rut240_legacy": "teltonika-legacy",
    "teltonika_rut240_v7": "teltonika",
    "teltonika_rut360": "teltonika",
    "teltonika_rut955": "teltonika",
    "teltonika_rut955_legacy": "teltonika-legacy",
    "teltonika_rutx11": "teltonika",
    "teltonika_trb500": "teltonika",
    "ubiquiti_airfiber60": "airfiber60",
    "ubiquiti_airos8": "airos",
    "zmtel_ot350_cpe": "zmtel",
}

DEVICES = sorted({*PROFILE, *FORCED})

# Where the published answer is wrong, ours: recording, object identifier, our value or None.
E = "1.3.6.1.4.1."
RIGHT = [
    # LibreNMS takes the milliwatts of "0.03 mW (-14.61 dBm)" for dBm.
    ("vsol_v1600d", E + "37950.1.1.5.12.2.1.8.1.7.1.1", -14.61),
    ("vsol_v1600d", E + "37950.1.1.5.12.2.1.8.1.6.1.1", 3.77),
    # It asks for rx where it says tx, and stores the numbers for "no value" and "no light".
    ("zte_c320_v2", E + "3902.1082.30.40.2.4.1.3.285278465", 3.78),
    ("zte_c320_v2", E + "3902.1082.30.40.2.4.1.2.285278465", None),
    ("zte_c320_v2", E + "3902.1082.500.1.2.4.2.1.2.285278466.2", None),
    # It stores 0 dBm for ONUs that are offline.
    ("ubiquiti_ufiber_olt", E + "41112.1.5.6.2.1.9.12.85.66.78.84.50.48.55.51.98.101.55.56", None),
    ("ubiquiti_ufiber_olt", E + "41112.1.5.6.2.1.8.12.85.66.78.84.50.48.55.51.98.101.55.56", None),
    # It forgets that the unit is a ten thousandth of a milliwatt.
    ("calix_e7_exa_pon", E + "6321.1.2.2.2.1.6.2.1.7.1.1.1", 4.027),
    # It turns the sign of the SINR, and calls the RSRP an RSSI.
    ("teltonika_rut240_legacy", E + "48690.2.22.0", 14.1),
    ("teltonika_rut240_legacy", E + "48690.2.23.0", -74),
    # It takes tenths of a volt for volts and tenths of a hertz for hundredths.
    ("delta_ups_rfc1628", "1.3.6.1.2.1.33.1.3.3.1.3.1", 236),
    ("delta_ups_rfc1628", "1.3.6.1.2.1.33.1.4.4.1.2.1", 230),
    ("huawei_ups2000", "1.3.6.1.2.1.33.1.3.3.1.2.1", 50),
    # MHz are MHz.
    ("siklu_etherhaul", E + "31926.2.1.1.4.1", 72375),
    ("fortinet_fortiextender_201e", E + "12356.121.21.3.1.1.23.1", 78),
    ("peplink_max_hd4", E + "23695.200.1.12.1.1.1.7.0", None),
    ("peplink_max_hd4", E + "23695.200.1.12.1.1.1.5.2", 0),
]


@pytest.fixture(scope="session")
def evaluate(built):
    program = built("tests/support/profile_eval")
    return lambda device: expected.reading(program, device, FORCED.get(device))


def in_reach(row):
    return not row.metric.startswith(expected.NOT_OF_PROFILES)


def excuse(row, excuses):
    for entry in excuses:
        device, metric, prefix, _reason = entry
        if device in ("*", row.device) and metric in ("*", row.metric) and \
                (row.index.lstrip(".") + ".").startswith(prefix + "." if prefix else ""):
            return entry
    return None


@pytest.mark.parametrize("device", sorted(PROFILE))
def test_is_recognised(device, evaluate):
    head = evaluate(device).head
    assert head["profile"] == PROFILE[device], head["why"]


@pytest.mark.parametrize("device", DEVICES)
def test_means_what_is_expected(device, evaluate):
    excuses = expected.uncovered()
    overrule = expected.overruled()
    reading = evaluate(device)
    wrong = []
    for row in filter(in_reach, expected.rows(device)):
        verdict = expected.judge(row, reading, overrule)
        entry = excuse(row, excuses)
        if verdict.is_covered and entry:
            wrong.append(f"{row.metric} {row.index}: is read after all; take it off uncovered.csv")
        elif verdict.wrong and not entry:
            wrong.append(f"{row.metric} {row.index} = {row.value} {row.unit}: {verdict.wrong}")
    assert not wrong, f"{len(wrong)} rows, first:\n" + "\n".join(wrong[:20])


def test_hardly_anything_is_left_out(evaluate):
    excuses = expected.uncovered()
    used = set()
    total = collections.Counter()
    left = collections.Counter()
    for row in filter(in_reach, expected.rows()):
        if row.device not in DEVICES:
            continue
        kind = row.metric.split("_")[0]
        entry = excuse(row, excuses)
        total[kind] += 1
        if entry:
            left[kind] += 1
            used.add(entry)
    for kind in ("onu", "olt", "pon", "sfp", "cell", "modem", "ups", "radio"):
        assert left[kind] == 0, kind
    assert sum(left.values()) < 0.05 * sum(total.values()), (left, total)
    assert not set(excuses) - used, "these excuse nothing"
    assert all(reason for *_, reason in excuses)


def test_whatever_is_overruled_is_expected():
    known = {(row.device, row.index.lstrip(".")) for row in expected.rows()}
    assert not set(expected.overruled()) - known


@pytest.mark.parametrize("device, oid, value", RIGHT,
                         ids=[f"{device}:{oid[12:]}" for device, oid, _ in RIGHT])
def test_is_right_where_the_published_answer_is_not(device, oid, value, evaluate):
    cells = [cell for cell in evaluate(device).at(oid) if cell["status"] != "condition"] or \
        evaluate(device).at(oid)
    assert cells, "no profile reads it"
    if value is None:
        assert not [cell for cell in cells if cell["status"] in expected.VALUED], cells
    else:
        assert [cell for cell in cells if cell.get("value") == pytest.approx(value, abs=0.001)]


@pytest.mark.parametrize("device", DEVICES)
def test_no_two_cells_feed_one_field_of_a_row(device, evaluate):
    """What a device as a whole tells may come from several parts; a row is one thing."""
    seen = collections.defaultdict(set)
    for cell in evaluate(device).valued():
        assert "row_error" not in cell, cell
        if "tag" not in cell:
            continue
        seen[cell["measurement"], cell["tag"], cell["row"], cell["metric"]].add(cell["oid"])
    twice = {key: oids for key, oids in seen.items() if len(oids) > 1}
    assert not twice


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_tells_who_a_subscriber_is(device, evaluate):
    import snmprec

    for cell in evaluate(device).cells:
        for column, meaning in snmprec.IDENTITY.items():
            assert not (cell["oid"] + ".").startswith(column + "."), meaning


# -- Devices without a recording -----------------------------------------------------------------


def feeds(cell, metric, value, row):
    if cell["status"] not in expected.VALUED or cell.get("metric") != metric or \
            row not in (None, cell.get("row")):
        return False
    told = cell.get("word", cell.get("value"))
    return told == (value if isinstance(value, str) else pytest.approx(value, abs=0.001))


@pytest.fixture(scope="session")
def made_readings(built, tmp_path_factory):
    """{name: Reading} of the devices that are made up."""
    folder = tmp_path_factory.mktemp("made")
    paths = {name: folder / f"{number}.snmprec" for number, name in enumerate(made.MADE)}
    for name, path in paths.items():
        made.write(made.MADE[name], path)
    found = expected.read_all(built("tests/support/profile_eval"), list(paths.values()))
    return {name: found[path] for name, path in paths.items()}


@pytest.mark.parametrize("name", made.MADE)
def test_made_devices_are_recognised_and_mean_what_their_formulas_say(name, made_readings):
    device, reading = made.MADE[name], made_readings[name]
    assert reading.head["profile"] == name.split()[0], reading.head["why"]
    for oid, _tag, _raw, metric, value, row in device.answers:
        cells = reading.at(oid)
        if metric == "":
            assert cells and all(cell["status"] not in expected.VALUED for cell in cells), oid
        elif metric:
            assert any(feeds(cell, metric, value, row) for cell in cells), (oid, cells)
    for row, metric, count in device.sums:
        found = [one for one in reading.sums if one["row"] == row and one["metric"] == metric]
        assert len(found) == 1 and found[0]["count"] == count, (row, metric, reading.sums)
