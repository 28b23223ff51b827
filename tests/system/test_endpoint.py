"""The PCI Express endpoint behind its socket, with firmware, memories and copy engine: windows that are mapped, page
tables of contexts, interrupts that are masked, resets under work, DMA that is refused."""

import json
import mmap
import os
import select
import struct

import pytest

import rdu
import vfio_user
from driver import ABI, DDR, HBM, HOST, PAGE, REGISTER, Device, va

COPY, NOP = ABI["RDU_CMD_COPY"], ABI["RDU_CMD_NOP"]
CREATE_CONTEXT, READ_LOG = ABI["RDU_ADMIN_CREATE_CONTEXT"], ABI["RDU_ADMIN_READ_LOG"]
OK, DENIED = ABI["RDU_STATUS_OK"], ABI["RDU_STATUS_COPY_DENIED"]
BAR2, MIB = 2, 1 << 20
WINDOW_BYTES, GRANULE = 16 * MIB, 2 * MIB
VALID, WRITE = ABI["RDU_HOST_ENTRY_VALID"], ABI["RDU_HOST_ENTRY_WRITE"]
UNMAPPED, BUS_MASTER, PAGE_TABLE = 1, 2, 3  # DMA_ERROR.CODE


@pytest.fixture
def device(shared_simulator):
    with Device(shared_simulator.socket) as opened:
        yield opened


def dma_error(device):
    """(code, context, write, count, address), and clears it."""
    word = device.read("DMA_ERROR")
    address = device.client.read64(REGISTER["DMA_ERROR_ADDRESS"])
    device.client.write32(REGISTER["DMA_ERROR"], 1)
    assert device.read("DMA_ERROR") == 0
    return word >> 4 & 15, word >> 8 & 255, word >> 1 & 1, word >> 16, address


# --- BAR2 ---


def map_bar2(client):
    """BAR2 as this process maps it, or None if the device does not let it."""
    request = struct.pack("<IIIIQQ", 80, 0, BAR2, 0, 0, 0)
    reply = client.call(vfio_user.GET_REGION_INFO, request)
    flags, size, offset = struct.unpack_from("<4xI8xQQ", reply.payload)
    assert size == 16 * WINDOW_BYTES
    if not flags & 4:
        assert not reply.fds
        return None
    (fd,) = reply.fds
    try:
        return mmap.mmap(fd, size, offset=offset)
    finally:
        os.close(fd)


class Bar2:
    """Bytes of BAR2, by mapping if there is one."""

    def __init__(self, client):
        self.client = client
        self.mapping = map_bar2(client)

    def get(self, offset, size):
        return self.mapping[offset : offset + size] if self.mapping else self.client.read(BAR2, offset, size)

    def put(self, offset, data):
        if self.mapping:
            self.mapping[offset : offset + len(data)] = data
        else:
            self.client.write(BAR2, offset, data)


def show(device, window, memory, offset):
    device.client.write64(REGISTER["WINDOW.BASE"] + 8 * window, offset | memory)
    return device.client.read64(REGISTER["WINDOW.BASE"] + 8 * window) & 3 == memory


@pytest.mark.parametrize("mapped", [True, False])
def test_a_window_and_the_copy_engine_see_the_same_bytes(mapped):
    with rdu.Simulator("--set", f"socket.pcie.map_windows={str(mapped).lower()}") as simulator:
        with Device(simulator.ready().socket) as device:
            bar2 = Bar2(device.client)
            assert (bar2.mapping is not None) == mapped
            context = device.create_context(40 * MIB, 40 * MIB)
            queue = device.create_queue(context)
            where = device.log_page("CONTEXTS")[0]
            for window, (segment, base) in enumerate(((HBM, where["hbm_base"]), (DDR, where["ddr_base"]))):
                data = os.urandom(3 * PAGE + 77)
                first = (base + GRANULE - 1) // GRANULE * GRANULE  # where a window can begin
                place = first + 5 * PAGE + 3
                assert show(device, window, segment, first)
                at = window * WINDOW_BYTES + place - first

                # By the host through the window, and back by the copy engine.
                bar2.put(at, data)
                back = device.memory.take(len(data))
                queue.ok(COPY, va(HOST, back), va(segment, place - base), len(data), context=context)
                assert device.memory.get(back, len(data)) == data
                # The other way.
                other = os.urandom(len(data))
                queue.ok(COPY, va(segment, place - base), va(HOST, device.memory.put(other)), len(other), context=context)
                assert bar2.get(at, len(other)) == other
                # By message it is the same.
                assert device.client.read(BAR2, at + 1, 7) == other[1:8]
                # The window moves on, and what was written stays where it is.
                assert show(device, window, segment, first + GRANULE)
                queue.ok(COPY, va(segment, 0), va(segment, place - base), len(data), context=context)
                assert show(device, window, segment, first)
                assert bar2.get(at, len(other)) == other
            assert simulator.running()


def test_a_recorded_session_has_the_windows_accesses(tmp_path):
    file = tmp_path / "session.rec"
    with rdu.Simulator("--record", file) as simulator:
        with Device(simulator.ready().socket) as device:
            bar2 = Bar2(device.client)
            assert bar2.mapping is None
            assert show(device, 1, HBM, GRANULE)
            bar2.put(WINDOW_BYTES + 5, b"0123456789")
            assert show(device, 1, HBM, 2 * GRANULE)
            assert show(device, 1, HBM, GRANULE)
            assert bar2.get(WINDOW_BYTES + 3, 14) == bytes(2) + b"0123456789" + bytes(2)
        recorded = simulator.stop()
    stats = tmp_path / "stats.json"
    replay = rdu.run("rduvp", "--replay", file, "--stats", stats)
    assert replay.returncode == rdu.OK, replay.stdout + replay.stderr
    assert json.loads(stats.read_text())["trace_hash"] == recorded["trace_hash"]


def test_windows_go_with_a_reset_and_with_their_host(shared_simulator):
    for way in "reset", "leave":
        with Device(shared_simulator.socket) as device:
            bar2 = Bar2(device.client)
            assert show(device, 3, HBM, 0)
            bar2.put(3 * WINDOW_BYTES, b"\x5a" * 16)
            assert device.client.read(BAR2, 3 * WINDOW_BYTES, 16) == b"\x5a" * 16
            if way == "reset":
                device.client.reset()
                assert bar2.get(3 * WINDOW_BYTES, 16) == bytes(16)
    # Who has left and still maps it sees nothing of the next host, and reaches nothing.
    with Device(shared_simulator.socket) as device:
        for window in range(16):
            assert show(device, window, HBM, window * WINDOW_BYTES)
        bar2.put(3 * WINDOW_BYTES, b"\xa5" * 16)
        device.client.write(BAR2, 3 * WINDOW_BYTES + 16, b"\x11" * 16)
        assert bar2.get(3 * WINDOW_BYTES + 16, 16) == bytes(16)
        assert device.client.read(BAR2, 3 * WINDOW_BYTES, 16) == bytes(16)


# --- page tables ---


class Table:
    """A host page table (rdu_abi.h) in host memory."""

    def __init__(self, memory):
        self.memory = memory
        self.root = memory.take(PAGE)

    def place(self, offset):
        """Where the last level's entry of an offset lies; makes the tables on the way."""
        table = self.root
        for shift in 30, 21:
            at = table + (offset >> shift & 511) * 8
            entry = struct.unpack("<Q", self.memory.get(at, 8))[0]
            if not entry & VALID:
                entry = self.memory.take(PAGE) | VALID
                self.memory.bytes[at : at + 8] = struct.pack("<Q", entry)
            table = entry & ~0xFFF
        return table + (offset >> 12 & 511) * 8

    def enter(self, offset, page, flags=VALID | WRITE):
        at = self.place(offset)
        self.memory.bytes[at : at + 8] = struct.pack("<Q", page | flags)


def test_a_context_reaches_what_its_page_table_has_and_nothing_else(device):
    memory = device.memory
    table = Table(memory)
    context = device.admin.ok(CREATE_CONTEXT, MIB, 0, 1 << 39, table.root)
    plain = device.create_context(MIB, 0)  # bus addresses, as ever
    queue, other = device.create_queue(context), device.create_queue(plain, 2, vector=2)
    size = 64 * PAGE
    base = 0x12_3456_7000  # its offsets are no bus addresses
    pages = [memory.take(PAGE) for _ in range(size // PAGE)]
    pages = pages[::2] + pages[1::2]
    data = os.urandom(size)
    for number, page in enumerate(pages):
        table.enter(base + number * PAGE, page)
        memory.bytes[page : page + PAGE] = data[number * PAGE : (number + 1) * PAGE]
    queue.ok(COPY, va(HBM, 0), va(HOST, base), size, context=context)
    for page in pages:
        memory.bytes[page : page + PAGE] = bytes(PAGE)
    queue.ok(COPY, va(HOST, base + 100), va(HBM, 100), size - 200, context=context)
    found = b"".join(memory.get(page, PAGE) for page in pages)
    assert found == bytes(100) + data[100:-100] + bytes(100)

    secret = memory.put(b"secret" * 100)
    before = dma_error(device)
    assert before[0] == 0
    for address, write in ((secret, 0), (base - 8, 0), (base + size - 4, 1), (base + size, 1), ((1 << 39) - 8, 0)):
        ends = (va(HOST, address), va(HBM, 0)) if write else (va(HBM, 0), va(HOST, address))
        entry = queue.run(COPY, *ends, 8, context=context)
        assert entry.status == DENIED, hex(address)
        code, whose, wrote, _, where = dma_error(device)
        assert (code, whose, wrote) == (PAGE_TABLE, context, write)
        assert where // PAGE in (address // PAGE, address // PAGE + 1)
    other.ok(COPY, va(HBM, 0), va(HOST, secret), 600, context=plain)

    # Read-only pages, and entries that change.
    table.enter(base, pages[0], VALID)
    device.client.write32(REGISTER["HOST_TLB_INVALIDATE"], context)
    assert queue.run(COPY, va(HOST, base), va(HBM, 0), 8, context=context).status == DENIED
    queue.ok(COPY, va(HBM, 0), va(HOST, base), 8, context=context)
    table.enter(base, 0, 0)
    device.client.write32(REGISTER["HOST_TLB_INVALIDATE"], context)
    assert queue.run(COPY, va(HBM, 0), va(HOST, base), 8, context=context).status == DENIED
    table.enter(base, pages[1])
    queue.ok(COPY, va(HOST, base), va(HBM, 0), 8, context=context)
    # A page that the host does not have.
    table.enter(base + size, 1 << 40)
    dma_error(device)
    assert queue.run(COPY, va(HOST, base + size), va(HBM, 0), 8, context=context).status == DENIED
    assert dma_error(device)[:3] == (UNMAPPED, context, 1)
    queue.ok(COPY, va(HOST, base + PAGE), va(HBM, 0), 8, context=context)


# --- interrupts ---


def vector_control(device, vector, value):
    device.client.write32(0x2000 + 16 * vector + 12, value)


def test_masked_vectors_wait_in_the_pending_bits(device):
    context = device.create_context()
    queue = device.create_queue(context)
    control = device.capability(0x11) + 2

    def silent():
        queue.push(NOP, context=context)
        assert not select.select([queue.event], [], [], 0.3)[0]
        assert device.client.read64(0x3000) == 1 << 1

    def sent():
        assert select.select([queue.event], [], [], 10)[0]
        assert device.client.read64(0x3000) == 0
        assert queue.completion().status == OK
        queue.forget_interrupts()

    vector_control(device, 1, 1)
    silent()
    vector_control(device, 1, 0)
    sent()
    device.client.write(vfio_user.CONFIG, control, struct.pack("<H", 0xC000))
    silent()
    device.client.write(vfio_user.CONFIG, control, struct.pack("<H", 0x8000))
    sent()
    # The client takes its eventfd away, which is how QEMU and the kernel mask, and gives it back.
    set_one = vfio_user.DATA_EVENTFD | vfio_user.ACTION_TRIGGER
    device.client.set_irqs(set_one, vfio_user.MSIX, 1, 1)
    silent()
    device.client.set_irqs(set_one, vfio_user.MSIX, 1, 1, fds=[queue.event])
    sent()


def test_a_client_that_programs_no_table_gets_its_vectors(shared_simulator):
    with Device(shared_simulator.socket, bring_up=False) as device:
        config = vfio_user.CONFIG
        device.client.write(config, 4, struct.pack("<H", 6))
        device.client.write(config, device.capability(0x11) + 2, struct.pack("<H", 0x8000))
        assert device.client.read32(0x200C) == 1  # masked, as a reset leaves it
        device.client.set_irqs(vfio_user.DATA_EVENTFD | vfio_user.ACTION_TRIGGER, vfio_user.MSIX, 0, len(device.events),
                               fds=device.events)
        device.enable()
        context = device.create_context()
        assert device.create_queue(context).run(NOP, context=context).status == OK


# --- resets ---


def express(device):
    return device.capability(0x10)


def test_a_function_level_reset_under_a_running_copy_reaches_nobody():
    """Host accesses are let in all few microseconds, so that the reset finds the copy on its way."""
    with rdu.Simulator("--set", "coupling.settle_limit=5 us") as simulator:
        with Device(simulator.ready().socket, memory=64 * MIB) as device:
            context = device.create_context(32 * MIB, 0)
            queue = device.create_queue(context)
            source, target = device.memory.put(b"\x77" * (16 * MIB)), device.memory.take(16 * MIB)
            queue.ok(COPY, va(HBM, 0), va(HOST, source), 16 * MIB, context=context)
            for _ in range(4):
                queue.push(COPY, va(HOST, target), va(HBM, 0), 16 * MIB, context=context)
            at = express(device)
            control = struct.unpack("<H", device.client.read(vfio_user.CONFIG, at + 8, 2))[0]
            device.client.write(vfio_user.CONFIG, at + 8, struct.pack("<H", control | 0x8000))
            device.memory.bytes[target : target + 16 * MIB] = bytes(16 * MIB)
            while device.client.read(vfio_user.CONFIG, 0, 2) == b"\xff\xff":
                pass
            assert device.client.read(vfio_user.CONFIG, 4, 2) == bytes(2)
            device.enable_pci()
            assert device.read("DMA_ERROR") == 0
            device.enable()
            assert device.memory.get(target, 16 * MIB) == bytes(16 * MIB), "the old copy went on into the new host's memory"
            context = device.create_context(MIB, 0)
            assert device.create_queue(context).run(NOP, context=context).status == OK


def test_d3hot_silences_the_device_and_loses_nothing(device):
    context = device.create_context()
    queue = device.create_queue(context)
    power = device.capability(0x01) + 4
    device.client.write(vfio_user.CONFIG, power, struct.pack("<H", 3))
    assert device.client.read32(0) == 0xFFFFFFFF
    assert device.client.read(vfio_user.CONFIG, power, 2) == struct.pack("<H", 0xB)
    device.client.write(vfio_user.CONFIG, power, struct.pack("<H", 0))
    assert queue.run(NOP, context=context).status == OK


# --- DMA that is refused ---


def test_refused_dma_is_told_and_harms_nobody(device):
    context = device.create_context()
    queue = device.create_queue(context)
    data = device.memory.put(b"x" * 64)
    end = device.memory.size
    status = struct.unpack("<H", device.client.read(vfio_user.CONFIG, 6, 2))[0]
    assert not status & 0x2000
    raw = device.admin.ok(CREATE_CONTEXT, MIB, 0, 1 << 40)
    beyond = device.create_queue(raw, 2, vector=2)
    dma_error(device)
    assert beyond.run(COPY, va(HBM, 0), va(HOST, end), 64, context=raw).status == DENIED
    assert dma_error(device)[:3] == (UNMAPPED, 0, 0)
    assert beyond.run(COPY, va(HOST, end + 4096), va(HBM, 0), 64, context=raw).status == DENIED
    code, _, write, count, address = dma_error(device)
    assert (code, write, count, address) == (UNMAPPED, 1, 1, end + 4096)
    assert struct.unpack("<H", device.client.read(vfio_user.CONFIG, 6, 2))[0] & 0x2000  # received master abort
    assert device.client.read32(0x104, vfio_user.CONFIG) == 1 << 22  # AER: internal
    for each, owner in ((queue, context), (beyond, raw)):
        each.ok(COPY, va(HBM, 0), va(HOST, data), 64, context=owner)
