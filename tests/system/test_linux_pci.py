"""The endpoint as parties see it that know nothing of us: Linux's PCI core, setpci and lspci, in a guest of stock QEMU.

No driver is bound. Registers are read and written through /dev/mem, by address, as a debugger of hardware would.
"""

import re

import pytest

from vm import wait_for

DEVICE = "1234:40a1"
# Offsets in BAR0 (models/pcie/hostif.regs.yaml).
MAGIC, RECOVERY_ADDRESS, CSTS, DMA_ERROR, WINDOW0, MSIX_TABLE, MSIX_PENDING = 0, 0x50, 0x14, 0x80, 0x100, 0x2000, 0x3000
HBM = 1


class Function:
    """The card in the guest."""

    def __init__(self, vm):
        self.vm = vm
        self.address = vm.run(f"lspci -D -n -d {DEVICE} | cut -d' ' -f1").stdout.strip()
        assert re.fullmatch(r"[0-9a-f:.]+", self.address), f"no {DEVICE} in the guest"
        self.folder = f"/sys/bus/pci/devices/{self.address}"
        self.enable()

    def enable(self):
        self.set("COMMAND", "0006:0006")

    def get(self, register):
        return int(self.vm.run(f"setpci -s {self.address} {register}").stdout, 16)

    def set(self, register, value):
        self.vm.run(f"setpci -s {self.address} {register}={value}")

    def bar(self, number):
        line = self.vm.run(f"sed -n {number + 1}p {self.folder}/resource").stdout.split()
        return int(line[0], 16)

    def read(self, bar, offset, bits=32):
        return int(self.vm.run(f"busybox devmem {self.bar(bar) + offset:#x} {bits}").stdout, 16)

    def write(self, bar, offset, value, bits=32):
        self.vm.run(f"busybox devmem {self.bar(bar) + offset:#x} {bits} {value:#x}")

    def lspci(self):
        """Capability by capability: {first line: all lines of it}; "" is what comes before the first."""
        text = self.vm.run(f"lspci -vvv -s {self.address}").stdout
        sections = {"": ""}
        name = ""
        for line in text.splitlines():
            found = re.match(r"\tCapabilities: \[([0-9a-f]+)[^]]*\] (.*)", line)
            if found:
                name = found[2]
            sections[name] = sections.get(name, "") + line + "\n"
        return sections

    def section(self, beginning):
        for name, text in self.lspci().items():
            if name.startswith(beginning):
                return text
        raise AssertionError(f"lspci shows no {beginning!r}:\n" + "".join(self.lspci().values()))


@pytest.fixture
def card(vm):
    return Function(vm)


def expect(text, *patterns):
    for pattern in patterns:
        assert re.search(pattern, text), f"no /{pattern}/ in\n{text}"


def test_linux_enumerates_it_without_complaint(vm, card):
    lines = vm.run(f"dmesg | grep -F 'pci {card.address}'").stdout
    expect(lines, rf"\[{DEVICE}\] type 00 class 0x120000", r"(reg 0x10:|BAR 0) \[mem 0x[0-9a-f]+-0x[0-9a-f]+ 64bit\]",
           r"(reg 0x18:|BAR 2) \[mem 0x[0-9a-f]+-0x[0-9a-f]+ 64bit pref\]")
    assert not re.search(r"fail|can't|no space|invalid|broken|bogus|error", lines, re.I), lines


def test_lspci_shows_what_the_page_says(card):
    sections = card.lspci()
    expect(sections[""], "Processing accelerators", "Subsystem: Device 1234:0001", r"Mem\+ BusMaster\+",
           r"Region 0: Memory at [0-9a-f]+ \(64-bit, non-prefetchable\) \[size=64K\]",
           r"Region 2: Memory at [0-9a-f]+ \(64-bit, prefetchable\) \[size=256M\]", r"Status: Cap\+")
    assert "Interrupt: pin" not in sections[""]
    expect(card.section("Power Management version 3"), r"D1- D2- .*PME\(D0-,D1-,D2-,D3hot-,D3cold-\)",
           r"Status: D0 NoSoftRst\+ PME-Enable-")
    expect(card.section("MSI-X"), "Count=16 Masked-", "Vector table: BAR=0 offset=00002000", "PBA: BAR=0 offset=00003000")
    express = card.section("Express")
    expect(express, r"Express \(v2\) Endpoint", "MaxPayload 256 bytes", r"RBE\+ FLReset\+", r"LnkCap:.*Width x16",
           r"(?s)DevCap2:.* 10BitTagComp-")
    expect(card.section("Advanced Error Reporting"), r"UESta:.*UnsupReq-", r"UEMsk:\s+DLP- .*UnsupReq-",
           r"UESvrt:\s+DLP\+ .*MalfTLP\+ .*UnsupReq-", r"CEMsk:.*AdvNonFatalErr\+", r"ECRCGenCap- .*ECRCChkCap-")
    expect(card.section("Device Serial Number"), r"Number ([0-9a-f]{2}-){7}[0-9a-f]{2}")


def test_registers_answer_at_every_width(card):
    assert card.read(0, MAGIC) == 0x31554452
    assert card.read(0, MAGIC, 64) & 0xffffffff == 0x31554452
    assert card.read(0, MAGIC + 2, 16) == 0x3155
    assert [card.read(0, MAGIC + i, 8) for i in range(4)] == [0x52, 0x44, 0x55, 0x31]
    card.write(0, RECOVERY_ADDRESS, 0x1122334455667788, 64)
    assert card.read(0, RECOVERY_ADDRESS, 64) == 0x1122334455667788
    card.write(0, RECOVERY_ADDRESS + 1, 0, 8)  # refused as a whole
    assert card.read(0, RECOVERY_ADDRESS, 64) == 0x1122334455667788


def test_an_access_to_nothing_is_an_unsupported_request(card):
    card.set("ECAP_AER+10.L", "ffffffff")
    card.set("ECAP_AER+4.L", "ffffffff")
    card.set("CAP_EXP+a.W", "f")
    assert card.read(0, 0x4000) == 0xffffffff
    expect(card.section("Advanced Error Reporting"), r"CESta:.*AdvNonFatalErr\+", r"UESta:.*UnsupReq-")
    expect(card.section("Express"), r"DevSta:.*UnsupReq\+")
    card.write(0, 0x4000, 1)
    expect(card.section("Advanced Error Reporting"), r"UESta:.*UnsupReq\+", r"HeaderLog: [46]0000001 ")
    card.set("ECAP_AER+4.L", "ffffffff")
    expect(card.section("Advanced Error Reporting"), r"UESta:.*UnsupReq-")


def wait_for_firmware(card):
    wait_for(lambda: card.read(0, CSTS) & 4, 60, lambda: "the firmware is not ready")


def test_bar2_shows_device_memory_and_moves(card):
    wait_for_firmware(card)
    mebibyte = 1 << 20
    card.write(0, WINDOW0, HBM, 64)
    card.write(2, 3 * mebibyte + 8, 0x1122334455667788, 64)
    card.write(2, 3 * mebibyte + 16, 0xab, 8)
    assert card.read(2, 3 * mebibyte + 8, 64) == 0x1122334455667788
    card.write(0, WINDOW0, 2 * mebibyte | HBM, 64)
    assert card.read(2, mebibyte + 8, 64) == 0x1122334455667788
    assert card.read(2, mebibyte + 16, 16) == 0xab
    assert card.read(2, 3 * mebibyte + 8, 64) == 0
    card.write(0, WINDOW0, mebibyte | HBM, 64)  # no multiple of 2 MiB
    assert card.read(0, WINDOW0, 64) & 3 == 0


def test_resets_by_linux(vm, card):
    methods = vm.run(f"cat {card.folder}/reset_method").stdout.split()
    assert methods[:2] == ["flr", "bus"], methods
    for method in "flr", "bus":
        vm.run(f"echo {method} > {card.folder}/reset_method")
        card.enable()
        card.write(0, RECOVERY_ADDRESS, 0x5000, 64)
        card.write(0, MSIX_TABLE, 0xfee00000)
        assert card.read(0, RECOVERY_ADDRESS, 64) == 0x5000
        vm.run(f"echo 1 > {card.folder}/reset")
        assert card.get("COMMAND") & 6 == 6  # Linux restores it
        assert card.read(0, RECOVERY_ADDRESS, 64) == 0, method
        wait_for_firmware(card)
    vm.run(f"echo 'flr bus' > {card.folder}/reset_method")


def test_power_states(card):
    card.write(0, RECOVERY_ADDRESS, 0x6000, 64)
    control = card.get("CAP_PM+4.W")
    card.set("CAP_PM+4.W", "0003:0003")
    expect(card.section("Power Management"), "Status: D3")
    assert card.read(0, MAGIC) != 0x31554452  # QEMU itself hides the BARs
    card.set("CAP_PM+4.W", "0001:0003")  # D1, which there is not
    assert card.get("CAP_PM+4.W") & 3 == 3
    card.set("CAP_PM+4.W", f"{control:04x}")
    expect(card.section("Power Management"), "Status: D0")
    assert card.read(0, RECOVERY_ADDRESS, 64) == 0x6000  # no soft reset


def test_removal_and_rescan(vm, card):
    vm.run(f"echo 1 > {card.folder}/remove")
    vm.run(f"test ! -e {card.folder}")
    vm.run("echo 1 > /sys/bus/pci/rescan")
    vm.run(f"test -e {card.folder}")
    again = Function(vm)
    assert again.read(0, MAGIC) == 0x31554452
