"""Alert rules: every scenario says the same here and through promtool on the exported rules, the
rules that ship name nothing that an agent does not send, and mistakes are told with their places."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy" / "rules" / "phusong.yaml"
SCENARIOS = sorted(path for path in (ROOT / "tests" / "data" / "rules").glob("*.yaml")
                   if not path.name.endswith(".rules.yaml"))
WANTED = {"AgentSilent", "UplinkDown", "HamletDark", "HamletDegraded", "TechnologyOutage",
          "OltPonLos", "OnuMassOffline", "CellSignalPoor", "OpticsPoor", "SitePowerLost",
          "SpoolFilling", "DataLost", "ClockBad", "CertificateExpiring"}


@pytest.fixture(scope="module")
def promtool():
    path = shutil.which("promtool")
    if not path:
        pytest.skip("promtool is missing; apt-get install prometheus")
    return path


@pytest.fixture
def rules(phusong, child_env):
    def run(*arguments):
        return subprocess.run([phusong, "rules", *map(str, arguments)], capture_output=True,
                              text=True, timeout=60, env=child_env)

    return run


# -- Scenarios -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_say_the_same_to_promtool(rules, promtool, tmp_path, path):
    ours = rules("test", "--promtool", tmp_path, path)
    assert ours.returncode == 0, ours.stdout + ours.stderr
    exported = tmp_path / f"{path.stem}.rules.yaml"
    checked = subprocess.run([promtool, "check", "rules", str(exported)], capture_output=True,
                             text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    theirs = subprocess.run([promtool, "test", "rules", str(tmp_path / path.name)],
                            capture_output=True, text=True, timeout=120)
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr


def test_there_are_enough_scenarios_and_each_is_complete(rules):
    tests = []
    for path in SCENARIOS:
        tests += json.loads(rules("test", "--json", path).stdout)[0]["tests"]
        text = path.read_text()
        assert text.count("- name:") == text.count("complete: true"), path
    assert len(tests) >= 35
    fired = {alert["labels"]["alertname"] for test in tests for time in test["times"]
             for alert in time["alerts"]}
    assert WANTED <= fired, f"no scenario makes {WANTED - fired} fire"
    cut = next(test for test in tests if "300 hamlets" in test["name"])
    assert [len(time["alerts"]) for time in cut["times"]] == [0, 1, 1, 0]


def test_a_wrong_expectation_fails_in_both(rules, promtool, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    text = (ROOT / "tests" / "data" / "rules" / "language.yaml").read_text()
    wrong.write_text(text.replace("[language.rules.yaml]",
                                  f"[{ROOT}/tests/data/rules/language.rules.yaml]")
                     .replace("text: 3 of the last five", "text: 4 of the last five", 1))
    out = tmp_path / "out"
    out.mkdir()
    ours = rules("test", "--promtool", out, wrong)
    assert ours.returncode == 1
    assert "wrong.yaml:" in ours.stdout and "4 of the last five" in ours.stdout
    theirs = subprocess.run([promtool, "test", "rules", str(out / "wrong.yaml")],
                            capture_output=True, text=True, timeout=60)
    assert theirs.returncode != 0


def test_what_nobody_expects_fails_when_complete(rules, tmp_path):
    scenario = tmp_path / "more.yaml"
    scenario.write_text(f"""
rule_files: [{SHIPPED}]
evaluation_interval: 1m
tests:
  - complete: true
    input_series:
      - {{series: 'event{{agent="a",root="r",kind="device",cause="unknown"}}', fields: {{active: '1x3', hamlets: '1x3'}}}}
    alert_rule_test:
      - {{eval_time: 2m, alertname: HamletDark}}
""")
    result = rules("test", scenario)
    assert result.returncode == 1
    assert "DeviceDown at 120s: stands, and nothing is said of it" in result.stdout


# -- The rules that ship -------------------------------------------------------------------------


def test_shipped_rules_name_what_agents_send(rules, phusong):
    listed = rules("check", "--json", SHIPPED)
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert WANTED <= {rule["alert"] for rule in found}
    catalog = json.loads(subprocess.run([phusong, "catalog", "--json"], capture_output=True,
                                        text=True, timeout=30).stdout)
    known = {f"{measurement['name']}_{field['name']}" for measurement in catalog
             for field in measurement["fields"]}
    measurements = {measurement["name"] for measurement in catalog}
    for rule in found:
        for metric in re.findall(r"_over_time\((\w+)", rule["promql"]):
            if metric.split("_")[0] in measurements:
                assert metric in known, f"{rule['alert']} looks at {metric}"


def test_every_alert_has_texts_in_both_languages(rules):
    exported = rules("export", "--prometheus", SHIPPED).stdout
    blocks = exported.split("- alert: ")[1:]
    assert len(blocks) >= len(WANTED)
    for block in blocks:
        assert "summary:" in block and "summary_vi:" in block and "severity:" in block, block


# -- Mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    ("event: {kind: devise}", r":6:25: .*did you mean \"device\""),
    ("event: {kindd: device}", r":6:19: unknown key \"kindd\".*did you mean \"kind\""),
    ("state: {in: dwon}", r"did you mean \"down\""),
    ("metric: {of: signal, mean: rsrp_dbm, below: 1}", r"_sum in its name"),
    ("metric: {of: signal, last: x, below: 1, clear: 0}", r"harder to reach"),
    ("metric: {of: signal, last: x}", r"no threshold"),
    ("share: {in: down, at_least: 50%}", r"\"by\" is missing"),
    ("absent: {by: [agent], for: 2}", r"no duration"),
    ("event: {kind: device}\n          unless: [{alert: Nobody, on: [site]}]", r"no rule above"),
    ("event: {kind: device}\n          times: 6 of 5", r"3 of 5"),
]


@pytest.mark.parametrize("when, message", MISTAKES, ids=[when[:30] for when, _ in MISTAKES])
def test_mistakes_are_told_with_their_places(rules, tmp_path, when, message):
    path = tmp_path / "bad.yaml"
    path.write_text(f"groups:\n  - name: g\n    rules:\n      - alert: A\n        when:\n"
                    f"          {when}\n")
    result = rules("check", path)
    assert result.returncode == 1
    assert re.search(message, result.stderr), result.stderr
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", result.stderr)


TEMPLATES = [
    ("{{ $label.x }}", "not known"),
    ("{{ $value | humanise }}", "did you mean humanize"),
    ("{{ $labels.x | humanize }}", "needs a number"),
    ("{{ $value | printf \\\"%s\\\" }}", "%f, %e, %g or %v"),
    ("{{ if $labels.x }}a", "without {{ end }}"),
    ("{{ end }}", "without {{ if }}"),
    ("{{ query \\\"up\\\" }}", "not known"),
    ("{{ $value", "not closed"),
]


@pytest.mark.parametrize("text, message", TEMPLATES, ids=[text for text, _ in TEMPLATES])
def test_templates_are_checked(rules, tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(f"groups:\n  - name: g\n    rules:\n      - alert: A\n        when: {{event: {{}}}}\n"
                    f"        annotations: {{summary: \"{text}\"}}\n")
    result = rules("check", path)
    assert result.returncode == 1 and message in result.stderr, result.stderr


def test_usage(rules, tmp_path):
    assert rules().returncode == 3
    assert rules("chekc").returncode == 3
    assert rules("export", SHIPPED).returncode == 3
    assert rules("export", "--json", SHIPPED).returncode == 3
    assert rules("check", tmp_path / "none.yaml").returncode == 1
    assert "no such file" in rules("check", tmp_path / "none.yaml").stderr
    assert rules("check", SHIPPED).stdout.endswith("rules, no mistakes\n")
