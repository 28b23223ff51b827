import pytest

import rdu


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
