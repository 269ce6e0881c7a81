"""Which rows of devices serve which endpoint: told by phusong bindings, and tagged in the points."""

import json
import subprocess

import pytest
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
  - {{name: snmp, collector: snmp, port: {port}, pdu_timeout: 300ms, retries: 0, timeout: 30s,
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
        key, fields, _ = line.rsplit(" ", 2) if "\\ " not in line else line.rsplit(" ", 2)
        name, *tags = key.split(",")
        if name == measurement:
            yield dict(tag.split("=", 1) for tag in tags), fields


def test_points_carry_the_endpoints_tags(place):
    points = place.run("agent", "--once")
    optics = {tags["onu"]: tags for tags, _ in tags_of(points, "optics") if "onu" in tags}
    assert optics["0/1:2"] == {"agent": "node", "check": "snmp", "commune": "09187",
                               "device": "olt-1", "endpoint": "by-name", "hamlet": "bn-0001",
                               "onu": "0/1:2", "operator": "VNPT", "technology": "fibre"}
    assert optics["0/1:3"]["endpoint"] == "by-text" and optics["0/1:3"]["hamlet"] == "bn-0002"
    assert optics["0/1:4"]["endpoint"] == "pattern-DDDDDD"
    assert not any("endpoint" in optics.get(f"0/1:{onu}", {}) for onu in (1, 5, 6))
    signal, = {tuple(sorted(tags.items())) for tags, _ in tags_of(points, "signal")}
    assert {("endpoint", "alone"), ("operator", "MobiFone"), ("technology", "4g")} <= set(signal)
