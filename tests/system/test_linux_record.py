"""A session of the kernel's driver in a guest, recorded and replayed without guest or QEMU."""

import json
import re

import rdu
from linux_driver import CLIENT
from vm import Vm


def test_a_kernel_drivers_session_replays(tmp_path):
    """Probe, run, reset, remove."""
    file = tmp_path / "kernel.rec"
    with rdu.Simulator("--record", file) as simulator:
        simulator.ready()
        with Vm(attach=simulator.socket) as vm:
            vm.run("insmod /lib/modules/rdu.ko")
            vm.expect_dmesg(r"rdu rdu0: RDU-VP .*, serial \d+")
            for part in ("queues", "memory", "reset"):
                vm.run(f"{CLIENT} calls {part}", timeout=120)
            vm.run("rmmod rdu")
        recorded = simulator.stop(timeout=60)

    stats = tmp_path / "replayed.json"
    result = rdu.run("rduvp", "--replay", file, "--stats", stats, timeout=120)
    assert result.returncode == rdu.OK, result.stdout + result.stderr
    assert f"trace hash {recorded['trace_hash']}" in result.stdout
    replayed = json.loads(stats.read_text())
    assert replayed["trace_hash"] == recorded["trace_hash"] and replayed["host"] == recorded["host"]
    requests, copies, interrupts = map(int, re.search(
        r"(\d+) requests, (\d+) DMA accesses, (\d+) interrupts", result.stdout).groups())
    assert requests > 300 and copies > 50 and interrupts > 20, result.stdout
