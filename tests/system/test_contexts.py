"""Contexts as the firmware keeps them: nobody finds what another has left, nobody waits for a large one's memory, and
the log pages tell who has what and how commands failed."""

import os
import time
from random import Random

import pytest

import rdu
from driver import (ABI, AGCU, DDR, FAULT, HBM, HOST, PMU, SWITCH, Device, program_stream, unit_id, unit_words,
                    va)
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


# --- what one context can do to the others ---


def flood(device, count, opcode, *args, contexts):
    """`count` commands at once on each of as many queues as there are, two or three a context."""
    queues = []
    for number in range(1, 16):
        context = contexts[number % len(contexts)]
        queue = device.create_queue(context, number, entries=1024, vector=1 + number % 7)
        for _ in range(count):
            queue.push(opcode, *args, context=context, ring=False)
        queues.append(queue)
    for queue in queues:
        queue.ring()
    return queues


@pytest.mark.parametrize("opcode", [NOP, 0xEE, COPY, LOAD, LAUNCH])
def test_work_without_a_pause_is_no_hang(simulator, opcode):
    """Tens of milliseconds in which the firmware never sleeps; its watchdog has 20 ms."""
    with Device(simulator.socket, memory=16 << 20) as device:
        contexts = [device.create_context(4096, 4096) for _ in range(7)]
        queues = flood(device, 1023, opcode, contexts=contexts)
        entries = [queue.completion(timeout=60) for queue in queues for _ in range(1023)]
        assert len({e.status for e in entries}) == 1
        device.identify()
        assert "hangs" not in simulator.output and "watchdog" not in simulator.output


def test_random_commands(simulator):
    """Any 64 bytes: each completes once, with a status, and neither the firmware nor another context takes harm."""
    seed = int(os.environ.get("RDU_SEED", "1"), 0)
    print(f"RDU_SEED={seed}")
    random = Random(seed)
    interesting = [0, 1, 63, 64, 4095, 4096, 1 << 20, (1 << 20) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 39, 1 << 44,
                   (1 << 44) - 1, (1 << 46) - 1, 1 << 46, 1 << 63, (1 << 64) - 1]
    opcodes = [NOP, COPY, LOAD, LAUNCH]

    def argument():
        kind = random.randrange(4)
        if kind == 0:
            return random.choice(interesting)
        if kind == 1:
            return va(random.choice((0, HBM, DDR, HOST)), random.choice(interesting) & (1 << 44) - 1)
        if kind == 2:
            return random.randrange(8)
        return random.getrandbits(64)

    with Device(simulator.socket) as device:
        victim = device.create_context(1 << 16, 1 << 16)
        hostile = device.create_context(1 << 20, 1 << 20)
        kept = bytes(random.getrandbits(8) for _ in range(1 << 16))
        data, back = device.memory.put(kept), device.memory.take(1 << 16)
        own = device.create_queue(victim, number=1)
        for segment in HBM, DDR:
            own.ok(COPY, va(segment, 0), va(HOST, data), len(kept), context=victim)
        # The hostile one reaches host memory of its own only: 64 KiB behind everything else.
        queue = device.create_queue(hostile, number=2, entries=64)
        for _ in range(60):
            ids = []
            for _ in range(random.randrange(1, 60)):
                opcode = random.choice(opcodes) if random.randrange(8) else random.getrandbits(8)
                if opcode == ABI["RDU_CMD_EVENT"]:
                    continue  # waits for what never comes
                context = hostile if random.randrange(8) else random.getrandbits(random.choice((3, 32)))
                args = [argument() for _ in range(7)]
                if opcode == COPY:  # this host's memory is the test's own
                    args[0] &= ~(3 << 44)
                    args[0] |= random.choice((HBM, DDR)) << 44
                ids.append(queue.push(opcode, *args, context=context, ring=False))
            queue.ring()
            assert [queue.completion(timeout=60).command_id for _ in ids] == ids
        for segment in HBM, DDR:
            device.memory.bytes[back : back + len(kept)] = bytes(len(kept))
            own.ok(COPY, va(HOST, back), va(segment, 0), len(kept), context=victim)
            assert device.memory.get(back, len(kept)) == kept, "the other context's memory has changed"
        assert len(device.log_page("CONTEXTS")) == 2
        assert "panic" not in simulator.output


# --- programs by hand: from memory along row 0 of the tile, and back to memory ---

EAST_OUT, WEST_IN, FROM_PMU, FROM_AGCU, TO_PMU, TO_AGCU = 4, 12, 18, 20, 20, 24  # ports, switch.regs.yaml


def route(column, inbound, outbound):
    return unit_id(SWITCH, 0, column), unit_words(SWITCH, {f"ROUTE[{inbound * 8}]": {"VALID": 1, "OUT": 1 << outbound}})


def agcu(column, what, address, rows):
    """A LOAD or STORE generator of rows of 64 bytes, all at the same place."""
    outer, inner = (rows >> 20 or 1), (min(rows, 1 << 20))
    return unit_id(AGCU, 0, column), unit_words(AGCU, {
        what: {"ENABLE": 1}, f"{what}_ROW_BYTES": 64, f"{what}_BASE": address, f"{what}_COUNT[0]": inner,
        f"{what}_COUNT[1]": outer})


def program(columns, source, destination, rows, through_pmu=None):
    """Loads and stores as many rows; `through_pmu`: stores as many as this, out of the first scratchpad."""
    parts = [agcu(0, "LOAD", source, rows), agcu(1, "STORE", destination, through_pmu or rows)]
    if through_pmu:
        # The write pipeline takes token 0 and gives 1, the read pipeline the other way round.
        pmu = unit_words(PMU, {
            "WRITE[0].MODE": {"ENABLE": 1}, "WRITE[0].FILLS": 1, "WRITE[0].TOKEN": {"WAIT": 1, "GIVE": 2},
            "WRITE[0].COUNT[0]": rows, "WRITE[0].STRIDE[0]": 64,
            "READ[0].MODE": {"ENABLE": 1}, "READ[0].FILLS": 1, "READ[0].TOKEN": {"WAIT": 2, "GIVE": 1},
            "READ[0].COUNT[0]": through_pmu, "READ[0].STRIDE[0]": 64, "TOKENS[0]": 1})
        parts += [(unit_id(PMU, 0, 0), pmu), route(0, FROM_AGCU, TO_PMU), route(0, FROM_PMU, EAST_OUT)]
    else:
        parts.append(route(0, FROM_AGCU, EAST_OUT))
    parts += [route(column, WEST_IN, EAST_OUT) for column in range(1, columns - 1)]
    parts.append(route(columns - 1, WEST_IN, TO_AGCU))
    units = {}
    for unit, words in parts:
        units.setdefault(unit, {}).update(words)
    return units


class Kernels:
    """Loads and launches in a context of its own."""

    def __init__(self, device, number):
        who = device.identify()
        self.device, self.shape = device, (who["rows"], who["columns"])
        self.context = device.create_context()
        self.queue = device.create_queue(self.context, number)

    def load(self, *arguments, **more):
        stream = program_stream(self.shape, program(self.shape[1], *arguments, **more))
        host = self.device.memory.put(stream)
        self.queue.ok(COPY, va(HBM, 1 << 16), va(HOST, host), len(stream), context=self.context)
        self.queue.ok(LOAD, va(HBM, 1 << 16), len(stream), 0, context=self.context)

    def read(self, offset, size):
        host = self.device.memory.take(size)
        self.queue.ok(COPY, va(HOST, host), va(HBM, offset), size, context=self.context)
        return self.device.memory.get(host, size)


def test_an_endless_kernel_is_ended_by_deleting_its_queue(simulator):
    with Device(simulator.socket) as device:
        endless, other = Kernels(device, 1), Kernels(device, 2)
        for _ in range(3):
            endless.load(va(HBM, 0), va(HBM, 4096), 1 << 40)
            endless.queue.push(LAUNCH, 0, 0, 0, context=endless.context)
            # Copies go on meanwhile; the tile itself is taken.
            other.queue.ok(COPY, va(HBM, 0), va(HBM, 64), 64, context=other.context)
            other.queue.push(LAUNCH, 0, 0, 0, context=other.context)
            device.identify()
            assert device.log_page("USAGE")[0]["tile0_ns"] > 0
            device.admin.ok(DELETE_QUEUE, 1)
            assert endless.queue.completion().status == ABI["RDU_STATUS_ABORTED"]
            assert other.queue.completion().status == ABI["RDU_STATUS_PROGRAM"] + FAULT["NO_PROGRAM"]
            other.load(va(HBM, 0), va(HBM, 4096), 4)
            other.queue.ok(LAUNCH, 0, 0, 0, context=other.context)
            endless.queue = device.create_queue(endless.context, 1)
        device.admin.ok(DELETE_QUEUE, 1)
        device.admin.ok(DELETE_CONTEXT, context=endless.context)


def test_scratchpads_of_a_former_context_are_gone(simulator):
    with Device(simulator.socket) as device:
        first, second = Kernels(device, 1), Kernels(device, 2)
        secret = device.memory.put(b"\xa5" * 64)
        first.queue.ok(COPY, va(HBM, 0), va(HOST, secret), 64, context=first.context)

        def leave(kernels):
            """Sixteen packets in the scratchpad."""
            kernels.load(va(HBM, 0), va(HBM, 4096), 16, through_pmu=16)
            kernels.queue.ok(LAUNCH, 0, 0, 0, context=kernels.context)

        def find(kernels):
            """The sixteenth, of which the program has written the first only."""
            kernels.load(va(HBM, 0), va(HBM, 8192), 1, through_pmu=16)
            kernels.queue.ok(LAUNCH, 0, 0, 0, context=kernels.context)
            return kernels.read(8192, 64)

        leave(first)
        assert find(first) == b"\xa5" * 64, "scratchpads outlive programs of one context"
        assert find(second) == bytes(64)
        assert find(first) == bytes(64)
        leave(first)
        device.admin.ok(DELETE_QUEUE, 1)
        device.admin.ok(DELETE_CONTEXT, context=first.context)
        again = Kernels(device, 1)
        assert again.context == first.context
        assert find(again) == bytes(64)
