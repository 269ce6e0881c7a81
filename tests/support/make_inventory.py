#!/usr/bin/env python3
"""Writes an inventory of any size into a folder: for tests and benchmarks.

Hamlets stand in communes of ten; four endpoints each, at successive addresses of --network, which
on loopback all answer.
"""
import argparse
import csv
import ipaddress
import pathlib

LINES = (("fibre", "vnpt"), ("fibre", "viettel"), ("4g", "viettel"), ("3g", "mobifone"))


def write(folder, name, columns, rows):
    with open(folder / name, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def areas(hamlets):
    yield ("24", "2025-07-01", "province", "", "", "Tỉnh Thử Nghiệm")
    for commune in range((hamlets + 9) // 10):
        yield (f"{commune:05d}", "2025-07-01", "commune", "24", "", f"Xã số {commune}")
    for hamlet in range(hamlets):
        yield (f"h{hamlet}", "2025-07-01", "hamlet", f"{hamlet // 10:05d}", f"h-{hamlet:06d}",
               f"Thôn {hamlet}")


def endpoints(count, network, checks):
    first = int(ipaddress.ip_network(network).network_address) + 1
    for n in range(count):
        hamlet, line = divmod(n, len(LINES))
        technology, operator = LINES[line]
        yield (f"h-{hamlet:06d}-{technology}-{operator}", f"h-{hamlet:06d}", technology, operator,
               str(ipaddress.ip_address(first + n)), checks)


def make(folder, count, network="127.1.0.0/16", checks="icmp"):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "areas.csv", ("code", "valid_from", "level", "parent_code", "id", "name"),
          areas((count + len(LINES) - 1) // len(LINES)))
    write(folder, "endpoints.csv",
          ("id", "hamlet", "technology", "operator", "address", "checks"),
          endpoints(count, network, checks))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--endpoints", type=int, default=4000)
    parser.add_argument("--network", default="127.1.0.0/16")
    parser.add_argument("--checks", default="icmp")
    args = parser.parse_args()
    make(args.folder, args.endpoints, args.network, args.checks)


if __name__ == "__main__":
    main()
