"""States as they are told: at once, again with each window, and over a restart."""

import pathlib
import re
import socket
import time

import stores

CONFIG = """
agent: {{id: node, inventory: inventory, state_dir: {dir}/state, window: 10s, boot_jitter: 0s}}
checks:
  - {{name: door, collector: tcp, argument: "{port}", interval: 2s, timeout: 1s}}
exporters:
  - {{type: file, name: out, path: {dir}/out.lp}}
"""
UP, DOWN = 0, 2


class Door:
    """A TCP port that is open, or refuses."""

    def __init__(self):
        self.port = stores.free_port()
        self.server = None

    def open(self):
        self.server = socket.create_server(("127.0.0.1", self.port), backlog=64)

    def close(self):
        self.server.close()


def write_inventory(folder):
    folder.mkdir()
    (folder / "areas.csv").write_text(
        "code,valid_from,level,parent_code,id,name\n24,2025-07-01,province,,,Tỉnh\n"
        "09169,2025-07-01,commune,24,,Xã\nh1,2025-07-01,hamlet,09169,h-1,Thôn 1\n",
        encoding="utf-8")
    (folder / "endpoints.csv").write_text(
        "id,hamlet,technology,operator,address,checks\n"
        "e-1,h-1,fibre,vnpt,127.0.0.1,door\n", encoding="utf-8")


def told(folder):
    """[(code, time in s)] of the lines of `state`, in their order."""
    file = pathlib.Path(folder / "out.lp")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.findall(r"^state,\S*endpoint=e-1\S* code=(\d)i,flapping=0i,maintenance=0i (\d+)$",
                       text, re.M)
    return [(int(code), int(stamp) / 1e9) for code, stamp in found]


def wait_for(folder, code, since, what):
    stores.wait_until(lambda: any(c == code and at >= since for c, at in told(folder)), 15, what)
    return min(at for c, at in told(folder) if c == code and at >= since)


def test_a_state_is_told_at_once_and_outlives_a_restart(tmp_path, agent):
    door = Door()
    door.open()
    write_inventory(tmp_path / "inventory")
    config = tmp_path / "phusong.yaml"
    config.write_text(CONFIG.format(dir=tmp_path, port=door.port), encoding="utf-8")
    process = agent(config, name="first")
    wait_for(tmp_path, UP, 0, "the first answer")

    door.close()
    closed = time.time()
    assert wait_for(tmp_path, DOWN, closed, "down to be told") - closed < 6

    assert process.stop(timeout=20) == 0, process.output()
    kept = (tmp_path / "state" / "states").read_text(encoding="utf-8")
    assert re.search(r"^endpoint e-1 2 ", kept, re.M), kept

    restarted = time.time()
    process = agent(config, name="second")
    wait_for(tmp_path, DOWN, restarted, "the state at the end of a window")
    codes = {code for code, at in told(tmp_path) if at >= restarted}
    assert codes == {DOWN}, "down goes on: it was neither unknown nor up in between"

    door.open()
    opened = time.time()
    assert wait_for(tmp_path, UP, opened, "up to be told") - opened < 8
    assert process.stop(timeout=20) == 0, process.output()
    coverage = [line for line in (tmp_path / "out.lp").read_text().splitlines()
                if line.startswith("coverage,")]
    assert sum(int(n) for line in coverage
               for n in re.findall(r"confirm_lost=(\d+)i", line)) >= 3
