"""A matrix product on all tiles, every bit compared by the application with the architecture's definition."""

import json

import pytest

import rdu


def product(simulator, report, *arguments):
    result = rdu.run("rdu-gemm", "--device", f"unix:{simulator.socket}", "--report", report, *arguments, timeout=120)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\n{simulator.output}"
    assert "elements have the bits of the definition" in result.stdout
    return json.loads(report.read_text())


def test_on_all_tiles_of_the_full_chip(tmp_path):
    """Each tile makes its part of the columns; that every bit is right shows that every tile did."""
    with rdu.Simulator(config="sn40l") as simulator:
        report = product(simulator.ready(), tmp_path / "report.json", "--size", "512")
    assert report["tiles"] == report["launches"] == 4
    assert report["checked"] is True


@pytest.mark.parametrize("shape", [(6, 32, 32), (100, 300, 64), (7, 1000, 544)])
def test_any_shape_on_the_small_chip(tmp_path, shape):
    with rdu.Simulator() as simulator:
        m, n, k = (str(x) for x in shape)
        report = product(simulator.ready(), tmp_path / "report.json", "--m", m, "--n", n, "--k", k)
    assert [report[x] for x in "mnk"] == list(shape)


def test_impossible_shapes_are_refused(tmp_path):
    with rdu.Simulator() as simulator:
        simulator.ready()
        for arguments, why in ((["--k", "33"], "K = 33 is not a multiple of 32"), (["--m", "0"], "M is 0"),
                               (["--k", "1048576"], "K = 1048576 is too large")):
            result = rdu.run("rdu-gemm", "--device", f"unix:{simulator.socket}", *arguments)
            assert result.returncode == 1
            assert why in result.stderr
