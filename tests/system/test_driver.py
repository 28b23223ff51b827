"""The device through its registers and queues, by a driver in Python: what firmware and hardware answer to commands
that librdu would never send."""

import re
import select
import struct

import pytest

import vfio_user
from driver import ABI, DDR, FAULT, HBM, HOST, CSTS_FW, CSTS_RDY, REGISTER, Device, program_stream, va

IDENTIFY, CREATE_CONTEXT, DELETE_CONTEXT = 1, 2, 3
COPY, LOAD, LAUNCH, NOP = (ABI[f"RDU_CMD_{name}"] for name in ("COPY", "LOAD_PROGRAM", "LAUNCH", "NOP"))


def status(name):
    return ABI[f"RDU_STATUS_{name}"]


def program_fault(name):
    return ABI["RDU_STATUS_PROGRAM"] + FAULT[name]


@pytest.fixture
def device(shared_simulator):
    with Device(shared_simulator.socket) as opened:
        yield opened


@pytest.fixture
def io(device):
    """(queue, context)"""
    context = device.create_context()
    return device.create_queue(context), context


def test_identify(device):
    who = device.identify()
    assert who["abi_version"] == ABI["RDU_ABI_VERSION"]
    assert who["hbm_bytes"] > 0 and who["ddr_bytes"] > 0 and who["hbm_bandwidth"] > who["ddr_bandwidth"] > 0
    assert who["rows"] * who["columns"] >= 24, "a few dozen pairs of PCU and PMU"
    assert who["agcus"] >= 2 and who["contexts"] == ABI["RDU_MAX_CONTEXTS"]


def test_mailbox_echo(device):
    client = device.client
    client.write32(REGISTER["MBOX_REQUEST"], 0xABCDE << 8 | ABI["RDU_MBOX_ECHO"])
    while device.read("MBOX_STATUS") & 1:
        pass
    assert device.read("MBOX_RESPONSE") >> 8 == 0xABCDE


def test_a_guest_fault_shows_what_led_to_it(device, shared_simulator):
    """The last accesses stand below it, by name, whoever made them."""
    outside = 0x3F00
    device.read("CSTS")
    device.client.write32(outside, 0x1234)
    shared_simulator.wait_for(rf"guest fault: socket0.pcie at .*BAR0 offset {outside:#x}")
    shared_simulator.wait_for(rf"host writes socket0.pcie.bar0 {outside:#x}, 4 bytes: 0x1234")
    assert "host reads socket0.pcie.bar0 CSTS (" in shared_simulator.output
    assert re.search(r"core writes socket0\.\S+ [A-Z_]+ \(0x[0-9a-f]+\), 4 bytes", shared_simulator.output)
    assert re.search(r"initiator 0x[0-9a-f]+ (reads|writes) socket0\.tln\.\S+ 0x", shared_simulator.output)


def test_unknown_opcodes(device, io):
    assert device.admin.run(0x7F).status == status("BAD_OPCODE")
    queue, context = io
    assert queue.run(0xEE, context=context).status == status("BAD_OPCODE")
    queue.ok(NOP, context=context)


def test_copy_through_every_tier(device, io):
    queue, context = io
    data = bytes(range(256)) * 33
    source, back = device.memory.put(data), device.memory.take(len(data))
    queue.ok(COPY, va(DDR, 256), va(HOST, source), len(data), context=context)
    queue.ok(COPY, va(HBM, 1024), va(DDR, 256), len(data), context=context)
    queue.ok(COPY, va(HOST, back), va(HBM, 1024), len(data), context=context)
    assert device.memory.get(back, len(data)) == data


@pytest.mark.parametrize(
    "destination, source, size",
    [
        (va(HBM, 1 << 20), va(HOST, 0x1000), 1),
        (va(HBM, (1 << 20) - 1), va(HOST, 0x1000), 2),
        (va(HBM, 0), va(DDR, 1 << 20), 64),
        (va(0, 0), va(HOST, 0x1000), 64),  # the null pointer
        (1 << 63, va(HOST, 0x1000), 64),
        (va(HBM, 0), 0xFFFFFFFFFFFFFFC0, 64),
        (va(HBM, 0), va(HOST, 1 << 40), 64),
    ],
)
def test_copy_out_of_range(io, destination, source, size):
    queue, context = io
    entry = queue.run(COPY, destination, source, size, context=context)
    assert entry.status == status("COPY_SEGMENT"), entry
    queue.ok(NOP, context=context)


def test_contexts_do_not_see_each_other(device):
    first, second = device.create_context(), device.create_context()
    one, two = device.create_queue(first, 1), device.create_queue(second, 2, vector=2)
    secret = device.memory.put(b"secret" * 10)
    one.ok(COPY, va(HBM, 0), va(HOST, secret), 60, context=first)
    back = device.memory.take(60)
    two.ok(COPY, va(HOST, back), va(HBM, 0), 60, context=second)
    assert device.memory.get(back, 60) != b"secret" * 10
    # And a queue of one context takes no commands for another.
    entry = two.run(COPY, va(HOST, back), va(HBM, 0), 60, context=first)
    assert entry.status in (status("BAD_CONTEXT"), status("OK"))
    assert device.memory.get(back, 60) != b"secret" * 10


def test_launch_without_program(io):
    queue, context = io
    assert queue.run(LAUNCH, 0, 0, 0, context=context).status == program_fault("NO_PROGRAM")
    queue.ok(NOP, context=context)


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"magic": 0x12345678}, "BAD_MAGIC"),
        ({"version": 77}, "BAD_VERSION"),
        ({"size": 31}, "BAD_SIZE"),
        ({"size": 1 << 30}, "BAD_SIZE"),
        ({"crc": 0xDEADBEEF}, "BAD_CRC"),
        ({"rows": 99}, "BAD_SHAPE"),
    ],
)
def test_bad_programs_are_refused(device, io, changes, fault):
    queue, context = io
    who = device.identify()
    stream = program_stream((who["rows"], who["columns"]), **changes)
    host = device.memory.put(stream)
    queue.ok(COPY, va(HBM, 0), va(HOST, host), len(stream), context=context)
    entry = queue.run(LOAD, va(HBM, 0), len(stream), 0, context=context)
    assert entry.status == program_fault(fault), entry
    assert queue.run(LAUNCH, 0, 0, 0, context=context).status == program_fault("NO_PROGRAM")


def test_a_program_outside_the_context(io):
    queue, context = io
    assert queue.run(LOAD, va(HBM, 1 << 20), 64, 0, context=context).status == program_fault("SEGMENT")


@pytest.mark.parametrize("number", [0, 16, 1000])
def test_bad_queue_numbers(device, number):
    context = device.create_context()
    create = ABI["RDU_ADMIN_CREATE_QUEUE"]
    entry = device.admin.run(create, number, 0x1000, 0x2000, 16, 1, context=context)
    assert entry.status in (status("BAD_QUEUE"), status("BAD_ARGUMENT")), entry


@pytest.mark.parametrize("entries", [0, 1, 3, 2048, 1 << 32])
def test_bad_queue_sizes(device, entries):
    context = device.create_context()
    entry = device.admin.run(ABI["RDU_ADMIN_CREATE_QUEUE"], 1, 0x1000, 0x2000, entries, 1, context=context)
    assert entry.status == status("BAD_ARGUMENT"), entry


def test_memory_runs_out_and_comes_back(device):
    who = device.identify()
    for _ in range(3):
        context = device.create_context(hbm=who["hbm_bytes"] // 4 * 3)
        entry = device.admin.run(CREATE_CONTEXT, who["hbm_bytes"] // 2, 0, 0)
        assert entry.status == status("NO_MEMORY"), entry
        device.admin.ok(DELETE_CONTEXT, context=context)


def test_contexts_run_out_and_come_back(device):
    made = [device.create_context(4096, 4096) for _ in range(ABI["RDU_MAX_CONTEXTS"] - 1)]
    assert len(set(made)) == len(made)
    assert device.admin.run(CREATE_CONTEXT, 4096, 4096, 0).status == status("NO_RESOURCE")
    for context in made:
        device.admin.ok(DELETE_CONTEXT, context=context)
    device.create_context(4096, 4096)


def test_a_context_in_use_stays(device):
    context = device.create_context()
    device.create_queue(context)
    assert device.admin.run(DELETE_CONTEXT, context=context).status == status("IN_USE")
    device.admin.ok(ABI["RDU_ADMIN_DELETE_QUEUE"], 1)
    device.admin.ok(DELETE_CONTEXT, context=context)
    assert device.admin.run(DELETE_CONTEXT, context=context).status == status("BAD_CONTEXT")


def test_a_tail_beyond_the_queue_is_ignored(device, io):
    queue, context = io
    queue.ring(tail=999)
    queue.ok(NOP, context=context)


def test_queue_wraps_many_times(io):
    queue, context = io
    for _ in range(3 * queue.entries + 1):
        queue.ok(NOP, context=context)


def test_a_full_queue_completes_in_order(io):
    queue, context = io
    ids = [queue.push(NOP, context=context, ring=False) for _ in range(queue.entries - 1)]
    queue.ring()
    assert [queue.completion().command_id for _ in ids] == ids


def test_disable_drops_everything(device):
    device.create_queue(device.create_context(4096, 4096))
    device.disable()
    assert device.read("CSTS") & CSTS_FW
    device.enable()
    made = [device.create_context(4096, 4096) for _ in range(ABI["RDU_MAX_CONTEXTS"] - 1)]
    assert len(made) == ABI["RDU_MAX_CONTEXTS"] - 1


def test_reset_drops_everything(device):
    device.create_context(4096, 4096)
    device.client.reset()
    device.enable_pci()
    assert not device.read("CSTS") & CSTS_RDY
    device.enable()
    assert len({device.create_context(4096, 4096) for _ in range(ABI["RDU_MAX_CONTEXTS"] - 1)}) == 7


def test_without_bus_mastering_there_is_no_dma(device, io):
    queue, context = io
    client = device.client
    data = device.memory.put(b"x" * 64)
    queue.ok(COPY, va(HBM, 0), va(HOST, data), 64, context=context)
    queue.forget_interrupts()
    client.write(vfio_user.CONFIG, 4, struct.pack("<H", 2))
    queue.push(NOP, context=context)
    assert not select.select([queue.event], [], [], 0.3)[0], "an interrupt without bus mastering"
    client.write(vfio_user.CONFIG, 4, struct.pack("<H", 6))
    assert device.read("MAGIC") == 0x31554452


def test_log(device):
    buffer = device.memory.take(4096)
    size = device.admin.ok(ABI["RDU_ADMIN_READ_LOG"], ABI["RDU_LOG_TEXT"], buffer, 4096, 0)
    assert size > 0
    text = device.memory.get(buffer, min(size, 4096)).split(b"\0")[0].decode()
    assert text.strip()
    entry = device.admin.run(ABI["RDU_ADMIN_READ_LOG"], 99, buffer, 4096, 0)
    assert entry.status == status("BAD_LOG_PAGE")
