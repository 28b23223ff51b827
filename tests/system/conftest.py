import pytest

import rdu
from vm import Vm


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
