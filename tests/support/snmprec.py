#!/usr/bin/env python3
"""Recordings of SNMP walks, `OID|TYPE|VALUE` a line: reads them, and keeps identities out of them.

    records = snmprec.read("tests/data/snmprec/cisco_ir809.snmprec")   # sorted (oid, tag, value)
    snmprec.py clean SOURCE... --into tests/data/snmprec               # how that folder came to be

`clean` copies recordings without the lines that tell who a subscriber is: IMEI, IMSI, ICCID and
telephone numbers, serial numbers of SIMs and modems, and the names of customers. It knows the
columns of the vendors' MIBs that hold such values and, for columns nobody thought of, their look.
What it drops it prints as OID and reason, never as the value.
"""

import argparse
import collections
import pathlib
import re
import sys

Record = collections.namedtuple("Record", "oid tag value")
NUMERIC = ("2", "65", "66", "67", "70")
E = "1.3.6.1.4.1."
PHONE = re.compile(rb"(?<!\d)\d{10}(?!\d)")

# Columns and scalars by their meaning, whatever a recording has in them.
IDENTITY = {
    E + "48690.2.2.1.3": "Teltonika modem IMEI",
    E + "48690.2.2.1.7": "Teltonika modem serial number",
    E + "48690.2.2.1.8": "Teltonika SIM IMSI",
    E + "48690.2.2.1.27": "Teltonika SIM ICCID",
    E + "9.9.661.1.3.1.1.1": "Cisco cellular IMSI",
    E + "9.9.661.1.3.1.1.2": "Cisco cellular IMEI",
    E + "9.9.661.1.3.1.1.3": "Cisco cellular ICCID",
    E + "9.9.661.1.3.1.1.4": "Cisco cellular MSISDN",
    E + "14988.1.1.16.1.1.11": "MikroTik LTE IMEI",
    E + "14988.1.1.16.1.1.12": "MikroTik LTE IMSI",
    E + "14988.1.1.16.1.1.13": "MikroTik LTE ICCID",
    E + "38595.10.1.10": "ZMTEL IMEI",
    E + "38595.10.1.11": "ZMTEL IMSI",
}
# Columns that hold such a thing in one recording only: (recording, column, what the value looks like).
CUSTOMERS = [
    ("calix_e7_exa_pon", "1.3.6.1.2.1.2.2.1.2", PHONE, "a subscriber's telephone number"),
    ("huawei_ma5616_mdu", "1.3.6.1.2.1.31.1.1.1.18", re.compile(rb"^(?!HUAWEI,|-$|$)"),
     "a customer's name"),
]
# IMEI and IMSI have 15 digits (14 and 16 occur), an ICCID 19 or 20 and at times a filler F.
LOOKS = re.compile(rb"(?<!\d)(\d{14,16}|\d{19,20}F?)(?!\d)")


def key(oid):
    return tuple(int(part) for part in oid.split("."))


def octets(tag, value):
    """The value of an octet string as bytes."""
    if tag == "4x":
        return bytes(int(value[i:i + 2], 16) for i in range(0, len(value), 2))
    if tag == "4e":
        return value.decode("unicode_escape").encode("latin-1")
    return value


def parse(line):
    oid, tag, value = line.split(b"|", 2)
    return Record(oid.decode(), tag.decode(), value)


def read(path):
    """The records of a file in numeric order, values as the file's bytes."""
    lines = pathlib.Path(path).read_bytes().split(b"\n")
    records = [parse(line.rstrip(b"\r")) for line in lines if line and not line.startswith(b"#")]
    return sorted(records, key=lambda record: key(record.oid))


def identity(recording, record):
    """Why this record tells who somebody is, or None."""
    for column, meaning in IDENTITY.items():
        if (record.oid + ".").startswith(column + "."):
            return meaning
    value = octets(record.tag, record.value)
    for name, column, look, meaning in CUSTOMERS:
        if recording == name and record.oid.startswith(column + ".") and look.search(value):
            return meaning
    if record.tag not in NUMERIC and LOOKS.search(value):
        return "looks like an IMEI, IMSI or ICCID"
    return None


def clean(source, into):
    """Copies one recording; returns [(oid, reason)] of what stayed behind."""
    dropped = []
    kept = []
    for line in source.read_bytes().splitlines(keepends=True):
        record = parse(line.rstrip(b"\r\n"))
        reason = identity(source.stem, record)
        if reason:
            dropped.append((record.oid, reason))
        else:
            kept.append(line)
    (into / source.name).write_bytes(b"".join(kept))
    return dropped


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["clean"])
    parser.add_argument("source", nargs="+", type=pathlib.Path)
    parser.add_argument("--into", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    for source in arguments.source:
        for oid, reason in clean(source, arguments.into):
            print(f"{source.stem} {oid}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
