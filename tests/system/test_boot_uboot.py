"""Debian's OpenSBI starts Debian's U-Boot, both as they are, and U-Boot's prompt answers commands."""

import pathlib
import re

import pytest

from console import Console

OPENSBI = pathlib.Path("/usr/lib/riscv64-linux-gnu/opensbi/generic")
UBOOT = pathlib.Path("/usr/lib/u-boot/qemu-riscv64_smode")
PROMPT = r"=> $"


def have(file, package):
    assert file.exists(), f"{file} is missing: apt-get install {package}"
    return file


def boot(*arguments):
    return Console("--machine", "virt", *arguments, timeout=90)


def to_prompt(console):
    console.expect(r"OpenSBI v\d+\.\d+")
    console.expect(r"U-Boot 20\d\d\.\d\d")
    console.expect("Hit any key to stop autoboot")
    console.send(" ")
    console.expect(PROMPT)


@pytest.mark.parametrize("harts", [1, 2])
def test_prompt(harts):
    firmware = have(OPENSBI / "fw_jump.elf", "opensbi")
    uboot = have(UBOOT / "uboot.elf", "u-boot-qemu")
    with boot("--bios", firmware, "--kernel", uboot, "--smp", harts) as console:
        to_prompt(console)
        assert re.search(rf"Platform HART Count\s*: {harts}\r", console.transcript)
        assert "U-Boot 20" in console.command("version", PROMPT)
        assert console.command("echo one $? three", PROMPT).startswith("one 0 three")
        info = console.command("bdinfo", PROMPT)
        assert re.search(r"-> start\s*= 0x0*80000000", info) and re.search(r"-> size\s*= 0x0*8000000\n", info), info
        # Memory and arithmetic as U-Boot sees them.
        console.command("mw.l 0x84000000 0xcafe1234 0x40", PROMPT)
        console.command("crc32 0x84000000 0x100 0x84001000", PROMPT)
        assert "cafe1234 cafe1234" in console.command("md.l 0x84000000 4", PROMPT)
        console.command("setexpr x 3 * 4", PROMPT)
        assert console.command("printenv x", PROMPT).startswith("x=c\n")
        console.send_line("poweroff")
        assert console.wait() == 0


def test_reset_starts_again():
    """The raw images, as QEMU's -bios and -kernel take them; U-Boot's reset goes through OpenSBI to the finisher."""
    firmware = have(OPENSBI / "fw_dynamic.bin", "opensbi")
    uboot = have(UBOOT / "u-boot.bin", "u-boot-qemu")
    with boot("--bios", firmware, "--kernel", uboot) as console:
        to_prompt(console)
        console.send_line("reset")
        to_prompt(console)
        console.send("\x01x")
        assert console.wait() == 0
