"""Every program of the regression has the same bits with none, some and all units clock by clock or in Verilog, and the same
cycles: 5 % is what the architecture allows, but there is nothing that differs."""

import json
import os

import pytest

import rdu

FIDELITIES = {
    "cycle": ("cycle", ""),
    "rtl": ("rtl", ""),
    "mixed": ("cycle", "pcu[*][1]=fast, pmu[0][*]=fast, switch[*][2]=fast, pcu[0][0]=rtl, pmu[1][0]=rtl, switch[1][*]=rtl"),
    "some_rtl": ("fast", "pcu[1][*]=rtl, pmu[*][1]=rtl, switch[0][*]=rtl"),
}


def run_all(name, fidelity, of=""):
    out = rdu.BUILD / f"tests/regression_{name}.json"  # scripts/book reads what it finds there
    out.unlink(missing_ok=True)
    environment = dict(os.environ, RDU_FIDELITY=fidelity, RDU_FIDELITY_OF=of, RDU_OUT=str(out))
    result = rdu.run(rdu.BUILD / "tests/test_programs_regression", env=environment, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def fast():
    return run_all("fast", "fast")


@pytest.mark.parametrize("name", FIDELITIES)
def test_every_program_has_the_same_bits_and_cycles(fast, name):
    other = run_all(name, *FIDELITIES[name])
    assert len(fast) > 20 and sum(len(program["kernels"]) for program in fast) > 25
    assert [program["program"] for program in other] == [program["program"] for program in fast]
    wrong = [a["program"] for a, b in zip(fast, other) if a["bits"] != b["bits"]]
    assert not wrong
    slower = [(a, b) for p, q in zip(fast, other) for a, b in zip(p["kernels"], q["kernels"])
              if abs(a["cycles"] - b["cycles"]) > 0.05 * a["cycles"]]
    assert not slower


def test_the_table_of_cycles_in_the_book_is_current():
    result = rdu.run(rdu.ROOT / "scripts/book", "--check", "--only", "kernels", env=dict(os.environ, RDU_BUILD_DIR=str(rdu.BUILD)))
    assert result.returncode == 0, result.stdout + result.stderr
