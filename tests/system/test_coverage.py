"""Register coverage: what the firmware used, as JSON and as a table."""

import json

import rdu


def boot(tmp_path, *more):
    file = tmp_path / "coverage.json"
    stats = tmp_path / "stats.json"
    result = rdu.run("rduvp", "--config", "mini", "--register-coverage", file, "--stats", stats, *more)
    assert result.returncode == 0, result.stderr
    return file, json.loads(stats.read_text())


def fields(coverage, block, register):
    found = next(b for b in coverage["blocks"] if b["name"] == block)
    entry = next(r for r in found["registers"] if r["name"] == register)
    return entry, {f["name"]: f for f in entry["fields"]}


def test_a_boot_uses_what_it_must_and_nothing_else(tmp_path):
    file, _ = boot(tmp_path)
    coverage = json.loads(file.read_text())
    names = [block["name"] for block in coverage["blocks"]]
    assert {"CLINT", "PLIC", "UART0", "SYSCTL", "HOSTCTL", "HBM_CTL", "DDR_CTL"} <= set(names)
    # The firmware trains HBM, prints through the UART, and never asks the hart that is not there.
    control, by_name = fields(coverage, "HBM_CTL", "CONTROL")
    assert control["writes"] >= 1
    assert any(field["changes"] for field in by_name.values())
    stage, _ = fields(coverage, "SYSCTL", "BOOT_STAGE")
    assert stage["writes"] >= 4
    unused, _ = fields(coverage, "CLINT", "MSIP[7]")
    assert unused["reads"] == unused["writes"] == 0
    text = file.with_suffix(".txt").read_text()
    assert "HBM_CTL at 0x" in text and "CONTROL." in text
    untouched = [line for line in text.splitlines() if "never touched" in line]
    assert any("MSIP[7]" in line for line in untouched)
    assert not any("BOOT_STAGE" in line for line in untouched)


def test_it_changes_no_result(tmp_path):
    _, with_coverage = boot(tmp_path)
    stats = tmp_path / "plain.json"
    assert rdu.run("rduvp", "--config", "mini", "--stats", stats).returncode == 0
    plain = json.loads(stats.read_text())
    assert plain["trace_hash"] == with_coverage["trace_hash"]


def test_files_that_cannot_be_written_are_told_before_the_run(tmp_path):
    result = rdu.run("rduvp", "--register-coverage", tmp_path / "none/c.json")
    assert result.returncode == rdu.BAD_INPUT
    assert "none/c.json" in result.stderr and "cannot be written" in result.stderr
    result = rdu.run("rduvp", "--register-coverage", tmp_path / "c.txt")
    assert result.returncode == rdu.BAD_INPUT and ".txt" in result.stderr
