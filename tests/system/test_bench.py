"""The programs that the management core's speed is measured with, that measurement in small, and the commands of both
transports."""

import json
import shutil
import subprocess
import sys

import pytest

import rdu

sys.path.insert(0, str(rdu.ROOT / "tests/bench"))

import boundary  # noqa: E402
import hart  # noqa: E402

SOURCES = rdu.ROOT / "tests/bench/hart"


@pytest.mark.parametrize("name", hart.WORKLOADS)
def test_workloads_find_their_results_right(name, tmp_path):
    workload = hart.Workload(name, tmp_path, 1e7)
    assert 8e6 < workload.instructions < 1.2e7
    for quantum in hart.QUANTA:
        hart.ours("rduvp", quantum).run(workload.long)


@pytest.mark.parametrize("status", [0, 7])
def test_a_wrong_result_is_the_exit_status(status, tmp_path):
    compiler = shutil.which("riscv64-unknown-elf-gcc")
    assert compiler, "apt-get install gcc-riscv64-unknown-elf"
    source, program = tmp_path / "wrong.c", tmp_path / "wrong.elf"
    source.write_text(f'#include "workload.h"\nint workload(uint32_t rounds) {{ return rounds == 1 ? {status} : 99; }}\n')
    subprocess.run([compiler, "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-O2", "-ffreestanding", "-nostdlib",
                    "-static", "-I", SOURCES, "-Wl,--no-warn-rwx-segments", "-T", SOURCES / "ram.ld", SOURCES / "start.S",
                    source, "-o", program], check=True, timeout=60)
    assert rdu.run(*hart.rduvp(), program).returncode == status


def measure(out, *arguments):
    return rdu.run(rdu.PYTHON, rdu.ROOT / "tests/bench/hart.py", "--out", out, "--turns", "2", "--instructions", "2e6",
                   *arguments)


def test_the_measurement(tmp_path):
    out = tmp_path / "bench-hart.json"
    result = measure(out)
    assert result.returncode == 0, result.stderr
    for text in ("compute", "rduvp, 1 ms", "rduvp, 10 us", "rduvp, 1 us", "without VP++: --vp"):
        assert text in result.stdout
    report = json.loads(out.read_text())
    assert set(report["median_per_second"]) == {"rduvp, 1 ms", "rduvp, 10 us", "rduvp, 1 us"}
    for rates in report["per_second"].values():
        assert all(len(rates[name]) == 2 for name in hart.WORKLOADS)


def test_a_simulator_that_is_not_there(tmp_path):
    result = measure(tmp_path / "x.json", "--spike", "/no/such/spike")
    assert result.returncode != 0 and "/no/such/spike" in result.stderr
    assert "Traceback" not in result.stderr


def test_noops_over_both_transports():
    found = boundary.noops(turns=1)
    assert set(found) == {"one_at_a_time", "batches_of_32"}
    for entry in found.values():
        assert entry["ratio"] == pytest.approx(entry["vfio_user"] / entry["guest"], abs=1e-3)
        assert entry["guest"] > 100
    assert found["batches_of_32"]["guest"] > 2 * found["one_at_a_time"]["guest"]
