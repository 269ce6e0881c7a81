"""A running `phusong console` with a folder of its own, for integration tests and benches."""

import gzip
import http.client
import json
import pathlib
import subprocess

import stores


class Console(stores.Process):
    """start it with a configuration (a text; listen and state_dir are added)."""

    def __init__(self, phusong, folder, conf="", env=None, listen="127.0.0.1:0", wait=True):
        self.phusong = str(phusong)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "console.yaml"
        self.env = env
        self.port = stores.free_port() if listen.endswith(":0") else int(listen.rsplit(":", 1)[1])
        self.config.write_text(f"listen: 127.0.0.1:{self.port}\nstate_dir: state\n{conf}\n")
        self.state = self.folder / "state"
        self.admin = None
        self.tokens = {}
        self.launch(wait)

    def launch(self, wait=True):
        super().__init__([self.phusong, "console", "-c", str(self.config)],
                         str(self.folder / "console.log"), env=self.env)
        if wait:
            stores.wait_until(self.is_up, 20, "the console answering")

    def is_up(self):
        assert self.child.poll() is None, self.output()
        return stores.answers(f"http://127.0.0.1:{self.port}/ping")

    def run(self, *words, check=True):
        return subprocess.run([self.phusong, "console", *words, "-c", str(self.config)],
                              capture_output=True, text=True, check=check, env=self.env)

    def token(self, *role, is_new=False):
        """A token of that role which the console knows, made when it is first asked for."""
        if role not in self.tokens or is_new:
            self.tokens[role] = self.make_token(*role)
        return self.tokens[role]

    def make_token(self, *role):
        secret = self.run("token", "create", *role).stdout.strip()
        stores.wait_until(lambda: self.ask("GET", "/api/v1/nothing", token=secret)[0] == 404
                          and self.ask("POST", "/write", token=secret)[0] != 401,
                          5, "the token being known")
        return secret

    def ask(self, method, path, body=None, token=None, headers=None, timeout=60):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Token {token}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def write(self, lines, token=None, path="/write", packed=False, **headers):
        """(status, error text)"""
        body = lines if isinstance(lines, bytes) else lines.encode()
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        if packed:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        if token is None:
            if self.admin is None:
                self.admin = self.token("--admin")
            token = self.admin
        status, _, text = self.ask("POST", path, body, token, headers)
        if not text:
            return status, ""
        answer = json.loads(text)
        return status, answer.get("error", answer.get("message", ""))

    def get(self, path):
        status, _, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)["data"]

    def metrics(self):
        values = {}
        for line in self.ask("GET", "/metrics")[2].decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values
