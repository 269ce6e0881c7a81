"""Questions to what holds the points: phusong's console, or a VictoriaMetrics."""

import json
import re
import urllib.parse
import urllib.request

GROUP = ("hamlet", "technology", "operator")


def ask(url, **parameters):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
        return json.load(answer)["data"]


class Console:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def arrived(self, measurement, field, label):
        """The values that `label` has among the series with that field, of the last ten minutes."""
        rows = ask(self.url + "/api/v1/series", measurement=measurement, field=field, by="series",
                   **{"from": "-10m"})
        found = set()
        for row in rows:
            tag = re.search(rf",{label}=((?:\\.|[^,\\])*)", row["series"])
            if tag and row["values"][0] is not None:
                found.add(tag.group(1))
        return found

    def recent(self):
        """{(hamlet, technology, operator): (loss, mean round trip in ms or None)}, 2 minutes."""
        rows = ask(self.url + "/api/v1/summary", by=",".join(GROUP), **{"from": "-2m"})
        return {tuple(row.get(name, "") for name in GROUP):
                (row["loss"], row["rtt_mean_us"] and row["rtt_mean_us"] / 1000)
                for row in rows if row["loss"] is not None}

    def active_events(self):
        return [row for row in ask(self.url + "/api/v1/events") if row["active"]]


class Victoria:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def query(self, text):
        return ask(self.url + "/api/v1/query", query=text, nocache=1)["result"]

    def arrived(self, measurement, field, label):
        rows = self.query(f"count by ({label}) (count_over_time({measurement}_{field}[10m]))")
        return {row["metric"].get(label, "") for row in rows}

    def by_group(self, text):
        return {tuple(row["metric"].get(name, "") for name in GROUP): float(row["value"][1])
                for row in self.query(text)}

    def recent(self):
        by = f"({', '.join(GROUP)})"
        total = "sum by {} (sum_over_time(coverage_{}[2m]))".format
        loss = self.by_group(f"{total(by, 'lost')} / {total(by, 'sent')}")
        delay = self.by_group(f"{total(by, 'rtt_sum_us')} / {total(by, 'rtt_count')} / 1000")
        return {key: (share, delay.get(key)) for key, share in loss.items()}

    def active_events(self):
        return [{**row["metric"], "active": True} for row in self.query("event_active == 1")]


KINDS = {"console": Console, "victoria": Victoria}
