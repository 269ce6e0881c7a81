#!/usr/bin/env python3
"""Writes a recording of a small device, and an inventory of any number of them at successive
addresses: for benchmarks.

The device has four interfaces with the columns of IF-MIB that pollers ask for. Its counters move
when the responder is told so (rates()).
"""
import argparse
import ipaddress
import pathlib

import make_inventory

INTERFACES = 4
IF_ENTRY = "1.3.6.1.2.1.2.2.1"
IF_X_ENTRY = "1.3.6.1.2.1.31.1.1.1"
SYSTEM = [("1.3.6.1.2.1.1.1.0", "4", "Thiết bị thử nghiệm"),
          ("1.3.6.1.2.1.1.2.0", "6", "1.3.6.1.4.1.8072.3.2.10"),
          ("1.3.6.1.2.1.1.3.0", "67", "8640000"),
          ("1.3.6.1.2.1.1.4.0", "4", "noc@example.vn"),
          ("1.3.6.1.2.1.1.5.0", "4", "olt"),
          ("1.3.6.1.2.1.1.6.0", "4", "Bắc Ninh"),
          ("1.3.6.1.2.1.2.1.0", "2", str(INTERFACES))]
ENGINE_TIME = ("1.3.6.1.6.3.10.2.1.3.0", "2", "86400")
# column: type (ASN.1 tag), value of interface i
IF_COLUMNS = {1: ("2", lambda i: i), 2: ("4", lambda i: f"ge-0/0/{i}"), 3: ("2", lambda i: 6),
              4: ("2", lambda i: 1500), 5: ("66", lambda i: 1000000000),
              6: ("4x", lambda i: f"0242ac1100{i:02x}"), 7: ("2", lambda i: 1),
              8: ("2", lambda i: 1), 9: ("67", lambda i: 500 + i),
              10: ("65", lambda i: 1000000 * i), 11: ("65", lambda i: 70000 * i),
              13: ("65", lambda i: 0), 14: ("65", lambda i: 0), 16: ("65", lambda i: 900000 * i),
              17: ("65", lambda i: 60000 * i), 19: ("65", lambda i: 2 * i),
              20: ("65", lambda i: 0)}
IF_X_COLUMNS = {1: ("4", lambda i: f"ge-0/0/{i}"), 2: ("65", lambda i: 10),
                6: ("70", lambda i: 50000000000 * i), 7: ("70", lambda i: 70000000 * i),
                8: ("70", lambda i: 10), 9: ("70", lambda i: 10),
                10: ("70", lambda i: 40000000000 * i), 11: ("70", lambda i: 60000000 * i),
                12: ("70", lambda i: 10), 13: ("70", lambda i: 10), 14: ("2", lambda i: 1),
                15: ("66", lambda i: 1000), 16: ("2", lambda i: 2), 17: ("2", lambda i: 1),
                18: ("4", lambda i: f"xã số {i}"), 19: ("67", lambda i: 0)}
# octets and packets a second: some 12 Mbit/s in and 7 out
RATES = {f"{IF_X_ENTRY}.6": 1500000, f"{IF_X_ENTRY}.10": 900000, f"{IF_X_ENTRY}.7": 1400,
         f"{IF_X_ENTRY}.11": 900, f"{IF_ENTRY}.10": 1500000, f"{IF_ENTRY}.16": 900000,
         f"{IF_ENTRY}.11": 1400, f"{IF_ENTRY}.17": 900}


def rates():
    """Words for phusong-lab-snmp."""
    return [word for oid, rate in RATES.items() for word in ("--rate", f"{oid}={rate}")]


def objects():
    yield from SYSTEM
    for entry, columns in ((IF_ENTRY, IF_COLUMNS), (IF_X_ENTRY, IF_X_COLUMNS)):
        for column, (kind, value) in columns.items():
            for i in range(1, INTERFACES + 1):
                yield f"{entry}.{column}.{i}", kind, str(value(i))
    yield ENGINE_TIME


def write_recording(path):
    path.write_text("".join(f"{oid}|{kind}|{value}\n" for oid, kind, value in objects()),
                    encoding="utf-8")


def addresses(count, network="127.64.0.0/10"):
    first = int(ipaddress.ip_network(network).network_address) + 257
    return [str(ipaddress.ip_address(first + i)) for i in range(count)]


def write_inventory(folder, hosts, credential="all"):
    folder.mkdir(parents=True, exist_ok=True)
    communes = (len(hosts) + 49) // 50
    make_inventory.write(folder, "areas.csv",
                         ("code", "valid_from", "level", "parent_code", "id", "name"),
                         make_inventory.areas(communes * 10))
    make_inventory.write(folder, "sites.csv", ("id", "name", "area"),
                         ((f"site-{i}", f"Trạm {i}", f"h-{i * 10:06d}") for i in range(communes)))
    make_inventory.write(folder, "endpoints.csv",
                         ("id", "hamlet", "technology", "operator", "address", "checks"), ())
    make_inventory.write(folder, "devices.csv", ("id", "address", "site", "credential"),
                         ((f"olt-{i:05d}", host, f"site-{i // 50}", credential)
                          for i, host in enumerate(hosts)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=50000)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    write_recording(args.folder / "device.snmprec")
    write_inventory(args.folder / "inventory", addresses(args.devices))


if __name__ == "__main__":
    main()
