#!/usr/bin/python3
"""Instructions a second of the management core, beside other simulators of RISC-V that run the same ELF files.
scripts/bench --hart builds what it needs and calls it.

Time is that of the processor, of a long run less that of a run of one round, so that start and end do not count. Runs
of all simulators take turns; what is printed are medians. Instructions are those that rduvp retires: the programs do
the same everywhere, and check it."""

import argparse
import dataclasses
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))
sys.dont_write_bytecode = True

import elf  # noqa: E402
import rdu  # noqa: E402
from host import processor  # noqa: E402

WORKLOADS = ("compute", "mix", "copy", "floating")
QUANTA = (1_000_000, 10_000, 1_000)  # ns
LONGEST_RUN = 600  # s
MEMORY = 128 << 20  # bytes of RAM, everywhere
# Of VP++'s hart, if it is not told otherwise. Ours is set to it beside VP++, since a quantum is a span of time: the
# slower the clock, the fewer instructions are in it.
VP_CLOCK = "100 MHz"


@dataclasses.dataclass(frozen=True)
class Simulator:
    """`command`: of one run, the program comes behind it. `last_words`: what its output holds if the program ended
    well, where the exit status does not tell."""

    name: str
    quantum: int  # ns; 0: has none
    command: tuple
    last_words: str = ""

    @property
    def title(self):
        return self.name + (f", {duration(self.quantum)}" if self.quantum else "")

    def run(self, program):
        """Seconds of processor time."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(part) for part in (*self.command, program)]
        try:
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                    timeout=LONGEST_RUN)
        except FileNotFoundError:
            sys.exit(f"bench: {self.name}: there is no program {command[0]}")
        except subprocess.TimeoutExpired:
            sys.exit(f"bench: {self.title}: has not ended after {LONGEST_RUN} s: {' '.join(command)}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if result.returncode != 0 or self.last_words not in result.stdout:
            sys.exit(f"bench: {self.title}: {' '.join(command)} ended with status {result.returncode}:\n"
                     f"{result.stdout}{result.stderr}")
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def duration(ns):
    for unit, size in (("ms", 1_000_000), ("us", 1_000)):
        if ns >= size:
            return f"{ns // size} {unit}"
    return f"{ns} ns"


def rduvp(*arguments):
    return (rdu.BIN / "rduvp", "--machine", "virt", "--quiet", "--serial", "none", *arguments, "--kernel")


def ours(name, quantum, *settings):
    values = (f"socket.mgmt.hart.quantum={quantum} ns", *settings)
    return Simulator(name, quantum, rduvp(*(part for value in values for part in ("--set", value))))


def simulators(options, folder):
    """Those that take part; ours first."""
    found = [ours("rduvp", quantum) for quantum in QUANTA]
    if options.vp:
        tree = folder / "virt.dtb"
        rduvp_must_succeed("--dumpdtb", tree)
        for quantum in QUANTA:
            found.append(ours(f"rduvp at {VP_CLOCK}", quantum, f"socket.mgmt.hart.clock={VP_CLOCK}"))
            found.append(Simulator("VP++", quantum, (options.vp, "--use-dmi", "--use-dbbcache", "--use-lscache",
                                                     "--tlm-global-quantum", quantum, "--dtb-file", tree,
                                                     "--memory-size", MEMORY, "--input-file"), "Received poweroff"))
    if options.spike:
        found.append(Simulator("spike", 0, (options.spike, f"-m{MEMORY >> 20}", "--isa=rv64gc")))
    if options.qemu:
        found.append(Simulator("QEMU", 0, (options.qemu, "-machine", "virt", "-display", "none", "-serial", "none",
                                           "-monitor", "none", "-bios", "none", "-kernel")))
    return found


def rduvp_must_succeed(*arguments):
    result = rdu.run("rduvp", "--machine", "virt", *arguments)
    if result.returncode != 0:
        sys.exit(f"bench: rduvp ended with status {result.returncode}:\n{result.stderr}")


class Workload:
    """A program in two sizes: of one round, and with about `instructions` more."""

    def __init__(self, name, folder, instructions):
        self.name = name
        image = (rdu.BUILD / f"tests/hart/{name}.elf").read_bytes()
        self._offset, _ = elf.sections(image)[".parameter"]
        self._image = image
        self._folder = folder
        self.short = self._write(1)
        once, twice = self._count(self.short), self._count(self._write(2))
        self.rounds = 1 + max(1, round(instructions / (twice - once)))
        self.long = self._write(self.rounds)
        self.instructions = self._count(self.long) - once

    def seconds(self, simulator):
        """Of processor time for `instructions`."""
        short = simulator.run(self.short)
        return max(simulator.run(self.long) - short, 1e-6)

    def _write(self, rounds):
        path = self._folder / f"{self.name}-{rounds}.elf"
        path.write_bytes(self._image[: self._offset] + rounds.to_bytes(4, "little") + self._image[self._offset + 4 :])
        return path

    def _count(self, program):
        report = self._folder / "statistics.json"
        rduvp_must_succeed("--quiet", "--stats", report, "--kernel", program)
        return json.loads(report.read_text())["harts"][0]["instructions"]


def measure(sims, workloads, turns):
    """(simulator, workload) -> instructions a second, one number a turn."""
    rates = {}
    for turn in range(turns):
        for workload in workloads:
            for sim in sims:
                rate = workload.instructions / workload.seconds(sim)
                rates.setdefault((sim, workload.name), []).append(rate)
        print(f"turn {turn + 1} of {turns}", file=sys.stderr)
    return rates


def table(title, rows, digits):
    """Prints lines of (label, {workload: number})."""
    width = max(len(label) for label, _ in rows)
    print(f"{title:<{max(width, len(title))}}" + "".join(f"{name:>10}" for name in WORKLOADS))
    for label, numbers in rows:
        print(f"{label:<{max(width, len(title))}}" + "".join(f"{numbers[name]:>10.{digits}f}" for name in WORKLOADS))


def ratios(sims, medians):
    """Ours over each of the others at the same quantum, or at every quantum if it has none."""
    names = {sim.name for sim in sims}
    mine = f"rduvp at {VP_CLOCK}" if "VP++" in names else "rduvp"
    pairs = [(a, b) for b in sims if not b.name.startswith("rduvp") for a in sims
             if (a.name == mine if b.name == "VP++" else a.name == "rduvp") and b.quantum in (0, a.quantum)]
    return [(f"{a.title} / {b.name}", {name: medians[a, name] / medians[b, name] for name in WORKLOADS})
            for a, b in pairs]


def main():
    parser = argparse.ArgumentParser(description="Measure the management core beside other simulators.")
    parser.add_argument("--out", required=True, metavar="FILE.json")
    parser.add_argument("--spike", metavar="PROGRAM", help="spike, the reference simulator")
    parser.add_argument("--vp", metavar="PROGRAM", help="RISC-V VP++: its qemu_virt64-sc-vp")
    parser.add_argument("--qemu", metavar="PROGRAM", help="qemu-system-riscv64")
    parser.add_argument("--turns", type=int, default=5, metavar="N", help="runs of everything (default: 5)")
    parser.add_argument("--instructions", type=float, default=5e8, metavar="N", help="of a run, about (default: 5e8)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sims = simulators(options, folder)
        workloads = [Workload(name, folder, options.instructions) for name in WORKLOADS]
        rates = measure(sims, workloads, options.turns)
    medians = {key: statistics.median(values) for key, values in rates.items()}

    print(f"on {processor()}, one thread; million instructions a second, median of {options.turns}")
    table("simulator, quantum", [(sim.title, {name: medians[sim, name] / 1e6 for name in WORKLOADS}) for sim in sims], 0)
    compared = ratios(sims, medians)
    if compared:
        table("ratio", compared, 2)
    for option, program in (("--vp", "VP++"), ("--spike", "spike"), ("--qemu", "QEMU")):
        if not getattr(options, option[2:]):
            print(f"without {program}: {option} PROGRAM names it")
    report = {
        "processor": processor(),
        "instructions": {w.name: w.instructions for w in workloads},
        "per_second": {sim.title: {name: rates[sim, name] for name in WORKLOADS} for sim in sims},
        "median_per_second": {sim.title: {name: medians[sim, name] for name in WORKLOADS} for sim in sims},
        "ratios": dict(compared),
        "commands": {sim.title: " ".join(str(part) for part in (*sim.command, "PROGRAM.elf")) for sim in sims},
    }
    pathlib.Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    print(f"report: {options.out}")


if __name__ == "__main__":
    main()
