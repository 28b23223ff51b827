"""vfio-user on the wire: what a well-behaved client sees, and that a rude one is refused without harm."""

import errno
import os
import struct

import pytest

import vfio_user as vu
from driver import REGISTER
from vfio_user import Client, Closed, Refused

MAGIC = 0x31554452


def enable_memory(client):
    client.write(vu.CONFIG, 4, struct.pack("<H", 2))


@pytest.fixture
def client(shared_simulator):
    with Client(shared_simulator.socket) as connection:
        enable_memory(connection)
        yield connection


def still_serves(simulator):
    assert simulator.running(), simulator.transcript()
    with Client(simulator.socket) as other:
        enable_memory(other)
        assert other.read32(REGISTER["MAGIC"]) == MAGIC


def test_negotiation(client):
    assert client.capabilities.get("max_data_xfer_size", 1 << 20) >= 4096


def test_device_and_regions(client):
    flags, regions, irqs = client.device_info()
    assert flags & 3 == 3, "a PCI device that can be reset"
    assert regions >= 9 and irqs >= 3
    assert client.region_info(vu.BAR0)[1] >= 0x4000
    flags, size = client.region_info(vu.CONFIG)
    assert flags & 3 == 3 and size in (256, 4096)
    assert client.irq_info(vu.MSIX)[1] == 16


def test_identity(client):
    vendor, device = struct.unpack("<HH", client.read(vu.CONFIG, 0, 4))
    assert vendor not in (0, 0xFFFF) and device not in (0, 0xFFFF)
    assert client.read32(REGISTER["MAGIC"]) == MAGIC


def test_registers_are_not_there_before_memory_is_enabled(shared_simulator):
    with Client(shared_simulator.socket) as fresh:
        assert fresh.read32(REGISTER["MAGIC"]) == 0xFFFFFFFF
        enable_memory(fresh)
        assert fresh.read32(REGISTER["MAGIC"]) == MAGIC


def test_a_second_host_has_to_wait(shared_simulator):
    """One host at a time: the next is served when the first has left."""
    with Client(shared_simulator.socket) as first:
        enable_memory(first)
        assert first.read32(REGISTER["MAGIC"]) == MAGIC
        second = Client(shared_simulator.socket, negotiate=False)
        second.socket.settimeout(0.3)
        second.send(vu.VERSION, Client.version_payload(), id=7)
        try:
            message = second.receive()
            # Served at once is wrong; refused is fine.
            assert message.flags & vu.ERROR, message
        except (TimeoutError, Closed):
            pass
        assert first.read32(REGISTER["MAGIC"]) == MAGIC
        second.close()
    still_serves(shared_simulator)


def region(offset, index, count, data=b""):
    return struct.pack("<QII", offset, index, count) + data


def dma(address, size, offset=0, flags=3):
    return struct.pack("<IIQQQ", 32, flags, offset, address, size)


def irqs(flags, index, start, count, data=b""):
    return struct.pack("<IIIII", 20 + len(data), flags, index, start, count) + data


@pytest.mark.parametrize(
    "command, payload",
    [
        (0, b""),
        (99, b""),
        (0xFFFF, b"x" * 100),
        (vu.DMA_READ, struct.pack("<QQ", 0, 16)),  # goes the other way
        (vu.GET_INFO, b""),
        (vu.GET_INFO, struct.pack("<IIII", 4, 0, 0, 0)),
        (vu.GET_REGION_INFO, struct.pack("<IIIIQQ", 32, 0, 99, 0, 0, 0)),
        (vu.GET_REGION_INFO, b"short"),
        (vu.GET_IRQ_INFO, struct.pack("<IIII", 16, 0, 99, 0)),
        (vu.REGION_READ, b"short"),
        (vu.REGION_READ, region(0, 99, 4)),
        (vu.REGION_READ, region(1 << 40, vu.BAR0, 4)),
        (vu.REGION_READ, region(0xFFFFFFFFFFFFFFFE, vu.BAR0, 4)),
        (vu.REGION_READ, region(0, vu.BAR0, 1 << 30)),
        (vu.REGION_READ, region(254, vu.CONFIG, 0xFFFF)),
        (vu.REGION_WRITE, region(0, vu.BAR0, 4)),  # announces data that is not there
        (vu.REGION_WRITE, region(0, vu.BAR0, 4, b"12345678")),
        (vu.REGION_WRITE, region(1 << 40, vu.BAR0, 4, b"1234")),
        (vu.DMA_MAP, b"short"),
        (vu.DMA_MAP, dma(123, 4096)),
        (vu.DMA_MAP, dma(0, 123)),
        (vu.DMA_MAP, dma(0, 0)),
        (vu.DMA_MAP, dma(0xFFFFFFFFFFFFF000, 0x2000)),
        (vu.DMA_UNMAP, struct.pack("<IIQQ", 24, 0, 0x7000, 4096)),  # nothing is mapped there
        (vu.SET_IRQS, b"short"),
        (vu.SET_IRQS, irqs(vu.DATA_EVENTFD | vu.ACTION_TRIGGER, 99, 0, 1)),
        (vu.SET_IRQS, irqs(vu.DATA_EVENTFD | vu.ACTION_TRIGGER, vu.MSIX, 15, 2)),
        (vu.SET_IRQS, irqs(vu.DATA_EVENTFD | vu.ACTION_TRIGGER, vu.MSIX, 0xFFFFFFFF, 2)),
        (vu.SET_IRQS, irqs(0, vu.MSIX, 0, 1)),
        (vu.SET_IRQS, irqs(vu.DATA_BOOL | vu.ACTION_TRIGGER, vu.MSIX, 0, 4, b"\x01")),
    ],
    ids=lambda value: value.hex()[:40] if isinstance(value, bytes) else str(value),
)
def test_a_bad_request_is_refused_and_the_connection_goes_on(client, command, payload):
    assert client.refused(command, payload) != 0
    assert client.read32(REGISTER["MAGIC"]) == MAGIC


def test_a_window_cannot_be_mapped_twice(client):
    fd = os.memfd_create("window")
    os.ftruncate(fd, 1 << 16)
    client.dma_map(fd, 0x10000, 1 << 16)
    with pytest.raises(Refused):
        client.dma_map(fd, 0x18000, 1 << 15)
    client.dma_unmap(0x10000, 1 << 16)
    client.dma_map(fd, 0x18000, 1 << 15)
    os.close(fd)
    assert client.read32(REGISTER["MAGIC"]) == MAGIC


@pytest.mark.parametrize(
    "name, message",
    [
        ("nothing at all", b""),
        ("half a header", b"\x01\x00\x01"),
        ("a size below the header's", vu.HEADER.pack(1, vu.VERSION, 3, 0, 0)),
        ("a size of four gigabytes", vu.HEADER.pack(1, vu.VERSION, 0xFFFFFFFF, 0, 0) + b"x" * 100),
        ("no negotiation", vu.HEADER.pack(1, vu.GET_INFO, 32, 0, 0) + struct.pack("<IIII", 16, 0, 0, 0)),
        ("a version from the future", vu.HEADER.pack(1, vu.VERSION, 20, 0, 0) + struct.pack("<HH", 9, 0)),
        ("a version that is no JSON", vu.HEADER.pack(1, vu.VERSION, 25, 0, 0) + b"\0\0\0\0{[}!\0"),
        ("a reply to nothing", vu.HEADER.pack(1, vu.VERSION, 16, vu.REPLY, 0)),
        ("a type that does not exist", vu.HEADER.pack(1, vu.VERSION, 16, 9, 0)),
        ("noise", bytes(range(256)) * 16),
        ("half a message", vu.HEADER.pack(1, vu.VERSION, 1000, 0, 0) + b"x" * 10),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_beginning_harms_nobody(shared_simulator, name, message):
    client = Client(shared_simulator.socket, negotiate=False)
    try:
        client.send_bytes(message)
    except Closed:
        pass
    client.close()
    still_serves(shared_simulator)


def test_a_client_that_leaves_in_the_middle_of_a_message(shared_simulator):
    client = Client(shared_simulator.socket)
    client.send(vu.REGION_WRITE, region(0, vu.BAR0, 4), size=1 << 12)
    client.close()
    still_serves(shared_simulator)


def test_many_messages_at_once_are_answered_in_order(client):
    ids = [client.send(vu.REGION_READ, region(REGISTER["MAGIC"], vu.BAR0, 4)) for _ in range(200)]
    for id in ids:
        assert client.reply(id, vu.REGION_READ).payload[16:] == struct.pack("<I", MAGIC)


def test_a_posted_write_gets_no_reply(client):
    payload = region(REGISTER["AQA"], vu.BAR0, 4, struct.pack("<I", 0x001F001F))
    client.send(vu.REGION_WRITE, payload, flags=vu.NO_REPLY)
    assert client.read32(REGISTER["AQA"]) == 0x001F001F


def test_reset(client):
    client.write32(REGISTER["AQA"], 0x001F001F)
    client.reset()
    assert client.read32(REGISTER["AQA"]) == 0xFFFFFFFF, "memory is disabled again"
    enable_memory(client)
    assert client.read32(REGISTER["AQA"]) == 0
    assert client.read32(REGISTER["MAGIC"]) == MAGIC


def test_descriptors_are_not_kept(shared_simulator):
    """Neither refused nor accepted messages may leave files open in the simulator."""

    def open_files():
        return len(os.listdir(f"/proc/{shared_simulator.pid}/fd"))

    def rude_visit():
        with Client(shared_simulator.socket) as client:
            fd = os.memfd_create("window")
            os.ftruncate(fd, 4096)
            for _ in range(4):
                assert client.refused(vu.DMA_MAP, dma(1, 4096), [fd]) == errno.EINVAL
                assert client.refused(99, b"", [fd]) != 0
            client.dma_map(fd, 0, 4096)
            os.close(fd)
            client.read(vu.CONFIG, 0, 4)

    rude_visit()
    still_serves(shared_simulator)
    before = open_files()
    for _ in range(3):
        rude_visit()
    still_serves(shared_simulator)
    assert open_files() <= before + 1  # the one of a connection that is being closed
