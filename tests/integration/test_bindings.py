"""Which rows of devices serve which endpoint: told by phusong bindings, and tagged in the points."""

import json
import signal
import subprocess

import pytest
import stores
from snmp_lab import RECORDINGS as snmprec

AREAS = "code,level,name,parent_code,id\n24,province,B,,\n09187,commune,K,24,\n" \
        "h-1,hamlet,Khu 1,09187,bn-0001\nh-2,hamlet,Khu 2,09187,bn-0002\n"
DEVICES = """id,address,credential,interfaces
olt-1,127.69.0.1,olt,*
cpe-2,127.69.0.2,cpe,*
dead-3,127.69.0.3,cpe,*
"""
ENDPOINTS = """id,hamlet,technology,operator,address,device,ifname,index
by-name,bn-0001,fibre,VNPT,127.0.0.1,olt-1,,0/1:2
by-text,bn-0002,fibre,Viettel,127.0.0.1,olt-1,,description=CCCCCC
by-port,bn-0002,fibre,FPT,127.0.0.1,olt-1,{port},
missing,bn-0001,fibre,VNPT,127.0.0.1,olt-1,,0/9:9
pattern-DDDDDD,bn-0002,fibre,VNPT,127.0.0.1,,,
alone,bn-0001,4g,MobiFone,127.0.0.1,cpe-2,,
"""


class Place:
    def __init__(self, folder, program, env, port):
        self.folder, self.program, self.env = folder, program, env
        self.inventory = folder / "inventory"
        self.inventory.mkdir()
        (self.inventory / "areas.csv").write_text(AREAS)
        (self.inventory / "devices.csv").write_text(DEVICES)
        self.endpoints(ENDPOINTS)
        for name, community in (("olt", "vsol_v1600d"), ("cpe", "teltonika_rutx11")):
            (folder / name).write_text(community + "\n")
            (folder / name).chmod(0o600)
        self.config = folder / "phusong.yaml"
        self.config.write_text(f"""
agent: {{id: node, inventory: inventory, state_dir: {folder}}}
credentials:
  - {{name: olt, version: 2c, community: {folder}/olt}}
  - {{name: cpe, version: 2c, community: {folder}/cpe}}
collectors:
  snmp:
    serves:
      - {{text: '^([D-F]+)$', endpoint: 'pattern-\\1'}}
checks:
  - {{name: snmp, collector: snmp, port: {port}, pdu_timeout: 1s, retries: 0, timeout: 30s,
     pdus_per_second: 1000}}
exporters:
  - {{name: out, type: file, path: {folder}/out.lines}}
""")

    def endpoints(self, text):
        port = next(line.split("|")[2] for line in
                    (snmprec / "vsol_v1600d.snmprec").read_text().splitlines()
                    if line.startswith("1.3.6.1.2.1.31.1.1.1.1."))
        (self.inventory / "endpoints.csv").write_text(text.replace("{port}", port))

    def run(self, command, *words, code=0):
        done = subprocess.run([self.program, command, "-c", str(self.config), *words], text=True,
                              capture_output=True, timeout=120, env=self.env)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def bindings(self, *words, code=0):
        found = json.loads(self.run("bindings", "--json", *words, code=code))
        return {device["device"]: device for device in found["devices"]}, found["summary"]


@pytest.fixture
def place(tmp_path, snmp_lab, phusong, child_env):
    lab = snmp_lab("--fault", "127.69.0.3/32 silence", listen="127.69.0.0/29")
    return Place(tmp_path, phusong, child_env, lab.port)


def test_what_matched_and_what_did_not(place):
    devices, summary = place.bindings(code=1)
    olt, cpe, dead = devices["olt-1"], devices["cpe-2"], devices["dead-3"]
    bound = {row["endpoint"]: (row["tag"], row["row"]) for row in olt["bound"]}
    assert bound["by-name"] == ("onu", "0/1:2")
    assert bound["by-text"] == ("onu", "0/1:3")
    assert bound["pattern-DDDDDD"] == ("onu", "0/1:4")
    assert bound["by-port"][0] == "interface"
    assert [claim["endpoint"] for claim in olt["missed"]] == ["missing"]
    assert {row["endpoint"] for row in olt["unknown_endpoints"]} == {"pattern-EEEEEE",
                                                                     "pattern-FFFFFF"}
    assert len(olt["not_bound"]) == 16 - 3 - 2
    assert [row["endpoint"] for row in cpe["bound"]] == ["alone"]
    assert dead["result"] == "timeout" and "bound" not in dead
    assert summary["answered"] == 2 and summary["missed"] == 1
    text = place.run("bindings", code=1)
    assert "onu=0/1:2 -> by-name" in text and "missing  index 0/9:9" in text
    assert "dead-3 (127.69.0.3): no answer" in text


def test_one_device(place):
    devices, summary = place.bindings("--device", "cpe-2")
    assert list(devices) == ["cpe-2"] and summary["bound"] == 1
    place.run("bindings", "--device", "cpe-9", code=2)


def tags_of(points, measurement):
    for line in points.splitlines():
        name, *tags = line.replace("\\ ", "_").split(" ")[0].split(",")
        if name == measurement:
            yield dict(tag.split("=", 1) for tag in tags)


def test_points_carry_the_endpoints_tags(place):
    """Fast lanes: optics are read later, so that an OLT is not asked for everything at once."""
    points = place.run("agent", "--once")
    interfaces = {tags["interface"]: tags for tags in tags_of(points, "interface")
                  if tags["device"] == "olt-1"}
    served, = [tags for tags in interfaces.values() if "endpoint" in tags]
    assert served == {"agent": "node", "check": "snmp", "commune": "09187", "device": "olt-1",
                      "endpoint": "by-port", "hamlet": "bn-0002", "operator": "FPT",
                      "interface": served["interface"], "technology": "fibre"}
    assert len(interfaces) > 10
    modem, = [tags for tags in tags_of(points, "signal") if tags["device"] == "cpe-2"]
    assert modem == {"agent": "node", "check": "snmp", "commune": "09187", "device": "cpe-2",
                      "endpoint": "alone", "hamlet": "bn-0001", "modem": modem["modem"],
                      "operator": "MobiFone", "technology": "4g"}


def test_a_reload_changes_the_device_that_serves(place, spawn):
    """The endpoint's hamlet changes: the check of its device starts anew, the other's goes on."""
    process = spawn([place.program, "agent", "-c", str(place.config)], name="agent")
    log = place.folder / "agent.log"
    wait_for(log, "running")
    place.endpoints(ENDPOINTS.replace("alone,bn-0001", "alone,bn-0002"))
    process.child.send_signal(signal.SIGHUP)
    wait_for(log, "configuration reloaded")
    # alone/icmp and cpe-2/snmp; six checks of endpoints and three of devices in all
    assert "unchanged=7 changed=2 added=0 removed=0" in log.read_text()


def wait_for(log, text):
    stores.wait_until(lambda: text in log.read_text(), 20, f"{text!r} in {log}")
