"""rdu-fw with a real chip: recovery, update, activation, and what each refuses."""

import struct
import time

import pytest

import elf
import rdu
from driver import ABI, Device
from test_boot import DAMAGE, FIRST, KEYS, RESTART, SECTOR, SLOT, SMALL, digest_again, flash, images, spoilt  # noqa: F401


def fw(command, simulator, *more, timeout=60):
    return rdu.run("rdu-fw", "--timeout", "20", command, *more, "--device", f"unix:{simulator.socket}", timeout=timeout)


def ok(command, simulator, *more):
    result = fw(command, simulator, *more)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}\n--- simulator ---\n{simulator.output}"
    return result.stdout


def refused(command, simulator, *more):
    result = fw(command, simulator, *more)
    assert result.returncode == 1 and result.stderr.count("\n") >= 1, result
    return result.stderr


@pytest.fixture(scope="module")
def firmware(images):  # noqa: F811
    """Images of the management firmware in versions of one's choice."""
    return lambda name, **options: images(name, source=rdu.BUILD / "firmware/mgmt.elf", **options)


def slots(file):
    """(rank, good, attempts, first bytes of the slot) of each."""
    data = file.read_bytes()
    return [(*struct.unpack_from("<III", data, n * SECTOR), data[FIRST + n * SLOT :]) for n in range(2)]


def test_recovery_and_then_for_good(tmp_path, firmware):
    """An empty chip is brought to life, updated, and boots from its flash from then on."""
    image, saved = firmware("rescue", version="1.0.0"), tmp_path / "saved.bin"
    with rdu.Simulator(*SMALL, "--flash", flash(tmp_path), "--flash-save", saved) as simulator:
        simulator.ready().wait_for("rom: recovery: waiting")
        info = ok("info", simulator)
        assert "RECOVERY: the flash holds no firmware" in info and "slot 1 at boot" in info, info
        out = ok("recover", simulator, image)
        assert "recovered: rescue 1.0.0" in out, out
        simulator.wait_for("rom: starting rescue 1.0.0 from the host")
        simulator.wait_for("fw: ready")
        info = ok("info", simulator)
        assert "the host (recovery)" in info and "slot 0            empty" in info, info
        with Device(simulator.socket) as device:  # it is a whole chip
            assert device.identify()["hbm_bytes"] > 0
        assert "not in recovery" in refused("recover", simulator, image)
        ok("update", simulator, image, "--slot", "1", "--activate")
        assert "; boots next" in ok("info", simulator)
        simulator.stop()
    with rdu.Simulator(*SMALL, "--flash", saved) as simulator:
        simulator.ready().wait_for("rom: starting rescue 1.0.0 from slot 1")
        assert "known to be good; runs; boots next" in ok("info", simulator)
        simulator.stop()


def test_recovery_refuses_what_a_slot_would(tmp_path, images, firmware):  # noqa: F811
    """Each refusal has its reason, and the next image may be good."""
    good = firmware("good", rollback=2)
    bad = tmp_path / "bad.img"
    rom_only = {
        "RDU_BOOT_UNSIGNED": images("bare", key=None, rollback=2).read_bytes(),
        "RDU_BOOT_OTHER_KEY": images("other", key="other", rollback=2).read_bytes(),
        "RDU_BOOT_ROLLED_BACK": images("old", rollback=1).read_bytes(),
        "RDU_BOOT_BAD_SIGNATURE": spoilt(good.read_bytes(), 12, 99),
        "RDU_BOOT_BAD_DIGEST": spoilt(good.read_bytes(), 1000, good.read_bytes()[1000] ^ 4),
        "RDU_BOOT_BAD_HEADER": b"#!/bin/sh\n" * 20,
        "RDU_BOOT_BAD_LENGTH": good.read_bytes()[:-100],
        "RDU_BOOT_NO_IMAGE": b"\xff" * 4096,
    }
    with rdu.Simulator(*SMALL, "--flash", flash(tmp_path), "--set", "socket.mgmt.fuses.firmware_rollback=2") as simulator:
        simulator.ready().wait_for("rom: recovery: waiting")
        for name, data in rom_only.items():
            with Device(simulator.socket, bring_up=False) as device:
                device.enable_pci()
                assert push(device, data) == ABI[name], name
        # Host memory that is not there, and lengths that make no sense.
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_pci()
            assert start(device, 1 << 40, 4096) == ABI["RDU_BOOT_COPY"]
            assert start(device, (1 << 64) - 8, 4096) == ABI["RDU_BOOT_COPY"]
            assert start(device, 0, 0) == ABI["RDU_BOOT_BAD_LENGTH"]
            assert start(device, 0, 0xFFFFFFFF) == ABI["RDU_BOOT_BAD_LENGTH"]
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_memory()  # but no bus mastering
            assert start(device, 4096, 4096) == ABI["RDU_BOOT_COPY"]
        bad.write_bytes(rom_only["RDU_BOOT_OTHER_KEY"])
        assert "another key" in refused("recover", simulator, bad)
        assert "rollback" in refused("recover", simulator, images("old", rollback=1))
        ok("recover", simulator, firmware("good", rollback=2))
        simulator.stop()


def test_recovery_gives_up_a_copy_that_takes_too_long(tmp_path, firmware):
    """Round trips of 160 ms to the host, where the ROM allows 100 ms; on a chip with less patience nothing would help."""
    with rdu.Simulator(*SMALL, "--flash", flash(tmp_path), "--set", "socket.pcie.latency=80 ms") as simulator:
        simulator.ready().wait_for("rom: recovery: waiting")
        for _ in range(2):
            assert "took too long" in refused("recover", simulator, firmware("slow"))
        simulator.stop()


RECOVERY_ADDRESS, RECOVERY_LENGTH, RECOVERY_COMMAND, RECOVERY_STATUS = 0x50, 0x58, 0x5C, 0x60


def start(device, address, length):
    """Recovery by hand; gives the error."""
    import time

    device.client.write64(RECOVERY_ADDRESS, address)
    device.client.write32(RECOVERY_LENGTH, length)
    device.client.write32(RECOVERY_COMMAND, 1)
    deadline = time.monotonic() + 20 * rdu.SLOWER
    while True:
        status = device.client.read32(RECOVERY_STATUS)
        if not status & 0x100 and status & 0xFF in (4, 5):
            return status >> 16
        assert time.monotonic() < deadline, hex(status)
        time.sleep(0.005)


def push(device, data):
    return start(device, device.memory.put(data), len(data))


def test_update_and_reboot_into_the_other_slot(tmp_path, firmware):
    saved = tmp_path / "saved.bin"
    old, new = firmware("old", version="1.0.0"), firmware("new", version="2.0.0")
    file = flash(tmp_path, old, ranks=(1, 0), good=(0,))
    with rdu.Simulator(*SMALL, "--flash", file, "--flash-save", saved) as simulator:
        simulator.ready().wait_for("rom: starting old 1.0.0 from slot 0")
        out = ok("update", simulator, new)
        assert "slot 1 holds new 2.0.0" in out and "activate 1" in out, out
        assert "slot 0 holds the firmware that runs" in refused("update", simulator, new, "--slot", "0")
        ok("restart", simulator)  # written is not activated
        assert sum("rom: starting old" in line for line in simulator.lines) == 2
        out = ok("activate", simulator, "1", "--restart")
        assert "booted from       slot 1" in out, out
        simulator.wait_for("rom: starting new 2.0.0 from slot 1")
        info = ok("info", simulator)
        assert "new 2.0.0" in info and "known to be good; runs; boots next" in info, info
        # And back, for those who regret.
        ok("activate", simulator, "0", "--restart")
        assert "booted from       slot 0" in ok("info", simulator)
        simulator.stop()
    (rank0, good0, *_), (rank1, good1, *_) = slots(saved)
    assert rank0 > rank1 and good0 == good1 == 0, (rank0, rank1)


def test_update_refuses_what_would_not_boot(tmp_path, images, firmware):  # noqa: F811
    file = flash(tmp_path, firmware("good", rollback=3), ranks=(1, 0), good=(0,))
    with rdu.Simulator(*SMALL, "--flash", file) as simulator:
        simulator.ready().wait_for("fw: ready")  # the fuses are at 3 now
        assert "not signed" in refused("update", simulator, images("bare", key=None, rollback=3))
        assert "another key" in refused("update", simulator, images("other", key="other", rollback=3))
        assert "rollback" in refused("update", simulator, firmware("old", rollback=2))
        assert "no firmware image" in refused("update", simulator, KEYS / "development.pem")
        assert "No such file" in refused("update", simulator, tmp_path / "none.img")
        assert "cannot be activated" in refused("activate", simulator, "1")
        # Past the tool, straight to the firmware.
        with Device(simulator.socket) as device:
            good = firmware("x", rollback=3).read_bytes()
            write(device, 1, digest_again(spoilt(good, 2000, good[2000] ^ 1)))
            entry = device.admin.run(ABI["RDU_ADMIN_FW_ACTIVATE"], 1)
            assert (entry.status, entry.result) == (ABI["RDU_STATUS_BAD_IMAGE"], ABI["RDU_BOOT_BAD_SIGNATURE"])
            at = device.memory.put(good[:4096])
            assert device.admin.run(ABI["RDU_ADMIN_FW_WRITE"], 0, 0, at, 4096).status == ABI["RDU_STATUS_IN_USE"]
        simulator.stop()


def write(device, slot, image):
    for at in range(0, len(image), SECTOR):
        part = image[at : at + SECTOR]
        device.admin.ok(ABI["RDU_ADMIN_FW_WRITE"], slot, at, device.memory.put(part), len(part))


def test_new_firmware_that_crashes_is_abandoned(tmp_path, images, firmware):  # noqa: F811
    """It restarts again and again; after three attempts the chip is back on what it had."""
    code = tmp_path / "crash.elf"
    code.write_bytes(elf.image(code=RESTART))
    crash = images("crash", source=code, version="9.0.0")
    file = flash(tmp_path, firmware("stable", version="1.0.0"), ranks=(1, 0), good=(0,))
    with rdu.Simulator(*SMALL, "--flash", file) as simulator:
        simulator.ready().wait_for("fw: ready")
        ok("update", simulator, crash, "--activate")
        ok("restart", simulator)
        assert sum("rom: starting crash" in line for line in simulator.lines) == 3
        info = ok("info", simulator)
        assert "slot 1 at boot    refused: the firmware was started too often" in info, info
        assert "booted from       slot 0" in info and "booted 3 times without coming up" in info, info
        # Activating it again is a new chance; a good image in its place ends the story.
        ok("update", simulator, firmware("better", version="1.1.0"), "--restart")
        assert "booted from       slot 1" in ok("info", simulator)
        simulator.stop()


def test_new_firmware_that_sleeps_for_ever_is_abandoned(tmp_path, images, firmware):  # noqa: F811
    """loop.elf never becomes ready and waits in WFI. The boot ROM's watchdog ends that, without a host."""
    file = flash(tmp_path, firmware("stable", version="1.0.0"), images("hang", version="2.0.0"), good=(0,))
    with rdu.Simulator(*SMALL, "--flash", file) as simulator:
        simulator.ready().wait_for("fw: ready")
        assert sum("rom: starting hang" in line for line in simulator.lines) == 3
        simulator.wait_for("guest fault: socket0.mgmt.watchdog at .*it was not kicked in time")
        info = ok("info", simulator)
        assert "slot 1 at boot    refused: the firmware was started too often" in info, info
        assert "booted from       slot 0" in info
        simulator.stop()


def test_firmware_of_a_developer_is_never_given_up(tmp_path):
    """An ELF file is not known to be good, and not signed: it may sleep, and be restarted, as often as it likes."""
    saved = tmp_path / "saved.bin"
    loop = rdu.BUILD / "firmware/loop.elf"
    with rdu.Simulator("--firmware", loop, "--flash-save", saved) as simulator:
        simulator.ready().wait_for("loop: this firmware")
        for count in range(2, 7):
            result = rdu.run("rdu-fw", "--timeout", "0.2", "restart", "--device", f"unix:{simulator.socket}")
            assert result.returncode == 1 and "time-out" in result.stderr, result
            deadline = time.monotonic() + 20 * rdu.SLOWER
            while sum("rom: starting loop.elf" in line for line in simulator.lines) < count:
                assert time.monotonic() < deadline, simulator.transcript()
        simulator.stop()
    assert slots(saved)[0][1] != 0, "it never came up"


def test_firmware_that_comes_up_is_known_to_be_good(tmp_path):
    saved = tmp_path / "saved.bin"
    with rdu.Simulator("--firmware", rdu.BUILD / "firmware/mgmt.elf", "--flash-save", saved) as simulator:
        simulator.ready().wait_for("fw: slot 0 is known to be good")
        simulator.stop()
    assert slots(saved)[0][1] == 0


def test_an_interrupted_update_leaves_the_running_slot(tmp_path, firmware):
    """The host dies in the middle; the next power-on boots what ran, and the half-written slot is no image."""
    saved = tmp_path / "saved.bin"
    file = flash(tmp_path, firmware("old", version="1.0.0"), firmware("older", version="0.9.0"), ranks=(2, 1), good=(0, 1))
    with rdu.Simulator(*SMALL, "--flash", file, "--flash-save", saved) as simulator:
        simulator.ready().wait_for("fw: ready")
        device = Device(simulator.socket)
        image = firmware("new", version="2.0.0").read_bytes()
        write(device, 1, image[: 2 * SECTOR])
        device.admin.push(ABI["RDU_ADMIN_FW_WRITE"], 1, 2 * SECTOR, device.memory.put(image[:SECTOR]), SECTOR)
        device.__exit__()
        assert "booted from       slot 0" in ok("info", simulator)
        simulator.stop()
    with rdu.Simulator(*SMALL, "--flash", saved) as simulator:
        simulator.ready().wait_for("rom: starting old 1.0.0 from slot 0")
        assert "cannot be activated" in refused("activate", simulator, "1")
        simulator.stop()


def test_verify_and_usage(tmp_path, images, simulator):  # noqa: F811
    good = images("good", version="1.2.3")
    result = rdu.run("rdu-fw", "verify", good)
    assert result.returncode == 0 and "good 1.2.3" in result.stdout and "signed" in result.stdout, result
    assert "good 1.2.3" in ok("verify", simulator, good)
    other = good.parent / "other.pub"
    assert rdu.run("rdu-fw", "verify", good, "--key", other).returncode == 1
    assert rdu.run("rdu-fw", "verify", images("other", key="other"), "--key", other).returncode == 0
    bad = tmp_path / "bad.img"
    for name, (_, damage) in DAMAGE.items():
        bad.write_bytes(damage(good.read_bytes()))
        result = rdu.run("rdu-fw", "verify", bad)
        assert result.returncode == 1 and str(bad) in result.stderr, (name, result)
    for arguments in ((), ("fly",), ("activate", "2", "--device", "unix:x"), ("recover",)):
        assert rdu.run("rdu-fw", *arguments).returncode == 2, arguments
    for arguments in (("--help",), ("update", "--help"), ("--version",)):
        assert rdu.run("rdu-fw", *arguments).returncode == 0, arguments
    result = rdu.run("rdu-fw", "info", "--device", "tcp:somewhere")
    assert result.returncode == 1 and "unix:PATH" in result.stderr, result
    result = rdu.run("rdu-fw", "--timeout", "0.3", "info", "--device", f"unix:{tmp_path}/nobody")
    assert result.returncode == 1 and "nobody" in result.stderr, result
