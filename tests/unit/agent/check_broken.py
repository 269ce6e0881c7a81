#!/usr/bin/env python3
"""Runs `phusong check-config` on every case of tests/data/broken, and compares what it says with the
case's file `expected`, byte for byte.

A case is the good sample (tests/data/config) with the case's own files laid over it. A file `setup`
may say what cannot be kept in a repository, one instruction a line:

    mode 0644 secrets/community      remove inventory/areas.csv      mkdir secrets/folder
    pad 1048577 phusong.yaml         (comment lines until the file has that size)

{collectors} and {exporters} in `expected` stand for the lists of those that this program has.

usage: check_broken.py PHUSONG DATA [--write] [CASE ...]
--write puts the actual output into `expected`; read it before you commit it.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def set_up(folder, line):
    verb, *words = line.split()
    path = folder / words[-1]
    if verb == "mode":
        path.chmod(int(words[0], 8))
    elif verb == "remove":
        path.unlink()
    elif verb == "mkdir":
        path.unlink(missing_ok=True)
        path.mkdir()
    elif verb == "pad":
        with open(path, "ab") as file:
            file.write(b"#" * (int(words[0]) - file.tell()))
    else:
        raise SystemExit(f"{folder}: unknown instruction {line!r}")


def make(data, case, folder):
    shutil.copytree(data / "config", folder, dirs_exist_ok=True)
    shutil.copytree(case, folder, dirs_exist_ok=True)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    setup = folder / "setup"
    for line in setup.read_text().splitlines() if setup.exists() else ():
        set_up(folder, line)


def run(program, data, case):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        make(data, case, folder)
        environment = {k: v for k, v in os.environ.items() if k != "CREDENTIALS_DIRECTORY"}
        done = subprocess.run([program, "check-config", "-c", "phusong.yaml"], cwd=folder,
                              capture_output=True, timeout=60, env=environment)
    return done.returncode, done.stdout, done.stderr


def list_parts(program):
    page = subprocess.run([program, "config", "reference"], capture_output=True, check=True).stdout
    return {b"{%ss}" % name: b", ".join(re.findall(rb"^#+ %s: (\S+)" % key, page, re.M))
            for name, key in ((b"collector", b"collector"), (b"exporter", b"type"))}


def check(program, data, case, parts, is_writing):
    code, output, errors = run(program, data, case)
    expected = case / "expected"
    wanted = expected.read_bytes() if expected.exists() else b""
    for name, text in parts.items():
        wanted = wanted.replace(name, text)
    if is_writing and errors != wanted:
        expected.write_bytes(errors)
        return f"{case.name}: written\n"
    if code == 1 and not output and errors == wanted and wanted:
        return None
    return (f"{case.name}: exit {code}\n--- expected\n{wanted.decode(errors='replace')}"
            f"--- got\n{(output + errors).decode(errors='replace')}")


def check_good(program, data):
    with tempfile.TemporaryDirectory() as empty:
        code, output, errors = run(program, data, pathlib.Path(empty))
    if code == 0 and not errors and output.startswith(b"phusong.yaml is in order\n"):
        return None
    return f"the good sample: exit {code}\n{(output + errors).decode(errors='replace')}"


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    program, data = os.path.abspath(words[0]), pathlib.Path(words[1]).absolute()
    cases = sorted(case for case in (data / "broken").iterdir()
                   if not words[2:] or case.name in words[2:])
    parts = list_parts(program)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = list(pool.map(
            lambda case: check(program, data, case, parts, "--write" in sys.argv), cases))
    failures = [failure for failure in [check_good(program, data), *failures] if failure]
    print("\n".join(failures), end="")
    print(f"{len(cases)} broken configurations and inventories, {len(failures)} failures")
    return 1 if failures or len(cases) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
