"""The kernel driver under errors that PCI reports, and through sleep. In a guest of its own, which does not come back
whole: what it has mounted from this machine does not survive a suspend."""

import re
import time

import pytest

from linux_driver import CHECKS, CLIENT, assert_lost, attribute, busy, holding, missing, mistakes, works
from vm import Vm, wait_for

# Bits of the AER capability's Uncorrectable Error Status (PCI Express Base Specification 5.0, 7.8.4.2)
DATA_LINK_ERROR, COMPLETION_TIMEOUT = 1 << 4, 1 << 14
RECEIVER_ERROR = 1 << 0  # of Correctable Error Status


@pytest.fixture(scope="module")
def vm():
    # With hot-plugging by ACPI, QEMU keeps the error registers of its ports from the kernel.
    with Vm(append=f"{CHECKS} no_console_suspend", qemu_options=("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")) as machine:
        machine.run("modprobe aer_inject; insmod /lib/modules/rdu.ko")
        machine.expect_dmesg("rdu rdu0: RDU-VP")
        yield machine


def inject(vm, uncorrectable=0, correctable=0):
    """As struct aer_error_inj has it: bus 1, device 0, function 0."""
    words = [uncorrectable, correctable, 0, 0, 0, 0, 0]
    data = bytes([1, 0, 0, 0]) + b"".join(word.to_bytes(4, "little") for word in words)
    vm.forget_dmesg()
    vm.run("printf '" + "".join(f"\\{byte:03o}" for byte in data) + "' > /dev/aer_inject")


def test_correctable_error_is_no_matter(vm):
    program = busy(vm)
    inject(vm, correctable=RECEIVER_ERROR)
    vm.expect_dmesg("severity=Correct")
    time.sleep(1)
    assert program.running() and attribute(vm, "resets") == "0"
    program.kill()
    program.wait(check=False)
    works(vm)


def test_error_that_leaves_the_link_alone(vm):
    """Contexts go on."""
    program = busy(vm)
    inject(vm, uncorrectable=COMPLETION_TIMEOUT)
    vm.expect_dmesg("rdu rdu0: PCI error: the link works")
    vm.expect_dmesg("device recovery successful")
    time.sleep(1)
    assert program.running() and attribute(vm, "resets") == "0" and attribute(vm, "state") == "up"
    program.kill()
    program.wait(check=False)
    works(vm)


def test_error_that_resets_the_link(vm):
    program, other = holding(vm), busy(vm)
    inject(vm, uncorrectable=DATA_LINK_ERROR)
    vm.expect_dmesg("rdu rdu0: PCI error: the link will be reset")
    vm.expect_dmesg("rdu rdu0: PCI error: recovered")
    vm.expect_dmesg("device recovery successful")
    assert_lost(program, "EIO")
    assert "busy: EIO" in other.wait().stdout
    works(vm)
    assert attribute(vm, "resets") == "1"


# All of it in the guest's own memory: /tmp has copies, /busybox is the RAM disk.
SLEEP = """
mkdir -p /tmp/own; cp {client} /tmp/own/client
cat > /tmp/own/script <<'END'
cd /tmp/own; exec > /dev/ttyS0 2>&1; export PATH=/busybox
killall cat  # it copies the kernel's messages into a folder of this machine, and could not be frozen
for way in freeze mem; do
  ./client hold > held & holder=$!
  ./client busy > worked & worker=$!
  until grep -q holding held && grep -q busy worked; do sleep 0.1; done
  # Nothing wakes the guest from suspend to idle but a test of the kernel's own, after 5 s.
  if [ $way = freeze ]; then echo platform > /sys/power/pm_test; else echo none > /sys/power/pm_test; fi
  echo "sleep $way"
  echo $way > /sys/power/state || echo "no sleep"
  wait $holder $worker
  cat held worked
  cat /sys/class/rdu/rdu0/state
  ./client cycles 3
  echo "awake after $way"
done
END
exec setsid /busybox/sh /tmp/own/script < /dev/null > /dev/null 2>&1 &
"""


def test_sleep(vm):
    """Suspend to idle and to RAM: contexts are lost, with clean errors, and the device works afterwards."""
    vm.run(SLEEP.format(client=CLIENT))

    def said(text, timeout=90):
        wait_for(lambda: text in vm.console, timeout, lambda: f"no '{text}':\n{vm.console[-3000:]}")

    said("awake after freeze")
    said("sleep mem")
    vm.machine.expect_qmp_event("SUSPEND", 60)
    vm.wake()
    said("awake after mem")
    after_freeze, after_mem = re.split("sleep (?:freeze|mem)\n", vm.console.replace("\r", ""))[1:]
    for part in after_freeze, after_mem:
        assert not missing(part, "EIO"), part
        assert "busy: EIO" in part and "cycles: good" in part and "\nup\n" in part
    assert not mistakes(vm.console)
