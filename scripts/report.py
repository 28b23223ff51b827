#!/usr/bin/python3
"""Puts what application and simulator reported into one file, and prints the simulator's share of it.

  report.py --application digits.json --simulator stats.json --out report.json
"""

import argparse
import json
import sys


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"report.py: {path}: {error}")


def merge(application, simulator):
    """The application's report, with what only the simulator knows."""
    machine = simulator["on_this_machine"]
    memory = simulator["memory"]
    host = simulator["host"]
    return {
        **application,
        "bytes": {
            **{
                tier: {"read": memory[tier]["bytes_read"], "written": memory[tier]["bytes_written"]}
                for tier in ("hbm", "ddr")
            },
            "host": {"read": host["dma_bytes_read"], "written": host["dma_bytes_written"]},
        },
        "config": simulator["config"],
        "trace_hash": simulator["trace_hash"],
        "simulated_ns": simulator["simulated_ns"],
        "instructions": simulator["instructions"],
        "guest_faults": simulator["guest_faults"],
        "host_seconds": machine["host_seconds"],
        "elaboration_seconds": machine["elaboration_seconds"],
        "peak_memory_mib": machine["peak_memory_mib"],
    }


def main():
    parser = argparse.ArgumentParser(description="Merge the reports of application and simulator.")
    parser.add_argument("--application", required=True, metavar="FILE")
    parser.add_argument("--simulator", required=True, metavar="FILE")
    parser.add_argument("--out", required=True, metavar="FILE")
    options = parser.parse_args()
    report = merge(load(options.application), load(options.simulator))
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")

    seconds = report["host_seconds"]
    simulated = report["simulated_ns"] / 1000
    print(f"whole run             {simulated:,.3f} us simulated, {report['instructions']:,} instructions of the firmware")
    print(f"host time             {seconds:.2f} s, waits included: {simulated / seconds:,.0f} us simulated in a second;"
          f" {report['peak_memory_mib']:.0f} MiB")
    print(f"trace hash            {report['trace_hash']}")
    print(f"report                {options.out}")


if __name__ == "__main__":
    main()
