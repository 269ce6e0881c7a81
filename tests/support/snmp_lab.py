"""SNMP devices for a test: starts phusong-lab-snmp, talks to it, and ends it.

    with SnmpLab(program, "--recordings", "tests/data/snmprec") as lab:
        subprocess.run(["snmpget", "-v2c", "-c", "cisco_ir809", f"{lab.address}:{lab.port}", …])
        assert lab.counts()["requests"] == 1

Every address of `listen` is a device: listen="127.64.0.0/14" makes 262,144 of them, all on one port.
"""

import ipaddress
import json
import pathlib
import shutil
import subprocess
import tempfile

RECORDINGS = pathlib.Path(__file__).resolve().parents[1] / "data" / "snmprec"


class SnmpLab:
    def __init__(self, program, *options, listen="127.0.0.1", port=0, **started):
        self.program = str(program)
        self.folder = tempfile.mkdtemp(prefix="phusong-snmp-")  # short, for a socket's name
        self.control = f"{self.folder}/control"
        host = f"[{listen}]" if ":" in listen else listen
        self.command = [self.program, "--listen", f"{host}:{port}", "--control", self.control,
                        "--die-with-parent", *[str(word) for word in options]]
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **started)
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            said = self.process.communicate(timeout=10)[1]
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RuntimeError(f"phusong-lab-snmp did not start: {said.strip()}")
        self.network = ipaddress.ip_network(listen)
        self.address = str(self.network[0] if self.network.num_addresses == 1 else self.network[1])
        self.port = int(ready[1].rsplit(":", 1)[1])

    def device(self, number):
        """The address of the n-th device, from 0."""
        single = self.network.num_addresses == 1
        return str(self.network[number if single else number + 1])

    def tell(self, *words):
        """One command; returns what it prints."""
        result = subprocess.run([self.program, "tell", self.control, *map(str, words)],
                                capture_output=True, text=True, timeout=60)
        if result.returncode != 0:
            raise RuntimeError(f"tell {' '.join(map(str, words))}: {result.stdout.strip()}"
                               f"{result.stderr.strip()}")
        return result.stdout

    def fault(self, *words):
        """lab.fault("127.64.0.0/16", "silence", "--share", "30%"), as `tell fault`."""
        return self.tell("fault", *words)

    def clear(self, *words):
        return self.tell("clear", *words)

    def counts(self):
        return json.loads(self.tell("stats"))

    def stop(self):
        """Ends it; returns its counts, and fails when it did not end well."""
        if self.process.poll() is None:
            self.process.terminate()
        out, said = self.process.communicate(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.process.returncode != 0:
            raise RuntimeError(f"phusong-lab-snmp ended with {self.process.returncode}: {said}")
        return json.loads(out.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
