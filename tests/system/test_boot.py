"""Secure boot: what the boot ROM starts, what it refuses and how it says so, and recovery."""

import os
import random
import struct
import subprocess

import pytest

import elf
import rdu
from driver import ABI, Device

SIGN = rdu.ROOT / "scripts/sign-firmware"
KEYS = rdu.ROOT / "firmware/keys"
SEED = int(os.environ.get("RDU_SEED", random.randrange(1 << 32)))
FLASH = 192 << 10  # small, so that tests are fast
FIRST, SECTOR = 0x10000, 4096
SLOT = (FLASH - FIRST) // 2
SMALL = ("--set", f"socket.mgmt.flash.size={FLASH}B")
HEADER = 128


def sign(*arguments):
    result = subprocess.run([SIGN, *map(str, arguments)], capture_output=True, text=True, timeout=60 * rdu.SLOWER)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Makes signed images of loop.elf and others; gives the path."""
    folder = tmp_path_factory.mktemp("images")
    sign("keygen", folder / "other")

    def make(name="image", source=rdu.BUILD / "firmware/loop.elf", key=KEYS / "development.pem", **options):
        if key == "other":
            key = folder / "other.pem"
        path = folder / f"{name}.img"
        more = [part for option, value in options.items() for part in (f"--{option}", value)]
        sign("sign", source, *(["--key", key] if key else ["--unsigned"]), "--name", name, "-o", path, *more)
        return path

    return make


def flash(folder, *slots, ranks=(0, 0), good=(), name="flash.bin"):
    """A flash file with these images (bytes, a path or None) in its slots."""
    data = bytearray(b"\xff" * FLASH)
    for n, image in enumerate(slots):
        if image is not None:
            image = image if isinstance(image, (bytes, bytearray)) else image.read_bytes()
            data[FIRST + n * SLOT : FIRST + n * SLOT + len(image)] = image
        data[n * SECTOR : n * SECTOR + 8] = struct.pack("<II", ranks[n] or 0xFFFFFFFF, 0 if n in good else 0xFFFFFFFF)
    file = folder / name
    file.write_bytes(data)
    return file


def boot(file, *more):
    """Boots from a flash to the end; gives the ROM's lines without their times."""
    result = rdu.run("rduvp", "--config", "mini", *SMALL, "--flash", file, "--run-for", "20 ms", *more)
    assert result.returncode == 0, result
    assert "guest fault" not in result.stderr, result.stderr
    return [line.split("] ", 1)[1] for line in result.stdout.splitlines() if line.startswith("[")]


def started(lines):
    """The name and slot of what was started, or None."""
    for line in lines:
        if line.startswith("rom: starting "):
            words = line.split()
            return words[2], words[6].rstrip(",")
    return None


def in_recovery(lines):
    return lines[-1].startswith("rom: recovery: waiting")


def status(file, *more):
    """BOOT_STAGE and the slots' reasons as a host reads them: (stage, error, slot 0's error, slot 1's error)."""
    with rdu.Simulator(*SMALL, "--flash", file, *more) as simulator:
        simulator.ready()
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_memory()
            csts = device.read("CSTS")
            slots = [device.client.read32(0x6C + 4 * n) for n in range(2)]
        simulator.stop()
    assert all(slot & 15 == 1 for slot in slots), slots
    return (csts >> 8 & 255, csts >> 16, *(slot >> 16 for slot in slots))


def test_a_signed_image_boots(tmp_path, images):
    lines = boot(flash(tmp_path, images("one", version="1.2.3")))
    assert "rom: starting one 1.2.3 from slot 0, entry 0x80000000" in lines
    assert lines[-1].startswith("loop:")


def test_the_newer_slot_boots_unless_the_other_was_activated(tmp_path, images):
    old, new = images("old", version="1.0.9"), images("new", version="1.1.0")
    assert started(boot(flash(tmp_path, old, new))) == ("new", "1")
    assert started(boot(flash(tmp_path, new, old))) == ("new", "0")
    assert started(boot(flash(tmp_path, old, old))) == ("old", "0")
    assert started(boot(flash(tmp_path, old, new, ranks=(2, 1)))) == ("old", "0")
    assert started(boot(flash(tmp_path, None, old))) == ("old", "1")


def spoilt(image, offset, *values, crc=True):
    """The image with bytes replaced, and the header's checksum made right again."""
    import zlib

    image = bytearray(image)
    image[offset : offset + len(values)] = bytes(values)
    if crc:
        image[124:128] = struct.pack("<I", zlib.crc32(image[:124]))
    return bytes(image)


DAMAGE = {
    "erased": ("RDU_BOOT_NO_IMAGE", lambda i: b""),
    "magic": ("RDU_BOOT_BAD_HEADER", lambda i: spoilt(i, 0, 0)),
    "header version": ("RDU_BOOT_BAD_HEADER", lambda i: spoilt(i, 4, 9)),
    "header checksum": ("RDU_BOOT_BAD_HEADER", lambda i: spoilt(i, 12, 0x77, crc=False)),
    "unknown flag": ("RDU_BOOT_BAD_HEADER", lambda i: spoilt(i, 20, 3)),
    "zeroes": ("RDU_BOOT_BAD_HEADER", lambda i: bytes(len(i))),
    "type": ("RDU_BOOT_BAD_TYPE", lambda i: spoilt(i, 8, 1)),
    "length 0": ("RDU_BOOT_BAD_LENGTH", lambda i: spoilt(i, 28, 0, 0, 0, 0)),
    "length beyond the slot": ("RDU_BOOT_BAD_LENGTH", lambda i: spoilt(i, 28, 0, 0, 1, 0)),
    "length of 4 GiB": ("RDU_BOOT_BAD_LENGTH", lambda i: spoilt(i, 28, 0xF8, 0xFF, 0xFF, 0xFF)),
    "length 8 too long": ("RDU_BOOT_BAD_DIGEST", lambda i: spoilt(i, 28, i[28] + 8)),
    "length odd": ("RDU_BOOT_BAD_LENGTH", lambda i: spoilt(i, 28, i[28] + 1)),
    "truncated": ("RDU_BOOT_BAD_DIGEST", lambda i: i[:-200]),
    "signature cut off": ("RDU_BOOT_BAD_SIGNATURE", lambda i: i[:-64]),
    "signature": ("RDU_BOOT_BAD_SIGNATURE", lambda i: spoilt(i, len(i) - 1, i[-1] ^ 1)),
    "signature of nothing": ("RDU_BOOT_BAD_SIGNATURE", lambda i: i[:-64] + bytes(64)),
    "version": ("RDU_BOOT_BAD_SIGNATURE", lambda i: spoilt(i, 12, 99)),
    "rollback version": ("RDU_BOOT_BAD_SIGNATURE", lambda i: spoilt(i, 16, 99)),
    "says it is not signed": ("RDU_BOOT_UNSIGNED", lambda i: spoilt(i, 20, 0)),
    "payload": ("RDU_BOOT_BAD_DIGEST", lambda i: spoilt(i, HEADER + 8, 1)),
    "payload and digest": ("RDU_BOOT_BAD_SIGNATURE", lambda i: digest_again(spoilt(i, HEADER + 8, 1))),
}


def digest_again(image):
    import hashlib

    return spoilt(image, 32, *hashlib.sha256(image[HEADER:-64]).digest())


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_with_its_reason(tmp_path, images, name):
    """Each in one slot, with the other good, and in both, where recovery is what is left."""
    error, damage = DAMAGE[name]
    good = images("good").read_bytes()
    bad = damage(good)
    assert started(boot(flash(tmp_path, bad, good, ranks=(2, 1)))) == ("good", "1")
    assert started(boot(flash(tmp_path, good, bad, ranks=(1, 2)))) == ("good", "0")
    both = flash(tmp_path, bad, bad)
    lines = boot(both)
    assert started(lines) is None and in_recovery(lines), lines
    assert sum(line.startswith(("rom: slot 0: ", "rom: slot 1: ")) for line in lines) == 2, lines
    assert status(both) == (5, ABI[error], ABI[error], ABI[error])


def test_a_truncated_flash(tmp_path, images):
    file = flash(tmp_path, images("good"))
    file.write_bytes(file.read_bytes()[: FIRST + 300])
    assert status(file) == (5, ABI["RDU_BOOT_BAD_DIGEST"], ABI["RDU_BOOT_BAD_DIGEST"], ABI["RDU_BOOT_NO_IMAGE"])
    file.write_bytes(b"")
    assert status(file)[:2] == (5, ABI["RDU_BOOT_NO_IMAGE"])
    file.write_bytes(bytes(FLASH + 1))
    result = rdu.run("rduvp", *SMALL, "--flash", file)
    assert result.returncode == rdu.BAD_INPUT and "flash" in result.stderr, result


def test_no_flip_of_signed_content_ever_boots(tmp_path, images):
    """One bit at many places of header, payload and signature. The same seed gives the same places: RDU_SEED."""
    print(f"RDU_SEED={SEED}")
    places = random.Random(SEED)
    good = images("good").read_bytes()
    bits = {places.randrange(len(good) * 8) for _ in range(40)} | {0, len(good) * 8 - 1, HEADER * 8}
    for bit in sorted(bits):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        lines = boot(flash(tmp_path, bad))
        assert started(lines) is None and in_recovery(lines), f"bit {bit}, RDU_SEED={SEED}: {lines}"


def test_another_key(tmp_path, images):
    file = flash(tmp_path, images("other", key="other"))
    assert status(file)[:2] == (5, ABI["RDU_BOOT_OTHER_KEY"])
    public = (images("x").parent / "other.pub").read_text().strip()
    assert started(boot(file, "--set", f"socket.mgmt.fuses.public_key={public}")) == ("other", "0")


def test_unsigned_images_boot_in_development_only(tmp_path, images):
    file = flash(tmp_path, images("bare", key=None), images("signed"), ranks=(2, 1))
    lines = boot(file)
    assert started(lines) == ("signed", "1")
    assert any("not signed" in line and "sign-firmware" in line for line in lines), lines
    lines = boot(file, "--set", "socket.mgmt.fuses.secure_boot=false")
    assert started(lines) == ("bare", "0")
    assert any(line.startswith("rom: warning: this firmware is not signed") for line in lines), lines


def test_development_still_refuses_damage(tmp_path, images):
    off = ("--set", "socket.mgmt.fuses.secure_boot=false")
    good = images("good").read_bytes()
    for name in ("payload", "signature", "header checksum", "truncated"):
        assert started(boot(flash(tmp_path, DAMAGE[name][1](good)), *off)) is None, name


def test_the_developers_path(tmp_path):
    """rduvp --firmware my.elf just boots, and says at what price; --secure keeps the chip as it is."""
    file = rdu.BUILD / "firmware/loop.elf"
    result = rdu.run("rduvp", "--firmware", file)
    assert result.stdout.startswith(f"rduvp: {file} is not signed: secure boot is off"), result.stdout
    assert "loop: this firmware" in result.stdout
    result = rdu.run("rduvp", "--firmware", file, "--secure")
    assert "loop: this firmware" not in result.stdout
    assert "sign-firmware" in result.stdout and "recovery" in result.stdout, result.stdout
    result = rdu.run("rduvp", "--firmware", rdu.BUILD / "firmware/loop.img")
    assert "secure boot is off" not in result.stdout and "loop: this firmware" in result.stdout, result.stdout


def test_a_rolled_back_version_is_refused(tmp_path, images):
    file = flash(tmp_path, images("one", rollback=1), images("two", rollback=2))
    five = ("--set", "socket.mgmt.fuses.firmware_rollback=2")
    assert started(boot(file, *five)) == ("two", "1")
    alone = flash(tmp_path, images("one", rollback=1), name="alone.bin")
    assert status(alone, *five) == (5, ABI["RDU_BOOT_ROLLED_BACK"], ABI["RDU_BOOT_ROLLED_BACK"], ABI["RDU_BOOT_NO_IMAGE"])


def test_a_good_image_raises_the_rollback_version(tmp_path, images):
    """Not before it is known to be good."""
    new = images("new", rollback=7)
    line = "rom: fuses: firmware below rollback version 7 is refused from now on"
    assert line not in boot(flash(tmp_path, new))
    assert line in boot(flash(tmp_path, new, good=(0,)))
    off = ("--set", "socket.mgmt.fuses.secure_boot=false")
    assert line not in boot(flash(tmp_path, images("bare", rollback=7, key=None), good=(0,)), *off)


RESTART = struct.pack("<5I", 0x110002B7, 0x00100313, 0x0262A423, 0x10500073, 0xFFDFF06F)
"""Restarts the core: lui t0, 0x11000; li t1, 1; sw t1, 40(t0); wfi; j .-4"""


def test_a_slot_that_does_not_come_up_is_given_up(tmp_path, images):
    """Firmware that restarts the core again and again: three attempts, then the other slot."""
    code = tmp_path / "crash.elf"
    code.write_bytes(elf.image(code=RESTART))
    crash = images("crash", source=code, version="2.0.0")
    file = flash(tmp_path, images("stable", version="1.0.0"), crash, good=(0,))
    saved = tmp_path / "saved.bin"
    lines = boot(file, "--flash-save", saved)
    starts = [line.split()[2] for line in lines if line.startswith("rom: starting")]
    assert starts == ["crash"] * 3 + ["stable"], lines
    assert "rom: slot 1: the firmware was started too often without coming up" in lines
    # What the flash remembers, the next power-on knows.
    lines = boot(saved)
    assert [line.split()[2] for line in lines if line.startswith("rom: starting")] == ["stable"], lines
    only = flash(tmp_path, None, crash, name="only.bin")
    assert in_recovery(boot(only))


OTHER_HART = """
  .globl _start
_start:
  bnez a0, other
  la t0, _start
  li t1, 0x11000048          # SYSCTL.SCRATCH[2] and [3]: where the other hart goes
  srli t2, t0, 32
  sw t0, 0(t1)
  sw t2, 4(t1)
  li t1, 0x02000004          # CLINT.MSIP[1]
  li t2, 1
  sw t2, 0(t1)
1:
  wfi
  j 1b
other:
  li t1, 0x10000000          # says its number
  addi a0, a0, '0'
  sb a0, 0(t1)
  li a0, 10
  sb a0, 0(t1)
2:
  wfi
  j 2b
"""


def test_firmware_starts_the_other_harts(tmp_path):
    source, program = tmp_path / "harts.S", tmp_path / "harts.elf"
    source.write_text(OTHER_HART)
    subprocess.run(["riscv64-unknown-elf-gcc", "-march=rv64imac", "-mabi=lp64", "-nostdlib", "-T",
                    rdu.ROOT / "firmware/link/ram.ld", source, "-o", program], check=True)
    result = rdu.run("rduvp", "--firmware", program, "--set", "socket.mgmt.harts=2", "--run-for", "5 ms")
    assert [line for line in result.stdout.splitlines() if line.endswith("] 1")], result
    assert result.stdout.count("boot ROM") == 1, "one hart boots"


BURGLAR = """
  .globl _start
_start:
  li s0, 0x11080000          # FLASH_CTL: erase the slot that runs
  li t0, 0x10000
  sw t0, 0x0c(s0)
  li t0, 1
  sw t0, 0x14(s0)
1:
  lw t0, 0x18(s0)
  andi t1, t0, 1
  bnez t1, 1b
  srli t0, t0, 8
  andi a0, t0, 15
  call digit
  sw zero, 0x44(s0)          # PROTECT[0]: open it
  sw zero, 0x48(s0)
  lw a0, 0x48(s0)
  call digit
  li s0, 0x11070000          # FUSES: shut out all other firmware
  li t0, 9
  sw t0, 0x40(s0)
  lw a0, 0x40(s0)
  call digit
  li a0, 10 - '0'
  call digit
2:
  wfi
  j 2b
digit:
  li t1, 0x10000000
  addi a0, a0, '0'
  sb a0, 0(t1)
  ret
"""


def test_what_runs_cannot_undo_its_protection(tmp_path, images):
    """Erasing its own slot is PROTECTED, the range stays locked, and so does the rollback counter."""
    source, program = tmp_path / "burglar.S", tmp_path / "burglar.elf"
    source.write_text(BURGLAR)
    subprocess.run(["riscv64-unknown-elf-gcc", "-march=rv64imac", "-mabi=lp64", "-nostdlib", "-T",
                    rdu.ROOT / "firmware/link/ram.ld", source, "-o", program], check=True)
    file = flash(tmp_path, images("burglar", source=program), good=(0,))
    result = rdu.run("rduvp", *SMALL, "--flash", file, "--run-for", "60 ms", "--flash-save", tmp_path / "after.bin")
    assert [line for line in result.stdout.splitlines() if line.endswith("] 430")], result
    assert result.stderr.count("guest fault") == 3, result.stderr
    assert (tmp_path / "after.bin").read_bytes() == file.read_bytes()


def test_boot_does_not_write_to_a_good_slot(tmp_path, images):
    file = flash(tmp_path, images("good"), good=(0,))
    boot(file, "--flash-save", tmp_path / "after.bin")
    assert (tmp_path / "after.bin").read_bytes() == file.read_bytes()


def test_two_boots_have_the_same_trace_hash(tmp_path, images):
    file = flash(tmp_path, images("good"), images("bad", key=None), ranks=(1, 2))
    hashes = set()
    for n in range(2):
        stats = tmp_path / f"{n}.json"
        boot(file, "--stats", stats)
        hashes.add(__import__("json").loads(stats.read_text())["trace_hash"])
    assert len(hashes) == 1, hashes


def test_sign_firmware_says_what_is_wrong(tmp_path, images):
    good = images("good")

    def fails(*arguments):
        result = subprocess.run([SIGN, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert result.returncode != 0 and "Traceback" not in result.stderr, result
        return result.stderr

    assert "No such file" in fails("sign", tmp_path / "none.elf", "--key", KEYS / "development.pem")
    assert "not an ELF" in fails("sign", KEYS / "development.pem", "--key", KEYS / "development.pem")
    assert "PEM" in fails("sign", rdu.BUILD / "firmware/loop.elf", "--key", KEYS / "development.pub", "-o", tmp_path / "x")
    assert "--unsigned" in fails("sign", rdu.BUILD / "firmware/loop.elf")
    assert "version" in fails("sign", rdu.BUILD / "firmware/loop.elf", "--unsigned", "--version", "1.300.0")
    assert "good" in sign("verify", good, "--key", KEYS / "development.pub")
    assert "another key" in fails("verify", good, "--key", good.parent / "other.pub")
    bad = tmp_path / "bad.img"
    bad.write_bytes(spoilt(good.read_bytes(), good.stat().st_size - 1, 0x5A))
    assert "signature" in fails("verify", bad, "--key", KEYS / "development.pub")
    bad.write_bytes(good.read_bytes()[:-1])
    assert "bytes" in fails("info", bad)
    assert "exists" in fails("keygen", good.parent / "other")
    assert "1.2.3" in sign("info", images("v", version="1.2.3"))
