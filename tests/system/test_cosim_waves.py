"""Waves in a window: of a running chip (rduvp --waves-from, --waves-to) and of a stimulus (rdu-cosim replay --from, --to)."""

import bisect
import json

import pytest

import rdu

UNIT = "pcu[0][1]"
CLOCK = 1.6e9  # of the tile


def vcd_of(fst):
    vcd = fst.with_suffix(".vcd")
    result = rdu.run("rdu-cosim", "vcd", fst, vcd)
    assert result.returncode == 0, result.stderr
    return rdu.read_vcd(vcd)


def chip(digits, folder, *options):
    """The digits with one PCU in Verilog; gives its waves and what rduvp said."""
    fst = folder / "waves.fst"
    with rdu.Simulator("--set", f"socket.tile.fidelity_of={UNIT}=rtl", "--waves", UNIT, "--waves-file", fst, *options) as simulator:
        simulator.ready()
        report, _ = rdu.run_digits(simulator, digits, folder / "report.json")
        simulator.stop()
        assert report["bit_exact"] is True
        return (vcd_of(fst) if fst.exists() else None), simulator.output


def value_at(changes, time):
    at = bisect.bisect_right(changes, time, key=lambda change: change[0])
    return changes[at - 1][1] if at else None


def check_window(whole, part, first, last):
    """The part has what the whole has from cycle `first` to cycle `last`, at the same times, and nothing else."""
    begin, end = 2 * first, 2 * last + 1
    assert set(part) == set(whole)
    times = {time for changes in part.values() for time, _ in changes}
    assert min(times) == begin and max(times) <= end
    changed = 0
    for name, changes in whole.items():
        if name.endswith(".clk"):  # it stands between the cycles that are there
            continue
        assert value_at(part[name], begin) == value_at(changes, begin), name
        inside = [change for change in changes if begin < change[0] <= end]
        assert [change for change in part[name] if change[0] > begin] == inside, name
        changed += len(inside)
    return changed


def by_cycle(changes):
    """(cycle, value), for each cycle from the first change to the last."""
    for (time, value), (until, _) in zip(changes, [*changes[1:], (changes[-1][0] + 2, "")]):
        for cycle in range(time // 2, until // 2):
            yield cycle, value


def busy_cycles(waves):
    """Cycles in which a packet enters."""
    return [cycle for cycle, value in by_cycle(waves["TOP.in_valid"]) if value != "0"]


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return (*chip(digits, folder, "--trace", folder / "trace.json"), folder / "trace.json")


def test_cycles_are_those_of_the_tile(whole):
    """The unit fires first in the cycle in which the trace of the chip has its execution begin, and last in the one before
    that ends."""
    waves, said, trace = whole
    assert "cycle n is in steps 2n (outputs) and 2n + 1 (inputs) of its time" in said
    events = json.loads(trace.read_text())
    thread = next(e["tid"] for e in events if e["ph"] == "M" and e["args"].get("name") == UNIT)
    execution = min((e for e in events if e["ph"] == "X" and e["tid"] == thread), key=lambda e: e["ts"])
    first = round(execution["ts"] * 1e-6 * CLOCK)
    last = round((execution["ts"] + execution["dur"]) * 1e-6 * CLOCK)
    # What it did in the cycle before: fired (models/fabric/stream/README.md, "perf").
    fired = [cycle - 1 for cycle, did in by_cycle(waves["TOP.perf"]) if int(did, 2) >> 2 & 1]
    assert (fired[0], fired[-1]) == (first, last - 1)


@pytest.mark.parametrize("as_time", [False, True], ids=["cycles", "times"])
def test_a_window_has_what_the_whole_has_there(whole, digits, tmp_path, as_time):
    waves, _, _ = whole
    entered = busy_cycles(waves)
    first, last = entered[10], entered[20]
    bounds = [f"{cycle / CLOCK * 1e9:.3f} ns" if as_time else cycle for cycle in (first, last)]
    part, _ = chip(digits, tmp_path, "--waves-from", bounds[0], "--waves-to", bounds[1])
    assert check_window(waves, part, first, last) > 20


def test_a_window_in_which_the_unit_stands_has_no_waves(digits, tmp_path):
    waves, said = chip(digits, tmp_path, "--waves-from", "1", "--waves-to", "100")
    assert waves is None and f"no waves: {UNIT} was not clocked in that time" in said


CYCLES = [2, 3, 4, 9, 10, 30, 31, 33]  # in which a packet enters
STIMULUS = {
    "rdu-stimulus": 1,
    "unit": UNIT,
    "cycles": 60,
    "configuration": {"PROGRAM[0].MODE": "0x200201", "STAGE[0]": "0x81", "STAGE[1]": "0x7005"},
    "inputs": [{"port": 0, "packets": [{"cycle": n, "data": f"3e8f0d{n:02x}"} for n in CYCLES]}],
    "outputs": [{"port": 0, "credits": 18}],
}


def replay(folder, *options):
    (folder / "unit.stim").write_text(json.dumps(STIMULUS))
    return rdu.run("rdu-cosim", "replay", folder / "unit.stim", *options)


@pytest.mark.parametrize("first, last", [(3, 10), (20, 31), (31, 31)])
def test_a_window_of_a_replay(tmp_path, first, last):
    """(20, 31): its first cycles lie where the clock stands."""
    for vcd, bounds in ("whole.vcd", []), ("part.vcd", ["--from", first, "--to", last]):
        result = replay(tmp_path, "--vcd", tmp_path / vcd, *bounds)
        assert result.returncode == 0, result.stdout + result.stderr
    waves, part = (rdu.read_vcd(tmp_path / vcd) for vcd in ("whole.vcd", "part.vcd"))
    assert busy_cycles(waves) == CYCLES
    begin = min(time for changes in part.values() for time, _ in changes) // 2
    assert begin == first if first != 20 else 20 <= begin <= 30
    assert check_window(waves, part, begin, last) > 0


def test_a_window_of_a_replay_that_is_empty(tmp_path):
    for bounds in ["--from", "1000"], ["--from", "9", "--to", "8"]:
        result = replay(tmp_path, "--fst", tmp_path / "none.fst", *bounds)
        assert result.returncode == rdu.BAD_INPUT and "no waves" in result.stderr, result.stderr
        assert not (tmp_path / "none.fst").exists()
