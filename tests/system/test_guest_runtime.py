"""librdu in a guest, over the kernel driver: several processes at once, windows, order, processes that die, cycles."""

import json
import os

import pytest

import rdu
from linux_driver import attribute, counters, guest

EXERCISE = rdu.BUILD / "tests/exercise"
# As in test_runtime.py; ten thousand take some minutes in an emulated guest.
CYCLES = int(os.environ.get("RDU_CYCLES", "100"))


@pytest.fixture(scope="module")
def vm():
    with guest() as machine:
        yield machine


def smi(vm):
    (device,) = json.loads(vm.run("rdu-smi --json").stdout)["devices"]
    return device


def state(vm):
    device = smi(vm)
    memory = device["memory"]
    return {"processes": device["processes"], "hbm_used": memory["hbm_used"], "ddr_used": memory["ddr_used"],
            "restarts": device["restarts"], "panics": device["panics"], "events": device["events"], "ecc": device["ecc"],
            "contexts and queues": vm.run("cat /sys/kernel/debug/rdu/rdu0/contexts /sys/kernel/debug/rdu/rdu0/queues").stdout}


def test_the_node_is_found(vm):
    assert "/dev/rdu0" in vm.run("rdu-smi").stdout
    assert vm.run("rdu-smi --device rdu0 --log").stdout.count("\n") > 3
    gone = vm.run("rdu-smi --device rdu7", check=False)
    assert gone.status == 1 and "there is no /dev/rdu7" in gone.stderr
    refused = vm.run("rdu-smi --device /dev/null", check=False)
    assert refused.status == 1 and "no node of the RDU driver" in refused.stderr


@pytest.mark.parametrize("what", ["order", "windows", "cycles 5"])
def test_exercises(vm, what):
    assert vm.run(f"{EXERCISE} rdu0 {what}", timeout=120).stdout.endswith("good\n")


def test_several_processes_at_once(vm):
    """Three that keep the device busy are seen by rdu-smi, and a fourth gets its work done beside them."""
    busy = [vm.spawn(f"exec {EXERCISE} rdu0 busy") for _ in range(3)]
    for process in busy:
        process.expect("busy", timeout=60)
    vm.run(f"{EXERCISE} rdu0 order", timeout=120)
    device = smi(vm)
    assert [each["name"] for each in device["processes"]] == ["exercise"] * 3
    assert len({each["pid"] for each in device["processes"]}) == 3
    assert device["memory"]["hbm_used"] >= 3 * (8 << 20)
    table = vm.run("rdu-smi -l 0.3 -n 2", timeout=60).stdout
    assert table.count(" exercise ") == 6 and "over the last" in table
    assert max(smi(vm)["utilisation"]["copy_channels"]) > 0
    for pid in (each["pid"] for each in device["processes"]):
        vm.run(f"kill -9 {pid}")
    for process in busy:
        process.wait(check=False)


def test_processes_that_are_killed_leave_nothing(vm):
    before = state(vm)
    assert before["processes"] == []
    for _ in range(5):
        vm.run(f"{EXERCISE} rdu0 busy > /tmp/busy & while ! grep -qs busy /tmp/busy; do sleep 0.05; done; "
               "sleep 0.1; kill -9 $!; wait $! || true; rm /tmp/busy", timeout=60)
    vm.run(f"{EXERCISE} rdu0 windows", timeout=60)
    assert state(vm) == before
    assert attribute(vm, "state") == "up" and counters(vm)["hung_commands"] == 0


def test_cycles_leave_the_device_as_it_was(vm):
    vm.run(f"{EXERCISE} rdu0 cycles 3", timeout=60)
    before = state(vm)
    slab = lambda: int(vm.run("grep ^SUnreclaim /proc/meminfo").stdout.split()[1])
    kernel = slab()
    vm.run(f"{EXERCISE} rdu0 cycles {CYCLES}", timeout=120 + CYCLES)
    assert state(vm) == before
    assert slab() < kernel + 4096, "KiB of the kernel's memory"


def test_firmware_is_updated_through_the_driver(vm):
    image = rdu.BUILD / "firmware/mgmt.img"
    assert "booted from       slot 0" in vm.run("rdu-fw info").stdout
    assert "booted from       slot 1" in vm.run(f"rdu-fw update {image} --restart", timeout=120).stdout
    vm.run(f"{EXERCISE} rdu0 cycles 1", timeout=60)
    refused = vm.run(f"rdu-fw recover {image}", check=False)
    assert refused.status == 1 and "the chip is not in recovery" in refused.stderr
