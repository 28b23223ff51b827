import importlib.util
import os
import shutil

import pytest

import rdu
from vm import Vm

# What tests here call or import, and Debian's package of it.
TOOLS = {"depmod": "kmod", "dtc": "device-tree-compiler", "gdb-multiarch": "gdb-multiarch", "lspci": "pciutils",
         "readelf": "binutils", "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf"}
MODULES = {"cryptography": "python3-cryptography", "numpy": "python3-numpy", "pexpect": "python3-pexpect",
           "sklearn": "python3-sklearn", "yaml": "python3-yaml"}


def pytest_sessionstart():
    """What is missing is told once, before any test fails of it."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    packages = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)]
    packages += [package for module, package in MODULES.items() if not importlib.util.find_spec(module)]
    if packages:
        pytest.exit(f"tests/system needs what is not installed: apt-get install {' '.join(packages)}", returncode=1)
    if not (rdu.BIN / "rduvp").exists():
        pytest.exit(f"{rdu.BIN}/rduvp is missing: run scripts/build", returncode=1)


@pytest.fixture(scope="session")
def digits():
    """The folder of the digits' inputs."""
    return rdu.digits_inputs()


@pytest.fixture
def simulator():
    with rdu.Simulator() as process:
        yield process.ready()


@pytest.fixture(scope="module")
def shared_simulator():
    """One for all tests of a file: each attaches and leaves. It must still be well at the end."""
    with rdu.Simulator() as process:
        yield process.ready()
        process.stop()


@pytest.fixture(scope="module")
def vm():
    """A guest with a card of its own, for all tests of a file."""
    with Vm() as machine:
        yield machine


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A test that fails shows what its guests and their devices said."""
    report = (yield).get_result()
    if report.failed:
        for machine in Vm.alive:
            report.sections.append(("virtual machine", machine.transcript()))
