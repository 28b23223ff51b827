"""The very same applications in a guest with the kernel driver and natively over a socket: the same results."""

import hashlib
import io
import re

import numpy as np
import pytest

import rdu
from linux_driver import guest


@pytest.fixture(scope="module")
def vm():
    with guest() as machine:
        yield machine


@pytest.fixture(scope="module")
def native():
    with rdu.Simulator() as simulator:
        yield simulator.ready()


def arguments(digits):
    return ["--weights", rdu.DIGITS / "weights", "--programs", rdu.BUILD / "programs", "--images",
            digits / "test_images.npy", "--labels", digits / "test_labels.npy", "--expected", digits / "expected.npy"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def without_times(text):
    """The output but for what the way to the device changes: moments of the session, and latencies of host memory,
    which is reached through the guest's page table there and directly here."""
    kept = []
    for line in text.rstrip().splitlines():
        if re.match(r"(simulated time|  launch overhead|host time|(fused|unfused): )", line):
            line = line.split("  ")[0].split(",")[0].strip()
        # Argument tuples and commands lie in host memory; the session's bytes there are the driver's, too.
        if re.match(r"  (program load|execution|host read|host written)", line):
            line = line.split()[0]
        kept.append(line)
    return kept


def test_rdu_digits_has_the_same_output(vm, native, digits):
    command = arguments(digits)
    there = vm.run(f"rdu-digits {' '.join(map(str, command))} --out /tmp/out.npy && sha256sum < /tmp/out.npy", timeout=120)
    here = rdu.run("rdu-digits", "--device", f"unix:{native.socket}", *command, "--out", native.folder / "out.npy")
    assert here.returncode == 0, here.stderr
    *output, digest = there.stdout.splitlines()
    assert without_times("\n".join(output)) == without_times(here.stdout)
    assert "bit for bit           equal: fused = unfused = numpy (3,600 values)" in output
    assert digest.split()[0] == sha256((native.folder / "out.npy").read_bytes())


def test_python_runs_in_the_guest(vm, digits):
    script = rdu.ROOT / "sw/runtime/python/digits.py"
    environment = " ".join(f"{name}={value}" for name, value in rdu.python_environment().items())
    vm.run(f"env {environment} {rdu.PYTHON} {script} --images {digits}/test_images.npy --out /tmp/python.npy "
           f"--program {rdu.BUILD}/programs/digits_fused.rdu", timeout=120)
    expected = io.BytesIO()
    np.save(expected, np.load(digits / "expected.npy"))
    assert vm.run("sha256sum < /tmp/python.npy").stdout.split()[0] == sha256(expected.getvalue())
