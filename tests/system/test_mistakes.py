"""What an application hears when it is wrong, and that the device goes on: mistakes through librdu, damaged programs,
and configurations that no compiler would make."""

import collections
import json
import random
import struct
import zlib

import pytest

import elf
import rdu
from driver import ABI, HBM, HOST, Device, va

FUSED = rdu.BUILD / "programs/digits_fused.rdu"
GEMM = rdu.BUILD / "programs/gemm_1024.rdu"  # all its arguments are addresses


def probe(simulator, mistake, program=GEMM):
    """(result code, text) of the wrong call; the device must be well afterwards."""
    result = rdu.run(rdu.BUILD / "tests/probe", f"unix:{simulator.socket}", mistake, program)
    assert result.returncode == 0, f"{result}\n--- simulator ---\n{simulator.output}"
    name, _, text = result.stdout.splitlines()[0].partition(": ")
    return name, text


def test_a_good_program_loads(shared_simulator):
    assert probe(shared_simulator, "load") == ("RDU_OK", "")


@pytest.mark.parametrize(
    "mistake, expected, words",
    [
        ("launch-without-load", "RDU_ERROR_NOT_LOADED", ["load"]),
        ("missing-argument", "RDU_ERROR_INVALID_ARGUMENT", ["argument"]),
        ("null-address", "RDU_ERROR_GUEST_FAULT", ["0x"]),
        ("address-out-of-range", "RDU_ERROR_GUEST_FAULT", ["HBM", "0x10000000000"]),
        ("copy-out-of-range", "RDU_ERROR_INVALID_ARGUMENT", ["200", "4096"]),
        ("no-memory", "RDU_ERROR_NO_MEMORY", ["HBM"]),
    ],
)
def test_mistakes_are_named(shared_simulator, mistake, expected, words):
    name, text = probe(shared_simulator, mistake)
    assert name == expected, (name, text)
    for word in words:
        assert word in text, text


def test_a_program_for_another_chip(digits):
    with rdu.Simulator("--set", "socket.tile.rows=5") as simulator:
        simulator.ready()
        name, text = probe(simulator, "load")
        assert name == "RDU_ERROR_BAD_PROGRAM" and "5" in text and "6" in text, (name, text)


def damaged(seed, data):
    """One of: cut, a flipped bit, a changed byte, a hole, something behind."""
    random_ = random.Random(seed)
    data = bytearray(data)
    at = random_.randrange(len(data))
    kind = seed % 5
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        data[at] ^= 1 << random_.randrange(8)
    elif kind == 2:
        data[at] = (data[at] + random_.randrange(1, 256)) & 0xFF
    elif kind == 3:
        end = min(len(data), at + random_.randrange(1, 64))
        if not any(data[at:end]):
            data[at] = 1
        data[at:end] = bytes(end - at) if any(data[at:end]) else b"\1"
    else:
        data += random_.randbytes(random_.randrange(1, 64))
    return bytes(data)


def test_damaged_programs_are_refused_by_librdu(shared_simulator, tmp_path):
    original = FUSED.read_bytes()
    for seed in range(20):
        data = damaged(seed, original)
        if data == original:
            continue
        (tmp_path / "damaged.rdu").write_bytes(data)
        name, text = probe(shared_simulator, "load", tmp_path / "damaged.rdu")
        assert name == "RDU_ERROR_BAD_PROGRAM" and text, (seed, name, text)


def test_damaged_programs_are_refused_by_objdump(tmp_path):
    original = FUSED.read_bytes()
    for seed in range(100, 140):
        data = damaged(seed, original)
        if data == original:
            continue
        (tmp_path / "damaged.rdu").write_bytes(data)
        result = rdu.run("rdu-objdump", tmp_path / "damaged.rdu")
        assert result.returncode == 1, (seed, result)
        assert "damaged.rdu" in result.stderr, (seed, result)


def configuration_stream(container):
    """The words that the sequencer reads, as they lie in a compiled program."""
    magic = struct.pack("<I", 0x50554452)
    at = container.index(magic)
    size = struct.unpack_from("<I", container, at + 12)[0]
    return container[at : at + size]


def mutated(random_, stream):
    """A stream with a few words changed, whose checksum is right nevertheless."""
    body = bytearray(stream[32:])
    for _ in range(random_.choice((1, 1, 2, 8))):
        at = random_.randrange(len(body) // 4) * 4
        word = struct.unpack_from("<I", body, at)[0]
        change = random_.randrange(4)
        if change == 0:
            word ^= 1 << random_.randrange(32)
        elif change == 1:
            word = random_.getrandbits(32)
        elif change == 2:
            word = random_.choice((0, 1, 0xFFFFFFFF, 0x80000000))
        else:
            word = (word + random_.choice((-1, 1))) & 0xFFFFFFFF
        struct.pack_into("<I", body, at, word)
    header = bytearray(stream[:32])
    struct.pack_into("<I", header, 16, zlib.crc32(body))
    return bytes(header + body)


def argument_tuples(file, values):
    """What librdu would write for arguments of these values: (how many, bytes of struct rdu_argument_tuple)."""
    program = json.loads(rdu.run("rdu-objdump", "--json", file).stdout)
    tuples = []
    for argument in program["arguments"]:
        for fixup in argument["fixups"]:
            kind, place = fixup["unit"].split()
            row, column = place.split(".")
            column = {"W": 0, "E": 1}.get(column) if kind == "AGCU" else int(column)
            unit = {"PCU": 1, "PMU": 2, "AGCU": 4}[kind] << 24 | int(row) << 12 | column
            value = eval(fixup["value"].replace("/", "//"), {}, values)
            tuples.append(struct.pack("<IHHQ", unit, fixup["word"], fixup["words"], value))
    return len(tuples), b"".join(tuples)


VALUES = {name: va(HBM, (1 << 20) + (i << 16)) for i, name in enumerate(["x", "w1", "b1", "w2", "b2", "probabilities"])}
VALUES["rows"] = 72


class Tile:
    """A tile that takes any configuration."""

    def __init__(self, device, file):
        self.original = configuration_stream(file.read_bytes())
        self.device = device
        self.context = device.create_context(4 << 20, 0)
        self.queue = device.create_queue(self.context)
        self.buffer = device.memory.take(len(self.original))
        self.count, tuples = argument_tuples(file, VALUES)
        self.arguments = va(HOST, device.memory.put(tuples))

    def run(self, stream):
        """The status with which loading or execution ended."""
        self.device.memory.bytes[self.buffer : self.buffer + len(stream)] = stream
        arguments = va(HBM, 0), va(HOST, self.buffer), len(stream)
        self.queue.ok(ABI["RDU_CMD_COPY"], *arguments, context=self.context)
        load = self.queue.run(ABI["RDU_CMD_LOAD_PROGRAM"], va(HBM, 0), len(stream), 0, context=self.context)
        if load.status != 0:
            return load.status
        launch = ABI["RDU_CMD_LAUNCH"]
        return self.queue.run(launch, self.arguments, self.count, 0, context=self.context, timeout=60).status


def test_configurations_that_no_compiler_makes():
    """Straight to the hardware, past every check of software: each is refused, faults, hangs and is stopped, or runs;
    the simulator lives, and the original runs afterwards."""
    outcomes = collections.Counter()
    with rdu.Simulator() as simulator:
        simulator.ready()
        with Device(simulator.socket) as device:
            tile = Tile(device, FUSED)
            for seed in range(250):
                status = tile.run(mutated(random.Random(seed), tile.original))
                assert status == 0 or status > ABI["RDU_STATUS_PROGRAM"], (seed, hex(status))
                outcomes[status] += 1
            assert tile.run(tile.original) == 0
        simulator.stop()
    assert len(outcomes) > 4 and outcomes[0] > 0, outcomes


def test_the_stream_is_in_a_section_of_the_container():
    data = FUSED.read_bytes()
    spans = elf.sections(data).values()
    at = data.index(struct.pack("<I", 0x50554452))
    assert any(offset <= at < offset + size for offset, size in spans)
