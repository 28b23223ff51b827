"""scripts/vm and the library: Linux in QEMU with the card, commands in it, and what happens when a side dies."""

import os
import random
import re
import signal
import subprocess
import time

import pytest

import rdu
from driver import Device
from vm import CommandFailed, Failure, Vm, wait_for

VM = rdu.ROOT / "scripts/vm"


def scripts_vm(*arguments, timeout=150):
    return subprocess.run([VM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=timeout * rdu.SLOWER)


def processes(folder):
    """Those whose command line names the folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and str(folder).encode() in open(f"/proc/{entry}/cmdline", "rb").read():
                found.append(int(entry))
        except OSError:
            continue
    return found


# --- commands ---


def test_status_and_both_streams(vm):
    result = vm.run("echo out; echo error >&2; exit 3", check=False)
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "error\n")
    with pytest.raises(CommandFailed, match="status 1"):
        vm.run("false")
    assert vm.run("kill -SEGV $$", check=False).status == 128 + signal.SIGSEGV


def test_several_at_once(vm):
    first = vm.spawn("echo begin; sleep 1000; echo end")
    first.expect("begin")
    others = [vm.spawn(f"sleep 0.3; echo {n}") for n in range(8)]
    assert [other.wait().stdout for other in others] == [f"{n}\n" for n in range(8)]
    assert first.running()
    first.kill()
    assert first.wait(check=False).status == 128 + signal.SIGKILL and first.stdout == "begin\n"


def test_one_that_does_not_end(vm):
    with pytest.raises(AssertionError, match="still running after .*sleep 1234"):
        vm.run("sleep 1234", timeout=0.5)
    wait_for(lambda: "sleep 1234" not in vm.run("ps ax").stdout, 20, lambda: "it was not killed")


def test_programs_are_this_machines(vm):
    assert vm.run("rdu-objdump --help").stdout == rdu.run("rdu-objdump", "--help").stdout
    assert vm.run(f"sha256sum {rdu.BIN}/rdu-smi").stdout.split()[0] == \
        subprocess.run(["sha256sum", rdu.BIN / "rdu-smi"], capture_output=True, text=True, check=True).stdout.split()[0]
    assert vm.run("touch x", check=False).status != 0, "the project is read-only"


def test_kernel_messages(vm):
    vm.expect_dmesg("Linux version 6.1")
    vm.run("echo '<4>first of mine' > /dev/kmsg; echo second of mine > /dev/kmsg")
    vm.expect_dmesg("first of mine")
    vm.expect_dmesg("(second) of mine").group(1)
    with pytest.raises(AssertionError, match="did not say"):
        vm.expect_dmesg("first of mine", timeout=0.2)
    assert "first of mine" in vm.console


# --- the card ---


def test_linux_sees_the_card(vm):
    listing = vm.run("lspci -nnvv -d 1234:40a1").stdout
    assert listing.startswith("01:00.0 "), listing
    assert re.search(r"Region 0: Memory at \w+ \(64-bit, non-prefetchable\).*\[size=64K\]", listing), listing
    assert "MSI-X: Enable- Count=16" in listing
    assert re.search(r"Region 2: Memory at (?!0+ )\w+ \(64-bit, prefetchable\).*\[size=256M\]", listing), listing


def test_registers_from_the_guest(vm):
    bar = int(vm.run("setpci -s 01:00.0 COMMAND=2; setpci -s 01:00.0 BASE_ADDRESS_0").stdout, 16) & ~0xF
    assert int(vm.run(f"busybox devmem {bar:#x} 32").stdout, 16) == 0x31554452, "'RDU1'"


# --- the machine ---


def test_pause(vm):
    command = vm.spawn("while :; do date +%s%N; sleep 0.05; done")
    command.expect(r"\d+\n")
    with vm.pause():
        time.sleep(0.2)
        before = command.stdout
        time.sleep(0.5)
        assert command.stdout == before
    wait_for(lambda: len(command.stdout) > len(before), 20, lambda: "it does not go on")
    command.kill()


def test_qmp_says_what_is_wrong(vm):
    assert vm.qmp("query-status")["running"]
    with pytest.raises(Failure, match="nonsense"):
        vm.qmp("nonsense")


# --- deaths ---


def test_qemu_is_killed_and_the_next_is_served():
    """At a random moment of its boot, five times."""
    seed = int(os.environ.get("RDU_SEED", random.randrange(1 << 32)))
    print(f"RDU_SEED={seed}")
    moments = random.Random(seed)
    with rdu.Simulator() as simulator:
        simulator.ready()
        for _ in range(5):
            with subprocess.Popen([VM, "--attach", simulator.socket, "--run", "sleep 60"], stderr=subprocess.DEVNULL) as script:
                simulator.wait_for("has the device")
                time.sleep(moments.uniform(0, 3))
                os.kill(script.pid, signal.SIGKILL)
            wait_for(lambda: simulator.output.count("is gone") == simulator.output.count("has the device"), 20,
                     lambda: simulator.output)
        with Device(simulator.socket) as device:
            assert device.read("MAGIC") == 0x31554452
        simulator.stop()


def test_the_card_dies_and_the_guest_survives():
    """QEMU answers reads of a device that is gone with ones, as a bus does."""
    with Vm() as vm:
        vm.run("setpci -s 01:00.0 COMMAND=2")
        bar = int(vm.run("setpci -s 01:00.0 BASE_ADDRESS_0").stdout, 16) & ~0xF
        vm.device.end()
        assert vm.run(f"busybox devmem {bar:#x} 32").stdout == "0xFFFFFFFF\n"
        assert vm.run("echo alive").stdout == "alive\n"


# --- scripts/vm ---


def test_run_gives_status_and_output():
    done = scripts_vm("--run", "echo out; echo error >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "error\n")


def test_without_a_card():
    done = scripts_vm("--no-device", "--run", "lspci -n -d 1234:; false")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_folder_is_shared(tmp_path):
    (tmp_path / "in").write_text("hello")
    done = scripts_vm("--no-device", "--share", tmp_path, "--run", "cat /mnt/in > /mnt/out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == "hello"


def test_timeouts():
    done = scripts_vm("--no-device", "--timeout", "0.5", "--run", "true")
    assert done.returncode == 124 and "within" in done.stderr, done
    done = scripts_vm("--no-device", "--timeout", "30", "--run", "sleep 1000")
    assert done.returncode == 124 and "still running" in done.stderr, done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number, tmp_path):
    with subprocess.Popen([VM, "--run", "sleep 1000"], env=dict(os.environ, TMPDIR=str(tmp_path)),
                          stderr=subprocess.PIPE, text=True) as script:
        wait_for(lambda: len(processes(tmp_path)) >= 2, 60, lambda: "rduvp and QEMU do not start")
        script.send_signal(number)
        script.wait(30)
    wait_for(lambda: not processes(tmp_path), 20, lambda: str(processes(tmp_path)))
    if number != signal.SIGKILL:
        assert script.returncode == 128 + number
        assert not list(tmp_path.iterdir()), "a folder is left"


@pytest.mark.parametrize("arguments, text", [
    (["--kernel", "/nowhere"], "neither a file nor one of 6.1, 6.12"),
    (["--kernel", "/usr/bin/env"], "no Linux kernel"),
    (["--share", "/nowhere"], "no such folder"),
    (["--attach", "/nowhere"], "no rduvp serves there"),
    (["--set", "socket.nonsense=1"], "nonsense"),
    (["--", "--nonsense"], "nonsense"),
])
def test_mistakes(arguments, text):
    done = scripts_vm("--run", "true", *arguments)
    assert done.returncode == 125 and text in done.stderr, done


def test_options_that_contradict():
    for arguments in (["--attach", "x", "--no-device"], ["--no-device", "--set", "a=1"], ["--smp", "0"]):
        done = scripts_vm("--run", "true", *arguments)
        assert done.returncode == 2 and "error: " in done.stderr, done
