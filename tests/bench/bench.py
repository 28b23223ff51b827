#!/usr/bin/python3
"""Runs every measurement, prints one table, writes one file. scripts/bench builds what it needs and calls it."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
sys.dont_write_bytecode = True

import hart  # noqa: E402
import rdu  # noqa: E402
from host import processor  # noqa: E402

TESTS = rdu.BUILD / "tests"
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", DNNL_VERBOSE="0")
OPERATIONS = 2 * 1024**3  # of the native product


def command(*arguments, **options):
    """Output of a program that must succeed."""
    result = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, env=ENVIRONMENT, **options)
    if result.returncode != 0:
        sys.exit(f"bench: {arguments[0]} ended with status {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


def native_products():
    """Name -> seconds of one product, or why there is none."""
    text = command(TESTS / "bench_gemm", "--benchmark_format=json", "--benchmark_min_time=1").stdout
    found = {}
    for entry in json.loads(text)["benchmarks"]:
        if entry.get("error_occurred"):
            found[entry["name"]] = {"unavailable": entry["error_message"]}
        else:
            found[entry["name"]] = {"seconds": entry["cpu_time"] / 1000, "kernel": entry.get("label", "")}
    return found


def core():
    """Instructions a second of the management core, computing, with its default quantum."""
    with tempfile.TemporaryDirectory() as folder:
        workload = hart.Workload("compute", pathlib.Path(folder), 5e8)
        seconds = workload.seconds(hart.Simulator("rduvp", 0, hart.rduvp()))
    return {"instructions": workload.instructions, "seconds": seconds, "per_second": workload.instructions / seconds}


def chip_product():
    """The product on the chip; its 1,024 rows are rounded up to 1,026, whole tiles of six."""
    with rdu.Simulator() as simulator:
        simulator.ready()
        program = rdu.BUILD / "programs/gemm_1024.rdu"
        result = json.loads(command(TESTS / "bench_product", f"unix:{simulator.socket}", program).stdout)
        simulator.stop(timeout=60)
    result["flops"] = 2 * result["m"] * result["n"] * result["k"] / result["seconds"]
    return result


def register_read():
    with rdu.Simulator() as simulator:
        simulator.ready()
        result = json.loads(command(TESTS / "bench_register", f"unix:{simulator.socket}").stdout)
        simulator.stop()
    return result


def elaboration(config):
    """Best of three: seconds and peak memory of `rduvp --check`."""
    best = None
    for _ in range(3):
        begin = time.monotonic()
        child = subprocess.Popen([rdu.BIN / "rduvp", "--config", config, "--check"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        if child.returncode != 0:
            sys.exit(f"bench: rduvp --config {config} --check ended with status {child.returncode}")
        if best is None or seconds < best["seconds"]:
            best = {"seconds": seconds, "peak_memory_mib": usage.ru_maxrss / 1024}
    return best


def gflops(rate):
    return f"{rate / 1e9:.2f} GFLOP/s"


def main():
    parser = argparse.ArgumentParser(description="Measure the simulator beside native libraries.")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    options = parser.parse_args()

    rows = []
    report = {"processor": processor(), "native": native_products()}
    report["chip_product"] = chip = chip_product()
    report["hart"] = core()
    report["register_read"] = register_read()
    report["elaboration"] = {config: elaboration(config) for config in ("mini", "sn40l")}

    rows.append(("1024^3 BF16 product, virtual chip", f"{chip['seconds'] * 1e3:.1f} ms",
                 f"{gflops(chip['flops'])}, {chip['simulated_ns'] / 1e3:.1f} us of simulated time"))
    for name, label in (("onednn_bf16", "oneDNN BF16"), ("onednn_fp32", "oneDNN FP32"), ("openblas_fp32", "OpenBLAS FP32")):
        entry = report["native"][name]
        if "seconds" in entry:
            entry["flops"] = OPERATIONS / entry["seconds"]
            entry["chip_ratio"] = chip["flops"] / entry["flops"]
            rows.append((f"  natively, {label}", f"{entry['seconds'] * 1e3:.1f} ms",
                         f"{gflops(entry['flops'])}; the chip has {entry['chip_ratio']:.3f} of its speed"))
        else:
            rows.append((f"  natively, {label}", "-", entry["unavailable"]))
    rows.append(("management core", f"{report['hart']['per_second'] / 1e6:.1f} M/s", "instructions of a CPU-bound loop"))
    reads = report["register_read"]
    rows.append(("register read", f"{reads['p50_ns'] / 1000:.1f} us", f"median round trip from librdu, of {reads['reads']}"))
    for config, entry in report["elaboration"].items():
        rows.append((f"start of {config}", f"{entry['seconds']:.3f} s", f"{entry['peak_memory_mib']:.0f} MiB"))

    print(f"on {report['processor']}, one thread")
    width = [max(len(row[i]) for row in rows) for i in range(2)]
    for what, value, note in rows:
        print(f"{what:<{width[0]}}  {value:>{width[1]}}  {note}")
    pathlib.Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    print(f"report: {options.out}")


if __name__ == "__main__":
    main()
