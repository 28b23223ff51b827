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
# Layer -> program, title, operations of the native one. The chip's product has 1,026 rows, whole tiles of six.
LAYERS = {
    "gemm": ("gemm_1024.rdu", "1024^3 product", 2 * 1024**3),
    "mlp": ("mlp.rdu", "MLP 1536 x 256-512-256, fused", 2 * 1536 * (256 * 512 + 512 * 256)),
    "matrix_vector": ("matrix_vector.rdu", "4096 x 4096 matrix times vector", 2 * 4096 * 4096),
}
NATIVE = (("onednn_bf16", "oneDNN BF16"), ("onednn_bf16_without_amx", "oneDNN BF16 without AMX"),
          ("onednn_fp32", "oneDNN FP32"), ("openblas_fp32", "OpenBLAS FP32"))


def command(*arguments, **options):
    """Output of a program that must succeed."""
    result = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, env=ENVIRONMENT, **options)
    if result.returncode != 0:
        sys.exit(f"bench: {arguments[0]} ended with status {result.returncode}:\n{result.stdout}{result.stderr}")
    return result


def benchmarks(program, *arguments, **environment):
    """Name -> entry of one of the Google benchmarks."""
    text = subprocess.run([TESTS / program, "--benchmark_format=json", *arguments], capture_output=True, text=True, check=True,
                          env=dict(ENVIRONMENT, **environment)).stdout
    return {entry["name"]: entry for entry in json.loads(text)["benchmarks"]}


def native():
    """Layer -> what -> seconds, or why there is none. What adds up in another order than a chain of multiply-adds (AMX) is
    told apart from what does not."""
    found = {layer: {} for layer in LAYERS}

    def note(entries, name=lambda what: what):
        for full, entry in entries.items():
            layer, what = full.split("/")
            found[layer][name(what)] = ({"unavailable": entry["error_message"]} if entry.get("error_occurred")
                                        else {"seconds": entry["cpu_time"] / 1000, "kernel": entry.get("label", "")})

    note(benchmarks("bench_native", "--benchmark_min_time=0.5"))
    note(benchmarks("bench_native", "--benchmark_min_time=0.5", "--benchmark_filter=bf16",
                    ONEDNN_MAX_CPU_ISA="AVX512_CORE_BF16"), lambda what: what + "_without_amx")
    return found


def kernel():
    """FLOP/s of the fastest bare kernel, panels packed before: the most that the chip's products could have on one thread."""
    entries = benchmarks("bench_kernels", "--benchmark_filter=^avx.*/matrix_packed|^portable/matrix_packed")
    return max((entry["flops"], name.split("/")[0]) for name, entry in entries.items())


def core():
    """Instructions a second of the management core, computing, with its default quantum."""
    with tempfile.TemporaryDirectory() as folder:
        workload = hart.Workload("compute", pathlib.Path(folder), 5e8)
        seconds = workload.seconds(hart.Simulator("rduvp", 0, hart.rduvp()))
    return {"instructions": workload.instructions, "seconds": seconds, "per_second": workload.instructions / seconds}


def chip(layer):
    """A layer on the chip."""
    with rdu.Simulator() as simulator:
        simulator.ready()
        program = rdu.BUILD / "programs" / LAYERS[layer][0]
        result = json.loads(command(TESTS / "bench_chip", f"unix:{simulator.socket}", layer, program, 10).stdout)
        simulator.stop(timeout=60)
    return result


def register_read():
    with rdu.Simulator() as simulator:
        simulator.ready()
        result = json.loads(command(TESTS / "bench_register", f"unix:{simulator.socket}").stdout)
        simulator.stop()
    return result


def verilog():
    """Speed of verilated units in the platform, as a part of that of a bare loop around them."""
    return json.loads(command(TESTS / "bench_rtl").stdout)


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
    report = {"processor": processor(), "native": native(), "chip": {layer: chip(layer) for layer in LAYERS}}
    report["kernel_flops"], report["kernel"] = kernel()
    report["hart"] = core()
    report["register_read"] = register_read()
    report["rtl"] = verilog()
    report["elaboration"] = {config: elaboration(config) for config in ("mini", "sn40l")}

    for layer, (_, title, operations) in LAYERS.items():
        result = report["chip"][layer]
        result["flops"] = result["operations"] / result["seconds"]
        rows.append((f"{title}, BF16, virtual chip", f"{result['seconds'] * 1e3:.1f} ms",
                     f"{gflops(result['flops'])}, {result['operand_bytes'] / result['seconds'] / 1e9:.2f} GB/s of operands, "
                     f"{result['simulated_ns'] / 1e3:.1f} us of simulated time"))
        for name, label in NATIVE:
            entry = report["native"][layer].get(name)
            if entry is None:
                continue
            if "seconds" not in entry:
                rows.append((f"  natively, {label}", "-", entry["unavailable"]))
                continue
            entry["flops"] = operations / entry["seconds"]
            entry["chip_ratio"] = result["flops"] / entry["flops"]
            rows.append((f"  natively, {label}", f"{entry['seconds'] * 1e3:.2f} ms",
                         f"{gflops(entry['flops'])}; the chip has {entry['chip_ratio']:.3f} of its speed"))
    rows.append((f"bare kernel ({report['kernel']})", "", f"{gflops(report['kernel_flops'])}, the most that a product could have a thread"))
    rows.append(("management core", f"{report['hart']['per_second'] / 1e6:.1f} M/s", "instructions of a CPU-bound loop"))
    reads = report["register_read"]
    rows.append(("register read", f"{reads['p50_ns'] / 1000:.1f} us", f"median round trip from librdu, of {reads['reads']}"))
    rows.append(("verilated PCU in a graph", f"{report['rtl']['graph_ratio']:.2f}",
                 f"of a bare loop's speed; played alone {report['rtl']['player_ratio']:.2f}"))
    for config, entry in report["elaboration"].items():
        rows.append((f"start of {config}", f"{entry['seconds']:.3f} s", f"{entry['peak_memory_mib']:.0f} MiB"))

    print(f"on {report['processor']}; natively one thread, the chip's products on as many as there are processors")
    width = [max(len(row[i]) for row in rows) for i in range(2)]
    for what, value, note in rows:
        print(f"{what:<{width[0]}}  {value:>{width[1]}}  {note}")
    pathlib.Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    print(f"report: {options.out}")


if __name__ == "__main__":
    main()
