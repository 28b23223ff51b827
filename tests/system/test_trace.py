"""The trace file: what Perfetto will show."""

import collections
import decimal
import json

import pytest

import rdu


def read(file):
    """Events, with exact times."""
    return json.loads(file.read_text(), parse_float=decimal.Decimal)


@pytest.fixture(scope="module")
def trace(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    with rdu.Simulator("--trace", folder / "trace.json") as simulator:
        simulator.ready()
        rdu.run_digits(simulator, digits, folder / "report.json")
        simulator.stop()
    return read(folder / "trace.json")


@pytest.fixture(scope="module")
def names(trace):
    """(pid, tid) -> (group, track)"""
    groups = {e["pid"]: e["args"]["name"] for e in trace if e["name"] == "process_name"}
    return {
        (e["pid"], e["tid"]): (groups[e["pid"]], e["args"]["name"]) for e in trace if e["name"] == "thread_name"
    }


def test_every_event_is_on_a_named_track(trace, names):
    used = {(e["pid"], e["tid"]) for e in trace if e["ph"] != "M"}
    assert used <= set(names)


def test_tracks_of_every_layer_carry_work(trace, names):
    busy = collections.Counter(".".join(names[e["pid"], e["tid"]]) for e in trace if e["ph"] == "X")
    for part in ("pcu", "pmu", "agcu", "hbm", "ddr", "host"):
        assert any(part in name and count for name, count in busy.items()), (part, sorted(busy))
    assert any("firmware" in name or "hart" in name or "fw" in name for name in busy), sorted(busy)


def test_slices_are_well_formed(trace):
    slices = [e for e in trace if e["ph"] == "X"]
    assert slices
    for e in slices:
        assert float(e["ts"]) >= 0 and float(e["dur"]) >= 0, e


def test_arrows_lead_from_the_host_to_the_units(trace, names):
    starts, steps = collections.Counter(), collections.defaultdict(list)
    for e in trace:
        if e["ph"] == "s":
            starts[e["id"]] += 1
        elif e["ph"] == "t":
            steps[e["id"]].append(e)
    assert starts and max(starts.values()) == 1, "one start an arrow"
    assert set(steps) <= set(starts), "no step without a start"
    assert set(starts) <= set(steps), "no arrow that leads nowhere"
    reached = {
        id: {".".join(names[e["pid"], e["tid"]]).lower() for e in events} for id, events in steps.items()
    }
    assert any(
        any("pcu" in track for track in tracks) and any("agcu" in track for track in tracks)
        for tracks in reached.values()
    ), "no command leads to the units that worked for it"
    first = {e["id"]: ".".join(names[e["pid"], e["tid"]]).lower() for e in trace if e["ph"] == "s"}
    assert all("host" in track for track in first.values()), "arrows start at the host boundary"


def test_arrows_bind_to_slices(trace):
    """Perfetto draws an arrow only between slices that contain its points."""
    spans = collections.defaultdict(set)
    for e in trace:
        if e["ph"] == "X":
            spans[e["pid"], e["tid"]].add(e["ts"])
    for e in trace:
        if e["ph"] in "st":
            assert e["ts"] in spans[e["pid"], e["tid"]], e


def test_slices_of_a_track_nest(trace):
    """Perfetto, whose clock ticks in nanoseconds, drops a slice that overlaps another without lying in it."""
    tracks = collections.defaultdict(list)
    for e in trace:
        if e["ph"] == "X":
            tracks[e["pid"], e["tid"]].append((int(e["ts"] * 1000), -int(e["dur"] * 1000)))
    for slices in tracks.values():
        open_ends = []
        for begin, length in sorted(slices):
            while open_ends and open_ends[-1] <= begin:
                open_ends.pop()
            assert not open_ends or begin - length <= open_ends[-1], begin
            open_ends.append(begin - length)


def test_arrows_of_the_next_host_are_its_own(digits, tmp_path):
    """Queue and number of a command come again with the next host; its arrow does not."""
    starts = []
    for hosts in (1, 2):
        with rdu.Simulator("--trace", tmp_path / "trace.json") as simulator:
            simulator.ready()
            for _ in range(hosts):
                rdu.run_digits(simulator, digits, tmp_path / "report.json")
            simulator.stop()
        events = read(tmp_path / "trace.json")
        starts.append(len({e["id"] for e in events if e["ph"] == "s"}))
    assert starts[1] == 2 * starts[0]


def test_tracing_changes_nothing(digits, tmp_path):
    hashes = []
    for options in ([], ["--trace", tmp_path / "trace.json"]):
        with rdu.Simulator(*options) as simulator:
            simulator.ready()
            rdu.run_digits(simulator, digits, tmp_path / "report.json")
            hashes.append(simulator.stop()["trace_hash"])
    assert hashes[0] == hashes[1]
