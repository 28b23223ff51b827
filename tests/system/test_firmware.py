"""The management core runs what it is given, and says what is wrong with it."""

import pytest

import elf
import rdu
from driver import ABI, CSTS_CFS, CSTS_FW, CSTS_RDY, Device


def write(folder, data):
    file = folder / "firmware.elf"
    file.write_bytes(data)
    return file




@pytest.mark.parametrize(
    "name, data",
    [
        ("empty", b""),
        ("no ELF", b"#!/bin/sh\necho hello\n"),
        ("machine x86-64", elf.image(machine=elf.X86_64)),
        ("machine AArch64", elf.image(machine=elf.AARCH64)),
        ("32 bits", elf.image(bits=32)),
        ("big-endian", elf.image(little=False)),
        ("object file", elf.image(kind=1)),
        ("header only", elf.image()[:64]),
        ("cut in the segment", elf.image(code=b"\x13\0\0\0" * 100)[:-50]),
    ],
)
def test_images_that_cannot_be_firmware(tmp_path, name, data):
    result = rdu.run("rduvp", "--config", "mini", "--firmware", write(tmp_path, data), "--run-for", "10 ms")
    assert result.returncode == rdu.BAD_INPUT, result
    assert "firmware.elf" in result.stderr, result.stderr


def test_boot_rom_reports_a_segment_outside_ram(tmp_path):
    """Well-formed, but for no memory of this chip: the ROM's code finds out and tells the host."""
    file = write(tmp_path, elf.image(base=0x4_0000_0000))
    with rdu.Simulator("--firmware", file) as simulator:
        simulator.ready()
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_memory()
            assert not device.read("CSTS") & (CSTS_FW | CSTS_RDY)
            assert device.read("CSTS") >> 16 == 3, "RDU_BOOT_BAD_SEGMENT"
        simulator.stop()


def test_firmware_that_runs_into_nowhere(tmp_path):
    """A jump into a hole: the core traps for ever, the simulator stays alive and says what happened."""
    file = write(tmp_path, elf.image(code=(0x0000_0067).to_bytes(4, "little")))  # jalr zero, 0(zero)
    with rdu.Simulator("--firmware", file) as simulator:
        simulator.ready()
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_memory()
            assert not device.read("CSTS") & CSTS_FW
        simulator.stop()


def test_dead_firmware_answers_nothing():
    """No admin queue, no mailbox: nobody else answers for the firmware."""
    with rdu.Simulator("--firmware", rdu.BUILD / "firmware/loop.elf") as simulator:
        simulator.ready()
        with Device(simulator.socket, bring_up=False) as device:
            device.enable_pci()
            assert not device.read("CSTS") & CSTS_FW
            device.client.write32(0x40, 0x01)
            assert device.read("MBOX_STATUS") & 1, "the mailbox stays busy"
            device.client.write32(0x10, 1)
            for _ in range(20):
                assert not device.read("CSTS") & CSTS_RDY
        simulator.stop()


@pytest.mark.parametrize(
    "setting, error, line",
    [
        ("socket.hbm.training_fails=true", "RDU_BOOT_HBM_TRAINING", "fw: error: HBM training failed"),
        ("socket.ddr.training_fails=true", "RDU_BOOT_DDR_TRAINING", "fw: error: DDR training failed"),
        # The firmware sleeps until the end of training or for half a second of device time, whichever is first.
        ("socket.ddr.training_time=1 s", "RDU_BOOT_DDR_TIMEOUT", "fw: error: DDR training timed out"),
    ],
)
def test_memory_that_does_not_train(setting, error, line):
    with rdu.Simulator("--set", setting) as simulator:
        simulator.wait_for(line)
        with Device(simulator.ready().socket, bring_up=False) as device:
            device.enable_memory()
            csts = device.read("CSTS")
            assert not csts & (CSTS_FW | CSTS_RDY) and csts & CSTS_CFS
            assert csts >> 16 == ABI[error]
        simulator.stop()


def test_memory_that_trains_slowly():
    with rdu.Simulator("--set", "socket.hbm.training_time=400 ms") as simulator:
        simulator.wait_for("fw: HBM trained: ")
        with Device(simulator.ready().socket) as device:
            assert device.identify()["hbm_bytes"] > 0
        simulator.stop()
