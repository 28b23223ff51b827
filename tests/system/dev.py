"""The device behind the guest's back, for tests: registers, faults, events, by the socket of rduvp --control.

    dev.reg("HBM_CTL.STATUS.TRAINED")              # a register, or one of its fields, as a debugger sees it
    dev.set("LINK_CTL.LINK[0].LIMIT", 0)           # as software writes it
    dev.inject("drop-interrupt", vector=1)
    dev.expect_irq(1, timeout=10)                  # the next one behind what was expected before
    with dev.pause():
        ...
"""

import contextlib
import json
import socket
import time

import rdu


class Refused(Exception):
    """The device says why it does not do something."""


class Dev:
    """A client of rduvp --control."""

    def __init__(self, path, timeout=60):
        self._path = str(path)
        deadline = time.monotonic() + timeout * rdu.SLOWER
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(timeout * rdu.SLOWER)
        while True:
            try:
                self._connection.connect(self._path)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"nobody serves {path}: {error}") from None
                time.sleep(0.02)
        self._lines = self._connection.makefile("r")
        self._seen = 0  # the number of the last event that was expected, or forgotten

    def close(self):
        self._lines.close()
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, command, **members):
        """Any command; gives its answer as a dictionary. Raises Refused with what the device says."""
        return self._ask(command, 60, members)

    def _ask(self, command, timeout, members):
        self._connection.settimeout(timeout * rdu.SLOWER)
        self._connection.sendall(json.dumps(dict(members, command=command)).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise Refused("rduvp has ended")
        reply = json.loads(line)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply

    # Registers

    def reg(self, name, effects=False):
        """The value of "BLOCK.REGISTER" or "BLOCK.REGISTER.FIELD". `effects`: as software's read has them."""
        return self.ask("read", register=name, effects=effects)["value"]

    def fields(self, name):
        """All fields of a register: name -> value."""
        return self.ask("read", register=name)["fields"]

    def set(self, name, value, force=False):
        """Writes it as software does; `force`: as hardware does, even if software may not."""
        self.ask("write", register=name, value=value, force=force)

    # Time

    def time(self):
        """Simulated time in seconds."""
        return self.ask("time")["ps"] * 1e-12

    @contextlib.contextmanager
    def pause(self):
        """Simulated time stands still meanwhile, and the host's accesses wait."""
        self.ask("pause")
        try:
            yield self
        finally:
            self.ask("resume")

    def statistics(self):
        return self.ask("statistics")

    # Faults and events

    def inject(self, what, **members):
        """A fault: "ecc" (memory, offset, kind), "sram-ecc" (row, column, offset, kind), "drop-interrupt" (vector),
        "poison-dma", "link-error", "stop-engine" (engine, index), "hang-firmware"."""
        self.ask("inject", what=what, **members)

    def watch(self, register, off=False):
        """Accesses of software to this register are events from now on."""
        self.ask("watch", register=register, off=off)

    def forget_events(self):
        """What comes from now on is what expect() looks at."""
        self._seen = self.ask("events", after=2**63)["last"]

    def events(self, **filters):
        """Those behind the one that was expected before."""
        return self.ask("events", after=self._seen, **filters)["events"]

    def expect(self, event, timeout=30, **filters):
        """The next event of this kind ("interrupt", "reset", "restart", "host", "access") that fits, behind the one
        that was expected before; it may have come already."""
        try:
            found = self._ask("wait", timeout + 30,
                              {"event": event, "after": self._seen, "timeout": timeout * rdu.SLOWER, **filters})
        except Refused as refused:
            raise AssertionError(f"{refused}; those that came: {self.events()[-20:]}") from None
        self._seen = found["number"]
        return found

    def expect_irq(self, vector, timeout=30):
        """The next interrupt of this vector."""
        return self.expect("interrupt", timeout, vector=vector)

    def expect_no_irq(self, vector):
        """None of this vector has been sent since the last event that was expected."""
        sent = self.events(event="interrupt", vector=vector)
        assert not sent, sent
