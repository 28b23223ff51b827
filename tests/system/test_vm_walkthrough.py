"""The walk-through of sw/driver/linux, typed as it stands there."""

import re
import socket
import subprocess

import pytest

import rdu
from vm import virtual_machine, wait_for

PAGE = rdu.ROOT / "sw/driver/linux/WALKTHROUGH.md"


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The blocks by their section, with a folder of this test's own instead of /tmp, its build, and a free port."""
    virtual_machine.fetch("6.1")
    folder = tmp_path_factory.mktemp("walkthrough")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sections = {}
    for title, body in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S):
        body = body.replace("/tmp/", f"{folder}/").replace(" build/", f" {rdu.BUILD}/")
        body = re.sub(r"\b(tcp:|remote ):1234", rf"\1:{port}", body)
        sections[title] = re.findall(r"^```sh\n(.*?)^```", body, re.M | re.S)
    return sections


def command(text):
    return ["bash", "-euo", "pipefail", "-c", text]


def shell(text, timeout=150):
    done = subprocess.run(command(text), cwd=rdu.ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=timeout * rdu.SLOWER)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_look_at_the_card(typed):
    (look,) = typed["Look at the card"]
    assert "01:00.0 Processing accelerators [1200]: Device [1234:40a1]" in shell(look)


def test_write_a_register_and_watch_it_in_the_trace(typed):
    (write,), (watch,) = typed["Write a register"], typed["Watch it in the trace"]
    assert shell(write) == "0x12345600\n"
    assert shell(watch).splitlines() == [
        '"name":"write MBOX_REQUEST","args":{"detail":"0x12345602"',
        '"name":"read MBOX_RESPONSE","args":{"detail":"0x12345600"',
    ]


def test_break_in_the_firmware_that_serves_it(typed):
    machine, gdb = typed["Break in the firmware that serves it"]
    with subprocess.Popen(command(machine), cwd=rdu.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL) as guest:
        try:
            port = int(re.search(r"remote :(\d+)", gdb).group(1))
            wait_for(lambda: listens(port), 60, lambda: "nobody waits for gdb")
            said = shell(gdb)
            out, errors = guest.communicate(timeout=150 * rdu.SLOWER)
        finally:
            guest.terminate()
    assert re.search(r"^\$1 = 0x12345602$", said, re.M), said
    assert re.search(r"^#0 +mailbox \(\)", said, re.M) and re.search(r"^#\d .*main \(\)", said, re.M), said
    assert (guest.returncode, out) == (0, "0x12345600\n"), errors


def listens(port):
    """Whether a socket of this machine does, without bothering it."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(table).read().splitlines()[1:]:
            words = line.split()
            if words[1].endswith(wanted) and words[3] == "0A":
                return True
    return False


def test_with_the_driver(typed):
    (driver,) = typed["With the driver"]
    said = shell(driver)
    assert "| /dev/rdu0" in said
    assert re.search(r"rdu rdu0: RDU-VP 40a1 rev 1, .*$", said.splitlines()[-1]), said
