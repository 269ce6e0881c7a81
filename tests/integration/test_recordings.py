"""The recordings in tests/data/snmprec: readable, in order, and without anybody's identity."""

import csv
import pathlib

import pytest

import snmprec

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "data" / "snmprec"
FILES = sorted(FOLDER.glob("*.snmprec"))


def test_all_are_here_and_named_in_the_readme():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(FILES) >= 66
    for path in FILES:
        assert f"| `{path.stem}` | " in readme, f"{path.name}: no source and licence in README.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tells_nobody_s_identity(path):
    for record in snmprec.read(path):
        reason = snmprec.identity(path.stem, record)
        assert reason is None, f"{path.name}: {record.oid}: {reason}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_is_in_numeric_order_without_repeats(path):
    lines = [line for line in path.read_bytes().splitlines() if line]
    oids = [snmprec.key(snmprec.parse(line).oid) for line in lines]
    assert oids == sorted(set(oids))


def test_identities_are_recognised():
    def reason(oid, tag, value, recording="x"):
        return snmprec.identity(recording, snmprec.Record(oid, tag, value))

    assert reason("1.3.6.1.4.1.48690.2.2.1.3.1", "4", b"n/a")
    assert reason("1.3.6.1.4.1.38595.10.1.11.0", "4", b"")
    assert not reason("1.3.6.1.4.1.48690.2.2.1.30.1", "2", b"1")
    assert reason("1.3.9.1", "4", b"490154203237518")
    assert reason("1.3.9.1", "4", b"imei=490154203237518;")
    assert reason("1.3.9.1", "4x", b"343930313534323033323337353138")
    assert reason("1.3.9.1", "4", b"8984012345678901234F")
    assert not reason("1.3.9.1", "70", b"490154203237518")
    assert not reason("1.3.9.1", "4", b"4901542032375")


def test_expected_values_name_recordings_and_hold_no_identity():
    stems = {path.stem for path in FILES}
    with (FOLDER / "expected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["device"] for row in rows} <= stems
    for row in rows:
        assert not row["source"].endswith((":known-wrong", ":sentinel-not-filtered"))
        is_number = row["metric"].endswith(("octets", "bytes", "rate", "speed")) or "." in row["value"]
        assert is_number or not snmprec.LOOKS.search(row["value"].encode()), row["index"]
