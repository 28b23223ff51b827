"""rduvp --control: registers, events and faults behind the host's back."""

import json
import socket
import struct
import threading

import pytest

import rdu
import vfio_user
from dev import Dev, Refused
from driver import ABI, CSTS_CFS, CSTS_FW, DDR, FAULT, HBM, HOST, Device, program_stream, va
from test_contexts import Kernels


@pytest.fixture
def card(tmp_path):
    """(simulator, device, dev): a host in Python, and who is behind its back."""
    with rdu.Simulator("--control", tmp_path / "control") as simulator:
        with Dev(tmp_path / "control") as dev, Device(simulator.ready().socket) as device:
            yield simulator, device, dev


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    """A chip that has booted; no host."""
    path = tmp_path_factory.mktemp("control") / "socket"
    with rdu.Process("rduvp", "--control", path) as process:
        with Dev(path) as dev:
            process.wait_for("fw: ready")
            yield dev
            assert process.running(), process.transcript()
            dev.ask("stop")
        assert process.wait() == 0, process.transcript()


# --- registers ---


def test_registers_by_name(dev):
    assert dev.reg("HBM_CTL.STATUS.TRAINED") == 1
    assert dev.fields("HBM_CTL.STATUS") == {"TRAINED": 1, "BUSY": 0, "FAILED": 0, "PHASE": 4}
    assert dev.reg("HBM_CTL.SIZE") == 16 << 30
    assert dev.reg("HOSTIF.MAGIC") == 0x31554452
    assert dev.reg("LINK_CTL.LINK[3].STATUS.STATE") == 6, "no partner"


def test_all_are_listed(dev):
    blocks = dev.ask("registers")["blocks"]
    assert {"SYSCTL", "HOSTCTL", "COPY_ENGINE", "HBM_CTL", "SEQUENCER0", "HOSTIF"} <= set(blocks)
    for block in blocks:
        for register in dev.ask("registers", block=block)["registers"]:
            dev.reg(f"{block}.{register['name']}")


def test_writes_are_softwares(dev):
    dev.set("LINK_CTL.LINK[0].LIMIT", 0x1234_08)
    dev.set("LINK_CTL.LINK[0].LIMIT.WIDTH", 4)
    assert dev.fields("LINK_CTL.LINK[0].LIMIT") == {"WIDTH": 4, "SPEED": 0x1234}
    dev.set("LINK_CTL.LINK[0].LIMIT", 0)
    # DONE is cleared by a one; a field beside it is written without one.
    dev.set("HBM_CTL.IRQ", 1, force=True)
    dev.set("HBM_CTL.IRQ.ECC_ENABLE", 1)
    assert dev.reg("HBM_CTL.IRQ.DONE") == 1
    dev.set("HBM_CTL.IRQ.DONE", 1)
    assert dev.reg("HBM_CTL.IRQ.DONE") == 0
    dev.set("HBM_CTL.SIZE", 1)
    assert dev.reg("HBM_CTL.SIZE") == 16 << 30, "read-only"


@pytest.mark.parametrize("members, complaint", [
    (dict(command="raed", register="x"), "unknown command 'raed' (did you mean 'read'?)"),
    (dict(command="read", register="HBM_CTRL.STATUS"), "unknown block 'HBM_CTRL' (did you mean 'HBM_CTL'?)"),
    (dict(command="read", register="HBM_CTL.STATSU"), "unknown register of HBM_CTL 'STATSU' (did you mean 'STATUS'?)"),
    (dict(command="read", register="HBM_CTL.STATUS.TRAIND"),
     "unknown field of HBM_CTL.STATUS 'TRAIND' (did you mean 'TRAINED'?)"),
    (dict(command="read", register="HBM_CTL"), "'HBM_CTL' is a block"),
    (dict(command="read"), "'register' is missing"),
    (dict(command="read", register=5), "'register' should be text"),
    (dict(command="write", register="HBM_CTL.IRQ.ENABLE", value=2), "0x2 does not fit into 1 bits"),
    (dict(command="write", register="HBM_CTL.IRQ", value=-1), "should be a number"),
    (dict(command="inject", what="ecc", memory="HBN", offset=0), "unknown memory 'HBN' (did you mean 'HBM'?)"),
    (dict(command="inject", what="ecc", memory="HBM", offset=1 << 50), "HBM is smaller than that"),
    (dict(command="inject", what="sram-ecc", row=0, column=0, offset=2), "pmu[0][0] has no word at byte 2"),
    (dict(command="inject", what="sram-ecc", row=99, column=0, offset=0), "pmu[99][0] has no word at byte 0"),
    (dict(command="inject", what="sram-ecc", row=0, column=0, offset=0, tile=4), "there are 1 of them"),
    (dict(command="inject", what="drop-interrupt", vector=99), "vectors are 0 to 15"),
    (dict(command="inject", what="stop-engine", engine="tile", index=7), "there are 1 of them"),
    (dict(command="time", tiem=1), "unknown member 'tiem'"),
    (dict(command="wait", timeout=0), "timeout: no event came"),
    (dict(command="wait", event="reset", timeout=0), 'timeout: no event "reset" came'),
    (dict(command="wait", event="interupt"), "unknown event 'interupt' (did you mean 'interrupt'?)"),
])
def test_mistakes_say_what_is_meant(dev, members, complaint):
    members = dict(members)
    with pytest.raises(Refused) as refused:
        dev.ask(members.pop("command"), **members)
    assert complaint in str(refused.value)


def test_lines_that_are_no_requests(dev):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(dev._path)
        client.settimeout(20)
        lines = client.makefile("r")
        for text in ("nonsense", "[]", "5", '"help"', "", '{"command": 1}', '{"id": 7}'):
            client.sendall(text.encode() + b"\n")
            assert "error" in json.loads(lines.readline()), text
        client.sendall(b'{"command": "time", "id": [1, "x"]}\n{"command": "help", "id": 2}\n')
        assert [json.loads(lines.readline())["id"] for _ in range(2)] == [[1, "x"], 2]
        with pytest.raises(ConnectionError):  # no line is that long
            for _ in range(10_000):
                client.sendall(b"x" * 4096)
    assert dev.reg("HOSTIF.MAGIC") == 0x31554452


def test_statistics_so_far(dev):
    statistics = dev.statistics()
    assert statistics["instructions"] > 100_000 and statistics["host"]["register_reads"] == 0


# --- time ---


def test_a_pause_stops_time_and_the_host(card):
    _, device, dev = card
    with dev.pause():
        assert dev.ask("time")["paused"]
        before = dev.time()
        reader = threading.Thread(target=device.read, args=("MAGIC",))
        reader.start()
        reader.join(0.3)
        assert reader.is_alive(), "the read waits"
        assert dev.time() == before and dev.reg("HBM_CTL.STATUS.TRAINED") == 1
    reader.join(20)
    assert not reader.is_alive() and dev.time() > before and not dev.ask("time")["paused"]


# --- events ---


def test_a_wait_ends_in_time(dev):
    with pytest.raises(AssertionError, match="no event"):
        dev.expect("interrupt", timeout=0.2)


def test_a_client_that_leaves_while_it_waits_harms_nobody(dev):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(dev._path)
        client.sendall(b'{"command": "wait", "event": "host", "timeout": 0.3}\n')
    with pytest.raises(AssertionError):
        dev.expect("host", timeout=0.5)


def test_interrupts_and_the_host_are_seen(card):
    _, device, dev = card
    assert dev.expect("host")["connected"] is True
    context = device.create_context()
    queue = device.create_queue(context, vector=3)
    dev.forget_events()
    before = dev.time()
    queue.ok(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HBM, 0), 4096, context=context)
    event = dev.expect_irq(3)
    assert event["sent"] and event["ps"] * 1e-12 > before
    dev.expect_no_irq(3)


def test_accesses_of_watched_registers_are_seen(card):
    _, device, dev = card
    dev.watch("HOSTIF.CC")
    device.disable()
    event = dev.expect("access", register="HOSTIF.CC")
    assert event["write"] and event["value"] & 1 == 0
    dev.watch("HOSTIF.CC", off=True)
    device.enable()
    assert not dev.events(event="access")


# --- faults ---


def copy(device, context, queue, timeout=20):
    return queue.run(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HBM, 0), 4096, context=context, timeout=timeout)


def test_a_lost_interrupt(card):
    _, device, dev = card
    context = device.create_context()
    queue = device.create_queue(context, vector=3)
    dev.forget_events()
    dev.inject("drop-interrupt", vector=3)
    copy(device, context, queue, timeout=1)  # looks at the queue when its patience is over, and finds it done
    assert not dev.events(event="interrupt", vector=3)
    copy(device, context, queue)
    dev.expect_irq(3)


@pytest.mark.parametrize("kind, status", [("correctable", "RDU_STATUS_OK"), ("uncorrectable", "RDU_STATUS_COPY_ECC")])
def test_wrong_bits(card, kind, status):
    _, device, dev = card
    context = device.create_context()
    queue = device.create_queue(context)
    dev.inject("ecc", memory="HBM", offset=0x40, kind=kind)
    done = copy(device, context, queue)
    assert done.status == ABI[status], done
    assert dev.reg(f"HBM_CTL.ECC_{'' if kind == 'correctable' else 'UN'}CORRECTED") == 1


@pytest.mark.parametrize("kind, status", [("correctable", 0), ("uncorrectable", "SRAM_ECC")])
def test_wrong_bits_in_a_scratchpad(card, kind, status):
    _, device, dev = card
    kernels = Kernels(device, 1)
    kernels.load(va(HBM, 0), va(HBM, 4096), 1, through_pmu=16)  # writes the first row, reads 16
    kernels.queue.ok(ABI["RDU_CMD_LAUNCH"], 0, 0, 0, context=kernels.context)
    dev.inject("sram-ecc", row=0, column=0, offset=0x240, kind=kind)
    kernels.queue.push(ABI["RDU_CMD_LAUNCH"], 0, 0, 0, context=kernels.context)
    done = kernels.queue.completion()
    assert done.status == (ABI["RDU_STATUS_PROGRAM"] + FAULT[status] if status else ABI["RDU_STATUS_OK"]), done
    assert dev.reg(f"SEQUENCER0.SRAM_ECC_{'CORRECTED' if kind == 'correctable' else 'UNCORRECTABLE'}") == 1
    if status:
        assert dev.reg("SEQUENCER0.FAULT_UNIT") == 2 << 24  # pmu[0][0]
        assert dev.reg("SEQUENCER0.FAULT_ADDRESS") == 0x240


def test_wrong_bits_where_they_are_not_modelled(tmp_path):
    """A scratchpad clock by clock, or in Verilog, knows no injected errors: the kernel ends and the log says so."""
    with rdu.Simulator("--control", tmp_path / "control", "--set", "socket.tile.fidelity=cycle") as simulator:
        with Dev(tmp_path / "control") as dev, Device(simulator.ready().socket) as device:
            kernels = Kernels(device, 1)
            kernels.load(va(HBM, 0), va(HBM, 4096), 1, through_pmu=16)
            kernels.queue.ok(ABI["RDU_CMD_LAUNCH"], 0, 0, 0, context=kernels.context)
            dev.inject("sram-ecc", row=0, column=0, offset=0x240, kind="correctable")
            kernels.queue.push(ABI["RDU_CMD_LAUNCH"], 0, 0, 0, context=kernels.context)
            assert kernels.queue.completion().status == ABI["RDU_STATUS_PROGRAM"] + FAULT["BAD_CONFIG"]
            simulator.wait_for("errors injected into a scratchpad are modelled at fidelity fast only")


def test_poisoned_data(card):
    _, device, dev = card
    context = device.create_context()
    queue = device.create_queue(context)
    data = device.memory.put(b"x" * 4096)
    dev.inject("poison-dma")
    queue.push(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HOST, data), 4096, context=context)
    # The first read is that of the entry itself.
    assert dev.reg("HOSTIF.DMA_ERROR.CODE") == 4 or device.read("DMA_ERROR") >> 4 & 15 == 4


def test_a_link_error_is_told_by_the_error_interrupt(card):
    _, device, dev = card
    device.client.write(vfio_user.CONFIG, 0x68, struct.pack("<H", 0x2914))  # Device Control: fatal errors are reported
    dev.forget_events()
    dev.inject("link-error")
    assert [event["index"] for event in dev.events(event="interrupt")] == [3]
    assert not dev.events(event="interrupt", vector=0), "it is none of MSI-X's"


@pytest.mark.parametrize("engine", ["copy", "tile"])
def test_an_engine_that_stands_is_freed_by_an_abort(card, engine):
    _, device, dev = card
    context = device.create_context()
    queue = device.create_queue(context)
    if engine == "copy":
        dev.inject("stop-engine", engine="copy", index=1)  # 0 is the firmware's own
        with pytest.raises(AssertionError, match="no completion"):
            copy(device, context, queue, timeout=1)
        assert dev.reg("COPY_ENGINE.CHANNEL[1].STATUS.BUSY") == 1
    else:
        who = device.identify()
        stream = program_stream((who["rows"], who["columns"]))
        queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HOST, device.memory.put(stream)), len(stream), context=context)
        dev.inject("stop-engine", engine="tile")
        queue.push(ABI["RDU_CMD_LOAD_PROGRAM"], va(HBM, 0), len(stream), 0, context=context)
        with pytest.raises(AssertionError, match="no completion"):
            queue.completion(timeout=1)
        assert dev.reg("SEQUENCER0.STATUS.STATE") == 1, "it loads, for ever"
    device.disable()
    device.enable()
    context = device.create_context()
    queue = device.create_queue(context)
    assert copy(device, context, queue).status == ABI["RDU_STATUS_OK"]
    assert dev.reg("SEQUENCER0.STATUS.STATE") == 0


def test_the_firmwares_own_channel_stands_and_the_watchdog_bites(card):
    simulator, device, dev = card
    dev.inject("stop-engine", engine="copy", index=0)
    device.admin.push(ABI["RDU_ADMIN_IDENTIFY"], device.memory.take(4096))
    dev.expect("restart", timeout=60)
    simulator.wait_for(r"reset: watchdog", timeout=60)


def test_a_hung_firmware_is_restarted_by_its_watchdog(card):
    simulator, device, dev = card
    dev.inject("hang-firmware")
    device.client.write32(0x40, 1)  # the mailbox: the core wakes, and stands
    dev.expect("restart", timeout=60)
    simulator.wait_for(r"reset: watchdog", timeout=60)
    device.wait_status(CSTS_FW | CSTS_CFS, CSTS_FW | CSTS_CFS)
    device.disable()
    device.enable()
    assert device.create_context()


# --- the option ---


def test_the_socket_is_a_matter_of_its_own(tmp_path):
    busy = tmp_path / "busy"
    busy.write_text("")
    done = rdu.run("rduvp", "--control", busy)
    assert done.returncode == rdu.BAD_INPUT and "is not a socket" in done.stderr
    done = rdu.run("rduvp", "--control", busy, "--socket", tmp_path / "s", "--record", tmp_path / "r")
    assert done.returncode != 0 and "--record" in done.stderr
    with rdu.Process("rduvp", "--control", tmp_path / "control") as first:
        first.wait_for("fw: ready")
        done = rdu.run("rduvp", "--control", tmp_path / "control")
        assert done.returncode == rdu.BAD_INPUT and "running process" in done.stderr
        first.signal(2)
        assert first.wait() == 0
    assert not (tmp_path / "control").exists()


def test_scripts_control(dev):
    def control(*arguments):
        return rdu.run(rdu.ROOT / "scripts/control", *arguments)

    done = control(dev._path, "read", "register=HOSTIF.MAGIC")
    assert done.returncode == 0 and json.loads(done.stdout)["value"] == 0x31554452
    done = control(dev._path, "inject", "what=ecc", "memory=HBM", "offset=0x40", "kind=correctable")
    assert (done.returncode, done.stdout) == (0, "{}\n")
    done = control(dev._path, "read", "register=HOSTIF.MAGICK")
    assert done.returncode == 1 and "did you mean 'MAGIC'" in done.stdout
    assert control("/nowhere", "time").returncode == 2
    assert control(dev._path, "read", "HOSTIF.MAGIC").returncode == 2
    assert control("--help").stdout.startswith("Asks a running rduvp")


def test_it_changes_nothing(tmp_path):
    """A run that nobody controls has the same hash with and without the socket."""
    hashes = []
    for options in ([], ["--control", tmp_path / "control"]):
        with rdu.Simulator(*options) as simulator:
            with Device(simulator.ready().socket):
                pass
            hashes.append(simulator.stop()["trace_hash"])
    assert hashes[0] == hashes[1]
