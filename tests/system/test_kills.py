"""Either side killed at random moments of the other's life. RDU_KILLS says how often (12), RDU_SEED when."""

import os
import random
import re
import signal
import time

import pytest

import rdu
from driver import Device

KILLS = int(os.environ.get("RDU_KILLS", "12"))
SEED = int(os.environ.get("RDU_SEED", "1"), 0)


@pytest.fixture(scope="module")
def life(digits, tmp_path_factory):
    """Seconds of an application's whole life here and now: moments are chosen from it, and a little more."""
    folder = tmp_path_factory.mktemp("life")
    with rdu.Simulator() as simulator:
        simulator.ready()
        begin = time.monotonic()
        rdu.run_digits(simulator, digits, folder / "report.json")
        return 1.2 * (time.monotonic() - begin)


@pytest.fixture
def moments(life):
    print(f"RDU_SEED={SEED} RDU_KILLS={KILLS}")
    source = random.Random(SEED)
    return [source.uniform(0, life) for _ in range(KILLS)]


def descriptors(process):
    """That stay open: the connection of a host that has just gone is closed a moment later."""
    looks = []
    for _ in range(10):
        looks.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        time.sleep(0.02)
    return min(looks)


def resident_kib(process):
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def look_around(simulator):
    """As a host that comes next: is anything left of those before?"""
    with Device(simulator.socket) as device:
        contexts = device.log_page("CONTEXTS")
        usage = device.log_page("USAGE")[0]
    return contexts, usage["hbm_used"], usage["ddr_used"]


@pytest.fixture
def simulator():
    """A simulator whose memory is what it needs: a sanitizer, if there is one, keeps little of what was freed."""
    with rdu.Simulator(env={"ASAN_OPTIONS": "quarantine_size_mb=1"}) as simulator:
        yield simulator.ready()


def test_the_simulator_survives_its_hosts(simulator, digits, tmp_path, moments):
    fresh = look_around(simulator)
    used = []
    killed = 0
    for number, moment in enumerate(moments):
        repeat = ["--repeat", "100000"] if number % 2 else []
        command = rdu.digits_command(simulator, digits, tmp_path / "report.json", *repeat)
        with rdu.Process("rdu-digits", *command) as application:
            time.sleep(moment)
            killed += application.running()
            application.signal(signal.SIGKILL)
            application.wait()
        assert simulator.running(), f"after kill {number}, at {moment:.3f} s:\n{simulator.transcript()}"
        assert look_around(simulator) == fresh, f"after kill {number}, at {moment:.3f} s"
        used.append((descriptors(simulator), resident_kib(simulator)))
    assert killed > KILLS // 2
    # What the first tenth has needed is enough for all.
    settled = used[: max(2, KILLS // 10)]
    assert max(fds for fds, _ in used) <= max(fds for fds, _ in settled), used
    assert used[-1][1] <= max(kib for _, kib in settled) + 16 * 1024, used
    report, _ = rdu.run_digits(simulator, digits, tmp_path / "after.json")
    assert report["bit_exact"] is True
    simulator.stop()
    print(f"{killed} applications killed at work; {used[-1][0]} descriptors, {used[0][1]} to {used[-1][1]} KiB resident")


def test_hosts_survive_the_simulator(digits, tmp_path, moments):
    lost = 0
    slowest = 0
    for number, moment in enumerate(moments):
        with rdu.Simulator() as simulator:
            simulator.ready()
            command = rdu.digits_command(simulator, digits, tmp_path / "report.json", "--repeat", "100000",
                                         "--timeout", "3")
            with rdu.Process("rdu-digits", *command) as application:
                time.sleep(moment)
                assert application.running(), application.transcript()
                simulator.signal(signal.SIGKILL)
                begin = time.monotonic()
                status = application.wait(20)
                slowest = max(slowest, time.monotonic() - begin)
                assert status > 0, f"kill {number}, at {moment:.3f} s:\n{application.transcript()}"
                errors = [line for line in application.lines if line.startswith("rdu-digits:")]
                assert len(errors) == 1, f"kill {number}, at {moment:.3f} s:\n{application.transcript()}"
                is_lost = bool(re.search("lost|is gone|closed", errors[0]))
                lost += is_lost
                # Before it has the device, there is none.
                assert is_lost or str(simulator.socket) in errors[0], application.transcript()
    assert lost > KILLS // 2
    print(f"{lost} of {KILLS} applications lost their device; the slowest noticed after {slowest:.2f} s")
