#!/usr/bin/env python3
"""What is said about the command line in several places, compared with the program itself.

    check_command_line.py PROGRAM SOURCE UNIT    UNIT: the systemd unit as it is installed
"""

import os
import re
import subprocess
import sys

PROGRAM, SOURCE, UNIT = sys.argv[1:]
COMMANDS = ["agent", "alerts", "bindings", "catalog", "check-config", "config", "console",
            "discover", "probe", "rules", "spool", "version"]
COLLECTORS = ["icmp", "tcp", "http", "snmp"]
failures = []


def expect(fact, what):
    if not fact:
        failures.append(what)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=20)


def help_of(*arguments):
    result = run(*arguments, "--help")
    name = " ".join(("phusong", *arguments, "--help"))
    expect(result.returncode == 0, f"{name} exits with {result.returncode}")
    expect("usage: phusong" in result.stdout, f"{name} prints no usage to standard output")
    expect(not result.stderr, f"{name} complains: {result.stderr}")
    return result.stdout


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z_.-]*", text))


def complete(*words):
    """What the completion offers after these words, for a last word that begins with -."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _phusong; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    result = subprocess.run(
        ["bash", "-c", script, "bash", f"{SOURCE}/deploy/completion/phusong.bash", PROGRAM, *words,
         "-"], capture_output=True, text=True, timeout=60)
    expect(not result.stderr, f"the completion complains: {result.stderr}")
    return {word for word in result.stdout.split() if word.startswith("--")}


def check_help():
    texts = {command: help_of(command) for command in COMMANDS}
    for collector in COLLECTORS:
        texts[f"probe {collector}"] = help_of("probe", collector)
    for command in COMMANDS:
        expect(f"  {command} " in help_of(), f"phusong --help does not list {command}")
    return texts


def check_version():
    expect(run("--version").stdout == run("version").stdout, "--version is not version")
    expect(run("version", "x").returncode == 3, "version takes an argument that means nothing")


def check_completion(texts):
    for command in ("agent", "alerts", "bindings", "check-config", "catalog", "discover", "rules", "spool"):
        words = {"spool": ("spool", "stat"), "alerts": ("alerts", "ls"), "rules": ("rules", "check")}.get(command, (command,))
        offered, real = complete(*words), options_in(texts[command])
        expect(offered == real, f"completion of {command}: {sorted(offered ^ real)} differ")
    for collector in COLLECTORS:
        offered, real = complete("probe", collector), options_in(texts[f"probe {collector}"])
        expect(offered == real, f"completion of probe {collector}: {sorted(offered ^ real)} differ")


def check_messages():
    for command in COMMANDS:
        result = run(command, "--no-such-option")
        expect(result.returncode == 3, f"{command} --no-such-option exits {result.returncode}")
        expect(f"phusong {command}:" in result.stderr,
               f"{command}: a wrong option is reported as: {result.stderr}")


def check_full_output():
    for arguments in (["catalog"], ["config", "default"], ["probe", "tcp:1", "-c", "1", "127.0.0.1"]):
        with open("/dev/full", "w", encoding="utf-8") as full:
            code = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  timeout=20).returncode
        expect(code == 4, f"{' '.join(arguments)} into a full disk exits with {code}")


def check_pages(texts):
    manual = read(f"{SOURCE}/docs/man/phusong.1")
    for command in COMMANDS:
        expect(f".Cm {command}\n" in manual, f"phusong(1) does not have {command}")
    unit = read(UNIT)
    default = re.search(r"--config FILE.*\((/\S+)\)", texts["agent"]).group(1)
    for key in ("ExecStartPre", "ExecStart"):
        expect(re.search(rf"^{key}=/\S+ \S+ -c {re.escape(default)}$", unit, re.M),
               f"{key} of the unit does not read {default}")


def main():
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
    texts = check_help()
    check_version()
    check_completion(texts)
    check_messages()
    check_full_output()
    check_pages(texts)
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
