"""Contexts as the firmware keeps them: nobody finds what another has left, nobody waits for a large one's memory, and
the log pages tell who has what and how commands failed."""

import time

import pytest

import rdu
from driver import ABI, DDR, FAULT, HBM, HOST, Device, va
from rdu import SLOWER

CREATE_CONTEXT, DELETE_CONTEXT = ABI["RDU_ADMIN_CREATE_CONTEXT"], ABI["RDU_ADMIN_DELETE_CONTEXT"]
DELETE_QUEUE = ABI["RDU_ADMIN_DELETE_QUEUE"]
COPY, LOAD, LAUNCH, NOP = (ABI[f"RDU_CMD_{name}"] for name in ("COPY", "LOAD_PROGRAM", "LAUNCH", "NOP"))


@pytest.fixture
def device(shared_simulator):
    with Device(shared_simulator.socket) as opened:
        yield opened


def test_memory_of_a_former_context_is_gone(device):
    size = 100_000  # no whole pages
    secret = device.memory.put(b"\xa5" * size)
    back = device.memory.take(size)
    for owner in range(3):
        context = device.create_context(size, size, owner=owner)
        queue = device.create_queue(context)
        for segment in HBM, DDR:
            device.memory.bytes[back : back + size] = b"\xff" * size
            queue.ok(COPY, va(HOST, back), va(segment, 0), size, context=context)
            assert device.memory.get(back, size) == bytes(size), f"context {owner} sees what was there before"
            queue.ok(COPY, va(segment, 0), va(HOST, secret), size, context=context)
        device.admin.ok(DELETE_QUEUE, 1)
        device.admin.ok(DELETE_CONTEXT, context=context)


def test_memory_of_a_host_that_left_is_gone(shared_simulator):
    for way in "disable", "disconnect", "reset":
        with Device(shared_simulator.socket) as device:
            context = device.create_context(4096, 0)
            queue = device.create_queue(context)
            data = device.memory.put(b"\x5a" * 4096)
            queue.ok(COPY, va(HOST, data), va(HBM, 0), 4096, context=context)
            assert device.memory.get(data, 4096) == bytes(4096), f"seen after the host before has left by {way}"
            device.memory.bytes[data : data + 4096] = b"\x5a" * 4096
            queue.ok(COPY, va(HBM, 0), va(HOST, data), 4096, context=context)
            if way == "disable":
                device.disable()
            elif way == "reset":
                device.client.reset()


@pytest.mark.parametrize("table", [0x1008, 1 << 44, (1 << 64) - 4096])
def test_bad_page_tables_are_refused(device, table):
    entry = device.admin.run(CREATE_CONTEXT, 4096, 0, 4096, table)
    assert entry.status == ABI["RDU_STATUS_BAD_ARGUMENT"], entry


def test_a_segment_larger_than_its_page_table_is_refused(device):
    entry = device.admin.run(CREATE_CONTEXT, 4096, 0, (1 << 39) + 1, 0x1000)
    assert entry.status == ABI["RDU_STATUS_BAD_ARGUMENT"], entry


def test_who_has_what(device):
    assert device.log_page("CONTEXTS") == []
    before = device.log_page("USAGE")[0]
    first = device.create_context(1 << 20, 4096, owner=4711)
    second = device.create_context(8192, 8192, owner=4712)
    queue = device.create_queue(second)
    data = device.memory.take(4096)
    queue.ok(NOP, context=second)
    entry = queue.run(COPY, va(HBM, 0), va(HOST, data), 4096, context=second)
    page = device.log_page("CONTEXTS")
    assert [(c["id"], c["owner"], c["queues"]) for c in page] == [(first, 4711, 0), (second, 4712, 1)]
    assert [(c["hbm_bytes"], c["hbm_base"]) for c in page] == [(1 << 20, 0), (8192, 1 << 20)]
    assert [(c["ddr_bytes"], c["ddr_base"]) for c in page] == [(4096, 0), (8192, 4096)]
    assert (page[1]["commands"], page[1]["copied_bytes"]) == (2, 4096)
    assert page[1]["copy_ns"] == entry.end_ns - entry.start_ns
    usage = device.log_page("USAGE")[0]
    assert usage["hbm_used"] == (1 << 20) + 8192 and usage["ddr_used"] == 4096 + 8192
    assert usage["copy0_ns"] - before["copy0_ns"] > page[1]["copy_ns"], "its copy and the clearing of memory"
    assert usage["time_ns"] > before["time_ns"]


def test_how_commands_failed(device):
    context = device.create_context()
    queue = device.create_queue(context, number=3)
    queue.run(0xEE, context=context)  # wrong, and no failure of the hardware
    copy = queue.run(COPY, va(HBM, 0), va(DDR, 1 << 20), 64, context=context)
    load = queue.run(LOAD, va(HBM, (1 << 20) - 64), 128, 0, context=context)
    for fault, entry, address in zip(device.log_page("FAULTS")[-2:], (copy, load), (va(DDR, 1 << 20), None)):
        assert (fault["context"], fault["queue"]) == (context, 3)
        assert (fault["command_id"], fault["status"]) == (entry.command_id, entry.status)
        assert fault["address"] == (entry.result if address is None else address)
        assert fault["time_ns"] == entry.end_ns
    assert load.status == ABI["RDU_STATUS_PROGRAM"] + FAULT["SEGMENT"]


def test_a_large_context_costs_little_and_holds_nobody_up():
    """All of the full-size chip's memory: seconds of simulated time, since DDR has 200 GB/s."""
    with rdu.Simulator("--config", "sn40l") as simulator:
        simulator.ready()
        with Device(simulator.socket) as device:
            who = device.identify()
            small = device.create_context(1 << 20, 1 << 20)
            queue = device.create_queue(small)
            begin = time.monotonic()
            create = device.admin.push(CREATE_CONTEXT, who["hbm_bytes"] - (1 << 20), who["ddr_bytes"] - (1 << 20), 0)
            done = [queue.run(COPY, va(HBM, 0), va(DDR, 0), 1 << 20, context=small) for _ in range(5)]
            entry = device.admin.completion(timeout=60)
            took = time.monotonic() - begin
            assert (entry.command_id, entry.status) == (create, 0), entry
            assert all(e.status == 0 for e in done)
            assert done[-1].end_ns < entry.end_ns, "the other context's commands went on meanwhile"
            ideal = who["hbm_bytes"] / who["hbm_bandwidth"] + who["ddr_bytes"] / who["ddr_bandwidth"]
            assert ideal * 0.99 < (entry.end_ns - entry.start_ns) * 1e-9 < ideal * 1.05
            assert took < 20 * SLOWER, f"{took:.1f} s of host time for {ideal:.1f} s of simulated time"
            device.admin.ok(DELETE_CONTEXT, context=entry.result)
