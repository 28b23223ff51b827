"""The bare management subsystem: programs of our own, bare metal, as suites and bare-metal developers run them."""

import pty
import re
import signal
import socket
import subprocess
import termios
import threading
import time

import pytest

import rdu
from console import Console

GCC = "riscv64-unknown-elf-gcc"
ECHO = (rdu.ROOT / "tests/system/programs/echo.S").read_text()


def build(folder, source, name="program", address=0x80000000):
    """An ELF of assembly text."""
    (folder / f"{name}.S").write_text(source)
    elf = folder / f"{name}.elf"
    subprocess.run(
        [GCC, "-march=rv64imac_zicsr_zifencei", "-mabi=lp64", "-nostdlib", "-Wl,-n",
         f"-Wl,-Ttext={address:#x}", folder / f"{name}.S", "-o", elf],
        check=True, timeout=60,
    )
    return elf


def raw(elf):
    out = elf.with_suffix(".bin")
    subprocess.run(["riscv64-unknown-elf-objcopy", "-O", "binary", elf, out], check=True, timeout=60)
    return out


def virt(*arguments, timeout=30):
    return rdu.run("rduvp", "--machine", "virt", *arguments, timeout=timeout)


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """Prints "ready", then sends back what it gets, by interrupts; 'q' ends it with status 7."""
    return build(tmp_path_factory.mktemp("echo"), ECHO)


# ---- ends

FINISHER = "li t0, 0x100000\n"


@pytest.mark.parametrize("value, status", [(0x5555, 0), (0x3333, 0), (0x0007_3333, 7), (0x0fff_3333, 255)])
def test_the_finisher_gives_the_status(tmp_path, value, status):
    elf = build(tmp_path, f".global _start\n_start: {FINISHER} li t1, {value}\n sw t1, (t0)\n1: wfi\n j 1b")
    result = virt("--kernel", elf)
    assert result.returncode == status and "powered off" in result.stderr


def test_the_finisher_resets(tmp_path):
    """Programs are loaded anew, other memory keeps what it has."""
    elf = build(tmp_path, f"""
        .global _start
        _start: la t0, fresh
            lw t1, (t0)
            li t2, 1234
            bne t1, t2, bad
            sw zero, (t0)
            li t3, 0x80100000       # nothing was loaded there
            lw t4, (t3)
            addi t4, t4, 1
            sw t4, (t3)
            {FINISHER}
            li t5, 0x5555
            li t6, 3
            beq t4, t6, end
            li t5, 0x7777
        end: sw t5, (t0)
        1:  wfi
            j 1b
        bad: {FINISHER}
            li t5, 0x13333
            j end
        fresh: .word 1234
    """)
    result = virt("--kernel", elf)
    assert result.returncode == 0, result


def test_a_program_that_can_do_nothing_more(tmp_path):
    elf = build(tmp_path, ".global _start\n_start: li t0, 0x100\n jr t0")
    result = virt("--kernel", elf)
    assert result.returncode == rdu.GUEST_FAULT and "trap handler" in result.stderr, result


def test_a_program_that_sleeps_for_ever_ends_the_run(tmp_path):
    result = virt("--kernel", build(tmp_path, ".global _start\n_start: wfi\n j _start"))
    assert result.returncode == 0 and "nothing is left to do" in result.stderr


# ---- HTIF and signatures

TOHOST = """
    .section .tohost, "aw"
    .align 6
    .global tohost, fromhost
    tohost: .dword 0
    fromhost: .dword 0
    .text
    .global _start
    _start:
"""


def tohost(value):
    return f"la t0, tohost\n li t1, {value}\n sd t1, (t0)\n 1: j 1b\n"


@pytest.mark.parametrize("value, status", [(1, 0), (3 << 1 | 1, 3), (1337 << 1 | 1, 255)])
def test_htif_exit(tmp_path, value, status):
    assert virt("--kernel", build(tmp_path, TOHOST + tohost(value))).returncode == status


def test_htif_console_and_system_calls(tmp_path):
    elf = build(tmp_path, TOHOST + """
        la s0, tohost
        la s1, fromhost
        li a0, 'A'
        li t0, 0x0101
        slli t0, t0, 48
        or a0, a0, t0
        sd a0, (s0)
    1:  ld t0, (s0)             # taken?
        bnez t0, 1b
        la a0, call
        fence
        sd a0, (s0)
    2:  ld t0, (s1)
        beqz t0, 2b
        sd zero, (s1)
        ld t0, (a0)             # bytes written
        li t1, 6
        bne t0, t1, 3f
        li t1, 93               # exit
        sd t1, (a0)
        li t1, 5
        sd t1, 8(a0)
        sd a0, (s0)
    3:  j 3b
        .align 6
    call: .dword 64, 1, text, 6, 0, 0, 0, 0
    text: .ascii "hello\\n"
    """)
    result = virt("--kernel", elf)
    assert result.stdout == "Ahello\n" and result.returncode == 5, result


def test_a_test_program_that_does_not_end_has_failed(tmp_path):
    loop = build(tmp_path, TOHOST + "1: j 1b")
    result = virt("--kernel", loop, "--run-for", "1 ms")
    assert result.returncode == rdu.GUEST_FAULT and "tohost" in result.stderr
    sleeper = build(tmp_path, TOHOST + "1: wfi\n j 1b")
    assert virt("--kernel", sleeper).returncode == rdu.GUEST_FAULT


SIGNATURE = TOHOST + tohost(1) + """
    .data
    .align 4
    .global begin_signature, end_signature, other_name
    other_name:
    begin_signature: .word 0x01234567, 0x89abcdef, 0xdeadbeef
    end_signature:
    .word 0x55555555
"""


@pytest.mark.parametrize(
    "granularity, lines",
    [
        (None, ["01234567", "89abcdef", "deadbeef"]),
        (4, ["01234567", "89abcdef", "deadbeef"]),
        (8, ["89abcdef01234567", "00000000deadbeef"]),
        (1, ["67", "45", "23", "01", "ef", "cd", "ab", "89", "ef", "be", "ad", "de"]),
    ],
)
def test_signature(tmp_path, granularity, lines):
    options = ["--signature-granularity", granularity] if granularity else []
    file = tmp_path / "signature"
    result = virt("--kernel", build(tmp_path, SIGNATURE), "--signature", file, *options)
    assert result.returncode == 0, result
    assert file.read_text().split("\n") == [*lines, ""]


def test_a_signature_needs_its_symbols(tmp_path):
    result = virt("--kernel", build(tmp_path, TOHOST + tohost(1)), "--signature", tmp_path / "s")
    assert result.returncode == rdu.BAD_INPUT and "begin_signature" in result.stderr


# ---- what the first program finds

def device_tree(tmp_path, *arguments):
    file = tmp_path / "tree.dtb"
    result = virt(*arguments, "--dumpdtb", file)
    assert result.returncode == 0, result
    text = subprocess.run(["dtc", "-I", "dtb", "-O", "dts", file], capture_output=True, text=True, check=True, timeout=20)
    return text.stdout


def test_device_tree(tmp_path):
    text = device_tree(tmp_path, "--smp", 3, "-m", "256M")
    assert len(re.findall(r"\bcpu@\d \{", text)) == 3
    assert "memory@80000000" in text and "reg = <0x00 0x80000000 0x00 0x10000000>;" in text
    for word in ("sifive,clint0", "sifive,plic-1.0.0", "ns16550a", "sifive,test0", "syscon-poweroff", "syscon-reboot",
                 'stdout-path = "/soc/serial@10000000"', "rdu,sysctl"):
        assert word in text, word
    isa = re.search(r'riscv,isa = "(rv64ima\w+)"', text)
    assert isa and "zicsr" in isa.group(1)
    # Each hart has two contexts at the interrupt controller: machine and supervisor mode.
    plic = re.search(r"plic@c000000 \{.*?interrupts-extended = <([^>]*)>", text, re.DOTALL)
    assert len(plic.group(1).split()) == 3 * 2 * 2


def test_device_tree_of_the_user(tmp_path):
    source = '/dts-v1/;\n/ { model = "mine"; };\n'
    own = tmp_path / "own.dtb"
    subprocess.run(["dtc", "-q", "-O", "dtb", "-o", own], input=source, text=True, check=True, timeout=20)
    program = build(tmp_path, ".global _start\n_start: wfi\n j _start")
    text = device_tree(tmp_path, "--dtb", own, "--kernel", program, "--append", "quiet x=1")
    assert 'model = "mine"' in text and 'bootargs = "quiet x=1"' in text
    own.write_bytes(own.read_bytes()[:50])
    result = virt("--dtb", own, "--kernel", program)
    assert result.returncode == rdu.BAD_INPUT and "own.dtb" in result.stderr


def test_reset_vector(tmp_path):
    """a0 = hart, a1 = device tree, a2 = OpenSBI's description of the kernel, which is a raw file at 2 MiB."""
    bios = build(tmp_path, """
        .global _start
        _start: bnez a0, bad
            lw t0, (a1)
            li t1, 0xedfe0dd0       # magic number, big-endian
            sext.w t1, t1
            bne t0, t1, bad
            ld t0, (a2)
            li t1, 0x4942534f
            bne t0, t1, bad
            ld t0, 24(a2)           # mode: supervisor
            li t1, 1
            bne t0, t1, bad
            ld t0, 16(a2)           # entry
            jr t0
        bad: li t0, 0x100000
            li t1, 0x13333
            sw t1, (t0)
        1:  wfi
            j 1b
    """, "bios")
    kernel = raw(build(tmp_path, f".global _start\n_start: auipc s0, 0\n li s1, 0x80200000\n bne s0, s1, bad\n {FINISHER}"
                       " li t1, 0x5555\n sw t1, (t0)\n 1: wfi\n j 1b\nbad: j bad", "kernel", 0x80200000))
    initrd = tmp_path / "initrd"
    initrd.write_bytes(b"x" * 5000)
    result = virt("--bios", bios, "--kernel", kernel, "--initrd", initrd, "-m", "64M")
    assert result.returncode == 0, result
    text = device_tree(tmp_path, "--bios", bios, "--kernel", kernel, "--initrd", initrd, "-m", "64M")
    # Half of RAM above the kernel.
    assert "linux,initrd-start = <0x00 0x82200000>" in text and "linux,initrd-end = <0x00 0x82201388>" in text


def test_several_harts(tmp_path):
    """Hart 0 wakes the others one after another by software interrupts; each adds its number."""
    elf = build(tmp_path, f"""
        .global _start
        _start: csrwi mie, 8
            la s0, sum
            li s1, 0x2000000
            bnez a0, other
            li s2, 4
            li s3, 1
        1:  slli t0, s3, 2
            add t0, t0, s1
            li t1, 1
            sw t1, (t0)
            wfi
            sw zero, (s1)
            addi s3, s3, 1
            bne s3, s2, 1b
            lw t0, (s0)
            slli t0, t0, 16
            li t1, 0x3333
            or t1, t1, t0
            {FINISHER}
            sw t1, (t0)
        2:  wfi
            j 2b
        other: wfi
            slli t0, a0, 2
            add t0, t0, s1
            lw t1, (t0)
            beqz t1, other
            sw zero, (t0)
            amoadd.w zero, a0, (s0)
            li t1, 1
            sw t1, (s1)
            j other
            .align 2
        sum: .word 0
    """)
    result = virt("--smp", 4, "--kernel", elf)
    assert result.returncode == 1 + 2 + 3, result


def test_equal_runs(tmp_path, echo):
    def hash_of(number):
        stats = tmp_path / f"{number}.json"
        assert virt("--kernel", echo, "--run-for", "5 ms", "--stats", stats).returncode == 0
        return re.search(r'"trace_hash": "(\w+)"', stats.read_text()).group(1)

    assert hash_of(1) == hash_of(2)


# ---- consoles

def test_standard_input_from_a_pipe(echo):
    """Much more than the receiver's FIFO holds: nothing is lost, and no key is an escape."""
    text = b"\x01x" + bytes(33 + i % 80 for i in range(20000)) + b"q"
    process = subprocess.Popen([rdu.BIN / "rduvp", "--machine", "virt", "--kernel", echo], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.readline() == b"ready\n"
        output, _ = process.communicate(text, timeout=60 * rdu.SLOWER)
        assert process.returncode == 7 and output == text
    finally:
        process.kill()


def test_a_terminal(echo):
    with Console("--machine", "virt", "--kernel", echo) as console:
        console.expect("ready")
        console.send("abc\x03")  # Ctrl-C is the guest's
        console.expect("abc\x03")
        console.send("\x01\x01d")  # Ctrl-A Ctrl-A
        console.expect("\x01d")
        console.send("\x01h")
        console.expect("Ctrl-A x")
        console.send("\x01x")
        assert console.wait() == 0
        assert "stopped" in console.transcript


def test_a_terminal_is_restored(echo):
    _, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([rdu.BIN / "rduvp", "--machine", "virt", "--kernel", echo], stdin=slave,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout.readline() == b"ready\n"
        assert termios.tcgetattr(slave) != before
        process.send_signal(signal.SIGTERM)
        assert process.wait(20 * rdu.SLOWER) == 0
        assert termios.tcgetattr(slave) == before
    finally:
        process.kill()


def read_until(read, pattern, seconds=20):
    got = b""
    deadline = time.monotonic() + seconds * rdu.SLOWER
    while not re.search(pattern, got):
        assert time.monotonic() < deadline, got
        got += read()
    return got


def exchange(connection, text):
    """Sends text, which ends by 'q', to the echo program while it comes back."""
    assert read_until(lambda: connection.recv(1), b"\n") == b"ready\n"
    sender = threading.Thread(target=connection.sendall, args=(text,), daemon=True)
    sender.start()
    got = read_until(lambda: connection.recv(65536), rb"q$")
    sender.join(5)
    return got


TEXT = bytes(33 + i % 80 for i in range(5000)) + b"q"


def test_tcp_server(echo):
    with rdu.Process("rduvp", "--machine", "virt", "--kernel", echo, "--serial", "tcp:127.0.0.1:0,server") as process:
        port = int(process.wait_for(r"waiting for a client on tcp:127.0.0.1:(\d+)").group(1))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            assert exchange(connection, TEXT) == TEXT
        assert process.wait() == 7


def test_tcp_server_lets_clients_come_and_go(echo):
    with rdu.Process("rduvp", "--machine", "virt", "--kernel", echo, "--serial", "tcp::0,server,nowait") as process:
        port = int(process.wait_for(r"serial: tcp:.*:(\d+)").group(1))
        for text in (b"one", b"two"):
            with socket.create_connection(("localhost", port), timeout=20) as connection:
                connection.sendall(text)
                read_until(lambda: connection.recv(100), text)
        with socket.create_connection(("localhost", port), timeout=20) as connection:
            connection.sendall(b"q")
        assert process.wait() == 7


def test_tcp_client(echo):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        where = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        with rdu.Process("rduvp", "--machine", "virt", "--kernel", echo, "--serial", where) as process:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                assert exchange(connection, TEXT) == TEXT
            assert process.wait() == 7


def test_pseudo_terminal(echo):
    with rdu.Process("rduvp", "--machine", "virt", "--kernel", echo, "--serial", "pty") as process:
        name = process.wait_for(r"serial: (/dev/\S+)").group(1)
        for text in (b"hello", b"again"):  # what was sent while nobody was there is lost
            with open(name, "r+b", buffering=0) as terminal:
                terminal.write(text)
                read_until(lambda: terminal.read(100), text)
        with open(name, "wb", buffering=0) as terminal:
            terminal.write(b"q")
            assert process.wait() == 7


def test_a_file(tmp_path, echo):
    out = tmp_path / "console"
    assert virt("--kernel", echo, "--serial", f"file:{out}").returncode == 0
    assert out.read_bytes() == b"ready\n"


def test_the_card_has_a_console_too():
    with rdu.Simulator("--serial", "pty") as simulator:
        simulator.wait_for(r"serial: /dev/")
        simulator.ready().stop()
    result = rdu.run("rduvp", "--serial", "stdio")
    assert result.returncode == 0 and "\nfw: ready\n" in result.stdout


# ---- time

SLEEP = f"""
    .global _start
    _start: li s0, 0x200bff8
        li s1, 0x2004000
        ld t0, (s0)
        li t1, 30000000             # 3 s
        add t0, t0, t1
        sd t0, (s1)
        li t0, 128
        csrw mie, t0
        wfi
        {FINISHER}
        li t1, 0x5555
        sw t1, (t0)
    1:  j 1b
"""


def test_pace(tmp_path):
    elf = build(tmp_path, SLEEP)
    begin = time.monotonic()
    assert virt("--kernel", elf).returncode == 0
    assert time.monotonic() - begin < 2 * rdu.SLOWER, "free: idle time is skipped"
    begin = time.monotonic()
    assert virt("--kernel", elf, "--pace", "realtime").returncode == 0
    assert 2.8 < time.monotonic() - begin < 3 + 2 * rdu.SLOWER, "realtime: it is not"


def processor_time(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("pace", ["realtime", "free"])
def test_waiting_costs_nothing(echo, pace):
    with Console("--machine", "virt", "--kernel", echo, "--pace", pace) as console:
        console.expect("ready")
        before = processor_time(console.pid)
        time.sleep(2)
        assert processor_time(console.pid) - before < 0.2
        console.send("q")
        assert console.wait() == 7


TICK = f"""
    .global _start
    _start: li s0, 0x200bff8
        li s1, 0x2004000
        li t0, 128
        csrw mie, t0
    1:  ld t0, (s0)
        li t1, 100000               # 10 ms
        add t0, t0, t1
        sd t0, (s1)
        wfi
        j 1b
"""


def test_ticks_of_a_waiting_guest_cost_little(tmp_path):
    """Free pace skips idle time, but a guest that waits for its user keeps no processor busy by its ticks."""
    with Console("--machine", "virt", "--kernel", build(tmp_path, TICK), "--pace", "free") as console:
        time.sleep(1)
        before = processor_time(console.pid)
        time.sleep(2)
        assert processor_time(console.pid) - before < 0.4
        console.send("\x01x")
        assert console.wait() == 0


# ---- mistakes

@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--machine", "vrt"], ["vrt", "virt"]),
        (["--machine", "virt"], ["nothing to run", "--kernel"]),
        (["--machine", "virt", "--bios", "none", "--initrd", "x"], ["--initrd", "--kernel"]),
        (["--machine", "virt", "--kernel", "/nonexistent"], ["/nonexistent"]),
        (["--machine", "virt", "--socket", "/tmp/x"], ["--socket", "card"]),
        (["--smp", "2"], ["--smp", "virt"]),
        (["--machine", "virt", "--kernel", "ECHO", "-m", "64X"], ["-m 64X", "512M"]),
        (["--machine", "virt", "--kernel", "ECHO", "-m", "100G"], ["at most 2048 MiB"]),
        (["--machine", "virt", "--kernel", "ECHO", "--smp", "9"], ["--smp 9", "at most 8"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "stido"], ["stido", "stdio"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "tcp:localhost"], ["HOST:PORT"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "tcp::99999"], ["99999"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "tcp::1,sever"], ["sever", "server"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "tcp:127.0.0.1:1"], ["127.0.0.1:1", "refused"]),
        (["--machine", "virt", "--kernel", "ECHO", "--serial", "file:/nonexistent/x"], ["/nonexistent/x"]),
        (["--machine", "virt", "--bios", "ECHO", "--kernel", "ECHO"], ["overlaps"]),
        (["--machine", "virt", "--kernel", "ECHO", "--config", "mini"], ["socket.tiles"]),
    ],
)
def test_mistakes(echo, arguments, words):
    arguments = [str(echo) if a == "ECHO" else a for a in arguments]
    result = rdu.run("rduvp", *arguments, timeout=20)
    assert result.returncode not in (0, rdu.INTERNAL), result
    for word in words:
        assert word in result.stderr + result.stdout, (word, result)


def test_compressed_kernels_are_told_apart(tmp_path):
    file = tmp_path / "Image.gz"
    file.write_bytes(b"\x1f\x8b" + bytes(100))
    result = virt("--bios", "none", "--kernel", file)
    assert result.returncode == rdu.BAD_INPUT and "gunzip" in result.stderr


def test_parameters_of_the_machine():
    result = virt("--list-params")
    assert "socket.mgmt.hart.quantum" in result.stdout and "socket.hbm" not in result.stdout
