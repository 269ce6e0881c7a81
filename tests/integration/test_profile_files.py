"""Profiles as files of a running agent: found beside the program, replaced by the user's, taken anew
by a reload, and refused whole when one has a mistake."""

import pathlib
import re
import signal
import subprocess

import pytest

import make_inventory
import stores

ROOT = pathlib.Path(__file__).resolve().parents[2]

CONFIG = """
agent: {{id: node, inventory: inventory, state_dir: {dir}/state, window: 10s, boot_jitter: 0s}}
checks:
  - {{name: snmp, interval: 1s, timeout: 800ms, port: {port}}}
credentials:
  - {{name: lab, version: 2c, community: {dir}/community}}
collectors: {{snmp: {{profiles: own}}}}
exporters:
  - {{type: file, name: out, path: {dir}/out.lp}}
"""

# What the device is, besides the profile of its vendor, and more narrowly.
OWN = """
name: own-olt
summary: V1600D, known better
match: [{sys_object_id: 1.3.6.1.4.1.37950.1.1.5.10.14.1}]
interfaces: false
tables:
  - name: name
    measurement: device
    scalars: true
    columns:
      - {name: uptime, oid: 1.3.6.1.2.1.1.3, metric: device.temperature_c, range: [0, 1]}
"""


class Node:
    def __init__(self, folder, agent, lab):
        self.folder, self.own = folder, folder / "own"
        self.own.mkdir()
        (folder / "community").write_text("vsol_v1600d\n")
        (folder / "community").chmod(0o600)
        self.config = folder / "phusong.yaml"
        self.config.write_text(CONFIG.format(dir=folder, port=lab.port))
        self.write_devices(lab.address, "snmp")
        self.address, self.agent = lab.address, agent

    def write_devices(self, address, checks):
        inventory = self.folder / "inventory"
        make_inventory.make(inventory, 4)
        make_inventory.write(inventory, "endpoints.csv",
                             ["id", "hamlet", "technology", "operator", "address", "checks"], [])
        make_inventory.write(inventory, "sites.csv", ["id", "name", "area"], [])
        make_inventory.write(inventory, "devices.csv",
                             ["id", "site", "address", "credential", "checks"],
                             [("olt", "", address, "lab", checks)])

    def start(self):
        self.process = self.agent(self.config)

    def wait(self, text, times=1):
        stores.wait_until(lambda: self.said(text) >= times, 15, f"{text!r} in the log")

    def said(self, text):
        return len(re.findall(text, self.process.output()))

    def reload(self):
        before = self.said("configuration reloaded|the old one goes on")
        self.process.child.send_signal(signal.SIGHUP)
        self.wait("configuration reloaded|the old one goes on", before + 1)


@pytest.fixture
def node(tmp_path, agent, snmp_lab):
    return Node(tmp_path, agent, snmp_lab())


def test_a_reload_takes_profiles_that_have_changed(node):
    node.start()
    node.wait("device identified.*profile=vsol-")

    (node.own / "olt.yaml").write_text(OWN)
    node.reload()
    node.wait("profiles have changed")
    node.wait("device identified.*profile=own-olt")

    node.reload()  # nothing has changed
    assert node.said("profiles have changed") == 1

    (node.own / "olt.yaml").unlink()
    node.reload()
    node.wait("profiles have changed", 2)
    node.wait("device identified.*profile=vsol-", 2)
    assert node.process.stop(timeout=20) == 0, node.process.output()


def test_a_mistake_in_a_profile_leaves_the_old_ones(node):
    (node.own / "olt.yaml").write_text(OWN)
    node.start()
    node.wait("device identified.*profile=own-olt")
    (node.own / "olt.yaml").write_text(OWN.replace("temperature_c", "temperature_k"))
    node.reload()
    assert node.said("the new configuration has mistakes") == 1
    assert node.said(r"at=\S*own/olt.yaml:11:\d+ what=\"unknown metric 'device.temperature_k'; "
                     r"did you mean 'device.temperature_c'") == 1
    assert node.said("profiles have changed") == 0
    assert node.process.stop(timeout=20) == 0, node.process.output()


def test_a_check_may_name_a_profile(node, phusong):
    node.write_devices(node.address, "snmp:generik")
    done = subprocess.run([phusong, "check-config", "-c", str(node.config)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert 'check "snmp:generik": there is no such profile; did you mean "generic"?' in done.stderr
    node.write_devices(node.address, "snmp:generic")
    node.start()
    node.wait("device identified.*profile=generic")
    assert node.process.stop(timeout=20) == 0, node.process.output()


def test_an_installed_program_finds_its_profiles(built, tmp_path):
    """cmake --install puts the program and the profiles where the one finds the other."""
    build = pathlib.Path(built("agent/phusong")).parents[1]
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(tmp_path / "usr")],
                   capture_output=True, timeout=120, check=True)
    shipped = tmp_path / "usr" / "share" / "phusong" / "profiles"
    assert {file.name for file in shipped.iterdir()} == {
        file.name for file in (ROOT / "collectors" / "snmp" / "profiles").glob("*.yaml")}
    (shipped / "generic.yaml").write_text("name: generic\n")
    config = tmp_path / "config"
    subprocess.run(["cp", "-r", str(ROOT / "tests" / "data" / "config"), str(config)], check=True)
    for path in config.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    done = subprocess.run([str(tmp_path / "usr" / "bin" / "phusong"), "check-config", "-c",
                           str(config / "phusong.yaml")], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1
    assert 'generic.yaml:1:1: the file lacks "summary"' in done.stderr
