"""A gdb-multiarch at the end of a pipe, driven line by line."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

from rdu import SLOWER


class Gdb:
    """with Gdb("tcp port", "program.elf") as gdb: print(gdb("info registers pc"))"""

    def __init__(self, address, *programs, connect=True):
        path = shutil.which("gdb-multiarch")
        assert path, "gdb-multiarch is not installed: scripts/install, or apt-get install gdb-multiarch"
        self._process = subprocess.Popen(
            [path, "-nx", "-q"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C at the test's terminal is not gdb's
        )
        self._count = 0
        self.transcript = ""
        self.connected = False
        for setting in ("pagination off", "confirm off", "width 0", "prompt", "remotetimeout 10",
                        "architecture riscv:rv64"):
            self(f"set {setting}")
        for number, program in enumerate(programs):
            self(f"{'file' if number == 0 else 'add-symbol-file'} {program}")
        self.address = address
        if connect:
            self.connect()

    def connect(self):
        out = self(f"target remote {self.address}")
        assert "Remote debugging using" in out, self.transcript
        self.connected = True
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def send(self, line):
        """Sends a command, and what tells its end; wait() gives its output."""
        self._count += 1
        self.transcript += f"(gdb) {line}\n"
        self._process.stdin.write(f"{line}\necho <<done {self._count}>>\\n\n".encode())
        self._process.stdin.flush()

    def wait(self, timeout=20):
        marker = f"<<done {self._count}>>\n"
        deadline = time.monotonic() + timeout * SLOWER
        out = ""
        while marker not in out:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._process.stdout], [], [], left)[0]
            data = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert data, f"gdb: no answer in {timeout * SLOWER:.0f} s, or it ended:\n{self.transcript}{out}"
            out += data.decode(errors="replace")
        out = out.replace(marker, "")
        self.transcript += out
        return out

    def __call__(self, line, timeout=20):
        self.send(line)
        return self.wait(timeout)

    def value(self, expression):
        """The number that an expression has."""
        out = self(f"output/d {expression}")
        match = re.search(r"(-?\d+)\s*$", out)
        assert match, f"{expression}: {out}\n{self.transcript}"
        return int(match.group(1))

    def interrupt(self):
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
