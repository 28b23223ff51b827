"""The chip's driver once more, in Python over the raw client: registers, queues and commands by hand, so that a
test can do what librdu never would. Offsets and codes are read from the files that define them."""

import collections
import functools
import mmap
import os
import re
import select
import struct
import time

import yaml

import vfio_user
from rdu import ROOT, SLOWER

PAGE = 4096


def _registers(block):
    """Name -> offset; a register of a group is GROUP.NAME, at its first instance."""
    found = {}
    description = yaml.safe_load((ROOT / block).read_text())
    for entry in description["registers"]:
        if "group" in entry:
            for register in entry["registers"]:
                found[f"{entry['group']}.{register['name']}"] = entry["offset"] + register["offset"]
        else:
            found[entry["name"]] = entry["offset"]
    return found


def _fault_codes():
    description = yaml.safe_load((ROOT / "models/fabric/agcu/sequencer.regs.yaml").read_text())
    registers = {entry["name"]: entry for entry in description["registers"]}
    return registers["FAULT"]["fields"][0]["enum"]


def _constants(header):
    """The numbers that a C header defines, suffixes and casts aside."""
    found = {}
    for name, value in re.findall(r"^#define (\w+) (0x[0-9a-fA-F]+|\d+)[uUlL]*\b", header.read_text(), re.M):
        found[name] = int(value, 0)
    return found


REGISTER = _registers("models/pcie/hostif.regs.yaml")
ABI = _constants(ROOT / "firmware/include/rdu_abi.h")
PROGRAM = _constants(ROOT / "models/fabric/program.h")
FAULT = _fault_codes()

CSTS_RDY, CSTS_CFS, CSTS_FW = 1, 2, 4
HBM, DDR, HOST = 1, 2, 3  # segments

# Log pages that are tables: an entry's layout and its fields (rdu_abi.h).
LOG_PAGES = {
    "CONTEXTS": ("<II9Q", "id queues owner hbm_bytes ddr_bytes hbm_base ddr_base commands copied_bytes tile_ns copy_ns"),
    "USAGE": ("<12Q", "time_ns tile0_ns tile1_ns tile2_ns tile3_ns copy0_ns copy1_ns copy2_ns hbm_bytes hbm_used "
              "ddr_bytes ddr_used"),
    "FAULTS": ("<QIIHHIQ", "time_ns context queue command_id status unit address"),
}

Completion = collections.namedtuple("Completion", "result start_ns end_ns command_id sq_head status phase")


def va(segment, offset):
    return segment << 44 | offset


PCU, PMU, SWITCH, AGCU = 1, 2, 3, 4  # kinds of units
CHUNK_WORDS = PROGRAM["RDU_CHUNK_WORDS"]


@functools.lru_cache(maxsize=None)
def _unit_registers(kind):
    """Of a kind of unit: name of a register ("LOAD_COUNT[2]", "WRITE[0].MODE") -> (word, its description)."""
    unit = {PCU: "pcu", PMU: "pmu", SWITCH: "switch", AGCU: "agcu"}[kind]
    description = yaml.safe_load((ROOT / f"models/fabric/{unit}/{unit}.regs.yaml").read_text())
    found = {}

    def add(register, name, offset):
        size = register.get("width", 32) // 8
        if "count" not in register:
            found[name] = (offset // 4, register)
            return
        for n in range(register["count"]):
            found[f"{name}[{n}]"] = ((offset + n * register.get("stride", size)) // 4, register)

    for entry in description["registers"]:
        for n in range(entry["count"] if "group" in entry else 0):
            for register in entry["registers"]:
                add(register, f"{entry['group']}[{n}].{register['name']}",
                    entry["offset"] + n * entry["stride"] + register["offset"])
        if "group" not in entry:
            add(entry, entry["name"], entry["offset"])
    return found


def _field_shift(field):
    return int(str(field["bits"]).split(":")[-1])


def _reset_words(kind):
    words = {}
    for word, register in _unit_registers(kind).values():
        value = register.get("reset", 0)
        for field in register.get("fields", ()):
            value |= field.get("reset", 0) << _field_shift(field)
        words[word] = value & 0xFFFFFFFF
        if register.get("width") == 64:
            words[word + 1] = value >> 32
    return words


def unit_id(kind, row, column):
    return kind << 24 | row << 12 | column


def unit_words(kind, registers):
    """Configuration words by register: a number, or the values of its fields."""
    words = {}
    for name, value in registers.items():
        word, register = _unit_registers(kind)[name]
        if isinstance(value, dict):
            shifts = {field["name"]: _field_shift(field) for field in register["fields"]}
            fields = register["fields"]
            kept = sum(f.get("reset", 0) << _field_shift(f) for f in fields if f["name"] not in value)
            value = kept + sum(v << shifts[f] for f, v in value.items())
        words[word] = value & 0xFFFFFFFF
        if register.get("width") == 64:
            words[word + 1] = value >> 32
    return words


def program_stream(shape, units=None, **changes):
    """A configuration stream (models/fabric/program.h) of {unit id: {word: value}}, any field of whose header can be
    changed."""
    import zlib

    files = {}
    for unit, words in sorted((units or {unit_id(PCU, 0, 0): {0: 0}}).items()):
        chunks = sorted({word // CHUNK_WORDS for word in words})
        values = {**_reset_words(unit >> 24), **words}
        files[unit] = [(c, [values.get(CHUNK_WORDS * c + w, 0) for w in range(CHUNK_WORDS)]) for c in chunks]
    body = b"".join(struct.pack("<II", unit, sum(1 << c for c, _ in file)) for unit, file in files.items())
    body += bytes(-(32 + len(body)) % (4 * CHUNK_WORDS))
    for turn in range(max(map(len, files.values()))):
        body += b"".join(struct.pack(f"<{CHUNK_WORDS}I", *file[turn][1]) for file in files.values() if turn < len(file))
    fields = {
        "magic": PROGRAM["RDU_PROGRAM_MAGIC"],
        "version": PROGRAM["RDU_PROGRAM_VERSION"],
        "channels": 1,
        "rows": shape[0],
        "columns": shape[1],
        "size": 32 + len(body),
        "crc": zlib.crc32(body),
        "units": len(files),
    }
    fields.update(changes)
    return struct.pack("<IHHHHIIIII", *fields.values(), 0, 0) + body


class HostMemory:
    """Memory that the device may reach, at bus addresses from 0 on."""

    def __init__(self, client, size=8 << 20):
        self.size = size
        self.fd = os.memfd_create("system-test")
        os.ftruncate(self.fd, size)
        self.bytes = mmap.mmap(self.fd, size)
        self._next = PAGE  # nothing lies at 0
        client.dma_map(self.fd, 0, size)

    def take(self, size):
        """The bus address of so many fresh bytes, page-aligned."""
        address = self._next
        self._next += (size + PAGE - 1) // PAGE * PAGE
        assert self._next <= self.size
        return address

    def put(self, data):
        address = self.take(len(data))
        self.bytes[address : address + len(data)] = data
        return address

    def get(self, address, size):
        return self.bytes[address : address + size]


class Queue:
    def __init__(self, device, number, entries, vector):
        self.device, self.number, self.entries = device, number, entries
        self.sq = device.memory.take(entries * 64)
        self.cq = device.memory.take(entries * 32)
        self.tail = self.head = 0
        self.phase = 1
        self.next_id = 1
        self.event = device.events[vector]

    def push(self, opcode, *args, context=0, ring=True):
        """Writes a submission and rings for it; gives its command id."""
        id = self.next_id
        self.next_id = self.next_id % 0xFFFF + 1
        args = list(args) + [0] * (7 - len(args))
        at = self.sq + 64 * self.tail
        self.device.memory.bytes[at : at + 64] = struct.pack("<BBHI7Q", opcode, 0, id, context, *args)
        self.tail = (self.tail + 1) % self.entries
        if ring:
            self.ring()
        return id

    def ring(self, tail=None):
        offset = REGISTER["DOORBELL.SQ_TAIL"] + 8 * self.number
        self.device.client.write32(offset, self.tail if tail is None else tail)

    def forget_interrupts(self):
        try:
            os.eventfd_read(self.event)
        except BlockingIOError:
            pass

    def completion(self, timeout=20):
        """The next completion; sleeps for its interrupt."""
        deadline = time.monotonic() + timeout * SLOWER
        while True:
            at = self.cq + 32 * self.head
            entry = Completion(*struct.unpack("<QQQHHHH", self.device.memory.bytes[at : at + 32]))
            if entry.phase & 1 == self.phase:
                self.head = (self.head + 1) % self.entries
                if self.head == 0:
                    self.phase ^= 1
                self.device.client.write32(REGISTER["DOORBELL.CQ_HEAD"] + 8 * self.number, self.head)
                return entry
            left = deadline - time.monotonic()
            assert left > 0, f"no completion on queue {self.number} within {timeout * SLOWER:.0f} s"
            if select.select([self.event], [], [], left)[0]:
                os.eventfd_read(self.event)

    def run(self, opcode, *args, context=0, timeout=20):
        """Submits a command and waits for its completion, whatever its status."""
        id = self.push(opcode, *args, context=context)
        entry = self.completion(timeout)
        assert entry.command_id == id, entry
        return entry

    def ok(self, opcode, *args, context=0, timeout=20):
        """As run(), for a command that must succeed; gives its result."""
        entry = self.run(opcode, *args, context=context, timeout=timeout)
        assert entry.status == ABI["RDU_STATUS_OK"], f"opcode {opcode:#x} failed: status {entry.status:#x}, {entry}"
        assert entry.end_ns >= entry.start_ns, entry
        return entry.result


class Device:
    """A device that was brought up: admin queue, interrupts, one context of all three tiers."""

    def __init__(self, path, bring_up=True, memory=8 << 20):
        self.client = vfio_user.Client(path)
        self.memory = HostMemory(self.client, memory)
        vectors = self.client.irq_info(vfio_user.MSIX)[1]
        self.events = [vfio_user.eventfd() for _ in range(min(vectors, 8))]
        if bring_up:
            self.enable_pci()
            self.enable()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        for event in self.events:
            os.close(event)
        os.close(self.memory.fd)

    def read(self, name):
        return self.client.read32(REGISTER[name])

    def enable_memory(self):
        self.client.write(vfio_user.CONFIG, 4, struct.pack("<H", 2))

    def enable_pci(self):
        """Memory, bus mastering, MSI-X, all vectors open: what an operating system does."""
        client, config = self.client, vfio_user.CONFIG
        command = struct.unpack("<H", client.read(config, 4, 2))[0]
        client.write(config, 4, struct.pack("<H", command | 6))
        client.set_irqs(vfio_user.DATA_EVENTFD | vfio_user.ACTION_TRIGGER, vfio_user.MSIX, 0, len(self.events),
                        fds=self.events)
        at = self.capability(0x11)
        control = struct.unpack("<H", client.read(config, at + 2, 2))[0]
        client.write(config, at + 2, struct.pack("<H", control & ~0x4000 | 0x8000))
        table = client.read32(at + 4, config)
        assert table & 7 == vfio_user.BAR0
        for vector in range(len(self.events)):
            client.write32((table & ~7) + 16 * vector + 12, 0)

    def capability(self, wanted):
        at = self.client.read(vfio_user.CONFIG, 0x34, 1)[0]
        seen = set()
        while at:
            assert at not in seen, "the capabilities are a loop"
            seen.add(at)
            id, following = self.client.read(vfio_user.CONFIG, at, 2)
            if id == wanted:
                return at
            at = following
        raise AssertionError(f"no capability {wanted:#x}")

    def wait_status(self, mask, value, timeout=20):
        deadline = time.monotonic() + timeout * SLOWER
        while True:
            status = self.read("CSTS")
            if status & mask == value:
                return status
            assert time.monotonic() < deadline, f"CSTS stays {status:#x}, {value:#x} in {mask:#x} expected"
            time.sleep(0.005)

    def enable(self, entries=16):
        self.wait_status(CSTS_FW, CSTS_FW)
        self.admin = Queue(self, 0, entries, 0)
        self.client.write32(REGISTER["AQA"], (entries - 1) << 16 | (entries - 1))
        self.client.write64(REGISTER["ASQ"], self.admin.sq)
        self.client.write64(REGISTER["ACQ"], self.admin.cq)
        self.client.write32(REGISTER["CC"], 1)
        self.wait_status(CSTS_RDY | CSTS_CFS, CSTS_RDY)

    def disable(self):
        self.client.write32(REGISTER["CC"], 0)
        self.wait_status(CSTS_RDY, 0)

    def create_context(self, hbm=1 << 20, ddr=1 << 20, table=0, owner=0, timeout=20):
        """`table`: bus address of the context's host page table; 0: host addresses are bus addresses."""
        return self.admin.ok(ABI["RDU_ADMIN_CREATE_CONTEXT"], hbm, ddr, self.memory.size, table, owner, timeout=timeout)

    def create_queue(self, context, number=1, entries=16, vector=1):
        queue = Queue(self, number, entries, vector)
        self.admin.ok(ABI["RDU_ADMIN_CREATE_QUEUE"], number, queue.sq, queue.cq, entries, vector, context=context)
        return queue

    def identify(self):
        """The fields of struct rdu_identify, by name."""
        address = self.memory.take(256)
        self.admin.ok(ABI["RDU_ADMIN_IDENTIFY"], address)
        layout = struct.Struct("<IIQQQQIIIIII32s32s")
        names = ("abi_version fw_version hbm_bytes ddr_bytes hbm_bandwidth ddr_bandwidth tiles rows columns agcus "
                 "queue_pairs contexts model firmware").split()
        return dict(zip(names, layout.unpack(self.memory.get(address, layout.size))))

    def log_page(self, name):
        """The entries of a log page that is a table (LOG_PAGES), fields by name."""
        layout, names = struct.Struct(LOG_PAGES[name][0]), LOG_PAGES[name][1].split()
        buffer = self.memory.take(4096)
        size = self.admin.ok(ABI["RDU_ADMIN_READ_LOG"], ABI[f"RDU_LOG_{name}"], buffer, 4096, 0)
        assert size % layout.size == 0 and size <= 4096, f"log page {name} has {size} bytes"
        return [dict(zip(names, entry)) for entry in layout.iter_unpack(self.memory.get(buffer, size))]
