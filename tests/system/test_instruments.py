"""The instruction trace and the function profile: what they say is what ran, and following changes nothing."""

import json
import re

import pytest

import rdu
from gdb import Gdb

TARGET = rdu.BUILD / "tests/debug_target.elf"
LINE = re.compile(r"^\s*([\d.]+ \w+) hart(\d) ([MSU]) (0x[0-9a-f]+) (\S*)\s+([0-9a-f]{4}|[0-9a-f]{8}|-)\s+(.*)$")


def virt(*arguments, harts=1, time="50 us"):
    result = rdu.run("rduvp", "--machine", "virt", "--kernel", TARGET, "--smp", harts, "--serial", "none", "--run-for",
                     time, *arguments)
    assert result.returncode == 0, result.stderr
    return result


def test_following_changes_nothing(tmp_path):
    """A whole boot of the card, followed and not."""
    reports = []
    for name, more in (("plain", ()), ("followed", ("--profile", tmp_path / "profile", "--trace-instructions",
                                                    f"{tmp_path}/trace"))):
        stats = tmp_path / f"{name}.json"
        result = rdu.run("rduvp", "--stats", stats, *more)
        assert result.returncode == 0, result.stderr
        report = json.loads(stats.read_text())
        del report["on_this_machine"]
        reports.append(report)
    assert reports[0] == reports[1]
    # Each instruction has its line, and is counted once in the profile.
    lines = (tmp_path / "trace").read_text().splitlines()
    executed = sum(1 for line in lines if LINE.match(line))
    total = int((tmp_path / "profile").read_text().splitlines()[-1].split()[2])
    assert executed == total
    assert executed > 50_000
    assert re.search(r"\d+\s+main$", (tmp_path / "profile").read_text(), re.M)
    assert ";main;" in (tmp_path / "profile.folded").read_text()


def test_trace_says_what_ran(tmp_path):
    file = tmp_path / "trace"
    virt("--trace-instructions", f"{file},from=leaf,count=500")
    matches = [LINE.match(line) for line in file.read_text().splitlines()]
    instructions = [match.groups() for match in matches if match]
    assert len(instructions) == 500
    assert instructions[0][4] == "leaf"
    assert any(match is None for match in matches), "the exceptions of call_environment have lines of their own"
    text = file.read_text()
    # 3 * 1 + 1, as the registers tell it.
    assert re.search(r" leaf\S*\s.*a0=0x4\b", text), text[:2000]
    assert re.search(r"ecall\s+environment call", text)
    assert re.search(r"hart0 exception 11, to 0x[0-9a-f]+ trap", text)
    assert re.search(r"lbu \w+,5\(\w+\)\s+\w+=0x\w+ \[0x10000005\]", text) or "[0x10000005]" in text
    assert re.search(r"sc\.w \w+,\w+,\(\w+\)\s+\w+=0x0 \[0x[0-9a-f]+\]", text)
    # Times never go back.
    unit = {"ns": 1, "us": 1000, "ms": 1000000}
    times = [float(i[0].split()[0]) * unit[i[0].split()[1]] for i in instructions]
    assert times == sorted(times)


def test_trace_from_a_time_and_of_several_harts(tmp_path):
    file = tmp_path / "trace"
    virt("--trace-instructions", f"{file},from=20 us", harts=2, time="25 us")
    instructions = [m.groups() for m in map(LINE.match, file.read_text().splitlines()) if m]
    assert {i[1] for i in instructions} == {"0", "1"}
    assert all(float(i[0].split()[0]) >= 20 for i in instructions)


def test_profile_counts_calls(tmp_path):
    file = tmp_path / "profile"
    virt("--profile", file)
    rows = {line.split()[-1]: line.split() for line in file.read_text().splitlines()[1:]}
    calls = {name: int(row[3]) for name, row in rows.items() if len(row) == 5}
    assert calls["middle"] > 10
    # leaf is called twice by each middle, count and take once a turn; the run may end anywhere in one.
    assert 0 <= 2 * calls["middle"] - calls["leaf"] <= 2
    assert 0 <= calls["count"] - calls["middle"] <= 1
    assert 0 <= calls["count"] - calls["take"] <= 1
    assert 0 <= calls["call_environment"] - calls["trap"] <= 1
    folded = (tmp_path / "profile.folded").read_text()
    for stack in ("hart0;_start;run;middle;leaf ", "hart0;_start;run;call_environment;trap "):
        assert stack in folded, folded
    cycles = sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines())
    assert cycles == int(rows["all"][0])


def test_names_from_further_programs(tmp_path):
    """A raw binary has no names; --symbols gives them."""
    raw = tmp_path / "raw.bin"
    rdu.run("/usr/bin/riscv64-unknown-elf-objcopy", "-O", "binary", TARGET, raw)
    for more, name in (((), "0x80000000"), (("--symbols", TARGET), "middle")):
        file = tmp_path / "profile"
        result = rdu.run("rduvp", "--machine", "virt", "--bios", raw, "--serial", "none", "--run-for", "50 us",
                         "--profile", file, *more)
        assert result.returncode == 0, result.stderr
        assert re.search(rf"\s{name}$", file.read_text(), re.M), file.read_text()


@pytest.mark.parametrize("text, why", [
    (",count=3", "no file name"), ("F,from=nowhere", "nowhere"), ("F,count=0", "count=0"),
    ("F,count=x", "count=x"), ("F,colour=red", "colour=red"), ("/none/F", "cannot be written")])
def test_bad_options(tmp_path, text, why):
    result = rdu.run("rduvp", "--trace-instructions", text.replace("F", str(tmp_path / "f")))
    assert result.returncode == rdu.BAD_INPUT and why in result.stderr, result.stderr


def test_monitor_trace(tmp_path):
    with rdu.Process("rduvp", "--machine", "virt", "--kernel", TARGET, "--serial", "none", "--gdb", "tcp::0",
                     "-S") as process:
        match = process.wait_for(r"gdb: waiting on (\S+),")
        with Gdb(match.group(1), TARGET) as gdb:
            gdb("tbreak leaf")
            gdb("continue")
            assert "tracing" in gdb(f"monitor trace on {tmp_path}/t")
            for _ in range(3):
                gdb("stepi")
            assert "3 instructions" in gdb("monitor trace off")
            assert "no trace" in gdb("monitor trace off")
            assert "cannot be written" in gdb("monitor trace on /none/t")
            assert "expected" in gdb("monitor trace sideways")
    assert len((tmp_path / "t").read_text().splitlines()) == 3


def test_a_refused_access_tells_its_instruction(tmp_path):
    with rdu.Process("rduvp", "--machine", "virt", "--kernel", TARGET, "--serial", "none", "--gdb", "tcp::0",
                     "-S") as process:
        match = process.wait_for(r"gdb: waiting on (\S+),")
        with Gdb(match.group(1), TARGET) as gdb:
            gdb("tbreak take")
            gdb("continue")
            gdb("set {unsigned int}$pc = 0x0000b503")  # ld a0,0(ra)... of an address where nothing is
            gdb("set $ra = 0x70000000")
            gdb("detach")
        process.wait_for(r"load access fault: address 0x70000000, pc 0x[0-9a-f]+ \(take\): ld a0,0\(ra\)")
