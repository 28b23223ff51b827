"""The whole path: application, driver, firmware, compiled programs, dataflow, memory."""

import collections
import re

import numpy as np
import pytest

import rdu

Run = collections.namedtuple("Run", "report output stats console")


def one_run(digits, folder, *arguments, **inputs):
    with rdu.Simulator(*arguments) as simulator:
        simulator.ready()
        report, output = rdu.run_digits(simulator, digits, folder / "report.json", **inputs)
        stats = simulator.stop()
        return Run(report, output, stats, simulator.output)


@pytest.fixture(scope="module")
def first(digits, tmp_path_factory):
    return one_run(digits, tmp_path_factory.mktemp("first"))


def test_accuracy(first):
    assert first.report["accuracy"] > 0.95


def test_fused_unfused_and_numpy_agree_bit_for_bit(first):
    assert first.report["bit_exact"] is True


def test_fusion_pays(first):
    assert 0 < first.report["fused_ns"] < first.report["unfused_ns"]


def test_bytes_are_counted_in_every_tier(first, digits):
    """The images cross the host boundary, the weights lie in DDR, and both programs read and write HBM."""
    text = str(first.report)
    for tier in ("hbm", "ddr", "host"):
        assert tier in text.lower()
    memory = first.stats["memory"]
    weights = (64 * 128 + 128 * 10) * 2
    assert memory["ddr"]["bytes_written"] >= weights and memory["ddr"]["bytes_read"] >= weights
    assert memory["hbm"]["bytes_read"] > 0 and memory["hbm"]["bytes_written"] > 0


def test_output_is_readable_at_a_glance(first):
    for word in ("accuracy", "bit", "fused", "unfused", "HBM", "DDR"):
        assert word.lower() in first.output.lower(), first.output
    assert re.search(r"\d\d\.\d+ ?%", first.output)


def test_firmware_speaks_with_simulated_time(first):
    lines = [line for line in first.console.splitlines() if re.match(r"\[ *\d+\.\d+ [num]?s\]", line)]
    assert len(lines) >= 2, first.console
    assert any("ready" in line for line in lines), first.console


def test_work_was_done_by_firmware(first):
    assert first.stats["instructions"] > 1000
    assert first.stats["guest_faults"] == 0


def test_two_runs_agree(first, digits, tmp_path):
    second = one_run(digits, tmp_path)
    assert second.stats["trace_hash"] == first.stats["trace_hash"]
    assert second.stats["simulated_ns"] == first.stats["simulated_ns"]
    for key in ("fused_ns", "unfused_ns", "accuracy"):
        assert second.report[key] == first.report[key]


@pytest.mark.parametrize("burst", [1, 3, 64])
def test_burst_size_changes_neither_bits_nor_times(first, digits, tmp_path, burst):
    other = one_run(digits, tmp_path, "--set", f"socket.tile.max_burst={burst}")
    assert other.report["bit_exact"] is True
    assert other.report["fused_ns"] == first.report["fused_ns"]
    assert other.report["unfused_ns"] == first.report["unfused_ns"]
    assert other.stats["trace_hash"] == first.stats["trace_hash"]
    assert other.stats["simulated_ns"] == first.stats["simulated_ns"]


MIXTURES = [("cycle", ""), ("fast", "pcu[*][*]=cycle"), ("fast", "agcu[*][*]=cycle"),
            ("cycle", "pcu[*][1]=fast, pmu[0][*]=fast, agcu[*][1]=fast"), ("rtl", ""),
            ("fast", "switch[*][*]=cycle"), ("cycle", "switch[*][*]=rtl, switch[0][*]=fast"), ("fast", "pcu[*][1]=rtl, pmu[0][*]=rtl"), ("cycle", "pcu[0][*]=rtl, pmu[*][1]=rtl")]


@pytest.mark.parametrize("fidelity, of", MIXTURES)
def test_fidelity_changes_neither_bits_nor_times(first, digits, tmp_path, fidelity, of):
    other = one_run(digits, tmp_path, "--set", f"socket.tile.fidelity={fidelity}", "--set", f"socket.tile.fidelity_of={of}")
    assert other.report["bit_exact"] is True
    assert other.report["fused_ns"] == first.report["fused_ns"]
    assert other.report["unfused_ns"] == first.report["unfused_ns"]
    assert other.stats["simulated_ns"] == first.stats["simulated_ns"]
    assert other.stats["trace_hash"] == first.stats["trace_hash"]
    told = {unit["fidelity"] for tile in other.stats["tiles"] for unit in tile["units"] if "fidelity" in unit}
    agcus = {"cycle"} if fidelity == "rtl" else set()  # they have no Verilog
    assert told == {fidelity} | agcus | set(re.findall(r"=(\w+)", of))


def test_a_fidelity_that_is_not_there_is_refused():
    for assignment, words in (
        ("socket.tile.fidelity=slow", "none of fast|cycle|rtl"),
        ("socket.tile.fidelity_of=pcu[9][0]=cycle", "there is no row 9"),
        ("socket.tile.fidelity_of=agcu[0][0]=rtl", "there is no Verilog of the AGCU"),
        ("socket.tile.lanes=16", "the Verilog of the PCU was built for lanes = 32, not 16"),
        ("socket.tile.pmu_bytes=256 KiB", "the Verilog of the PMU was built for pmu_bytes = 524288, not 262144"),
        ("socket.tile.switch_depth=4", "the Verilog of the switch was built for switch_depth = 2, not 4"),
    ):
        result = rdu.run("rduvp", "--set", "socket.tile.fidelity=rtl", "--set", assignment)
        assert result.returncode == 2 and words in result.stderr, result.stderr


def test_the_full_chip_gives_the_same_bits(digits, tmp_path):
    with rdu.Simulator(config="sn40l") as simulator:
        simulator.ready()
        programs = ["--programs", rdu.BUILD / "programs/sn40l"]
        report, _ = rdu.run_digits(simulator, digits, tmp_path / "report.json", programs=programs)
        simulator.stop()
    assert report["bit_exact"] is True


def test_a_program_for_another_chip_is_refused(digits, tmp_path):
    with rdu.Simulator(config="sn40l") as simulator:
        simulator.ready()
        result = rdu.run("rdu-digits", *rdu.digits_command(simulator, digits, tmp_path / "report.json"))
        assert result.returncode != 0
        assert "6 x 6" in result.stderr and "20 x 13" in result.stderr, result.stderr


def test_time_depends_on_the_configuration(first, digits, tmp_path):
    """Slower memory, other times, same bits: nobody prints a latency that no model spent."""
    slow = one_run(digits, tmp_path, "--set", "socket.hbm.latency=2 us")
    assert slow.report["bit_exact"] is True
    assert slow.report["unfused_ns"] > first.report["unfused_ns"]
    assert slow.stats["trace_hash"] != first.stats["trace_hash"]


@pytest.mark.parametrize("shape", [(1, 64), (5, 8, 8), (33, 64)])
def test_images_of_the_user(digits, tmp_path, shape):
    images = np.random.RandomState(sum(shape)).randint(0, 17, shape).astype(np.uint8)
    np.save(tmp_path / "mine.npy", images)
    expected = rdu.reference(tmp_path / "mine.npy", tmp_path / "expected.npy")
    run = one_run(digits, tmp_path, images=tmp_path / "mine.npy", expected=expected)
    assert run.report["bit_exact"] is True


def test_bad_images_are_refused_by_name(digits, tmp_path, simulator):
    np.save(tmp_path / "bright.npy", np.full((2, 64), 255, np.uint8))
    np.save(tmp_path / "shape.npy", np.zeros((2, 63), np.uint8))
    (tmp_path / "noise.npy").write_bytes(b"\x93NUMPY" + bytes(40))
    for name in ("bright.npy", "shape.npy", "noise.npy", "absent.npy"):
        command = rdu.digits_command(simulator, digits, tmp_path / "report.json", images=tmp_path / name)
        result = rdu.run("rdu-digits", *command)
        assert result.returncode != 0
        assert name in result.stderr and len(result.stderr.splitlines()) <= 3, result.stderr
