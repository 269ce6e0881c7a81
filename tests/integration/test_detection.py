"""From a cut line to the alert in a real Alertmanager, and back: the whole chain, timed.

tests/bench/bench_detection.py does the same with 200 cuts.
"""

import json
import pathlib
import subprocess

import alertmanager as alerting
import detection
import pytest
import stores

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "rules" / "phusong.yaml"
HAMLETS = 80


@pytest.fixture
def manager(tmp_path):
    if not alerting.Alertmanager.is_installed():
        pytest.skip("apt-get install prometheus-alertmanager")
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    one = alerting.Alertmanager(folder)
    yield one
    one.stop()


@pytest.fixture
def centre(tmp_path, phusong, spawn, manager):
    one = detection.Centre(tmp_path, phusong, spawn, manager, RULES, HAMLETS)
    one.make_token()
    one.start_console()
    return one


def listed(centre, *options):
    done = subprocess.run([centre.phusong, "alerts", "ls", "--state-dir", centre.folder / "console",
                           "--json", *options], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.alone
def test_a_cut_line_is_an_alert_within_seconds(district, centre, manager):
    centre.start_agent()
    down, up = detection.measure(district, manager, HAMLETS, count=14, spread_s=12)
    print("to the alert", [f"{value:.1f}" for value in down], "to its end",
          [f"{value:.1f}" for value in up])
    # Medians of so few scatter with the phases of probing; the bench has 200.
    assert detection.median(down) < 10 and down[-1] < 15
    assert detection.median(up) < 10 and up[-1] < 15
    # The book has them all, and knows them by the name that Alertmanager has for them.
    over = listed(centre, "--all")
    assert len(over) == 14 and all(alert["state"] == "resolved" for alert in over)


@pytest.mark.alone
def test_an_alert_outlives_the_console_and_its_end_is_told(district, centre, manager):
    centre.start_agent()
    district("down", "10.91.7.1/32")
    stores.wait_until(manager.alerts, 20, "the alert", interval=0.2)
    fingerprint = manager.alerts()[0]["fingerprint"]
    assert [alert["fingerprint"] for alert in listed(centre)] == [fingerprint]
    centre.console.child.kill()
    centre.console.child.wait()
    district("up", "10.91.7.1/32")
    centre.start_console()
    stores.wait_until(lambda: not manager.alerts(), 40, "the end of the alert", interval=0.2)
    assert not listed(centre)
