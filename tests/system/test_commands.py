"""What somebody sees who never saw these programs."""

import json
import os
import re
import subprocess

import pytest

import elf
import rdu

PROGRAMS = ["rduvp", "rdu-digits", "rdu-objdump", "rdu-smi", "rdu-fw"]
REQUIRED = {"rdu-digits": ["--images", "x.npy"], "rdu-fw": ["info"], "rdu-objdump": ["x.rdu"]}


@pytest.mark.parametrize("program", PROGRAMS)
def test_help(program):
    result = rdu.run(program, "--help")
    assert result.returncode == 0 and not result.stderr
    assert program in result.stdout and len(result.stdout.splitlines()) >= 5
    assert max(map(len, result.stdout.splitlines())) <= 130


@pytest.mark.parametrize("program", PROGRAMS)
def test_version(program):
    result = rdu.run(program, "--version")
    assert result.returncode == 0 and any(c.isdigit() for c in result.stdout), result


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_option(program):
    result = rdu.run(program, *REQUIRED.get(program, []), "--no-such-option")
    assert result.returncode != 0
    assert "no-such-option" in result.stderr + result.stdout


def shipped_programs():
    found = sorted((rdu.BUILD / "programs").glob("*.rdu"))
    assert len(found) >= 2, "a fused program and the kernels of the unfused run"
    return found


def test_objdump_of_shipped_programs():
    for file in shipped_programs():
        result = rdu.run("rdu-objdump", file)
        assert result.returncode == 0, result
        text = result.stdout.lower()
        for word in ("pcu", "pmu", "agcu", "floor plan", "streams", "switches"):
            assert word in text, (file.name, word, result.stdout)


def test_programs_are_elf():
    for file in shipped_programs():
        data = file.read_bytes()
        assert data.startswith(b"\x7fELF")
        assert elf.sections(data)
        assert subprocess.run(["readelf", "-hS", file], capture_output=True).returncode == 0


def test_objdump_refuses_damage(tmp_path):
    data = shipped_programs()[0].read_bytes()
    for name, damaged in (("cut", data[: len(data) // 2]), ("empty", b""), ("text", b"hello\n" * 100)):
        file = tmp_path / name
        file.write_bytes(damaged)
        result = rdu.run("rdu-objdump", file)
        assert result.returncode not in (0, -6, -11), result
        assert name in result.stderr, result
    assert rdu.run("rdu-objdump", tmp_path / "absent").returncode != 0


def test_scripts_have_help():
    for name in ("run", "test", "build", "install", "format", "bench"):
        result = subprocess.run([rdu.ROOT / "scripts" / name, "--help"], capture_output=True, text=True)
        assert result.returncode == 0 and f"scripts/{name}" in result.stdout, (name, result)
        wrong = subprocess.run([rdu.ROOT / "scripts" / name, "--no-such"], capture_output=True, text=True)
        assert wrong.returncode != 0 and "--no-such" in wrong.stderr


def test_links_of_all_pages_lead_somewhere():
    pages = [
        page
        for top in ("README.md", "platform", "models", "firmware", "sw", "tests", "rtl", "scripts")
        for page in ([rdu.ROOT / top] if top.endswith(".md") else (rdu.ROOT / top).rglob("*.md"))
    ]
    assert len(pages) > 10
    for page in pages:
        text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_first_run(tmp_path):
    """scripts/run, with what is built already."""
    environment = dict(os.environ, RDU_BUILD_DIR=str(rdu.BUILD), TMPDIR=str(tmp_path))
    result = subprocess.run([rdu.ROOT / "scripts/run", "--no-build"], capture_output=True, text=True, env=environment,
                            timeout=120 * rdu.SLOWER)
    assert result.returncode == 0, result.stdout + result.stderr
    for word in ("accuracy", "trace hash", "rduvp | "):
        assert word in result.stdout, result.stdout
    assert not list(tmp_path.glob("rduvp.*")), "the socket's folder is gone"
    report = json.loads((rdu.BUILD / "run/report.json").read_text())
    assert {"accuracy", "bit_exact", "fused_ns", "unfused_ns", "host_seconds", "trace_hash"} <= set(report)
    assert report["accuracy"] > 0.95 and report["bit_exact"] is True


def test_first_run_reports_failure(tmp_path):
    environment = dict(os.environ, RDU_BUILD_DIR=str(rdu.BUILD), TMPDIR=str(tmp_path))
    result = subprocess.run([rdu.ROOT / "scripts/run", "--no-build", "--set", "socket.hbn.latency=1 ns"],
                            capture_output=True, text=True, env=environment, timeout=60 * rdu.SLOWER)
    assert result.returncode == 1
    assert "hbm" in result.stdout and "simulator ended with status 2" in result.stderr, result
    assert not list(tmp_path.glob("rduvp.*"))


def test_a_missing_tool_is_told_with_its_package():
    result = rdu.run(rdu.PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", rdu.ROOT / "tests/system/test_commands.py",
                     env=os.environ | {"PATH": "/no/such/folder"})
    assert result.returncode == 1 and not re.search(r"passed|Traceback", result.stdout)
    assert re.search(r"apt-get install .*\bgdb-multiarch\b", result.stdout + result.stderr)
