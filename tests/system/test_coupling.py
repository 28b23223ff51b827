"""Simulated time and the host's: both rules that couple them, with hosts and firmware that wait for each other in every
way there is."""

import json
import os
import struct
import threading
import time

import pytest

import rdu
from driver import ABI, DDR, HBM, REGISTER, Device, va
from gdb import Gdb
from rdu import BUILD, SLOWER

COPY, NOP = ABI["RDU_CMD_COPY"], ABI["RDU_CMD_NOP"]
MODES = pytest.mark.parametrize("mode", ["lockstep", "free"])
MS = 1_000_000  # ns


def simulator(mode, *more, firmware=None):
    arguments = ["--coupling", mode, *more]
    if firmware:
        arguments += ["--firmware", BUILD / f"firmware/{firmware}.elf"]
    return rdu.Simulator(*arguments)


def timestamp(device):
    return device.client.read64(REGISTER["TIMESTAMP"])


def until(condition, what, timeout=20):
    deadline = time.monotonic() + timeout * SLOWER
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout * SLOWER:.0f} s"


@MODES
def test_a_host_that_only_looks_at_its_memory(mode):
    """No register, no interrupt: one doorbell, then nothing but reads of the completion queue."""
    with simulator(mode) as process, Device(process.ready().socket) as device:
        context = device.create_context(1 << 24, 1 << 24)
        queue = device.create_queue(context, entries=64)
        for _ in range(20):
            queue.push(COPY, va(HBM, 0), va(DDR, 0), 1 << 24, context=context, ring=False)
        queue.ring()

        def completed(number):
            phase = struct.unpack_from("<H", device.memory.bytes, queue.cq + 32 * number + 30)[0]
            return phase & 1

        until(lambda: completed(19), "20 completions in memory")


@MODES
def test_a_host_that_polls_a_register(mode):
    with simulator(mode) as process, Device(process.ready().socket) as device:
        context = device.create_context(1 << 24, 1 << 24)
        queue = device.create_queue(context)
        last = timestamp(device)
        queue.push(COPY, va(HBM, 0), va(DDR, 0), 1 << 24, context=context)
        for _ in range(200):
            now = timestamp(device)
            assert now > last, "time goes on from access to access"
            last = now
        assert queue.completion().status == 0


@MODES
def test_firmware_that_polls(mode):
    """It never sleeps, so the device never settles; registers and shared memory both work."""
    with simulator(mode, firmware="polls") as process, Device(process.ready().socket, bring_up=False) as device:
        process.wait_for("polls: all the time")
        device.enable_pci()
        for number in 5, 77, 1 << 20:
            device.client.write32(REGISTER["MBOX_REQUEST"], number)
            until(lambda: not device.read("MBOX_STATUS") & 1, "the mailbox's answer")
            assert device.read("MBOX_RESPONSE") == number + 1
        place = device.memory.put(bytes(8))
        device.client.write64(REGISTER["RECOVERY_ADDRESS"], place)
        device.client.write32(REGISTER["RECOVERY_LENGTH"], 8)
        for number in 3, 1000, 4711:
            device.memory.bytes[place : place + 4] = struct.pack("<I", number)
            until(lambda: struct.unpack_from("<I", device.memory.bytes, place + 4)[0] == number + 1,
                  "the answer in memory, which alone is looked at")


def test_lockstep_time_stands_still_while_the_host_is_silent():
    with simulator("lockstep") as process, Device(process.ready().socket) as device:
        before = timestamp(device)
        time.sleep(0.3)
        assert timestamp(device) - before < MS


def test_lockstep_firmware_with_a_timer_runs_ahead():
    """It never settles; the window is bounded, so the host is served all the same."""
    with simulator("lockstep", firmware="ticks") as process, Device(process.ready().socket, bring_up=False) as device:
        process.wait_for("ticks: each millisecond")
        device.enable_memory()
        before, ticks = timestamp(device), device.read("FW_VERSION")
        after, more = timestamp(device), device.read("FW_VERSION")
        assert after - before > MS and more > ticks, "each of the four accesses was put off by settle_limit"


def test_free_time_follows_the_clock_while_the_host_is_silent():
    with simulator("free") as process, Device(process.ready().socket) as device:
        began, before = time.monotonic(), timestamp(device)
        time.sleep(0.5)
        passed = timestamp(device) - before
        assert passed > 350 * MS, "at most 0.1 s is made up for later"
        assert passed < (time.monotonic() - began) * 1e9 + 100 * MS, "never ahead of the clock"


def test_free_timers_of_the_firmware_live_while_the_host_is_silent():
    with simulator("free", firmware="ticks") as process, Device(process.ready().socket, bring_up=False) as device:
        process.wait_for("ticks: each millisecond")
        device.enable_memory()
        before, ticks = timestamp(device), device.read("FW_VERSION")
        time.sleep(0.5)
        more, after = device.read("FW_VERSION"), timestamp(device)
        assert more - ticks > 350
        assert abs((more - ticks) * MS - (after - before)) < 10 * MS, "a tick is a millisecond of simulated time"


def test_free_an_event_reaches_a_host_that_only_waits():
    """DDR cools down after work, and passes a threshold on its way by itself."""
    with simulator("free", "--set", "socket.sensors.thermal_time=200 ms", "--set",
                   "socket.sensors.ddr_energy=2000") as process, Device(process.ready().socket) as device:
        idle = device.create_context(0, 0)
        events = device.create_queue(idle, number=3, vector=2)
        events.push(ABI["RDU_CMD_EVENT"], context=idle)
        buffer = device.memory.take(4096)

        def temperature():
            device.admin.ok(ABI["RDU_ADMIN_READ_LOG"], ABI["RDU_LOG_SENSORS"], buffer, 4096, 0)
            return struct.unpack_from("<BBBBi", device.memory.bytes, buffer + 3 * 40)[4]

        resting = temperature()
        context = device.create_context(0, 1 << 25)
        queue = device.create_queue(context, entries=64)
        # Without a pause, for in one it would cool down as long as this machine takes.
        for _ in range(30):
            queue.push(COPY, va(DDR, 0), va(DDR, 1 << 24), 1 << 24, context=context, ring=False)
        queue.ring()
        for _ in range(30):
            assert queue.completion().status == ABI["RDU_STATUS_OK"]
        warm = temperature()
        assert warm > resting + 200
        device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 3, ABI["RDU_THRESHOLD_LOW"], resting + (warm - resting) // 2)
        entry = events.completion()
        assert entry.status == 0 and entry.result >> 32 & 0xFF == ABI["RDU_EVENT_THERMAL"], entry


@MODES
def test_a_halted_device_lets_no_time_pass(mode):
    with simulator(mode, "--gdb", "tcp::0") as process, Device(process.ready().socket) as device:
        port = process.wait_for(r"gdb: waiting on \S*?:(\d+)").group(1)
        context = device.create_context()
        queue = device.create_queue(context)
        before = timestamp(device)
        with Gdb(f"localhost:{port}") as gdb:  # it halts when gdb connects
            got = []
            reader = threading.Thread(target=lambda: got.append(timestamp(device)))
            reader.start()
            time.sleep(0.7)
            assert not got, "an access was answered by a halted device"
            gdb("detach")
            reader.join(20 * SLOWER)
        assert got and got[0] - before < 400 * MS, "of the time in which it stood nothing is made up for"
        queue.ok(NOP, context=context)


def test_a_run_in_lockstep_can_be_repeated():
    def run():
        with simulator("lockstep") as process, Device(process.ready().socket) as device:
            context = device.create_context()
            queue = device.create_queue(context)
            for number in range(10):
                queue.ok(NOP, context=context)
                time.sleep(0.001 * (number + os.getpid() % 3))
            device.disable()
            device.client.close()
            return process.stop()["trace_hash"]

    assert run() == run()


def test_the_mode_is_a_parameter():
    with rdu.Simulator("--set", "coupling.mode=free") as process, Device(process.ready().socket) as device:
        before = timestamp(device)
        time.sleep(0.3)
        assert timestamp(device) - before > 150 * MS


def test_a_free_run_can_be_recorded_and_replayed(tmp_path):
    """What was no part of the device, the moments at which the host came, is in the recording."""
    recording = tmp_path / "free.rec"
    with simulator("free", "--record", recording) as process, Device(process.ready().socket) as device:
        context = device.create_context()
        queue = device.create_queue(context)
        for number in range(5):
            queue.push(COPY, va(HBM, 0), va(DDR, 0), 1 << 20, context=context)
            timestamp(device)  # in the midst of it
            assert queue.completion().status == 0
            time.sleep(0.01 * number)
        device.disable()
        device.client.close()
        recorded = process.stop()["trace_hash"]
    with rdu.Process("rduvp", "--replay", recording, "--stats", tmp_path / "stats.json") as replay:
        assert replay.wait(60) == 0, replay.transcript()
    assert json.loads((tmp_path / "stats.json").read_text())["trace_hash"] == recorded
