"""Outages end to end: a cut in the emulated district, one event at the destination, at once."""

import gzip
import http.server
import json
import re
import threading
import time

import stores

HAMLETS = 40
CONFIG = """
agent: {{id: node-1, inventory: inventory, state_dir: {dir}/state, window: 10s, boot_jitter: 0s}}
checks:
  - {{name: icmp, interval: 2s, timeout: 500ms}}
references: {{gateway: none, anchors: [10.91.9.9], interval: 1s, timeout: 500ms}}
exporters:
  - {{type: influx, name: central, url: "http://127.0.0.1:{port}", batch_age: 30s}}
"""


class Centre:
    """Takes line protocol, and notes when each line came."""

    def __init__(self):
        centre = self
        self.lines = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                now = time.time_ns()
                centre.lines += [(now, line) for line in body.decode().splitlines()]
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        found = []
        for arrived, line in list(self.lines):
            if not line.startswith("event,"):
                continue
            key, fields, stamp = re.match(r"((?:\\.|[^ \\])+) (.*) (\d+)$", line).groups()
            event = dict(tag.split("=", 1) for tag in key.split(",")[1:])
            for name, text, number in re.findall(r'(\w+)=(?:"((?:\\.|[^"\\])*)"|(-?\d+)i)', fields):
                event[name] = int(number) if number else text
            event["delay_ms"] = (arrived - int(stamp)) / 1e6
            found.append(event)
        return found

    def wait(self, wanted, seconds, **tags):
        def is_there():
            return any(all(event[k] == v for k, v in tags.items()) for event in self.events())

        stores.wait_until(is_there, seconds, wanted)


def write_inventory(folder):
    folder.mkdir()
    areas = ["code,level,name,parent_code,id,households", "24,province,Tỉnh,,,", "c-1,commune,Xã,24,,"]
    endpoints = ["id,hamlet,technology,operator,address,device,index"]
    for i in range(HAMLETS):
        areas.append(f"h{i},hamlet,Thôn {i},c-1,h-{i},{100 + i}")
        endpoints.append(f"e-{i},h-{i},fibre,vnpt,10.91.2.{i + 1},olt-1,0/1/{i // 10}:{i % 10}")
    (folder / "areas.csv").write_text("\n".join(areas) + "\n")
    (folder / "endpoints.csv").write_text("\n".join(endpoints) + "\n")
    (folder / "sites.csv").write_text("id,name,area\ns-1,Trạm Một,c-1\n")
    (folder / "devices.csv").write_text("id,site,address,checks\nolt-1,s-1,10.91.1.1,icmp\n")


def test_a_cut_is_one_event_and_survives_a_kill(district, agent, tmp_path):
    centre = Centre()
    write_inventory(tmp_path / "inventory")
    config = tmp_path / "phusong.yaml"
    config.write_text(CONFIG.format(dir=tmp_path, port=centre.port))
    process = agent(config, name="first")
    stores.wait_until(lambda: "running" in process.output(), 15, "the agent")
    time.sleep(4)

    district("down", "10.91.1.0/24")
    district("down", "10.91.2.0/24")
    centre.wait("the OLT's event", 15, root="olt-1", active=1)
    begun = [event for event in centre.events() if event["active"]]
    assert {event["root"] for event in begun} == {"olt-1"}, begun
    assert begun[0]["kind"] == "device"
    assert begun[0]["hamlets"] == HAMLETS == begun[0]["endpoints"]
    assert begun[0]["households"] == sum(100 + i for i in range(HAMLETS))
    assert begun[0]["site"] == "s-1" and begun[0]["device"] == "olt-1"
    assert begun[0]["name"] == "olt-1, Trạm Một"
    assert min(event["delay_ms"] for event in begun) < 300

    process.child.kill()
    process.child.wait(10)
    process = agent(config, name="second")
    stores.wait_until(lambda: "events of the former run" in process.output(), 15, "the agent")
    time.sleep(4)
    district("up", "10.91.1.0/24")
    district("up", "10.91.2.0/24")
    centre.wait("its end", 15, root="olt-1", active=0)
    events = centre.events()
    assert {event["id"] for event in events} == {begun[0]["id"]}, json.dumps(events, indent=1)
    ended = [event for event in events if not event["active"]][0]
    assert ended["hamlets"] == HAMLETS
    assert ended["end_ms"] > ended["begin_ms"] == begun[0]["begin_ms"]
    assert "out root=olt-1" not in process.output()
    process.stop()


def test_a_lost_uplink_is_one_event_of_our_own(district, agent, tmp_path):
    centre = Centre()
    write_inventory(tmp_path / "inventory")
    (tmp_path / "inventory" / "maintenance.csv").write_text(
        "scope,id,from,to,comment\nhamlet,h-7,2020-01-01T00:00:00Z,2099-01-01T00:00:00Z,Thử\n")
    config = tmp_path / "phusong.yaml"
    config.write_text(CONFIG.format(dir=tmp_path, port=centre.port))
    process = agent(config)
    stores.wait_until(lambda: "running" in process.output(), 15, "the agent")
    time.sleep(3)

    district("down", "10.91.2.8/32")
    centre.wait("the event of a line in maintenance", 12, root="e-7", active=1, maintenance=1)
    district("up", "10.91.2.8/32")
    centre.wait("its end", 15, root="e-7", active=0)
    district("down", "10.91.0.0/16")
    centre.wait("the uplink's event", 12, kind="uplink", active=1)
    district("up", "10.91.0.0/16")
    centre.wait("its end", 15, kind="uplink", active=0)
    told = {(event["root"], event["kind"], event["cause"]) for event in centre.events()
            if event["root"] != "e-7" and not event.get("merged")}
    assert told == {("node-1", "uplink", "backhaul")}, json.dumps(centre.events(), indent=1)
    process.stop()
