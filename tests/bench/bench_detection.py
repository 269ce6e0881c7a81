#!/usr/bin/env python3
"""Detection: 200 cuts of single lines, from the cut to the alert in Debian's Alertmanager and back.

    tests/bench/bench_detection.py [--cuts 200] [--build build/release]

Prints the medians and the worst; exits 1 above 8 s or 15 s. Takes about five minutes, all of it
waiting. Needs TUN, prometheus-alertmanager, and the targets phusong and phusong-lab.
"""
import argparse
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import alertmanager as alerting  # noqa: E402
import detection  # noqa: E402
import lab  # noqa: E402
import stores  # noqa: E402

HAMLETS = 220


def run(folder, build, cuts):
    processes = []

    def spawn(command, name):
        process = stores.Process([str(word) for word in command], str(folder / f"{name}.log"))
        processes.append(process)
        return process

    (folder / "alertmanager").mkdir()
    manager = alerting.Alertmanager(folder / "alertmanager")
    try:
        with lab.Lab(build / "tests/lab/phusong-lab", folder / "lab", "--prefix", detection.PREFIX,
                     "--agent-address", "198.18.91.1", own_namespace=False) as district:
            district("delay", detection.PREFIX, "10ms", "--jitter", "3ms")
            centre = detection.Centre(folder, str(build / "agent/phusong"), spawn, manager,
                                      ROOT / "deploy/rules/phusong.yaml", HAMLETS)
            centre.make_token()
            centre.start_console()
            centre.start_agent()
            return detection.measure(district, manager, HAMLETS, cuts, spread_s=cuts * 1.2)
    finally:
        for process in reversed(processes):
            process.stop()
        manager.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phusong-detection-") as folder:
        figures = run(pathlib.Path(folder), args.build.resolve(), args.cuts)
    good = True
    for name, values in zip(("cut to alert", "mend to its end"), figures):
        middle, worst = detection.median(values), values[-1]
        good = good and middle < 8 and worst < 15
        print(f"{name}: {len(values)} times, median {middle:.1f} s, worst {worst:.1f} s"
              f" (bars: 8 s, 15 s)")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
