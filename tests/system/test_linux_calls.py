"""The kernel driver's calls, each with success and every error, on the stock kernel that looks for mistakes."""

import pytest

from linux_driver import CLIENT, DEBUGFS, attribute, counters, guest


@pytest.fixture(scope="module")
def vm():
    with guest() as machine:
        yield machine


@pytest.mark.parametrize("part", ["info", "contexts", "memory", "rights", "queues", "freed", "administration", "reset"])
def test_calls(vm, part):
    assert vm.run(f"{CLIENT} calls {part}", timeout=120).stdout == f"{part}: good\n"


def test_attributes(vm):
    assert attribute(vm, "state") == "up"
    assert attribute(vm, "serial") == "1"
    assert attribute(vm, "model").startswith("RDU-VP")
    assert attribute(vm, "firmware_name") == f"RDU-VP management {attribute(vm, 'firmware_version')}"
    assert attribute(vm, "hbm_bytes") == str(16 << 30)


def test_sensors(vm):
    hwmon = "/sys/class/hwmon/hwmon0"
    assert vm.run(f"cat {hwmon}/name").stdout == "rdu\n"
    labels = vm.run(f"cat {hwmon}/temp*_label").stdout.split()
    assert "socket" in labels and "core0" in labels and "hbm0" in labels and "tile0" in labels
    assert vm.run(f"cat {hwmon}/temp1_label {hwmon}/power1_label").stdout == "socket\nsocket\n"
    temperature, high, critical = map(int, vm.run(f"cat {hwmon}/temp1_input {hwmon}/temp1_max {hwmon}/temp1_crit").stdout.split())
    assert 20000 < temperature < high < critical == 100000
    assert vm.run(f"cat {hwmon}/in0_input").stdout == "12000\n" and "900\n" in vm.run(f"cat {hwmon}/in1_input").stdout
    assert int(vm.run(f"cat {hwmon}/power1_input").stdout) > 1000000, "microwatts"
    assert int(vm.run(f"cat {hwmon}/energy1_input").stdout) > 0
    vm.run(f"echo 30000 > {hwmon}/temp1_max; sleep 0.2")
    assert vm.run(f"cat {hwmon}/temp1_max {hwmon}/temp1_max_alarm {hwmon}/temp1_crit_alarm").stdout.split() == ["30000", "1", "0"]
    vm.run(f"echo 85000 > {hwmon}/temp1_max; sleep 0.2")
    assert vm.run(f"cat {hwmon}/temp1_max_alarm").stdout == "0\n"


def test_debugfs(vm):
    assert "host enabled the device" in vm.run(f"cat {DEBUGFS}/firmware_log").stdout
    assert vm.run(f"cat {DEBUGFS}/panic").stdout == ""
    assert vm.run(f"cat {DEBUGFS}/queues {DEBUGFS}/contexts | wc -l").stdout == "2\n", "nobody has the device open"
    seen = counters(vm)
    assert seen["commands"] > 10 and seen["interrupts"] > 20 and seen["hung_commands"] == 0


def test_module_in_use_is_not_unloaded(vm):
    vm.run("exec 5</dev/rdu0; ! rmmod rdu")
    assert attribute(vm, "state") == "up"
