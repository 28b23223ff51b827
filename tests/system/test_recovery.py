"""The kernel driver's recovery: the hardware fails at a chosen moment, and whoever uses it gets through, or hears so; then it
works again."""

import re
import time

import pytest

import linux_driver
from linux_driver import CLIENT, PCI, attribute, counters, guest, mistakes
from vm import wait_for

POISONED = 4  # HOSTIF.DMA_ERROR.CODE


@pytest.fixture(scope="module")
def vm():
    """Impatient, so that what hangs is noticed in seconds."""
    with guest() as machine:
        machine.run("cd /sys/module/rdu/parameters; echo 3 > command_timeout; echo 5 > firmware_timeout")
        yield machine


@pytest.fixture(autouse=True)
def it_works_before_and_after(vm):
    works(vm)
    vm.dev.forget_events()
    vm.forget_dmesg()
    yield
    works(vm)
    assert not mistakes(vm.dmesg), "\n".join(mistakes(vm.dmesg))


def works(vm):
    assert attribute(vm, "state") == "up"
    assert vm.run(f"{CLIENT} cycles 2", timeout=60).stdout == "cycles: good\n"


def busy(vm):
    """A program that copies, from before the fault on."""
    program = linux_driver.busy(vm)
    begun = counters(vm)["commands"]
    wait_for(lambda: counters(vm)["commands"] > begun, 30, lambda: program.stdout + program.stderr)
    return program


def test_a_lost_interrupt_of_a_command(vm):
    before = counters(vm)
    for vector in range(1, 16):
        vm.dev.inject("drop-interrupt", vector=vector)
    assert vm.run(f"{CLIENT} cycles 1", timeout=60).stdout == "cycles: good\n"
    after = counters(vm)
    assert after["lost_interrupts"] == before["lost_interrupts"] + 1 and after["resets"] == before["resets"]


def test_a_lost_interrupt_of_administration(vm):
    before = counters(vm)
    vm.dev.inject("drop-interrupt", vector=0)
    vm.run("rdu-smi --device /dev/rdu0", timeout=60)
    after = counters(vm)
    assert after["lost_interrupts"] == before["lost_interrupts"] + 1 and after["resets"] == before["resets"]


def test_a_copy_that_never_ends_costs_its_own_context_only(vm):
    before = counters(vm)
    program = busy(vm)
    for channel in (1, 2, 3):
        vm.dev.inject("stop-engine", engine="copy", index=channel)
    assert "busy: EIO" in program.wait(60).stdout
    vm.expect_dmesg("takes longer than 3 s: the context is taken away")
    for channel in (1, 2, 3):
        # Those that nobody has used since: freed, so that the next test has them.
        vm.dev.set(f"COPY_ENGINE.CHANNEL[{channel}].CONTROL.ABORT", 1)
    after = counters(vm)
    assert after["hung_commands"] == before["hung_commands"] + 1 and after["resets"] == before["resets"]
    assert not vm.dev.events(event="restart")


def test_firmware_that_hangs_is_restarted_by_its_watchdog(vm):
    before = counters(vm)
    program = busy(vm)
    vm.dev.inject("hang-firmware")
    vm.dev.expect("restart", timeout=60)
    assert "busy: EIO" in program.wait(60).stdout
    vm.expect_dmesg("rdu rdu0: reset: ", timeout=60)
    vm.expect_dmesg("rdu rdu0: up again", timeout=60)
    assert counters(vm)["resets"] == before["resets"] + 1
    assert "reset: watchdog" in vm.device.output


def test_poisoned_data_are_used_by_nobody(vm):
    """If they are a copy's data, the copy fails, which ends this program, and nobody else notices. If they are commands,
    the firmware cannot know what was wanted, and the driver begins anew."""
    before = counters(vm)
    vm.dev.set("HOSTIF.DMA_ERROR", 1)
    program = busy(vm)
    vm.dev.inject("poison-dma")
    failed = program.wait(60, check=False)
    resets = counters(vm)["resets"] - before["resets"]
    if resets == 0:
        assert failed.status == 1 and "completions[i].status" in failed.stderr, failed
    else:
        assert resets == 1 and "busy: EIO" in failed.stdout, failed
    error = vm.dev.fields("HOSTIF.DMA_ERROR")
    assert (error["VALID"], error["CODE"], error["COUNT"]) == (1, POISONED, 1), error
    status = vm.run("lspci -vv -s 01:00.0").stdout
    assert re.search(r"UESta:.* TLP\+|DevSta:\tCorrErr\+", status), status


def test_a_link_that_fails(vm):
    """Everything reads as ones: each waiter is told, and a reset of the bus brings the card back."""
    program = busy(vm)
    vm.dev.inject("link-error", silent=True)
    assert "busy: EIO" in program.wait(60).stdout
    vm.expect_dmesg("rdu rdu0: reset: the device does not answer", timeout=60)
    wait_for(lambda: attribute(vm, "state") == "failed", 60, lambda: attribute(vm, "state"))
    denied = vm.run(f"{CLIENT} cycles 1", check=False)
    assert denied.status == 1 and "EIO" in denied.stderr, denied
    vm.run(f"echo bus > {PCI}/reset_method; echo 1 > {PCI}/reset", timeout=60)
    wait_for(lambda: attribute(vm, "state") == "up", 60, lambda: attribute(vm, "state"))


def test_fault_after_fault(vm):
    """Twice around, under work, without a look at each."""
    for _ in range(2):
        for fault in ({"what": "drop-interrupt", "vector": 1}, {"what": "poison-dma"}, {"what": "hang-firmware"}):
            program = busy(vm)
            vm.dev.inject(**fault)
            time.sleep(1)
            program.kill()
            program.wait(60, check=False)
            wait_for(lambda: attribute(vm, "state") == "up", 60, lambda: attribute(vm, "state"))
