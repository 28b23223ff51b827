"""What the tests of the kernel driver (test_linux_*.py) share: a guest that looks for mistakes of the kernel, and the
program that runs in it, linux_client."""

import contextlib
import re

import rdu
from vm import Vm, wait_for

CLIENT = rdu.BUILD / "tests/linux_client"
# Every object of the kernel's heap is checked when it is given back: written out of bounds, or after it was free.
CHECKS = "slub_debug=FZPU"
# What a healthy kernel never says.
MISTAKES = re.compile(r"BUG|WARNING|Oops|general protection|Call Trace|use-after-free|INFO: task|lockup|refcount_t"
                      r"|Bad page|Object .* still|corrupt|Redzone|Poison overwritten|list_del|list_add")
SYSFS = "/sys/class/rdu/rdu0"
DEBUGFS = "/sys/kernel/debug/rdu/rdu0"
PCI = "/sys/bus/pci/devices/0000:01:00.0"
# What "linux_client hold" says when the device is lost, by the error of its calls and what poll() tells besides POLLERR.
LOST = ["completion: status 0x43", "eventfd: written", "context: {0}", "mapped: SIGBUS", "memory: {0}", "poll: ERR{1}",
        "room: {0}", "submit: {0}", "then: {0}", "hold: good"]


def mistakes(log):
    """What the kernel has said of them since the driver was loaded."""
    return [line for line in log.partition("rdu: loading")[2].splitlines() if MISTAKES.search(line)]


@contextlib.contextmanager
def guest(*device_options, append="", load=True, **options):
    """A guest with the driver loaded; at the end the driver must unload, and the kernel must have seen no mistake."""
    with Vm(*device_options, append=f"{CHECKS} {append}", **options) as vm:
        if load:
            vm.run("insmod /lib/modules/rdu.ko")
            vm.expect_dmesg(r"rdu rdu0: RDU-VP .*, serial \d+")
        yield vm
        vm.run("if lsmod | grep -q '^rdu '; then rmmod rdu; fi")
        assert not mistakes(vm.dmesg), "\n".join(mistakes(vm.dmesg))


def counters(vm):
    """The driver's, from debugfs."""
    return {name: int(value) for name, value in
            (line.split() for line in vm.run(f"cat {DEBUGFS}/counters").stdout.splitlines())}


def attribute(vm, name):
    return vm.run(f"cat {SYSFS}/{name}").stdout.strip()


def works(vm):
    """The device is up, nobody's context is left, and a new one does its work."""
    wait_for(lambda: attribute(vm, "state") == "up", 60, lambda: "the device does not come up")
    wait_for(lambda: vm.run(f"cat {DEBUGFS}/contexts | wc -l").stdout == "1\n", 20, lambda: "a context is left")
    assert vm.run(f"{CLIENT} cycles 3").stdout == "cycles: good\n"


def holding(vm):
    """A program that waits in every way."""
    program = vm.spawn(f"{CLIENT} hold")
    program.expect("holding")
    return program


def missing(output, error, poll=""):
    """What a program that was holding should have said when it lost the device, and has not."""
    return [line.format(error, poll) for line in LOST if line.format(error, poll) not in output]


def assert_lost(program, error, poll=""):
    result = program.wait(60)
    assert not missing(result.stdout, error, poll), f"{missing(result.stdout, error, poll)} not in:\n{result}"


def busy(vm):
    """A program that has copies under way all the time."""
    program = vm.spawn(f"{CLIENT} busy")
    program.expect("busy")
    return program
