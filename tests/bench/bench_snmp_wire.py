#!/usr/bin/env python3
"""What polling costs below the tables: sessions, sockets, net-snmp and version 3, without windows.

snmp_wire polls as many devices as there are addresses, each with one GETBULK of 50 objects, opening
and closing a session for every poll; phusong-lab-snmp answers from another core. CPU time is that
of snmp_wire; the least of several rounds, because other work on the machine only adds to it.
"""
import json
import subprocess

import support
from support import figure, note, wanted

import snmp_lab

PROGRAM = support.BUILD / "tests/bench/snmp_wire"
LAB = support.BUILD / "tests/lab/snmp/phusong-lab-snmp"
# SHA-1 and AES-128, as enum phu_snmp_auth and phu_snmp_privacy number them.
USER, PASSPHRASE, AUTH, PRIVACY = "bench", "passphrase", 2, 2


def measure(port, sessions, window, rounds, *user):
    command = [PROGRAM, sessions, window, rounds, port, *user]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                            timeout=300)
    if result.returncode != 0:
        raise SystemExit(f"snmp_wire: {result.stderr}")
    found = json.loads(result.stdout)
    note(f"snmp_wire {sessions} sessions{' v3' if user else ''}: {result.stdout.strip()}")
    if found["answered"] != sessions * rounds:
        raise SystemExit(f"only {found['answered']} of {sessions * rounds} polls were answered")
    return found


def version_2c(port):
    gaps = []
    for sessions, window, rounds, bar in ((1000, 256, 30, 11), (10_000, 256, 9, 11),
                                          (50_000, 256, 5, 12.5)):
        found = measure(port, sessions, window, rounds)
        figure(f"snmp_wire_v2c_{sessions}_us", "us/poll", found["cpu_us_least"], f"<= {bar}")
        gaps.append(found["gap_ms"])
    figure("snmp_wire_v2c_50000_s", "s", found["wall_s"], "<= 10")
    figure("snmp_wire_v2c_50000_memory", "MiB", found["rss_kib"] / 1024, "<= 65")
    figure("snmp_wire_v2c_gap_ms", "ms", max(gaps), "<= 20")


def version_3(port):
    one = measure(port, 1, 1, 300, USER, AUTH, PRIVACY)
    many = measure(port, 10_000, 256, 5, USER, AUTH, PRIVACY)
    figure("snmp_wire_v3_1_us", "us/poll", one["cpu_us_least"])
    figure("snmp_wire_v3_10000_us", "us/poll", many["cpu_us_least"], "<= 60")
    figure("snmp_wire_v3_discovery_s", "s", many["discovery_s"], "<= 10")
    figure("snmp_wire_v3_gap_ms", "ms", many["gap_ms"], "<= 20")


def main():
    if not wanted("snmp_wire"):
        return
    user = f"{USER}:SHA:{PASSPHRASE}:AES:{PASSPHRASE}"
    with snmp_lab.SnmpLab(LAB, "--synthetic", "interfaces=10,rate=1000", "--user", user,
                          listen="127.64.0.0/14") as lab:
        version_2c(lab.port)
        version_3(lab.port)


main()
