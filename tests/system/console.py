"""An interactive rduvp: on a terminal of its own, with time-outs, as a user at the keyboard has it."""

import re

import pexpect

import rdu


class Console:
    """with Console("--machine", "virt", ...) as console: console.expect("login: "); console.send_line("root")"""

    def __init__(self, *arguments, timeout=30):
        self.timeout = timeout * rdu.SLOWER
        self.command_line = [str(rdu.BIN / "rduvp"), *map(str, arguments)]
        self.transcript = ""
        self._child = pexpect.spawn(
            self.command_line[0], self.command_line[1:], encoding="utf-8", codec_errors="replace",
            timeout=self.timeout, echo=False, dimensions=(50, 200),
        )
        self._child.delaybeforesend = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.close(force=True)

    @property
    def pid(self):
        return self._child.pid

    def expect(self, pattern, timeout=None):
        """The match of a regular expression in what comes; everything before it is taken from the stream."""
        limit = self.timeout if timeout is None else timeout * rdu.SLOWER
        try:
            self._child.expect(pattern, timeout=limit)
        except pexpect.TIMEOUT:
            raise AssertionError(f"no /{pattern}/ within {limit:.0f} s:\n{self._text()}") from None
        except pexpect.EOF:
            raise AssertionError(f"no /{pattern}/, the simulator has ended:\n{self._text()}") from None
        self.transcript += self._child.before + self._child.after
        return self._child.match

    def send(self, text):
        self._child.send(text)

    def send_line(self, text):
        self._child.send(text + "\r")

    def command(self, text, prompt, timeout=None):
        """What a shell answers to a command, without its echo."""
        self.send_line(text)
        self.expect(re.escape(text) + r"\r+\n", timeout)
        start = len(self.transcript)
        self.expect(prompt, timeout)
        return self.transcript[start:].replace("\r", "")

    def wait(self, timeout=20):
        """The exit status."""
        try:
            self._child.expect(pexpect.EOF, timeout=timeout * rdu.SLOWER)
        except pexpect.TIMEOUT:
            raise AssertionError(f"still running after {timeout * rdu.SLOWER:.0f} s:\n{self._text()}") from None
        self.transcript += self._child.before
        self._child.close()
        return self._child.exitstatus

    def _text(self):
        before = self._child.before if isinstance(self._child.before, str) else ""
        return f"$ {' '.join(self.command_line)}\n{self.transcript}{before}"
