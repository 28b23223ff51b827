"""A stock Debian kernel for riscv64 boots to a shell that answers commands, through Debian's OpenSBI."""

import json
import subprocess
import time

import pytest

import rdu
from console import Console
from gdb import Gdb

FILES = rdu.ROOT / "build/riscv"
PROMPT = r"# (?:\x1b\[6n)?$"  # the shell may ask its terminal where the cursor is


@pytest.fixture(scope="module")
def linux():
    """Options for the kernel and its initial RAM disk, fetched at most once (about 120 MB)."""
    result = subprocess.run([rdu.ROOT / "scripts/fetch-riscv", "--out", FILES], text=True, timeout=900,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, result.stdout
    return ["--machine", "virt", "-m", "256M", "--kernel", FILES / "Image", "--initrd", FILES / "initramfs.cpio.gz"]


def to_shell(console):
    console.expect(r"OpenSBI v\d+\.\d+")
    console.expect(r"Linux version \d+\.\d+", timeout=60)
    console.expect("initramfs: ready", timeout=240)
    console.expect(PROMPT)


@pytest.mark.parametrize("harts", [1, 2])
def test_shell(linux, tmp_path, harts):
    stats = tmp_path / "stats.json"
    with Console(*linux, "--append", "console=ttyS0 earlycon=sbi", "--smp", harts, "--stats", stats) as console:
        to_shell(console)
        assert console.command("uname -a", PROMPT).startswith("Linux (none) ")
        processors = console.command("cat /proc/cpuinfo", PROMPT)
        assert processors.count("isa\t\t: rv64imafdc") == harts and processors.count("mmu\t\t: sv48") == harts
        # Processes, pipes, floating point, files.
        assert console.command("seq 1 100 | awk '{ s += 1 / $1 } END { printf \"%.9f\\n\", s }'",
                               PROMPT).startswith("5.187377518\n")
        digest = console.command("dd if=/dev/zero bs=1k count=64 2>/dev/null | sha256sum", PROMPT)
        assert digest.startswith("de2f256064a0af797747c2b97505dc0b9f3df0de4f489eac731c23ae9ca9cc31")
        if harts == 2:
            console.command("taskset 2 sh -c 'cat /proc/self/stat > /tmp/where'", PROMPT)
            assert console.command("cut -d' ' -f39 /tmp/where", PROMPT).startswith("1\n")
        # Ctrl-C belongs to the guest's terminal. (What prints is already in the foreground when it gets it.)
        console.send_line("sh -c 'echo begin; exec sleep 1000'")
        console.expect(r"\nbegin\r+\n")
        console.send("\x03")
        console.expect(PROMPT)
        console.send_line("poweroff -f")
        assert console.wait(60) == 0
        assert "powered off" in console.transcript
    assert [hart["instructions"] > 1e6 for hart in json.loads(stats.read_text())["harts"]] == [True] * harts


def test_gdb_follows_page_tables(linux, tmp_path):
    log = tmp_path / "console"
    with rdu.Process("rduvp", *linux, "--append", "console=ttyS0 earlycon=sbi", "--smp", 2, "--serial", f"file:{log}",
                     "--gdb", "tcp::0", "-S") as process:
        where = process.wait_for(r"gdb: waiting on (\S+),").group(1)
        with Gdb(where) as gdb:
            gdb("hbreak *0x80200000")  # the kernel's first instruction, before it sets up paging
            gdb("continue", timeout=60)
            assert gdb.value("$pc") == 0x80200000 and gdb.value("$priv") == 1 and gdb.value("$satp") == 0
            gdb("delete")
            gdb.send("continue")
            deadline = time.monotonic() + 240 * rdu.SLOWER
            while "initramfs: ready" not in log.read_text(errors="replace"):
                assert time.monotonic() < deadline, log.read_text(errors="replace")
                time.sleep(0.2)
            time.sleep(0.5)
            gdb.interrupt()
            gdb.wait()
            assert gdb.value("$satp") % 2**64 >> 60 == 9  # Sv48
            assert "Cannot access" not in gdb("x/4i $pc")
            # The kernel's trap handler by its virtual address, on whichever hart comes first.
            handler = gdb.value("$stvec") % 2**64
            assert handler >> 47
            gdb(f"hbreak *{handler:#x}")
            gdb("continue", timeout=60)
            assert gdb.value("$pc") % 2**64 == handler, gdb.transcript
            gdb("kill")
        assert process.wait() == 0
