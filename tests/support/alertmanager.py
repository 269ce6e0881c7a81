"""A real Alertmanager for a test, and a watcher that notes when each alert began to stand there."""

import json
import threading
import time

import stores

CONFIG = """
route: {receiver: nobody, group_wait: 0s}
receivers: [{name: nobody}]
"""


class Alertmanager(stores.Store):
    package = "prometheus-alertmanager"
    program = "prometheus-alertmanager"

    def __init__(self, folder, config=CONFIG):
        self.folder = folder
        self.port = stores.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "alertmanager.yml").write_text(config, encoding="utf-8")
        self.start()

    def start(self):
        self.process = stores.Process(
            [self.program, f"--config.file={self.folder}/alertmanager.yml",
             f"--storage.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
             "--cluster.listen-address="], str(self.folder / "alertmanager.log"))
        stores.wait_until(lambda: stores.answers(self.url + "/-/ready"), 20, "alertmanager")

    def alerts(self):
        return json.loads(stores.fetch(self.url + "/api/v2/alerts?silenced=false&inhibited=false"))

    def names(self):
        return sorted(alert["labels"]["alertname"] for alert in self.alerts())


class Watcher:
    """Polls an Alertmanager: `begun` and `ended` hold (time, labels) in the order they were seen."""

    def __init__(self, alertmanager, interval=0.05):
        self.alertmanager, self.interval = alertmanager, interval
        self.begun, self.ended = [], []
        self.is_over = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        standing = {}
        while not self.is_over:
            seen = {alert["fingerprint"]: alert["labels"] for alert in self.alertmanager.alerts()}
            now = time.time()
            self.begun += [(now, seen[key]) for key in seen.keys() - standing.keys()]
            self.ended += [(now, standing[key]) for key in standing.keys() - seen.keys()]
            standing = seen
            time.sleep(self.interval)

    def stop(self):
        self.is_over = True
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
