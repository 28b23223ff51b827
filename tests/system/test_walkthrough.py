"""The walk-through of firmware/README.md, typed as it stands there."""

import re
import socket
import subprocess

import pytest

import rdu

README = rdu.ROOT / "firmware/README.md"


def blocks():
    """The commands of the section, one text a block."""
    section = re.search(r"^## Walk-through: hello\n(.*?)^## ", README.read_text(), re.M | re.S)
    assert section, "firmware/README.md has no walk-through"
    return re.findall(r"^```sh\n(.*?)^```", section.group(1), re.M | re.S)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The blocks, with a folder of this test's own instead of /tmp, its build, and a port that is free."""
    folder = tmp_path_factory.mktemp("hello")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    texts = []
    for text in blocks():
        text = text.replace("/tmp/", f"{folder}/").replace("build/", f"{rdu.BUILD}/")
        texts.append(re.sub(r"\b(tcp:|remote ):1234", rf"\1:{port}", text))
    assert len(texts) == 4, "build, run, wait for gdb, gdb"
    shell(texts[0])
    return folder, texts


def shell(text, timeout=60):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=rdu.ROOT, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout * rdu.SLOWER)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_build_and_run(typed):
    folder, texts = typed
    said = shell(texts[1])
    assert "hello: this is chip 0x000140a1" in said, said
    assert "SCRATCH" in (folder / "hello.txt").read_text()


def test_the_image_of_the_tree_does_the_same():
    done = rdu.run("rduvp", "--config", "mini", "--firmware", rdu.BUILD / "firmware/hello.elf")
    assert done.returncode == 0 and "hello: this is chip 0x000140a1" in done.stdout + done.stderr, done


def test_break_in_gdb_and_see_a_register_change(typed):
    _, texts = typed
    command = texts[2].split()
    with rdu.Process(command[0], *command[1:]) as simulator:
        simulator.wait_for("gdb")
        said = shell(texts[3])
        values = re.findall(r"^0x11000040:\s+(0x[0-9a-f]{8})", said, re.M)
        assert values == ["0x00000000", "0x000140a1"], f"{said}\n{simulator.output}"
        assert re.search(r"^\$1 = 0x140a1$", said, re.M), said
