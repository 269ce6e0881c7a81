#!/usr/bin/env python3
"""docs/configuration.md is what `phusong config reference` prints, and `phusong config default` is a
file that check-config accepts.

usage: check_config_pages.py PHUSONG SOURCE_FOLDER
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

NOT_BUILT = 77


def show(program, what):
    return subprocess.run([program, "config", what], capture_output=True, check=True,
                          text=True).stdout


def is_accepted(program, source, text):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        shutil.copytree(source / "tests/data/config/inventory", folder / "inventory")
        (folder / "inventory/devices.csv").unlink()
        (folder / "inventory/endpoints.csv").write_text(
            "id,hamlet,technology,operator,address\nx,bn-0001,4g,VNPT,10.27.0.1\n")
        (folder / "phusong.yaml").write_text(text)
        done = subprocess.run([program, "check-config", "-c", "phusong.yaml"], cwd=folder,
                              capture_output=True, text=True, timeout=60, check=False)
    print(done.stderr, end="")
    return done.returncode == 0


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    reference = show(program, "reference")
    if "collector: snmp" not in reference:
        print("built without net-snmp: its options are missing from the reference")
        return NOT_BUILT
    if reference != (source / "docs/configuration.md").read_text():
        print("docs/configuration.md is stale; run: phusong config reference > docs/configuration.md")
        return 1
    default = show(program, "default")
    return 0 if is_accepted(program, source, default) else 1


if __name__ == "__main__":
    sys.exit(main())
