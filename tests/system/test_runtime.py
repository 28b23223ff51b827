"""librdu natively, over a simulator's socket: windows, order between queues, processes that die, ten thousand cycles."""

import json
import os
import re
import signal
import time

import pytest

import rdu

EXERCISE = rdu.BUILD / "tests/exercise"
# How often a device is opened, used and closed; ten thousand is what was promised, and takes half a minute.
CYCLES = int(os.environ.get("RDU_CYCLES", "500"))


def exercise(simulator, *arguments, timeout=60):
    return rdu.run(EXERCISE, f"unix:{simulator.socket}", *arguments, timeout=timeout)


def state(simulator):
    """What rdu-smi tells of the device, of the things that must not grow."""
    result = rdu.run("rdu-smi", "--device", f"unix:{simulator.socket}", "--json")
    assert result.returncode == 0, result.stderr
    (device,) = json.loads(result.stdout)["devices"]
    memory = device["memory"]
    return {"processes": device["processes"], "hbm_used": memory["hbm_used"], "ddr_used": memory["ddr_used"],
            "restarts": device["restarts"], "panics": device["panics"], "events": device["events"], "ecc": device["ecc"]}


def resources(simulator):
    """Descriptors, mappings and threads of the simulator, once the last client's are gone: what it has of the system."""
    def now():
        process = f"/proc/{simulator.pid}"
        with open(f"{process}/maps") as maps:
            shared = sum("rdu-" in line for line in maps)
        return {"descriptors": len(os.listdir(f"{process}/fd")), "mappings": shared, "threads": len(os.listdir(f"{process}/task"))}

    seen = [now()]
    deadline = time.monotonic() + 20 * rdu.SLOWER
    while seen[-5:] != [seen[-1]] * 5:
        assert time.monotonic() < deadline, f"never at rest: {seen[-5:]}"
        time.sleep(0.1)
        seen.append(now())
    return seen[-1]


def test_windows_onto_device_memory(shared_simulator):
    for _ in range(3):  # none is lost with its process
        result = exercise(shared_simulator, "windows")
        assert result.returncode == 0, result.stderr
        assert "no window onto the device's memory is free for 536870912 bytes of HBM" in result.stdout


def test_order_between_queues(shared_simulator):
    result = exercise(shared_simulator, "order")
    assert (result.returncode, result.stdout) == (0, "good\n"), result.stderr


def test_a_second_process_is_told_who_has_the_device(shared_simulator):
    address = f"unix:{shared_simulator.socket}"
    with rdu.Process(EXERCISE, address, "busy") as first:
        first.wait_for("busy")
        second = rdu.run("rdu-smi", "--device", address, "--timeout", "1.5")
        assert second.returncode == 1
        assert f"exercise (pid {first.pid}) has it" in second.stderr, second.stderr
        assert "kernel driver" in second.stderr
    # And waits for it, if there is time.
    assert rdu.run("rdu-smi", "--device", address).returncode == 0


def test_processes_that_are_killed_leave_nothing(shared_simulator):
    before, taken = state(shared_simulator), resources(shared_simulator)
    for _ in range(10):
        with rdu.Process(EXERCISE, f"unix:{shared_simulator.socket}", "busy") as process:
            process.wait_for("busy")
            time.sleep(0.02)
            process.signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
    assert exercise(shared_simulator, "windows").returncode == 0
    assert exercise(shared_simulator, "cycles", 1).returncode == 0
    assert state(shared_simulator) == before
    assert resources(shared_simulator) == taken


def test_cycles_leave_the_device_as_it_was(shared_simulator):
    assert exercise(shared_simulator, "cycles", 3).returncode == 0
    before, taken = state(shared_simulator), resources(shared_simulator)
    result = exercise(shared_simulator, "cycles", CYCLES, timeout=60 + CYCLES * 0.05)
    assert (result.returncode, result.stdout) == (0, "good\n"), result.stderr
    assert state(shared_simulator) == before
    assert resources(shared_simulator) == taken


def test_the_live_table(shared_simulator):
    address = f"unix:{shared_simulator.socket}"
    begin = time.monotonic()
    result = rdu.run("rdu-smi", "--device", address, "-l", "0.2", "-n", "3")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - begin >= 0.4
    tables = re.split(r"^rdu-smi .*\n", result.stdout, flags=re.M)[1:]
    assert len(tables) == 3 and "since power-on" in tables[0]
    assert all("over the last" in table for table in tables[1:])
    assert {len(line) for table in tables for line in table.splitlines()} == {80}
    lines = rdu.run("rdu-smi", "--device", address, "-l", "0.05", "-n", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["devices"][0]["utilisation"]["since"] for line in lines] == ["power-on", "last sample"]
    with rdu.Process("rdu-smi", "--device", address, "-l", "5") as live:
        live.wait_for("nobody uses")
        live.signal(signal.SIGINT)
        assert live.wait(20) == 0


@pytest.mark.parametrize("arguments, text", [
    (["--device", "pci:1"], "expected /dev/rduN or rduN"),
    (["--device", "/dev/rdu99"], "there is no /dev/rdu99: is the kernel driver loaded"),
    (["-n", "3"], "--loop"),
])
def test_mistakes_of_rdu_smi(arguments, text):
    result = rdu.run("rdu-smi", *arguments)
    assert result.returncode in (1, 2) and text in result.stdout + result.stderr
