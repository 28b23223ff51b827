"""Somebody dies or never lived: the other side says so within its time-out and goes on or ends well."""

import os
import signal
import time

import pytest

import rdu
from driver import ABI, DDR, HBM, HOST, Device, va


def test_dead_firmware_means_nothing_works(digits, tmp_path):
    with rdu.Simulator("--firmware", rdu.BUILD / "firmware/loop.elf") as simulator:
        simulator.ready()
        begin = time.monotonic()
        command = rdu.digits_command(simulator, digits, tmp_path / "report.json", "--timeout", "3")
        result = rdu.run("rdu-digits", *command, timeout=30)
        assert result.returncode != 0
        assert "firmware" in result.stderr and "ready" in result.stderr, result.stderr
        assert time.monotonic() - begin < 15 * rdu.SLOWER
        assert not (tmp_path / "report.json").exists()
        simulator.stop()


def test_no_simulator_at_all(digits, tmp_path):
    class Nobody:
        socket = tmp_path / "nobody"

    begin = time.monotonic()
    result = rdu.run("rdu-digits", *rdu.digits_command(Nobody, digits, tmp_path / "r.json", "--timeout", "2"))
    assert result.returncode != 0
    assert str(Nobody.socket) in result.stderr
    assert time.monotonic() - begin < 10 * rdu.SLOWER


def start_digits(simulator, digits, folder, *more):
    """The application, running its networks again and again."""
    command = rdu.digits_command(simulator, digits, folder / "report.json", "--repeat", "100000", *more)
    return rdu.Process("rdu-digits", *command)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_simulator_dies_in_mid_run(simulator, digits, tmp_path, how):
    with start_digits(simulator, digits, tmp_path, "--timeout", "10") as application:
        application.wait_for("fused", 30)
        time.sleep(0.3)
        assert application.running(), application.transcript()
        simulator.signal(how)
        begin = time.monotonic()
        status = application.wait(15)
        assert status not in (0, -signal.SIGPIPE), application.transcript()
        assert status > 0, f"died of a signal:\n{application.transcript()}"
        assert time.monotonic() - begin < 12 * rdu.SLOWER
        assert "device" in application.output and len(application.output) < 100_000


def test_application_dies_in_mid_run(simulator, digits, tmp_path):
    """What it held is free again: the next one gets all contexts, and the same bits as ever."""
    for _ in range(3):
        with start_digits(simulator, digits, tmp_path) as application:
            application.wait_for("fused", 30)
            time.sleep(0.2)
            application.signal(signal.SIGKILL)
            application.wait()
        report, _ = rdu.run_digits(simulator, digits, tmp_path / "after.json")
        assert report["bit_exact"] is True
    with Device(simulator.socket) as device:
        for _ in range(ABI["RDU_MAX_CONTEXTS"] - 1):
            device.create_context(4096, 4096)
    simulator.stop()


def test_host_dies_in_the_middle_of_a_copy(simulator, digits, tmp_path):
    size = 4 << 20
    for _ in range(3):
        with Device(simulator.socket) as device:
            context = device.create_context(size, size)
            queue = device.create_queue(context)
            for _ in range(8):
                queue.push(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HOST, 0x1000), size, context=context)
                queue.push(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HBM, 0), size, context=context)
                if queue.tail > 12:
                    break
            # and gone, with the commands under way
    report, _ = rdu.run_digits(simulator, digits, tmp_path / "after.json")
    assert report["bit_exact"] is True
    simulator.stop()


def test_memory_of_dead_hosts_is_given_back(simulator):
    def mappings():
        with open(f"/proc/{simulator.pid}/maps") as maps:
            return sum("system-test" in line for line in maps)

    for _ in range(5):
        with Device(simulator.socket) as device:
            device.create_context()
    with Device(simulator.socket) as device:
        device.create_context()
        assert mappings() <= 2


def test_simulator_ends_without_a_host(tmp_path):
    with rdu.Simulator("--host-timeout", "0.3") as simulator:
        assert simulator.wait(20) == rdu.BAD_INPUT, simulator.transcript()
        assert "host" in simulator.output


def test_once_ends_with_the_first_host(digits, tmp_path):
    with rdu.Simulator("--once") as simulator:
        simulator.ready()
        rdu.run_digits(simulator, digits, tmp_path / "report.json")
        assert simulator.wait(20) == 0, simulator.transcript()
        assert simulator.stats()["instructions"] > 0


def test_signals_end_it_with_statistics():
    for number in (signal.SIGINT, signal.SIGTERM):
        with rdu.Simulator() as simulator:
            simulator.ready()
            simulator.signal(number)
            assert simulator.wait(20) == 0, simulator.transcript()
            assert simulator.stats()["config"]
            assert not simulator.socket.exists()


def test_socket_in_use(simulator):
    result = rdu.run("rduvp", "--config", "mini", "--socket", simulator.socket)
    assert result.returncode == rdu.BAD_INPUT
    assert str(simulator.socket) in result.stderr


def test_socket_of_a_dead_simulator_is_taken_over(digits, tmp_path):
    with rdu.Simulator() as simulator:
        simulator.ready()
        simulator.signal(signal.SIGKILL)
        simulator.wait()
        assert os.path.exists(simulator.socket)
        with rdu.Process("rduvp", "--config", "mini", "--socket", simulator.socket) as second:
            second.wait_for("on unix:")
            rdu.run_digits(simulator, digits, tmp_path / "report.json")


def test_a_path_that_cannot_be_a_socket(tmp_path):
    for path in (tmp_path / ("x" * 120), tmp_path / "no/such/folder/socket"):
        result = rdu.run("rduvp", "--config", "mini", "--socket", path)
        assert result.returncode == rdu.BAD_INPUT, result
        assert "socket" in result.stderr
    file = tmp_path / "file"
    file.write_text("precious")
    assert rdu.run("rduvp", "--config", "mini", "--socket", file).returncode == rdu.BAD_INPUT
    assert file.read_text() == "precious"
