"""The kernel driver when the device, the slot, the power or the process goes away under it: every waiter gets a clean
error, nothing stays behind, and the device works again."""

import os
import random
import re
import time

import pytest

import rdu
from driver import HBM, program_stream, va
from linux_driver import CLIENT, DEBUGFS, PCI, SYSFS, assert_lost, attribute, busy, counters, guest, holding, works
from test_contexts import program
from vm import wait_for

DRIVER = "/sys/bus/pci/drivers/rdu"


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def vm(request):
    with guest(kernel=request.param) as machine:
        yield machine


@pytest.fixture(autouse=True)
def well_afterwards(vm, request):
    yield
    if request.node.name.startswith("test_card_that_dies"):
        return
    works(vm)


# --- processes ---


def test_killed_with_work_under_way(vm):
    source = random.Random(int(os.environ.get("RDU_SEED", "1"), 0))
    for _ in range(5):
        program = busy(vm)
        time.sleep(source.random() / 4)
        program.kill()
        program.wait(60, check=False)
    wait_for(lambda: vm.run(f"cat {DEBUGFS}/contexts | wc -l").stdout == "1\n", 20, lambda: "a context is left")


# --- resets ---


def test_pci_reset(vm):
    program, other = holding(vm), busy(vm)
    vm.run(f"echo 1 > {PCI}/reset")
    assert_lost(program, "EIO")
    assert "busy: EIO" in other.wait().stdout


def test_firmware_that_panics(vm):
    resets = int(attribute(vm, "resets"))
    program, other = holding(vm), busy(vm)
    vm.forget_dmesg()
    assert vm.run(f"{CLIENT} inject panic", check=False).status == 0
    vm.expect_dmesg("rdu rdu0: reset:")
    assert_lost(program, "EIO")
    assert "busy: EIO" in other.wait().stdout
    vm.expect_dmesg("rdu rdu0: up again")
    assert int(attribute(vm, "resets")) == resets + 1
    assert "the host has asked for it" in vm.run(f"cat {DEBUGFS}/panic").stdout


def test_firmware_that_hangs(vm):
    program = holding(vm)
    vm.forget_dmesg()
    vm.run(f"{CLIENT} inject hang", check=False)
    vm.expect_dmesg("rdu rdu0: reset:", timeout=60)
    assert_lost(program, "EIO")
    wait_for(lambda: attribute(vm, "state") == "up", 60, lambda: "not up")
    assert vm.run(f"cat {DEBUGFS}/panic").stdout.startswith("watchdog")


def test_endless_command_costs_its_context_only(vm, tmp_path):
    """A kernel that never ends: its own context goes, another does not notice."""
    resets, hung = attribute(vm, "resets"), counters(vm)["hung_commands"]
    stream = program_stream((6, 6), program(6, va(HBM, 0), va(HBM, 4096), 1 << 40))
    vm.run(f"echo {stream.hex()} | xxd -r -p > /tmp/endless; echo 2 > /sys/module/rdu/parameters/command_timeout")
    other = busy(vm)
    launched = vm.spawn(f"{CLIENT} launch /tmp/endless")
    assert launched.wait(60).stdout == "launch: status 0x43\nthen: EIO\n"
    vm.run("echo 60 > /sys/module/rdu/parameters/command_timeout")
    assert counters(vm)["hung_commands"] == hung + 1 and attribute(vm, "resets") == resets
    assert other.running()
    other.kill()
    other.wait(check=False)


def test_lost_interrupts_are_found(vm):
    lost = counters(vm)["lost_interrupts"]
    control = vm.run("setpci -s 01:00.0 CAP_MSIX+2.W").stdout.strip()
    vm.run(f"setpci -s 01:00.0 CAP_MSIX+2.W={int(control, 16) | 0x4000:x}")
    try:
        assert vm.run(f"{CLIENT} cycles 2", timeout=60).stdout == "cycles: good\n"
    finally:
        vm.run(f"setpci -s 01:00.0 CAP_MSIX+2.W={control}")
    assert counters(vm)["lost_interrupts"] > lost


# --- the driver and the slot ---


def test_unbind_with_files_open(vm):
    program, other = holding(vm), busy(vm)
    vm.run(f"echo 0000:01:00.0 > {DRIVER}/unbind", timeout=60)
    assert_lost(program, "ENODEV", " HUP")
    assert "busy: ENODEV" in other.wait().stdout
    assert vm.run("ls /dev/rdu0", check=False).status != 0
    vm.run(f"echo 0000:01:00.0 > {DRIVER}/bind", timeout=60)


def test_unbind_while_it_is_open_and_bind_again(vm):
    """Who has the old device open does not disturb the new one."""
    old = vm.spawn("exec 5<>/dev/rdu0; echo open; sleep 1000")
    old.expect("open")
    for _ in range(3):
        vm.run(f"echo 0000:01:00.0 > {DRIVER}/unbind")
        vm.run(f"echo 0000:01:00.0 > {DRIVER}/bind")
    vm.run("! rmmod rdu")
    name = vm.run("ls /sys/class/rdu").stdout.strip()
    assert vm.run(f"cat /sys/class/rdu/{name}/state").stdout == "up\n"
    old.kill()
    old.wait(check=False)
    vm.run("rmmod rdu; insmod /lib/modules/rdu.ko")


def test_removal_of_the_pci_device(vm):
    """What the slot's driver does when the card is unplugged."""
    program, other = holding(vm), busy(vm)
    vm.run(f"echo 1 > {PCI}/remove", timeout=60)
    assert_lost(program, "ENODEV", " HUP")
    assert "busy: ENODEV" in other.wait().stdout
    vm.run("echo 1 > /sys/bus/pci/rescan")
    wait_for(lambda: vm.run("ls /dev/rdu0", check=False).status == 0, 60, lambda: "the card is not found again")


# --- firmware ---


def test_firmware_update(vm):
    image = rdu.BUILD / "firmware"
    vm.run(f"echo -n {image} > /sys/module/firmware_class/parameters/path")
    program = holding(vm)
    vm.run(f"echo mgmt.img > {SYSFS}/firmware_update", timeout=120)
    assert_lost(program, "EIO")
    assert attribute(vm, "state") == "up"
    assert re.search("BOOT 0x102", vm.run(f"cat {DEBUGFS}/registers").stdout), "it runs from slot 1 now"


def test_firmware_update_refused(vm):
    vm.forget_dmesg()
    assert vm.run(f"echo nothing.img > {SYSFS}/firmware_update", check=False).status != 0
    vm.expect_dmesg("no firmware image nothing.img")
    assert vm.run(f"echo mgmt.elf > {SYSFS}/firmware_update", check=False).status != 0
    vm.expect_dmesg("the file is no firmware image")
    damaged = "/tmp/damaged.img"
    vm.run(f"cp {rdu.BUILD}/firmware/mgmt.img {damaged}; printf X | dd of={damaged} bs=1 seek=5000 conv=notrunc; "
           "echo -n /tmp > /sys/module/firmware_class/parameters/path")
    assert vm.run(f"echo damaged.img > {SYSFS}/firmware_update", timeout=120, check=False).status != 0
    vm.expect_dmesg(r"slot \d cannot be booted: status 0x20, boot error 0x26")
    assert attribute(vm, "state") == "up"


# --- the card itself: the last test, for there is none any more ---


def test_card_that_dies(vm):
    """It answers every read with ones, as one that was pulled out. (Under work, QEMU would end as well.)"""
    program = holding(vm)
    vm.forget_dmesg()
    vm.device.end()
    vm.expect_dmesg("rdu rdu0: reset: the device does not answer", timeout=60)
    assert_lost(program, "EIO")
    wait_for(lambda: attribute(vm, "state") == "failed", 60, lambda: "it is not given up")
    assert vm.run(f"{CLIENT} cycles 1", check=False).status != 0
    vm.run(f"echo 1 > {PCI}/remove; ! ls /dev/rdu0")
