"""Real gdb against the harts' stub: on the card with its firmware, and on the bare management subsystem with a program
that is made for this (programs/debug_target.c)."""

import json
import re
import signal
import socket
import threading
import time

import pytest

import rdu
from driver import ABI, Device, va, HBM, HOST
from gdb import Gdb

ROM = rdu.BUILD / "firmware/rom.elf"
FIRMWARE = rdu.BUILD / "firmware/mgmt.elf"
TARGET = rdu.BUILD / "tests/debug_target.elf"


def address(process):
    match = process.wait_for(r"gdb: waiting on (\S+):(\d+)")
    return f"{match.group(1)}:{match.group(2)}"


class Bare(rdu.Process):
    """debug_target on the bare machine, stopped before the first instruction of the reset vector."""

    def __init__(self, harts=1, *arguments):
        super().__init__("rduvp", "--machine", "virt", "--kernel", TARGET, "--smp", harts, "--serial", "none",
                         "--gdb", "tcp::0", "-S", *arguments)


def card(*arguments, **options):
    return rdu.Simulator("--gdb", "tcp::0", *arguments, **options)


@pytest.fixture
def bare():
    with Bare() as process, Gdb(address(process), TARGET) as gdb:
        yield gdb


# --- the card -------------------------------------------------------------------------------------------------------


def test_before_the_first_instruction_of_the_rom():
    with card("-S") as simulator, Gdb(address(simulator), ROM, FIRMWARE) as gdb:
        assert gdb.value("$pc") == 0x1000
        assert "0.000 ns" in gdb("monitor time")
        assert gdb.value("$priv") == 3
        assert gdb.value("$a0") == 0
        # A hardware breakpoint in the ROM, where nothing can be written.
        gdb("hbreak rom_main")
        out = gdb("continue")
        assert "rom_main" in out and "Breakpoint" in out, gdb.transcript
        assert "hart0" not in simulator.output and "rom:" not in simulator.output
        # A software breakpoint works there just as well.
        gdb("tbreak uart_puts")
        assert "uart_puts" in gdb("continue")
        assert "rom_main" in gdb("backtrace")
        out = gdb("finish")
        assert "Run till exit" in out and "rom_main" in out, gdb.transcript


def test_firmware_functions_by_name_before_they_are_loaded():
    with card("-S") as simulator, Gdb(address(simulator), FIRMWARE) as gdb:
        gdb("break main")  # the ROM has not yet copied it to RAM
        assert "main ()" in gdb("continue")
        simulator.wait_for("rom: starting")
        gdb("delete")
        gdb("break boot")
        assert "boot" in gdb("continue")
        assert "main" in gdb("backtrace")
        gdb("delete")
        for _ in range(3):
            gdb("next")
        assert "boot" in gdb("info symbol $pc")
        assert "main ()" in gdb("finish")
        simulator.wait_for("fw: ready")
        # The ELF's own text, as memory holds it.
        assert "MIS-MATCHED" not in gdb("compare-sections .text"), gdb.transcript


def test_ctrl_c_of_sleeping_firmware_and_monitor_commands():
    with card() as simulator:
        simulator.wait_for("fw: ready")
        with Gdb(address(simulator), FIRMWARE) as gdb:
            assert "waits for an interrupt" in gdb("info threads")
            gdb.send("continue")
            time.sleep(0.3)
            gdb.interrupt()
            out = gdb.wait()
            assert "SIGINT" in out, gdb.transcript
            assert "0xdeadbeef" not in gdb("monitor regs SYSCTL.SCRATCH[3]")
            assert "0xdeadbeef" in gdb("monitor write SYSCTL.SCRATCH[3] 0xdeadbeef")
            assert gdb.value("*(unsigned*)0x1100004c") % 2**32 == 0xdeadbeef  # a device, by a debugger's eyes
            assert "STAGE=" in gdb("monitor regs sysctl.boot_stage")
            assert "PART=0x40a1" in gdb("monitor regs SYSCTL")
            assert "UART0" in gdb("monitor regs")
            assert "there is no block NONE" in gdb("monitor regs NONE")
            assert "no register or field" in gdb("monitor regs SYSCTL.NONE")
            assert "monitor help" in gdb("monitor nonsense")
            help_text = gdb("monitor help")
            for command in ("reset", "regs", "write", "inject", "irq", "time", "stats", "phys"):
                assert re.search(rf"^{command}\b", help_text, re.M), help_text
            assert "0x000080000000" in gdb("monitor phys 0x80000000 32")
            assert "not accessible" in gdb("monitor phys 0x70000000 4")
            assert "instructions" in gdb("monitor stats")
            # An interrupt out of nowhere wakes the firmware; it finds the source and deals with it.
            assert "high" in gdb("monitor irq 2 1")
            gdb("break irq_service")
            assert "irq_service" in gdb("continue")
            gdb("delete")
            assert "low" in gdb("monitor irq 2 0")
            assert "no number" in gdb("monitor irq x 0")
            gdb("detach")
        simulator.wait_for("debugger has detached")


def test_reset_from_gdb():
    with card() as simulator:
        simulator.wait_for("fw: ready")
        with Gdb(address(simulator), ROM, FIRMWARE) as gdb:
            assert "reset" in gdb("monitor reset halt")
            gdb("maintenance flush register-cache")
            assert gdb.value("$pc") == 0x1000
            gdb("tbreak rom_main")
            assert "rom_main" in gdb("continue")
            gdb("detach")


def test_time_stands_still_while_a_host_is_connected():
    with card() as simulator:
        simulator.ready()
        simulator.wait_for("fw: ready")
        with Device(simulator.socket) as device:
            context = device.create_context()
            queue = device.create_queue(context)
            data = device.memory.put(b"before")
            queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 0), va(HOST, data), 6, context=context)
            with Gdb(address(simulator), FIRMWARE) as gdb:
                first = gdb("monitor time")
                # What needs no device is answered at once; what does, waits.
                assert device.client.device_info() is not None
                answer = []
                reader = threading.Thread(target=lambda: answer.append(device.read("CSTS")), daemon=True)
                reader.start()
                reader.join(0.5)
                assert not answer, "the device answered although its harts are halted"
                assert gdb("monitor time") == first, "time went on"
                gdb.send("continue")
                reader.join(10 * rdu.SLOWER)
                assert answer and answer[0] & 1, "it did not answer after continue"
                # The application goes on under the debugger, and stops with the firmware.
                queue.ok(ABI["RDU_CMD_COPY"], va(HBM, 64), va(HOST, data), 6, context=context)
                gdb.interrupt()
                gdb.wait()
                gdb("break irq_service")
                gdb.send("continue")
                queue.push(ABI["RDU_CMD_COPY"], va(HBM, 128), va(HOST, data), 6, context=context, ring=False)
                ringer = threading.Thread(target=queue.ring, daemon=True)
                ringer.start()
                assert "irq_service" in gdb.wait(), gdb.transcript
                gdb("detach")
                ringer.join(10 * rdu.SLOWER)
            assert queue.completion().status == 0
        simulator.stop()


def test_detach_reattach_kill():
    with card() as simulator:
        simulator.wait_for("fw: ready")
        where = address(simulator)
        for _ in range(3):
            with Gdb(where, FIRMWARE) as gdb:
                gdb("break irq_service")
                gdb("detach")
        with Gdb(where, FIRMWARE) as gdb:
            gdb("break irq_service")
            gdb.send("continue")
            time.sleep(0.2)
        # Killed without a word: its breakpoints have gone with it, and the next one finds a running machine.
        simulator.wait_for("the debugger has gone")
        with Gdb(where, FIRMWARE) as gdb:
            assert "waits for an interrupt" in gdb("info threads")
            with Gdb(where, FIRMWARE, connect=False) as second:  # one at a time
                assert re.search("closed|disconnected", second(f"target remote {where}")), second.transcript
            gdb("kill")
        assert simulator.wait() == rdu.OK
        assert "the debugger has ended it" in simulator.output


def test_rude_clients_harm_nobody():
    with card() as simulator:
        simulator.wait_for("fw: ready")
        host, port = address(simulator).split(":")
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"$" + b"a" * 100000, b"\x03" * 1000, b"$g#67" * 500, b"$m0,ffffffff#00",
                      b"+$vCont;c#a8$g#67", bytes(range(256)) * 16):
            with socket.create_connection((host, int(port)), timeout=5) as client:
                client.sendall(noise)
                time.sleep(0.05)
        with Gdb(f"{host}:{port}", FIRMWARE) as gdb:
            assert "waits for an interrupt" in gdb("info threads")
            gdb("kill")
        assert simulator.wait() == rdu.OK


def test_options_are_checked():
    for arguments, text in ((("-S",), "--gdb"), (("--gdb", "1234"), "tcp::PORT"), (("--gdb", "tcp::99999"), "65535")):
        result = rdu.run("rduvp", *arguments)
        assert result.returncode == rdu.BAD_INPUT and text in result.stderr, result.stderr


def test_stopping_the_simulator_while_it_is_halted():
    with card("-S") as simulator, Gdb(address(simulator), ROM) as gdb:
        assert gdb.value("$pc") == 0x1000
        simulator.signal(signal.SIGINT)
        assert simulator.wait() == rdu.OK


# --- the bare machine -----------------------------------------------------------------------------------------------


def test_registers_and_csrs_by_name(bare):
    assert bare.value("$pc") == 0x1000
    bare("tbreak run")
    assert "run (hart=0)" in bare("continue")
    assert bare.value("$mhartid") == 0
    assert bare.value("$misa") & 1 << 8
    assert bare.value("$mtvec") == bare.value("(unsigned long)&trap")
    bare("set $mscratch = 0x1234567890abcdef")
    assert bare.value("$mscratch") == 0x1234567890abcdef
    bare("set $s1 = -5")
    assert bare.value("$s1") == -5
    bare("set $zero = 5")
    assert bare.value("$zero") == 0
    assert "mstatus" in bare("info registers csr")
    assert bare.value("$priv") == 3
    bare("set $fa0 = 1.5")
    assert "1.5" in bare("print $fa0")
    assert "unavailable" in bare("print $fflags")  # mstatus.FS is off
    bare("set $mstatus = $mstatus | 0x2000")
    assert bare.value("$fflags") == 0
    # A call from gdb: registers are saved, set and restored.
    pc = bare.value("$pc")
    assert bare.value("leaf(7)") == 22
    assert bare.value("middle(1)") == 17
    assert bare.value("$pc") == pc


def test_memory(bare):
    bare("tbreak run")
    bare("continue")
    bare("set variable shared = 0xcafe")
    assert bare.value("shared") == 0xcafe
    where = bare.value("(unsigned long)&shared")
    bare(f"set {{unsigned char[5]}}{where} = {{1,2,3,4,5}}")
    assert bare.value("shared") == 0x04030201
    assert "Cannot access memory" in bare("x/4xb 0x70000000")
    # Code too: the function is replaced by li a0,5; ret.
    bare("set {unsigned int}leaf = 0x00500513")
    bare("set {unsigned int}((char*)leaf+4) = 0x00008067")
    assert bare.value("leaf(7)") == 5


def test_stepping(bare):
    bare("tbreak middle")
    bare("continue")
    out = bare("step")
    out += bare("step")
    assert "leaf (x=1)" in out, bare.transcript
    assert "Value returned is $1 = 4" in bare("finish")
    assert "leaf (" not in bare("next")
    # Over an environment call: the step ends in the handler, `next` behind it.
    bare("tbreak call_environment")
    bare("continue")
    while "ecall" not in bare("x/i $pc"):
        bare("stepi")
    bare("stepi")
    assert bare.value("$pc") == bare.value("(unsigned long)&trap")
    assert bare.value("$mcause") == 11
    bare("tbreak look_at_device")
    bare("continue")
    # Over LR and SC, which would fail for ever if the debugger came between them.
    bare("tbreak take")
    bare("continue")
    before = bare.value("shared")
    for _ in range(20):
        bare("stepi")
        if "take" not in bare("info symbol $pc"):
            break
    assert bare.value("shared") == before + 1, bare.transcript
    assert "take" not in bare("info symbol $pc")
    # Over WFI, which would wait for ever.
    bare("set variable mode = 1")
    bare("tbreak sleep_until_woken")
    bare("continue")
    for _ in range(10):
        bare("stepi")
    assert "run" in bare("info symbol $pc") or "sleep" in bare("info symbol $pc")


def test_breakpoints_with_counts_and_conditions(bare):
    bare("break leaf if x == 5")
    bare("continue")
    assert bare.value("x") == 5
    bare("delete")
    bare("break count")
    bare("ignore $bpnum 99")
    bare("continue")
    assert bare.value("counter[0]") == 99 + bare.value("counter[0]") - 99
    bare("delete")
    # Two ways to the same place, one taken away again.
    bare("hbreak leaf")
    bare("break leaf")
    assert "leaf" in bare("continue")
    bare("delete 3")
    assert "leaf" in bare("continue")


def test_watchpoints(bare):
    bare("tbreak run")
    bare("continue")
    bare("watch sum")
    out = bare("continue")
    assert "Old value = 0" in out and "New value = 17" in out and "in run (" in out, bare.transcript
    out = bare("continue")
    assert "Old value = 17" in out and "New value = 29" in out
    bare("delete")
    # Only the element that is written, of several in one word.
    bare("watch halves[2]")
    out = bare("continue")
    assert "Old value = 0" in out and "New value = 2" in out, bare.transcript
    bare("delete")
    bare("rwatch counter[0]")
    out = bare("continue")
    assert "Value = " in out and "count" in out, bare.transcript
    bare("delete")
    bare("awatch shared")
    out = bare("continue")
    assert "alue = " in out and "take" in out, bare.transcript
    bare("delete")
    # A register of a device.
    bare("rwatch *(unsigned char*)0x10000005")
    out = bare("continue")
    assert "look_at_device" in out, bare.transcript
    bare("delete")
    assert "count" in bare("tbreak count") + bare("continue")


def test_ctrl_c_of_a_busy_and_of_a_sleeping_hart(bare):
    for mode in (0, 1):
        bare(f"set variable mode = {mode}")
        bare.send("continue")
        time.sleep(0.3)
        bare.interrupt()
        assert "SIGINT" in bare.wait(), bare.transcript
    assert "waits for an interrupt" in bare("info threads")
    # Back to work, from the debugger's hand alone.
    bare("set variable mode = 0")
    bare("break count")
    bare("stepi")
    assert "count" in bare("continue"), bare.transcript


def test_two_harts_are_threads():
    with Bare(2) as process, Gdb(address(process), TARGET) as gdb:
        out = gdb("info threads")
        assert "hart 0" in out and "hart 1" in out, out
        gdb("break take")
        harts = set()
        for _ in range(12):
            gdb("continue")
            harts.add(gdb.value("$mhartid"))
            assert gdb.value("$mhartid") == gdb.value("hart")
        assert harts == {0, 1}, gdb.transcript
        gdb("delete")
        # Each has registers of its own, and one steps while the other stands.
        gdb("thread 2")
        assert gdb.value("$mhartid") == 1
        gdb("thread 1")
        assert gdb.value("$mhartid") == 0
        other = gdb("thread apply 2 -q output/x $pc")
        gdb("set scheduler-locking on")
        for _ in range(5):
            gdb("stepi")
        assert gdb("thread apply 2 -q output/x $pc") == other
        gdb("set scheduler-locking off")
        # LR and SC of both, all the time, and nothing is lost: what each has added.
        gdb.send("continue")
        time.sleep(0.2)
        gdb.interrupt()
        gdb.wait()
        gdb("break count")
        for _ in range(6):
            gdb("continue")
        total = gdb.value("shared")
        added = [gdb.value(f"counter[{h}]") for h in (0, 1)]
        assert abs(total - (added[0] + 2 * added[1])) <= 3, (total, added)


def test_run_is_the_same_with_and_without_a_debugger(tmp_path):
    """Halting changes nothing: the same instructions at the same time."""
    stats = [tmp_path / "plain.json", tmp_path / "debugged.json"]
    plain = rdu.run("rduvp", "--stats", stats[0])
    assert plain.returncode == 0, plain.stderr
    with rdu.Process("rduvp", "--stats", stats[1], "--gdb", "tcp::0", "-S") as simulator:
        with Gdb(address(simulator), ROM, FIRMWARE) as gdb:
            for function in ("rom_main", "main", "boot"):
                gdb(f"tbreak {function}")
                assert function in gdb("continue")
            gdb("detach")
        simulator.wait_for("fw: ready")
        with Gdb(address(simulator), FIRMWARE) as gdb:
            while "waits for an interrupt" not in gdb("info threads"):
                gdb.send("continue")
                time.sleep(0.1)
                gdb.interrupt()
                gdb.wait()
            gdb("detach")
        simulator.signal(signal.SIGINT)
        assert simulator.wait() == 0
    one, two = (json.loads(file.read_text()) for file in stats)
    for report in (one, two):
        del report["on_this_machine"]
    assert one == two
