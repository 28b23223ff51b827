"""Another team's design behind our port list: the second switch of tests/cosim, as a library, alone and in the chip."""

import rdu

SWITCH = rdu.BUILD / "tests/list_switch.so"
PMU = rdu.BUILD / "tests/boxed_pmu.so"


def digits_of(digits, folder, *arguments):
    with rdu.Simulator(*arguments) as simulator:
        simulator.ready()
        report, _ = rdu.run_digits(simulator, digits, folder / "report.json")
        return report, simulator.stop()


def test_random_traffic_on_model_and_the_other_switch():
    result = rdu.run("rdu-cosim", "random", "switch", "--seed", "1", "--count", "40", "--rtl", SWITCH, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_chip_with_the_other_switch_is_the_same_chip(digits, tmp_path):
    """All switches in Verilog, once ours and once theirs: bits, times, trace hash."""
    arguments = ["--set", "socket.tile.fidelity_of=switch[*][*]=rtl"]
    ours, our_stats = digits_of(digits, tmp_path, *arguments)
    theirs, their_stats = digits_of(digits, tmp_path, *arguments, "--dut", SWITCH)
    assert theirs["bit_exact"] is True
    assert theirs["fused_ns"] == ours["fused_ns"] and theirs["unfused_ns"] == ours["unfused_ns"]
    assert their_stats["trace_hash"] == our_stats["trace_hash"]


def test_a_library_for_another_unit_is_refused_by_name():
    result = rdu.run("rdu-cosim", "random", "pcu", "--seed", "1", "--count", "1", "--rtl", SWITCH)
    assert result.returncode == 2 and "switch" in result.stderr, result.stderr


def test_a_library_for_other_numbers_is_refused_by_their_name(tmp_path):
    stimulus = tmp_path / "pmu.stim"
    stimulus.write_text('{"rdu-stimulus": 1, "unit": "pmu[1][2]", "cycles": 10}')
    result = rdu.run("rdu-cosim", "replay", stimulus, "--rtl", PMU)
    assert result.returncode == 2 and "built for pmu_bytes = 8192, not 524288" in result.stderr, result.stderr
    stimulus.write_text('{"rdu-stimulus": 1, "unit": "pmu[1][2]", "cycles": 10, "params": {"pmu_bytes": 8192, "pmu_banks": 4}}')
    result = rdu.run("rdu-cosim", "replay", stimulus, "--rtl", PMU)
    assert result.returncode == 0, result.stdout + result.stderr
