"""A guest with the card, for tests: one object drives Linux, QEMU and the simulated device.

    with Vm("--set", "socket.ddr.latency=300 ns") as vm:
        vm.run("insmod /lib/modules/rdu.ko")
        vm.expect_dmesg("rdu rdu0: RDU-VP")
        with vm.pause():
            ...

A machine takes several seconds to boot: start one a file (the fixture `vm` of conftest.py, or one of your own with
module scope) and let its tests share it. scripts/vm starts the same machine by hand.
"""

import contextlib
import re
import sys
import time

import rdu
from dev import Dev

sys.path.insert(0, str(rdu.ROOT / "scripts"))

import virtual_machine  # noqa: E402
from virtual_machine import Failure  # noqa: E402,F401


class Result:
    """What a command did: status, stdout, stderr."""

    def __init__(self, text, status, stdout, stderr):
        self.text, self.status, self.stdout, self.stderr = text, status, stdout, stderr

    def __str__(self):
        return f"guest$ {self.text}\n{self.stdout}{self.stderr}[status {self.status}]"

    __repr__ = __str__


class CommandFailed(AssertionError):
    """A command in the guest has ended with another status than 0; `result` has it."""

    def __init__(self, result):
        super().__init__(str(result))
        self.result = result


class Running:
    """A command that still runs, or has ended."""

    def __init__(self, command):
        self._command = command

    @property
    def stdout(self):
        """What it has written so far; so does stderr."""
        return self._command.stdout

    @property
    def stderr(self):
        return self._command.stderr

    def running(self):
        return not self._command.ended.is_set()

    def wait(self, timeout=60, check=True):
        """Its Result. Raises CommandFailed for a status other than 0, unless check=False."""
        try:
            status = self._command.wait(timeout * rdu.SLOWER)
        except TimeoutError as late:
            self._command.kill()
            raise AssertionError(f"{late}\n{self.stdout}{self.stderr}") from None
        result = Result(self._command.text, status, self.stdout, self.stderr)
        if check and status != 0:
            raise CommandFailed(result)
        return result

    def expect(self, pattern, timeout=30):
        """The match of `pattern` in its standard output, now or as it comes."""
        return wait_for(lambda: re.search(pattern, self.stdout), timeout,
                        lambda: f"no /{pattern}/ in the output of: {self._command.text}\n{self.stdout}{self.stderr}")

    def kill(self):
        """Kills it and what it has started."""
        self._command.kill()


def wait_for(find, timeout, complaint):
    """What `find` gives as soon as that is true. `complaint` gives the text of the error if it never is."""
    deadline = time.monotonic() + timeout * rdu.SLOWER
    while True:
        found = find()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * rdu.SLOWER:g} s: {complaint()}")
        time.sleep(0.02)


class Vm:
    """A running guest and its device. Leaves nothing behind.

    `device_options`: of rduvp. `dev` controls it (dev.Dev). `attach`: the socket of another rduvp, instead of one of its own. `card`: False for a
    guest without one. Other arguments: see virtual_machine.VirtualMachine (kernel, memory, smp, share, append,
    qemu_options)."""

    alive = []  # for the report of a failed test

    def __init__(self, *device_options, config="mini", attach=None, card=True, kernel="6.1", boot_timeout=150, **machine):
        virtual_machine.fetch(kernel)
        self.folder = virtual_machine.scratch_folder()
        self.device = None  # rduvp, a virtual_machine.Device
        with contextlib.ExitStack() as stack:
            stack.callback(virtual_machine.shutil.rmtree, self.folder, ignore_errors=True)
            if card and not attach:
                self.device = virtual_machine.Device(self.folder, device_options, config)
                stack.callback(self.device.end)
                self.device.wait_until_ready()
            socket = attach or (self.device.socket if self.device else None)
            self.machine = stack.enter_context(
                virtual_machine.VirtualMachine(self.folder, device=socket, kernel=kernel, **machine))
            self.alive.append(self)
            stack.callback(self.alive.remove, self)
            self.machine.wait_for_boot(boot_timeout * rdu.SLOWER)
            self.dev = stack.enter_context(Dev(self.device.control)) if self.device else None
            self._kernel_log = self.machine.spawn("exec cat /dev/kmsg")
            self._seen = 0
            self._stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stack.close()

    # Commands

    def run(self, text, timeout=60, check=True):
        """Runs a command of the shell to its end and gives its Result; one with another status than 0 raises."""
        return self.spawn(text).wait(timeout, check)

    def spawn(self, text):
        """Starts one; several may run at once."""
        return Running(self.machine.spawn(text))

    # The kernel's messages

    @property
    def dmesg(self):
        """All of them since the boot, without their times."""
        lines = (line.partition(";")[2] for line in self._kernel_log.stdout.splitlines() if not line.startswith(" "))
        return "\n".join(lines)

    @property
    def console(self):
        """What came on the guest's first serial line: the kernel's last words, too."""
        log = self.machine.console_log
        return log.read_text(errors="replace") if log.exists() else ""

    def expect_dmesg(self, pattern, timeout=30):
        """The match of the first message in which `pattern` occurs, behind the one that was expected before."""
        expression = re.compile(pattern)

        def find():
            lines = self.dmesg.splitlines()
            for number in range(self._seen, len(lines)):
                match = expression.search(lines[number])
                if match:
                    self._seen = number + 1
                    return match
            return None

        return wait_for(find, timeout, lambda: f"the kernel did not say /{pattern}/; its last lines:\n"
                        + "\n".join(self.dmesg.splitlines()[-30:]))

    def forget_dmesg(self):
        """What comes from now on is what expect_dmesg() looks at."""
        self._seen = len(self.dmesg.splitlines())

    # The machine

    def qmp(self, execute, **arguments):
        """A command of QEMU's monitor; gives what it returns, raises Failure with what it says."""
        return self.machine.qmp(execute, **arguments)

    @contextlib.contextmanager
    def pause(self):
        """Stops the guest's processors meanwhile. The device goes on."""
        self.qmp("stop")
        try:
            yield self
        finally:
            self.qmp("cont")

    def hot_unplug(self, timeout=60):
        """Takes the card out of its slot as a user does: presses the button, and waits until Linux has let it go."""
        self.qmp("device_del", id="card")
        while self.machine.expect_qmp_event("DEVICE_DELETED", timeout * rdu.SLOWER)["data"].get("device") != "card":
            continue

    def plug(self):
        """Puts it back."""
        self.machine.plug()

    def suspend(self, timeout=60):
        """Suspend to RAM; gives the command, which ends some time after wake()."""
        command = self.spawn("echo mem > /sys/power/state")
        try:
            self.machine.expect_qmp_event("SUSPEND", timeout * rdu.SLOWER)
        except TimeoutError as late:
            raise AssertionError(f"the guest does not suspend: {late}\n{self.console[-4000:]}") from None
        return command

    def wake(self):
        self.qmp("system_wakeup")

    def transcript(self):
        """Both consoles, for whoever reads of a failure."""
        parts = {"guest": self.console if not self.dmesg else self.dmesg, "guest's console": self.console,
                 "QEMU": self.machine.qemu.output}
        if self.device:
            parts["rduvp"] = self.device.output
        return "\n".join(f"--- {name} ---\n" + "\n".join(text.splitlines()[-60:]) for name, text in parts.items() if text)
