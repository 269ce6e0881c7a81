"""Tables of profiles, polled from an OLT made up for this: what becomes of its rows, whom they
serve, and that the device is asked with care."""

import json
import socket
import subprocess
import threading
import time
import urllib.request

import pytest
import stores

ROOT = "1.3.6.1.4.1.99999"

PROFILE = """
name: test-olt
summary: an OLT that exists in tests only
match: [{sys_object_id: 1.3.6.1.4.1.99999.1}]
care:
  max_repetitions: 10
  cpu: {oid: 1.3.6.1.4.1.99999.9.1, scale: 0.01, offset: 0.5, limit: 70}
tables:
  - name: states
    tag: onu
    row: '{ifname:1}:{2}'
    measurement: optics
    every: fast
    emit: bound
    rollup:
      tag: pon
      row: '{ifname:1}'
      sums: [{column: state, to: pon.onus}]
    columns:
      - {name: state, oid: 1.3.6.1.4.1.99999.2.1, metric: optics.state,
         words: {1: online, 2: los, '*': unknown}}
      - {name: up, oid: 1.3.6.1.4.1.99999.2.2, metric: optics.up_bytes}
  - name: names
    tag: onu
    row: '{ifname:1}:{2}'
    measurement: optics
    every: static
    emit: none
    columns:
      - {name: description, oid: 1.3.6.1.4.1.99999.3.1, use: description}
  - name: optics
    tag: onu
    row: '{ifname:1}:{2}'
    measurement: optics
    every: slow
    emit: bound
    rollup:
      tag: pon
      row: '{ifname:1}'
      sums: [{column: rx, to: pon.onu_rx_dbm}]
    columns:
      - {name: rx, oid: 1.3.6.1.4.1.99999.4.1, metric: optics.onu_rx_dbm, scale: 0.01,
         none: [2147483647], range: [-50, 10]}
  - name: load
    measurement: device
    scalars: true
    every: fast
    columns:
      - {name: temperature, oid: 1.3.6.1.4.1.99999.9.2, metric: device.temperature_c}
  - name: sensors
    tag: sensor
    row: '{place}'
    measurement: sensor
    every: fast
    columns:
      - {name: place, oid: 1.3.6.1.4.1.99999.5.1, use: help}
      - {name: temperature, oid: 1.3.6.1.4.1.99999.5.2, metric: sensor.temperature_c}
      - {name: voltage, oid: 1.3.6.1.4.1.99999.5.3, metric: sensor.voltage_v}
"""


def recording(ports=4, onus=20, cpu=20):
    lines = [
        "1.3.6.1.2.1.1.1.0|4|Test OLT",
        f"1.3.6.1.2.1.1.2.0|6|{ROOT}.1.7",
        "1.3.6.1.2.1.1.3.0|67|123456789",
        "1.3.6.1.2.1.1.5.0|4|olt",
    ]
    for port in range(1, ports + 1):
        index = 4194304000 + port * 256
        lines += [f"1.3.6.1.2.1.31.1.1.1.1.{index}|4|gpon 0/1/{port}",
                  f"1.3.6.1.2.1.31.1.1.1.6.{index}|70|{port * 1000}"]
        for onu in range(1, onus + 1):
            number = (port - 1) * onus + onu
            lines += [f"{ROOT}.2.1.{index}.{onu}|2|{1 if number % 4 else 2}",
                      f"{ROOT}.2.2.{index}.{onu}|65|{number * 1000}",
                      f"{ROOT}.3.1.{index}.{onu}|4|bn-{number:03} nha {number}",
                      f"{ROOT}.4.1.{index}.{onu}|2|{2147483647 if number % 5 == 0 else -1900 - number}"]
    lines += [f"{ROOT}.9.1.1|2|500", f"{ROOT}.9.1.2|2|{cpu * 100 - 50}", f"{ROOT}.9.1.3|2|1100",
              f"{ROOT}.9.2.0|2|41"]
    lines += [line for place, name in ((1, "board"), (2, "board"), (3, "board"), (4, "fan"))
              for line in (f"{ROOT}.5.1.{place}|4|{name}",
                           f"{ROOT}.5.{3 if place == 3 else 2}.{place}|2|{30 + place}")]
    return "\n".join(sorted(lines, key=lambda line: [int(part) for part in
                                                      line.split("|")[0].split(".")])) + "\n"


class Run:
    def __init__(self, result):
        self.log = result.stderr
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.trace = [line for line in lines if "trace" in line]
        lines = [line for line in lines if "trace" not in line]
        self.summary = lines.pop()
        self.rows = [line for line in lines if line["row"]]
        self.verdicts = [line for line in lines if not line["row"] and line["result"] != "none"]

    def of(self, tag, name=None, metric=None):
        rows = [line for line in self.rows if line["tag"] == tag and name in (None, line["row"])]
        return rows if metric is None else [line["values"][metric] for line in rows
                                            if metric in line["values"]]


@pytest.fixture
def olt(snmp_lab, built, tmp_path):
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "test-olt.yaml").write_text(PROFILE)
    secret = tmp_path / "community"
    secret.write_text("olt")
    secret.chmod(0o600)

    class Olt:
        def __init__(self, *options, **shape):
            path = tmp_path / "olt.snmprec"
            path.write_text(recording(**shape))
            self.lab = snmp_lab("--recording", path, *options)
            self.more = []

        def say(self, line):
            self.more.append(line)
            return self

        def run(self, polls=1, interval=300, timeout=60, run="", **device):
            words = dict({"timeout": 5000, "pdu_timeout": 1000, "retries": 1, "slow": 3600000},
                         **device)
            words.setdefault("credential", "a")
            plan = [f"credential name=a version=2c community={secret}",
                    f"device id=olt address={self.lab.address} port={self.lab.port} "
                    + " ".join(f"{key}={value}" for key, value in words.items()),
                    *self.more, f"run polls={polls} interval={interval} profiles={profiles} {run}"]
            result = subprocess.run([built("tests/support/snmp_drive")],
                                    input="\n".join(plan) + "\n", capture_output=True, text=True,
                                    timeout=timeout)
            assert result.returncode == 0, result.stderr
            return Run(result)

    return Olt


# -- Rows ------------------------------------------------------------------------------------------


def test_states_are_counted_by_port_and_rows_stay_silent(olt):
    run = olt().run(polls=2)
    assert [line["result"] for line in run.verdicts] == ["ok", "ok"]
    assert "profile=test-olt" in run.log and "begins with 1.3.6.1.4.1.99999.1" in run.log
    for port in range(1, 5):
        name = f"gpon 0/1/{port}"
        assert run.of("pon", name, "onus_total") == [20, 20]
        assert run.of("pon", name, "onus_online") == [15, 15]
        assert run.of("pon", name, "onus_los") == [5, 5]
        assert run.of("pon", name, "onus_unknown") == [0, 0]
    assert not run.of("onu")  # emit: bound, and nobody is bound
    assert run.verdicts[-1]["values"]["cpu_pct"] == 20  # the busiest of three


def test_rows_of_one_name_are_parted_where_they_tell_the_same(olt):
    run = olt().run(polls=3)
    assert {line["row"] for line in run.of("sensor")} == {"board", "board#2", "fan"}
    assert run.of("sensor", "board", "temperature_c") == [31] * 3
    assert run.of("sensor", "board#2", "temperature_c") == [32] * 3
    assert run.of("sensor", "board", "voltage_v") == [33] * 3  # tells something else: the same row
    assert run.of("sensor", "fan", "temperature_c") == [34] * 3


def test_endpoints_are_found_by_name_index_and_description(olt):
    device = olt()
    device.say("serves endpoint=e-name index=gpon_0/1/1:1")  # no such name: there is a space in it
    device.say("serves endpoint=e-index index=4194304512.3")
    device.say("serves endpoint=e-if ifname=nosuch")
    device.say("pattern text=^(bn-00[1-9]) endpoint=\\1-fibre")
    run = device.run(polls=3, run="unknown=bn-009")  # descriptions are read in the first
    assert {(line["row"], line["endpoint"]) for line in run.of("onu")} == {
        *((f"gpon 0/1/1:{n}", f"bn-00{n}-fibre") for n in range(1, 9)),
        ("gpon 0/1/2:3", "e-index")}
    assert run.of("onu", "gpon 0/1/1:4", "state_los") == [1, 1]
    assert run.of("onu", "gpon 0/1/1:4", "polls") == [1, 1]
    assert "bound=9" in run.log
    assert "onu gpon 0/1/1:9 names bn-009-fibre" in run.log
    assert "does not show" not in run.log  # the slow table has not been read yet
    run = device.run(polls=2, slow=0, trace=1)
    assert 'count=2 examples="e-name, e-if"' in run.log
    notes = [item["why"] for item in run.trace if item["trace"] == "note"]
    assert "endpoint e-if: the device shows no interface 'nosuch'" in notes
    assert "table optics is switched off (slow or static is 0s)" in notes


def test_counters_grow_by_differences(olt):
    device = olt("--rate", f"{ROOT}.2.2=1000000", "--uptime")
    device.say("serves endpoint=e index=4194304256.7")
    run = device.run(polls=4, interval=500)
    grown = run.of("onu", "gpon 0/1/1:7", "up_bytes")
    assert len(grown) == 3
    took_ms = run.verdicts[-1]["at_ms"] - run.verdicts[0]["at_ms"]
    assert sum(grown) == pytest.approx(1000 * took_ms, rel=0.2)


def test_a_watched_check_tells_every_cell(olt):
    run = olt().run(trace=1)
    facts = {item["name"]: item["value"] for item in run.trace if item["trace"] == "fact"}
    assert facts["profile"] == "test-olt" and facts["sys_name"] == "olt"
    assert facts["sys_object_id"] == f"{ROOT}.1.7"
    cells = {(item["table"], item["row"], item["column"]): item for item in run.trace
             if item["trace"] == "value"}
    good = cells["optics", "gpon 0/1/1:1", "rx"]
    assert (good["raw"], good["value"], good["unit"]) == ("-1901", "-19.01", "dBm")
    assert good["oid"] == f"{ROOT}.4.1.4194304256.1" and good["name"] == "optics.onu_rx_dbm"
    none = cells["optics", "gpon 0/1/1:5", "rx"]
    assert none["value"] == "" and "2147483647" in none["why"]
    assert cells["states", "gpon 0/1/1:4", "state"]["value"] == "los"
    counter = cells["interfaces", "gpon 0/1/2", "in_octets"]
    assert counter["name"] == "interface.in_octets" and counter["value"] == "2000"
    told = [item for item in run.trace if item["trace"] == "row" and item["table"] == "names"]
    assert len(told) == 80 and told[0]["raw"].startswith("bn-001 ")


def test_a_device_that_denies_who_it_is_gets_generic(olt):
    device = olt()
    for name in ("1.3.6.1.2.1.1.2.0", "1.3.6.1.2.1.1.1.0"):
        device.lab.tell("remove", "olt", name)
    run = device.run()
    assert "profile=generic" in run.log
    assert [line["result"] for line in run.verdicts] == ["ok"]
    run = device.run(profile="test-olt")
    assert run.of("pon", "gpon 0/1/1", "onus_total") == [20]


def test_a_profile_that_there_is_not_is_said(olt):
    run = olt().run(profile="nosuch")
    assert [line["result"] for line in run.verdicts] == ["noperm"]
    assert "no profile is called `nosuch`" in run.log


def test_version_3_on_several_lines(olt, tmp_path):
    for name in ("auth", "priv"):
        (tmp_path / name).write_text("passphrase")
        (tmp_path / name).chmod(0o600)
    device = olt("--user", "mon:SHA:passphrase:AES:passphrase", ports=8)
    device.say(f"credential name=v3 version=3 user=mon auth=sha1 auth_secret={tmp_path}/auth "
               f"privacy=aes128 privacy_secret={tmp_path}/priv")
    run = device.run(polls=2, in_flight=4, trace=1, credential="v3")
    assert [line["result"] for line in run.verdicts] == ["ok", "ok"], run.log
    assert run.of("pon", "gpon 0/1/8", "onus_total") == [20, 20]
    assert any(item["name"] == "engine_id" for item in run.trace)


# -- Care ------------------------------------------------------------------------------------------


def test_messages_per_second_are_kept(olt):
    device = olt(ports=8, onus=30)
    began = time.monotonic()
    run = device.run(polls=1, timeout=30000, pdus_per_second=20)
    took = time.monotonic() - began
    counts = device.lab.counts()
    assert run.verdicts[0]["result"] == "ok"
    assert counts["requests"] > 25
    # The first messages go before the profile is known; the option holds for them as well.
    assert counts["requests"] <= 20 * run.verdicts[0]["took_ms"] / 1000 + 2
    assert took < 30


def test_several_questions_at_the_same_time_share_the_budget(olt):
    device = olt(ports=8, onus=30)
    run = device.run(polls=1, timeout=30000, pdus_per_second=20, in_flight=4, slow=1000, trace=1)
    counts = device.lab.counts()
    assert run.verdicts[0]["result"] == "ok"
    assert counts["requests"] <= 20 * run.verdicts[0]["took_ms"] / 1000 + 2


def test_tables_go_side_by_side(olt):
    slow = olt("--fault", "all delay 20ms", ports=8, onus=30)
    shares = []
    while len(shares) < 3 and (not shares or min(shares) >= 0.8):  # the machine may be busy
        alone = slow.run(timeout=30000, trace=1).verdicts[0]
        together = slow.run(timeout=30000, in_flight=4, trace=1).verdicts[0]
        assert alone["result"] == together["result"] == "ok"
        shares.append(together["took_ms"] / alone["took_ms"])
    assert min(shares) < 0.8, shares


def test_a_busy_processor_stops_slow_tables_only(olt):
    device = olt(cpu=95)
    run = device.run(polls=3, slow=100, static=100)
    assert [line["values"].get("care_stops") for line in run.verdicts] == [1, 1, 1]
    assert [line["values"]["cpu_pct"] for line in run.verdicts] == [95, 95, 95]
    assert run.of("pon", "gpon 0/1/1", "onus_total") == [20, 20, 20]
    assert not run.of("pon", "gpon 0/1/1", "onu_rx_dbm")
    assert run.log.count("too busy for slow tables") == 1
    run = device.run(polls=2, slow=100, cpu_limit=99)
    assert run.of("pon", "gpon 0/1/1", "onu_rx_dbm")
    assert "care_stops" not in run.verdicts[0]["values"]


def test_a_processor_that_becomes_busy_stops_in_the_middle(olt):
    device = olt(ports=8, onus=60)
    device.lab.tell("rate", "olt", f"{ROOT}.9.1.2=3000")  # 20 %, and 30 more each second
    run = device.run(polls=1, timeout=20000, slow=1, trace=1, pdus_per_second=25)
    assert run.verdicts[0]["values"].get("care_stops") == 1
    assert run.of("pon", "gpon 0/1/1", "onus_total") == [60]
    assert "too busy" in run.log


@pytest.mark.alone
def test_slow_tables_are_spread_over_polls(olt):
    """480 rows at ten a message and 40 messages a second, in polls of a second."""
    device = olt(ports=8, onus=60)
    run = device.run(polls=8, interval=1200, timeout=1000, slow=1000, static=0,
                     pdus_per_second=120, pdu_timeout=200)
    assert {line["result"] for line in run.verdicts} == {"ok"}
    first_pass = {}
    for number, verdict in enumerate(run.verdicts):
        from_ms = run.verdicts[number - 1]["at_ms"] if number else 0
        for line in run.of("pon"):
            if from_ms < line["at_ms"] <= verdict["at_ms"] and "onu_rx_dbm" in line["values"]:
                first_pass.setdefault(line["row"], set()).add(number)
    assert set(first_pass) == {f"gpon 0/1/{port}" for port in range(1, 9)}
    assert len(set.union(*first_pass.values())) > 1  # in more than one poll
    rx = run.of("pon", "gpon 0/1/8", "onu_rx_dbm")
    assert len(rx) >= 48  # each ONU with light, at least once
    assert len(run.of("pon", "gpon 0/1/1", "onus_total")) == 8  # states in every poll


def test_a_table_without_rows_is_looked_for_seldom(olt):
    device = olt(onus=0)
    run = device.run(polls=24, interval=100, slow=0, static=0)
    assert {line["result"] for line in run.verdicts} == {"ok"}
    pdus = [line["values"]["pdus"] for line in run.verdicts]
    assert [poll for poll, sent in enumerate(pdus) if sent > min(pdus)] == [0, 2, 6, 14]


def test_slow_tables_can_be_off(olt):
    device = olt()
    run = device.run(polls=2, slow=0, static=0, trace=1)
    assert {item["table"] for item in run.trace if item["trace"] == "row"} == {
        "interfaces", "states", "load", "sensors"}
    assert not run.of("pon", metric="onu_rx_dbm")


# -- Devices that misbehave ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["toobig 12", "most 7", "bytes 300"])
def test_a_device_with_little_room_is_asked_for_less(olt, fault):
    device = olt("--fault", f"all {fault}")
    run = device.run(polls=4, timeout=20000)
    assert run.verdicts[-1]["result"] == "ok"
    assert run.of("pon", "gpon 0/1/4", "onus_total") == [20] * 4
    first, last = run.verdicts[0]["values"], run.verdicts[-1]["values"]
    assert last["pdus"] <= first["pdus"]  # what was learnt is remembered


def test_rows_that_vanish_in_the_middle_cost_nothing_else(olt):
    device = olt("--fault", "all delay 10ms")

    def remove():
        time.sleep(0.15)
        device.lab.tell("remove", "olt", f"{ROOT}.2.1.4194304768", f"{ROOT}.2.2.4194304768")

    thread = threading.Thread(target=remove)
    thread.start()
    run = device.run(polls=5, timeout=20000, interval=400)
    thread.join()
    assert {line["result"] for line in run.verdicts} == {"ok"}
    assert run.of("pon", "gpon 0/1/4", "onus_total") == [20] * 5
    assert len(run.of("pon", "gpon 0/1/3", "onus_total")) < 5


@pytest.mark.parametrize("fault", ["backwards", "stuck", "reversed", "generr " + ROOT])
def test_a_device_that_answers_nonsense_ends(olt, fault):
    device = olt()
    assert device.run().verdicts[0]["result"] == "ok"
    device.lab.fault("all", *fault.split())
    run = device.run(polls=2, timeout=20000)
    assert len(run.verdicts) == 2
    assert device.lab.counts()["requests"] < 400


def test_a_column_that_goes_silent_does_not_take_the_device_down(olt):
    """A table that times out is tried less and less often; the others go on."""
    device = olt()
    assert device.run().of("pon", "gpon 0/1/1", "onus_total") == [20]
    device.lab.fault("all", "silence", "--after", "300ms", "--for", "2s")
    run = device.run(polls=8, interval=700, timeout=2000, pdu_timeout=300)
    assert run.verdicts[-1]["result"] == "ok"
    assert run.of("pon", "gpon 0/1/1", "onus_total")[-1] == 20


def test_a_restart_starts_counters_anew(olt):
    device = olt("--rate", f"{ROOT}.2.2=1000000", "--uptime")
    device.say("serves endpoint=e index=4194304256.7")
    device.lab.fault("all", "reboot", "--after", "2500ms")
    run = device.run(polls=12, interval=500)
    grown = run.of("onu", "gpon 0/1/1:7", "up_bytes")
    assert max(grown) < 20_000_000 and min(grown) >= 0  # of 2^32 were it taken for a wrap
    assert sum(line["values"].get("restarts", 0) for line in run.verdicts) == 1
    assert run.log.count("device has restarted") == 1


# -- In the agent ----------------------------------------------------------------------------------

AGENT = """
agent: {{id: node, inventory: inventory, state_dir: {dir}/state, window: 10s, boot_jitter: 0s}}
checks:
  - {{name: snmp, interval: 4s, timeout: 1s, pdu_timeout: 400ms, retries: 0, port: {snmp}}}
  - {{name: tcp, interval: 1s, timeout: 500ms}}
credentials:
  - {{name: olt, version: 2c, community: {dir}/community}}
exporters:
  - {{type: prometheus, name: self, listen: "127.0.0.1:{port}"}}
"""


def test_a_failed_device_is_asked_seldom_and_at_once_when_it_is_back(olt, agent, tmp_path):
    """The device's other check is a TCP port here: pings of this machine cannot be made to fail."""
    device = olt()
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        web = held.getsockname()[1]
        port = stores.free_port()
        (tmp_path / "inventory").mkdir()
        files = {"areas": "code,level,name,id\n1,province,Tinh,\n",
                 "sites": "id,name,area\ns,Site,1\n",
                 "devices": f"id,site,address,credential,checks\nd,s,{device.lab.address},olt,"
                            f"snmp tcp:{web}\n",
                 "endpoints": "id,hamlet,technology,operator,address\n"}
        for name, text in files.items():
            (tmp_path / "inventory" / f"{name}.csv").write_text(text)
        config = tmp_path / "phusong.yaml"
        config.write_text(AGENT.format(dir=tmp_path, snmp=device.lab.port, port=port))
        device.lab.fault("all", "silence")
        process = agent(config)
        stores.wait_until(lambda: stores.answers(f"http://127.0.0.1:{port}/-/ready"), 15,
                          "the agent")
        stores.wait_until(lambda: device.lab.counts()["requests"] >= 3, 40,
                          f"three tries\n{process.output()}")
        time.sleep(2)  # the second confirms the first, the next is 10 s after the third
        before = device.lab.counts()["requests"]
        device.lab.clear("all")
        held.listen()
        stores.wait_until(lambda: device.lab.counts()["requests"] > before, 4,
                          "the device to be asked again")
        assert before == 3
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        # What care leaves out is not missed; a busy machine may cost a slot.
        for reason in ("late", "busy"):
            missed = text.split(f'phusong_slots_missed_total{{reason="{reason}"}} ')[1]
            assert float(missed.split("\n")[0]) <= 1, text
        assert process.stop(timeout=20) == 0, process.output()
