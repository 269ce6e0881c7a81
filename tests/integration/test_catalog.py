"""The catalogue: docs/metrics.md is its print, its statistics are those of the sources, and the
queries that the page recommends give the right numbers in real stores."""

import json
import math
import pathlib
import re
import subprocess
import time
import urllib.parse

import pytest
import stores

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
GAMMA = 1.05 / 0.95


def catalog(phusong, *arguments):
    return subprocess.run([phusong, "catalog", *arguments], capture_output=True, text=True,
                          timeout=30)


def statistics_of(source):
    """Names (without phusong_), kinds and texts of the phu_stat_info in a source."""
    text = r'((?:"[^"]*"\s*)+)'
    found = re.findall(r'"phusong_(\w+)",\s*(?:\.kind = )?PHU_STAT_(\w+),\s*(?:\.help =\s*)?' + text,
                       source)
    if '"phusong_icmp_" #field "_total"' in source:
        found += [(f"icmp_{name}_total", "COUNTER", help_text)
                  for name, help_text in re.findall(r"COUNTER\((\w+), " + text + r"\)", source)]
    for name, kind, help_text in found:
        yield name, kind.lower(), "".join(re.findall(r'"([^"]*)"', help_text))


# -- The print -----------------------------------------------------------------------------------


def test_the_page_is_what_the_program_prints(phusong):
    printed = catalog(phusong, "--markdown").stdout
    reference = PAGE.split("\n## Reference\n", 1)[1]
    assert reference == printed, \
        "docs/metrics.md is not up to date: replace all below \"## Reference\" by the output of " \
        "phusong catalog --markdown"


def test_json_names_every_field_once(phusong):
    measurements = json.loads(catalog(phusong, "--json").stdout)
    names = [measurement["name"] for measurement in measurements]
    assert len(names) == len(set(names))
    assert {"coverage", "device", "icmp", "tcp", "http", "interface", "agent"} <= set(names)
    for measurement in measurements:
        fields = [field["name"] for field in measurement["fields"]]
        twice = {name for name in fields if fields.count(name) > 1}
        assert not twice, f"{measurement['name']} has {twice} twice"
        tags = set(measurement["tags"])
        assert "agent" in tags
        # An InfluxDB cannot tell a tag from a field of the same name.
        assert not tags & set(fields)


def test_rows_are_named_by_tags_of_their_own(phusong):
    measurements = {measurement["name"]: measurement
                    for measurement in json.loads(catalog(phusong, "--json").stdout)}
    rows = {name: measurement for name, measurement in measurements.items()
            if measurement["row_tags"]}
    assert {name: row["row_tags"] for name, row in rows.items()}.items() >= {
        "interface": ["interface"], "pon": ["pon"], "signal": ["modem"],
        "optics": ["onu", "interface", "pon"], "sensor": ["sensor"]}.items()
    for row in rows.values():
        assert row["served_tags"] == ["endpoint", "operator", "technology"]
        assert set(row["tags"]) >= {"device", "site", *row["row_tags"], *row["served_tags"]}
    for name in ("coverage", "device", "icmp", "agent"):
        assert measurements[name]["row_tags"] == measurements[name]["served_tags"] == []


def test_one_measurement_alone(phusong):
    only = catalog(phusong, "coverage")
    assert only.returncode == 0
    assert "rtt_b*" in only.stdout and "interface" not in only.stdout
    missing = catalog(phusong, "coverge")
    assert missing.returncode == 2 and '"coverge"' in missing.stderr
    assert catalog(phusong, "--nonsense").returncode == 3
    assert catalog(phusong, "--help").returncode == 0


def test_every_statistic_of_the_sources_is_in_the_catalogue(phusong):
    in_sources = {}
    for folder in ("agent", "base", "collectors", "exporters"):
        for path in (ROOT / folder).rglob("*.c"):
            for name, kind, help_text in statistics_of(path.read_text()):
                in_sources[name] = (kind, help_text)
    del in_sources["build_info"]  # only at /metrics
    agent = json.loads(catalog(phusong, "--json", "agent").stdout)[0]
    listed = {field["name"]: (field["kind"], field["meaning"]) for field in agent["fields"]}
    assert listed == in_sources


# -- The queries ---------------------------------------------------------------------------------


def queries(language):
    found = re.findall(r"<!-- query: (\w+) -->\n```" + language + r"\n(.*?)```", PAGE, re.S)
    assert found
    return {name: text.strip() for name, text in found}


class Truth:
    """Two hamlets over the last half hour; what their windows say, and the sums of it."""

    def __init__(self, start):
        self.lines = []
        self.sums = {}
        self.buckets = {}
        for minute in range(30):
            at = (start + 60 * minute) * 10**9
            for hamlet, shift in (("bn-0412", 0), ("bn-0413", 3)):
                self.add(hamlet, minute + shift, at)
            self.lines.append(f"interface,agent=a,check=snmp,device=olt-1,interface=ge\\ 0/1 "
                              f"in_octets={7500 * (minute + 1)}i,covered_ms=60000i {at}")

    def add(self, hamlet, number, at):
        trips = [9000 + 7000 * ((number + i) % 9) for i in range(6)]
        lost = number % 4 == 0
        if lost:
            trips.pop()
        fields = {"sent": 6, "lost": int(lost), "rtt_sum_us": sum(trips),
                  "rtt_count": len(trips), "jitter_sum_us": 7000 * (len(trips) - 1),
                  "jitter_count": len(trips) - 1, "span_ms": 60000}
        if number % 7 == 0:
            fields |= {"down_ms": 45000, "up_ms": 15000}
        elif number % 5 == 0:
            fields |= {"unknown_ms": 30000, "degraded_ms": 10000, "up_ms": 20000}
        else:
            fields |= {"up_ms": 60000}
        for trip in trips:
            name = f"rtt_b{math.ceil(math.log(trip) / math.log(GAMMA))}"
            fields[name] = fields.get(name, 0) + 1
            self.buckets.setdefault(hamlet, []).append(trip)
        for name, value in fields.items():
            self.sums[hamlet, name] = self.sums.get((hamlet, name), 0) + value
        text = ",".join(f"{name}={value}i" for name, value in fields.items())
        self.lines.append(f"coverage,agent=a,endpoint={hamlet}-4g,hamlet={hamlet} {text} {at}")

    def sum(self, hamlet, *names):
        return sum(self.sums.get((hamlet, name), 0) for name in names)

    def expected(self, hamlet):
        up = self.sum(hamlet, "up_ms", "degraded_ms")
        measured = up + self.sum(hamlet, "down_ms", "unreachable_ms")
        within = sum(1 for trip in self.buckets[hamlet]
                     if math.ceil(math.log(trip) / math.log(GAMMA)) <= 108)
        return {"loss": self.sum(hamlet, "lost") / self.sum(hamlet, "sent"),
                "rtt": self.sum(hamlet, "rtt_sum_us") / self.sum(hamlet, "rtt_count") / 1000,
                "jitter": 7.0,
                "availability": up / measured,
                "measured": measured / self.sum(hamlet, "span_ms"),
                "within": within / self.sum(hamlet, "sent")}

    def check_percentiles(self, buckets):
        """By the function that the page gives."""
        scope = {}
        exec(re.search(r"```python\n(.*?)```", PAGE, re.S)[1], scope)
        trips = sorted(self.buckets["bn-0412"])
        assert sum(buckets.values()) == len(trips)
        for share in (0, 0.5, 0.95, 0.99, 1):
            exact = trips[math.floor(share * (len(trips) - 1))]
            assert scope["percentile"](buckets, share) == pytest.approx(exact, rel=0.0501)


@pytest.fixture(scope="session")
def truth():
    return Truth(int(time.time()) // 60 * 60 - 31 * 60)


BITS = 7500 * sum(range(1, 31)) * 8000 / (30 * 60000)


def test_queries_for_victoriametrics(victoria, truth):
    stores.fetch(victoria.url + "/write", "\n".join(truth.lines).encode())
    victoria.flush()

    def ask(text):
        parameters = urllib.parse.urlencode({"query": text, "nocache": 1})
        answer = json.loads(stores.fetch(victoria.url + "/api/v1/query?" + parameters))
        return {tuple(row["metric"].values()): float(row["value"][1])
                for row in answer["data"]["result"]}

    texts = queries("promql")
    for name in ("loss", "rtt", "jitter", "availability", "measured", "within"):
        values = ask(texts.pop(name))
        for hamlet in ("bn-0412", "bn-0413"):
            assert values[hamlet,] == pytest.approx(truth.expected(hamlet)[name]), name
    buckets = ask(texts.pop("buckets"))
    truth.check_percentiles({int(name.split("_b")[1]): value for name, in buckets
                             for value in [buckets[name,]]})
    assert list(ask(texts.pop("bits")).values()) == [pytest.approx(BITS)]
    assert not texts, "a query without a test"


def test_queries_for_influxdb(influx, truth):
    influx.create("catalog")
    stores.fetch(influx.url + "/write?db=catalog", "\n".join(truth.lines).encode())

    def ask(text):
        for tags, row in influx.rows(text, "catalog"):
            row.pop("time")
            yield tags, row

    texts = queries("influxql")
    for name in ("loss", "rtt", "jitter"):
        values = {tags["hamlet"]: list(row.values()) for tags, row in ask(texts.pop(name))}
        for hamlet in ("bn-0412", "bn-0413"):
            assert values[hamlet] == [pytest.approx(truth.expected(hamlet)[name])], name
    for tags, row in ask(texts.pop("states")):
        for name in ("up_ms", "degraded_ms", "down_ms", "unknown_ms", "span_ms"):
            assert (row.get("sum_" + name) or 0) == truth.sum(tags["hamlet"], name), name
    (_, row), = ask(texts.pop("buckets"))
    truth.check_percentiles({int(name.split("_b")[1]): value for name, value in row.items()
                             if value})
    (_, row), = ask(texts.pop("bits"))
    assert list(row.values()) == [pytest.approx(BITS)]
    assert not texts, "a query without a test"
