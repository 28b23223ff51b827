"""What the tests of the kernel driver (test_linux_*.py) share: a guest that looks for mistakes of the kernel, and the
program that runs in it, linux_client."""

import contextlib
import re

import rdu
from vm import Vm

CLIENT = rdu.BUILD / "tests/linux_client"
# Every object of the kernel's heap is checked when it is given back: written out of bounds, or after it was free.
CHECKS = "slub_debug=FZPU"
# What a healthy kernel never says.
MISTAKES = re.compile(r"BUG|WARNING|Oops|oops|general protection|Call Trace|use-after-free|INFO: task|lockup|refcount_t"
                      r"|Bad page|Object .* still|corrupt|Redzone|Poison overwritten|list_del|list_add", re.IGNORECASE)
SYSFS = "/sys/class/rdu/rdu0"
DEBUGFS = "/sys/kernel/debug/rdu/rdu0"


def mistakes(vm):
    """What the kernel has said of them since the driver was loaded."""
    return [line for line in vm.dmesg.partition("rdu: loading")[2].splitlines() if MISTAKES.search(line)]


@contextlib.contextmanager
def guest(*device_options, append="", load=True, **options):
    """A guest with the driver loaded; at the end the driver must unload, and the kernel must have seen no mistake."""
    with Vm(*device_options, append=f"{CHECKS} {append}", **options) as vm:
        if load:
            vm.run("insmod /lib/modules/rdu.ko")
            vm.expect_dmesg(r"rdu rdu0: RDU-VP .*, serial \d+")
        yield vm
        vm.run("if lsmod | grep -q '^rdu '; then rmmod rdu; fi")
        assert not mistakes(vm), "\n".join(mistakes(vm))


def counters(vm):
    """The driver's, from debugfs."""
    return {name: int(value) for name, value in
            (line.split() for line in vm.run(f"cat {DEBUGFS}/counters").stdout.splitlines())}


def attribute(vm, name):
    return vm.run(f"cat {SYSFS}/{name}").stdout.strip()
