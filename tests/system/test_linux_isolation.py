"""What processes can do to each other and to the kernel: nothing. And nothing stays behind of them."""

import os
import re

import pytest

from linux_driver import CLIENT, DEBUGFS, guest, mistakes, works

SEED = int(os.environ.get("RDU_SEED", "1"), 0)


@pytest.fixture(scope="module")
def vm():
    with guest() as machine:
        yield machine


def kilobytes(vm):
    """(what the kernel has for itself, what is free)"""
    vm.run("sync; echo 3 > /proc/sys/vm/drop_caches; sleep 0.5; echo 3 > /proc/sys/vm/drop_caches")
    fields = dict(re.findall(r"(\w+):\s+(\d+) kB", vm.run("cat /proc/meminfo").stdout))
    return int(fields["SUnreclaim"]), int(fields["MemFree"])


def pinned_pages(vm):
    fields = dict(line.split() for line in vm.run("cat /proc/vmstat").stdout.splitlines())
    return int(fields["nr_foll_pin_acquired"]) - int(fields["nr_foll_pin_released"])


@pytest.mark.parametrize("part", ["copies", "mappings"])
def test_memory(vm, part):
    assert vm.run(f"{CLIENT} calls {part}", timeout=120).stdout == f"{part}: good\n"


def test_isolation(vm):
    assert vm.run(f"{CLIENT} isolation", timeout=120).stdout == "isolation: good\n"


def test_cycles_leave_nothing(vm):
    count = int(os.environ.get("RDU_CYCLES", "1000"))
    vm.run(f"{CLIENT} cycles 100")
    slab, free = kilobytes(vm)
    assert vm.run(f"{CLIENT} cycles {count}", timeout=60 + count / 10).stdout == "cycles: good\n"
    slab_after, free_after = kilobytes(vm)
    print(f"{count} cycles: slab {slab} -> {slab_after} kB, free {free} -> {free_after} kB")
    # One page lost in each cycle would be 4,000 kB; each has three page tables, two rings and two pinned pages.
    assert slab_after - slab < 1000 and free - free_after < 2000, (slab, slab_after, free, free_after)
    assert pinned_pages(vm) == 0
    works(vm)


def test_random_calls(vm):
    count = int(os.environ.get("RDU_FUZZ_CALLS", "200000"))
    print(f"RDU_SEED={SEED}")
    vm.run(f"{CLIENT} fuzz {SEED + 1} {count // 10} 4", timeout=120 + count / 1000, check=False)  # what stays of a first time
    works(vm)
    # What calls lose, they lose each time; what the kernel keeps for itself (per processor, per file) it takes once.
    for round_ in range(3):
        slab, free = kilobytes(vm)
        result = vm.run(f"{CLIENT} fuzz {SEED + 2 * round_} {count} 4", timeout=120 + count / 1000, check=False)
        assert not mistakes(vm.dmesg), "\n".join(mistakes(vm.dmesg))
        assert result.stdout.endswith("fuzz: good\n"), result
        calls = sum(map(int, re.findall(r"(\d+) calls", result.stdout)))
        good = sum(map(int, re.findall(r"(\d+) good", result.stdout)))
        assert calls >= count and good > count / 20, "most calls were refused: it tries nothing"
        works(vm)
        slab_after, free_after = kilobytes(vm)
        print(f"{calls} calls, {good} good: slab {slab} -> {slab_after} kB, free {free} -> {free_after} kB")
        if slab_after - slab < 2000 and free - free_after < 4000:
            break
    else:
        pytest.fail("every round left the kernel with less memory than it found")
    assert pinned_pages(vm) == 0
    assert vm.run(f"cat {DEBUGFS}/queues {DEBUGFS}/contexts {DEBUGFS}/windows | wc -l").stdout == "3\n"
