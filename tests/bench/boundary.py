#!/usr/bin/python3
"""The host boundary, as ratios of one run. scripts/bench --boundary builds what it needs and calls it."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
sys.dont_write_bytecode = True

import rdu  # noqa: E402
from host import processor  # noqa: E402
from vm import Vm  # noqa: E402

TESTS = rdu.BUILD / "tests"
BOUND = 1.1  # of a register read against the reference library's sample, of the window against memory
TURNS = 7  # of no-ops


def command(*arguments, timeout=600):
    result = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=timeout)
    if result.returncode != 0:
        sys.exit(f"bench: {arguments[0]} ended with status {result.returncode}:\n{result.stdout}{result.stderr}")
    return json.loads(result.stdout)


class Sample:
    """The sample device of the reference library (gpio-pci-idio-16), on a socket of its own."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="rdu-sample-")
        self.socket = pathlib.Path(self.folder.name) / "socket"
        self.process = subprocess.Popen([program, self.socket], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"bench: {program} does not serve a socket")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def sample_program(path):
    """A program, or the folder in which the library was built."""
    path = pathlib.Path(path)
    candidates = [path] if path.is_file() else [path / "samples/gpio-pci-idio-16", path / "build/samples/gpio-pci-idio-16"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    sys.exit(f"bench: --libvfio-user {path}: neither the sample gpio-pci-idio-16 nor a folder that has it in samples/")


def register_reads(sample, reads):
    with Sample(sample) as reference, rdu.Simulator() as simulator:
        simulator.ready()
        found = command(TESTS / "bench_boundary", reads, f"{reference.socket}:2:0:4", f"{simulator.socket}:0:0:4")
        simulator.stop()
    return dict(zip(("sample", "rduvp"), found))


def window():
    with rdu.Simulator() as simulator:
        simulator.ready()
        simulator.wait_for("fw: ready")
        found = command(TESTS / "bench_window", simulator.socket)
        simulator.stop()
    return found


def copies():
    with rdu.Simulator() as simulator:
        simulator.ready()
        found = command(TESTS / "bench_transport", f"unix:{simulator.socket}", "copies")
        simulator.stop(timeout=60)
    return found


def noops(turns):
    """Commands a second that do nothing: of a process in a guest, through the kernel driver, and of one of this machine,
    over vfio-user. One at a time and in batches; the ratio says how many times longer the guest takes."""
    pairs = []
    with rdu.Simulator() as simulator, Vm() as vm:
        simulator.ready()
        vm.run("insmod /lib/modules/rdu.ko")
        vm.expect_dmesg("rdu rdu0: RDU-VP")
        for _ in range(turns):
            native = command(TESTS / "bench_transport", f"unix:{simulator.socket}", "noops", 3)
            guest = json.loads(vm.run(f"{TESTS}/bench_transport rdu0 noops 3", timeout=600).stdout)
            pairs.append((guest, native))
        simulator.stop(timeout=60)
    return {key: {"guest": statistics.median(guest[key] for guest, _ in pairs),
                  "vfio_user": statistics.median(native[key] for _, native in pairs),
                  "ratio": round(statistics.median(native[key] / guest[key] for guest, native in pairs), 3)}
            for key in ("one_at_a_time", "batches_of_32")}


def main():
    parser = argparse.ArgumentParser(description="Measure the host boundary.")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    parser.add_argument("--libvfio-user", metavar="PATH")
    parser.add_argument("--reads", type=int, default=40000)
    options = parser.parse_args()

    report = {"processor": processor(), "bound": BOUND}
    rows = [("", "device", "beside it", "ratio", "bound")]
    if options.libvfio_user:
        reads = report["register_read"] = register_reads(sample_program(options.libvfio_user), options.reads)
        rows.append(("register read / libvfio-user's sample", f"{reads['rduvp']['p50_ns'] / 1000:.1f} us",
                     f"{reads['sample']['p50_ns'] / 1000:.1f} us", f"{reads['rduvp']['ratio']:.2f}", f"{BOUND}"))
    report["window"] = window()
    report["copies"] = copies()
    report["noops_per_s"] = noops(TURNS)
    found = report["window"] | report["copies"]
    for key, what, bound in (("window_read", "reading through BAR2 / plain memory", f"{BOUND}"),
                             ("window_write", "writing through BAR2 / plain memory", f"{BOUND}"),
                             ("dma_read", "DMA from host memory / memcpy()", ""),
                             ("dma_write", "DMA to host memory / memcpy()", "")):
        entry = found[key]
        rates = [f"{entry['bytes'] / entry[side] / 1e9:.2f} GB/s" for side in ("device_s", "plain_s")]
        rows.append((what, *rates, f"{entry['ratio']:.2f}", bound))
    for key, what in (("one_at_a_time", "one at a time"), ("batches_of_32", "batches of 32")):
        entry = report["noops_per_s"][key]
        rows.append((f"no-ops, {what}: a guest's driver / vfio-user", f"{entry['guest']:,.0f}/s",
                     f"{entry['vfio_user']:,.0f}/s", f"{entry['ratio']:.1f}", ""))

    print(f"on {report['processor']}; medians, turn by turn")
    width = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join([f"{row[0]:<{width[0]}}"] + [f"{row[i]:>{width[i]}}" for i in range(1, 5)]).rstrip())
    pathlib.Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    print(f"report: {options.out}")


if __name__ == "__main__":
    main()
