"""What the firmware does besides commands: events, sensors, errors, the watchdog, panics, shutdown, restart."""

import collections
import json
import re
import struct
import subprocess

import pytest

import rdu
import yaml
from driver import ABI, CSTS_CFS, CSTS_FW, CSTS_RDY, DDR, HBM, HOST, REGISTER, Device, va
from gdb import Gdb

CC_EN, SHN_NORMAL, SHN_ABRUPT = 1, 1 << 14, 2 << 14
SHST = 3 << 3
SHST_DONE = 2 << 3

Event = collections.namedtuple("Event", "sequence type code severity source")
Health = collections.namedtuple(
    "Health", "reset_reason restarts restart_code panics start_ns time_ns log_lines_lost events events_lost "
    "hbm_corrected hbm_uncorrected ddr_corrected ddr_uncorrected")
Sensor = collections.namedtuple("Sensor", "kind index above temperature low high critical voltage power energy")
POWER_ON, SOFTWARE, BY_HOST, BY_WATCHDOG = range(4)
SOCKET, CORE, HBM_SENSOR, DDR_SENSOR, TILE = range(1, 6)


def read_log(device, page, size=1 << 16):
    address = device.memory.take(size)
    length = device.admin.ok(ABI["RDU_ADMIN_READ_LOG"], ABI[page], address, size)
    return device.memory.get(address, min(length, size))


def health(device):
    return Health(*struct.unpack("<IIII9Q", read_log(device, "RDU_LOG_HEALTH")))


def sensors(device):
    data = read_log(device, "RDU_LOG_SENSORS")
    entries = [struct.unpack_from("<BBBxiiiiIIxxxxQ", data, at) for at in range(0, len(data), 40)]
    return [Sensor(*entry) for entry in entries]


def panic_report(device):
    """(kind, text, pc, return addresses) of RDU_LOG_PANIC."""
    data = read_log(device, "RDU_LOG_PANIC")
    kind = struct.unpack_from("<I", data)[0]
    registers = struct.unpack_from("<32Q", data, 32)
    count = struct.unpack_from("<I", data, 288)[0]
    calls = struct.unpack_from(f"<{count}Q", data, 296)
    return kind, data[424:488].split(b"\0")[0].decode(), registers[0], calls


def event(completion):
    assert completion.status == ABI["RDU_STATUS_OK"], completion
    return Event(*struct.unpack("<IBBBB", struct.pack("<Q", completion.result)))


def symbols(pc, calls):
    """The functions of the firmware that these lie in, inlined ones too. Calls are return addresses: behind the call."""
    addresses = [hex(pc), *(hex(address - 1) for address in calls)]
    shown = subprocess.run(
        ["riscv64-unknown-elf-addr2line", "-f", "-i", "-e", rdu.BUILD / "firmware/mgmt.elf", *addresses],
        check=True, capture_output=True, text=True, timeout=60).stdout
    return shown.splitlines()[::2]


class EventQueue:
    """A queue of a context of its own, for events alone."""

    def __init__(self, device, number=7):
        self.context = device.create_context(0, 0)
        self.queue = device.create_queue(self.context, number, vector=2)

    def wait(self):
        self.queue.push(ABI["RDU_CMD_EVENT"], context=self.context)

    def next(self):
        """The next event, at once or when it happens."""
        self.wait()
        return event(self.queue.completion())


@pytest.fixture
def simulator():
    with rdu.Simulator() as simulator:
        yield simulator.ready()


def wait_until_restarted(device):
    """The core was restarted: the firmware has booted again, and wants the device disabled."""
    status = device.wait_status(CSTS_FW | CSTS_RDY | CSTS_CFS, CSTS_FW | CSTS_CFS)
    device.disable()
    device.enable()
    return status


# --- sensors ---


def test_sensors_follow_activity(simulator):
    with Device(simulator.socket) as device:
        before = sensors(device)
        assert [s.kind for s in before] == [SOCKET, CORE, HBM_SENSOR, DDR_SENSOR, TILE]
        assert all(20_000 < s.temperature < 85_000 and s.above == 0 for s in before)
        assert before[0].power >= sum(s.power for s in before[1:])
        context = device.create_context(1 << 20, 1 << 20)
        queue = device.create_queue(context)
        for _ in range(50):
            queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HBM, 1 << 19), 1 << 19, context=context)
        after = sensors(device)
        assert after[2].power > before[2].power + 1000, "HBM moved 50 MiB"
        # 32 pJ a byte, read and written, and 10 W of an idle HBM; uJ
        moved = 2 * 50 * (1 << 19) * 32 / 1e6
        assert after[2].energy - before[2].energy > moved
        assert after[2].temperature >= before[2].temperature
        assert after[2].voltage <= before[2].voltage


def test_a_threshold_reaches_a_waiting_host(simulator):
    with Device(simulator.socket) as device:
        events = EventQueue(device)
        events.wait()
        device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 0, ABI["RDU_THRESHOLD_HIGH"], 30_000)
        got = event(events.queue.completion())
        assert got.type == ABI["RDU_EVENT_THERMAL"]
        assert (got.code, got.source) == (ABI["RDU_THRESHOLD_HIGH"], 0)
        assert sensors(device)[0].above == 2
        simulator.wait_for(r"fw: warning: socket 0: \d+ m°C, above its high threshold")


def test_too_hot_to_launch(simulator):
    with Device(simulator.socket) as device:
        events = EventQueue(device)
        device.admin.ok(ABI["RDU_ADMIN_INJECT"], ABI["RDU_INJECT_TEMPERATURE"], 4, 120_000)
        got = [events.next(), events.next()]
        assert [e.code for e in got] == [ABI["RDU_THRESHOLD_HIGH"], ABI["RDU_THRESHOLD_CRITICAL"]]
        assert got[1].severity == ABI["RDU_SEVERITY_ERROR"]
        assert sensors(device)[4].temperature == 120_000
        device.admin.ok(ABI["RDU_ADMIN_INJECT"], ABI["RDU_INJECT_NO_TEMPERATURE"], 4)
        assert sensors(device)[4].above == 0


def test_a_chip_heats_up_on_its_way_to_a_higher_ambient_and_wakes_for_it():
    """The idle chip has one event in the simulation: the moment at which it passes the threshold by itself."""
    with rdu.Simulator("--set", "socket.sensors.thermal_time=10 ms") as simulator:
        with Device(simulator.ready().socket) as device:
            events = EventQueue(device)
            events.wait()
            context = device.create_context(1 << 20, 0)
            queue = device.create_queue(context)
            for _ in range(100):
                queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HBM, 1 << 19), 1 << 19, context=context)
            hot, idle = sensors(device)[2], 37_000
            assert hot.temperature > idle
            # Between now and idle: passed while the chip rests.
            device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 2, ABI["RDU_THRESHOLD_LOW"], hot.temperature - 20)
            got = event(events.queue.completion())
            assert (got.type, got.code, got.source) == (ABI["RDU_EVENT_THERMAL"], ABI["RDU_THRESHOLD_LOW"], 2)


# --- memory ---


def test_ecc(simulator):
    with Device(simulator.socket) as device:
        events = EventQueue(device)
        context = device.create_context()
        queue = device.create_queue(context)
        data = device.memory.put(bytes(range(256)))
        queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HOST, data), 256, context=context)
        inject = lambda kind, memory: device.admin.ok(ABI["RDU_ADMIN_INJECT"], ABI[kind], memory, 0x40)
        # Contexts lie in memory in the order of their creation; the first has none, so this one begins at 0.
        inject("RDU_INJECT_ECC_CORRECTABLE", HBM)
        back = device.memory.take(256)
        queue.ok(ABI["RDU_CMD_COPY"], va(HOST, back), va(HBM, 0), 256, context=context)
        assert device.memory.get(back, 256) == bytes(range(256))
        got = events.next()
        assert (got.type, got.code, got.severity, got.source) == (ABI["RDU_EVENT_ECC"], 0, ABI["RDU_SEVERITY_WARNING"], HBM)

        inject("RDU_INJECT_ECC_UNCORRECTABLE", HBM)
        events.wait()
        failed = queue.run(ABI["RDU_CMD_COPY"], va(HOST, back), va(HBM, 0), 256, context=context)
        assert failed.status == ABI["RDU_STATUS_COPY_ECC"]
        got = event(events.queue.completion())
        assert (got.code, got.severity) == (1, ABI["RDU_SEVERITY_ERROR"])
        # Written anew it is good again.
        queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HOST, data), 256, context=context)
        queue.ok(ABI["RDU_CMD_COPY"], va(HOST, back), va(HBM, 0), 256, context=context)
        now = health(device)
        assert (now.hbm_corrected, now.hbm_uncorrected, now.ddr_corrected) == (1, 1, 0)
        simulator.wait_for(r"fw: error: HBM: ECC could not correct an error at 0x40")


# --- watchdog and panic ---


def test_a_hang_ends_by_the_watchdog_and_leaves_a_report(simulator):
    with Device(simulator.socket) as device:
        device.admin.push(ABI["RDU_ADMIN_INJECT"], ABI["RDU_INJECT_HANG"])
        simulator.wait_for("panic: the firmware hangs", timeout=60)
        simulator.wait_for(r"fw: .* reset: watchdog", timeout=60)
        simulator.wait_for("fw: ready.*", timeout=60)
        wait_until_restarted(device)
        now = health(device)
        assert (now.reset_reason, now.restarts, now.panics) == (BY_WATCHDOG, 1, 1)
        kind, _, pc, calls = panic_report(device)
        assert kind == ABI["RDU_PANIC_WATCHDOG"]
        names = symbols(pc, calls)
        assert names[0] == "hang" and {"inject", "admin_begin", "command_service", "main"} <= set(names), names
        events = EventQueue(device)
        got = [events.next(), events.next()]
        assert [e.type for e in got] == [ABI["RDU_EVENT_RESTARTED"], ABI["RDU_EVENT_PANIC"]]
        assert (got[0].code, got[0].severity) == (BY_WATCHDOG, ABI["RDU_SEVERITY_ERROR"])
        text = read_log(device, "RDU_LOG_TEXT").decode()
        assert text.count("info: ready") == 2, "the log before the restart is still there"
        # And it serves as ever.
        context = device.create_context()
        queue = device.create_queue(context)
        queue.ok(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HBM, 0), 4096, context=context)


def test_waiting_for_what_never_comes_ends_by_the_watchdog_too():
    """A transfer of the firmware's own does not end (gdb makes it believe so): it waits in WFI, but not for ever."""
    with rdu.Simulator("--gdb", "tcp::0") as simulator:
        simulator.ready().wait_for("fw: ready")
        port = simulator.wait_for(r"gdb: waiting on \S*?:(\d+)").group(1)
        with Device(simulator.socket) as device:
            with Gdb(f"localhost:{port}", rdu.BUILD / "firmware/mgmt.elf") as gdb:
                for end in "first", "last":  # begun, it thinks
                    out = gdb(f"set variable 'dma.c'::{end} = &queues[9].fetch")
                    assert not out.strip(), gdb.transcript
                gdb("detach")
            device.admin.push(ABI["RDU_ADMIN_IDENTIFY"], device.memory.take(256))
            simulator.wait_for("panic: the firmware hangs", timeout=60)
            simulator.wait_for(r"fw: .* reset: watchdog", timeout=60)
            wait_until_restarted(device)
            kind, _, pc, calls = panic_report(device)
            assert kind == ABI["RDU_PANIC_WATCHDOG"]
            assert "watchdog_wait" in symbols(pc, calls)
            assert health(device).reset_reason == BY_WATCHDOG
            device.identify()


def mailbox(device, request):
    device.client.write32(REGISTER["MBOX_REQUEST"], request)
    for _ in range(200):
        if not device.read("MBOX_STATUS") & 1:
            return device.read("MBOX_RESPONSE")
    raise AssertionError("the mailbox is not answered")


def restart_key():
    registers = yaml.safe_load((rdu.ROOT / "models/pcie/hostif.regs.yaml").read_text())["registers"]
    return next(r for r in registers if r.get("name") == "RESTART")["fields"][0]["enum"]["RESTART"]


def test_a_panic_can_be_read_while_the_firmware_is_dead_and_after_its_restart(simulator):
    with Device(simulator.socket) as device:
        device.admin.push(ABI["RDU_ADMIN_INJECT"], ABI["RDU_INJECT_PANIC"])
        status = device.wait_status(CSTS_CFS, CSTS_CFS)
        assert status >> 16 == ABI["RDU_BOOT_PANIC"]
        word = lambda n: mailbox(device, ABI["RDU_MBOX_PANIC"] | n << 8)
        assert word(0) == ABI["RDU_PANIC_ASSERT"]
        pc = word(8) | word(9) << 32
        assert "inject" in symbols(0, [pc]), "the call of panic()"
        assert word(10_000) == 0xFFFFFFFF
        assert mailbox(device, ABI["RDU_MBOX_ABI_VERSION"]) == 0xFFFFFFFF, "nothing else is answered"
        # A wrong key does nothing; the right one restarts the core.
        key = restart_key()
        device.client.write32(REGISTER["RESTART"], key ^ 1)
        assert device.read("CSTS") & CSTS_CFS
        device.client.write32(REGISTER["RESTART"], key)
        wait_until_restarted(device)
        now = health(device)
        assert (now.reset_reason, now.restarts, now.panics, now.restart_code) == (BY_HOST, 1, 1, 0)
        kind, text, again, calls = panic_report(device)
        assert (kind, text, again) == (ABI["RDU_PANIC_ASSERT"], "the host has asked for it", pc)
        assert "main" in symbols(pc, calls)


def test_there_is_no_report_without_a_panic(simulator):
    with Device(simulator.socket) as device:
        assert read_log(device, "RDU_LOG_PANIC") == b""
        assert mailbox(device, ABI["RDU_MBOX_PANIC"]) == 0xFFFFFFFF


def test_restart_on_request(simulator):
    with Device(simulator.socket) as device:
        assert mailbox(device, ABI["RDU_MBOX_RESTART"] | 0xC0FFEE << 8) == 0
        wait_until_restarted(device)
        now = health(device)
        assert (now.reset_reason, now.restarts, now.restart_code) == (BY_HOST, 1, 0xC0FFEE)
        assert now.start_ns > 0


# --- shutdown ---


@pytest.mark.parametrize("how", [SHN_NORMAL, SHN_ABRUPT])
def test_shutdown_with_work_in_flight(simulator, how):
    with Device(simulator.socket) as device:
        context = device.create_context(4 << 20, 4 << 20)
        events = EventQueue(device)
        events.wait()
        queue = device.create_queue(context)
        for _ in range(8):
            queue.push(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HBM, 0), 4 << 20, context=context, ring=False)
        queue.ring()
        device.client.write32(REGISTER["CC"], CC_EN | how)
        device.wait_status(SHST, SHST_DONE)
        aborted = events.queue.completion()
        assert aborted.status == ABI["RDU_STATUS_ABORTED"]
        if how == SHN_NORMAL:
            assert [queue.completion().status for _ in range(8)] == [ABI["RDU_STATUS_OK"]] * 8
        queue.push(ABI["RDU_CMD_NOP"], context=context)
        assert device.read("CSTS") & SHST == SHST_DONE
        simulator.wait_for("fw: shutdown done")
        device.disable()
        device.enable()
        assert device.read("CSTS") & SHST == 0
        assert device.identify()["contexts"] == 8


# --- log ---


def test_the_log_counts_what_it_loses(simulator):
    with Device(simulator.socket) as device:
        assert health(device).log_lines_lost == 0
        for _ in range(400):
            assert device.admin.run(0x77).status == ABI["RDU_STATUS_BAD_OPCODE"]  # each a line of level debug
        lost = health(device).log_lines_lost
        assert lost > 0
        text = read_log(device, "RDU_LOG_TEXT").decode()
        assert len(text) <= 16384 and text.endswith("\n")
        lines = text.splitlines()
        assert all(re.match(r"\[ *\d+\.\d{6}\] (error|warning|info|debug): ", line) for line in lines)
        assert not any("info: ready" in line for line in lines)


# --- training ---


def test_memory_that_trains_at_the_second_attempt():
    with rdu.Simulator("--set", "socket.hbm.failing_trainings=1") as simulator:
        simulator.wait_for("fw: warning: HBM training attempt 1 failed in phase data eye, channels 0x1")
        simulator.wait_for("fw: HBM trained: ")
        simulator.wait_for("fw: ready")


@pytest.mark.parametrize("settings, line, state, width", [
    (["plug=loopback"], "fw: link 0 up: 16 lanes, 32000 MT/s", 5, 16),
    ([], "fw: 4 of 4 links have no partner", 6, 0),
    (["plug=loopback", "failing_attempts=2"], "fw: warning: link 3: training attempt 2 failed: equalization failed", 5, 16),
    (["plug=loopback", "bad_lanes=256"], r"fw: warning: link 0: 8 of 16 lanes in use, good are 0xfeff", 5, 8),
    (["plug=loopback", "bad_lanes=1"], "fw: error: link 0 stays down after 3 attempts", 7, 0),
    (["plug=loopback", "failure=equalization"], "fw: error: link 3 stays down after 3 attempts", 7, 0),
    (["plug=loopback", "failure=hang"], "fw: warning: link 2: training attempt 1 timed out", 0, 0),
    (["count=0"], "fw: ready", None, None),
])
def test_links(settings, line, state, width):
    options = [part for setting in settings for part in ("--set", f"socket.links.{setting}")]
    with rdu.Simulator(*options) as simulator:
        simulator.wait_for(line)
        with Device(simulator.ready().socket) as device:
            data = read_log(device, "RDU_LOG_LINKS")
            links = [struct.unpack_from("<BBBBIII", data, at) for at in range(0, len(data), 16)]
            assert len(links) == (0 if state is None else 4)
            assert all(link[0] == state and link[2] == width for link in links), links
            if state not in (None, 5, 6) or width == 8:
                got = EventQueue(device).next()
                assert got.type == ABI["RDU_EVENT_LINK"]


# --- and nothing of it is left to chance ---


def test_two_runs_are_equal():
    hashes = []
    for _ in range(2):
        with rdu.Simulator() as simulator:
            with Device(simulator.ready().socket) as device:
                events = EventQueue(device)
                device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 2, ABI["RDU_THRESHOLD_HIGH"], 30_000)
                events.next()
                sensors(device)
            simulator.wait_for("fw: host has left")
            hashes.append(simulator.stop()["trace_hash"])
    assert hashes[0] == hashes[1]


# --- rdu-smi ---


def test_smi(simulator):
    with Device(simulator.socket) as device:
        device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 2, ABI["RDU_THRESHOLD_HIGH"], 30_000)
        device.admin.push(ABI["RDU_ADMIN_INJECT"], ABI["RDU_INJECT_PANIC"])
        device.wait_status(CSTS_CFS, CSTS_CFS)
        device.client.write32(REGISTER["RESTART"], restart_key())
        wait_until_restarted(device)
        device.admin.ok(ABI["RDU_ADMIN_SET_THRESHOLD"], 2, ABI["RDU_THRESHOLD_HIGH"], 30_000)
        device.identify()
    simulator.wait_for("fw: host has left")
    smi = lambda *options: rdu.run("rdu-smi", "--device", f"unix:{simulator.socket}", *options)
    table = smi()
    assert table.returncode == 0, table
    assert re.search(r"^\| HBM +3\d\.\d\d .* high +\|$", table.stdout, re.M), table.stdout
    assert "since host, restarts 1, panics 1" in table.stdout
    assert "warning: sensor 2 is above its high threshold" in table.stdout
    assert "error: the firmware had panicked: the firmware found itself wrong" in table.stdout
    (data,) = json.loads(smi("--json").stdout)["devices"]
    assert [s["name"] for s in data["sensors"]] == ["socket", "core", "HBM", "DDR", "tile 0"]
    assert data["events"][0]["type"] == ABI["RDU_EVENT_RESTARTED"]
    assert "the host has asked for it" in smi("--panic").stdout
    assert "info: ready" in smi("--log").stdout
    gone = rdu.run("rdu-smi", "--device", "unix:/nonexistent", "--timeout", "0.01")
    assert gone.returncode == 1 and "rdu-smi: " in gone.stderr
