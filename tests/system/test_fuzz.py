"""A short run of each fuzzer, with what scripts/fuzz builds."""

import re
import subprocess

import pytest

import rdu

FUZZ = rdu.ROOT / "scripts/fuzz"


def fuzz(*arguments, timeout):
    return subprocess.run([FUZZ, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=timeout * rdu.SLOWER)


@pytest.mark.parametrize("target", ["server", "program", "recording"])
def test_a_short_run_finds_nothing(target):
    result = fuzz("--seconds", "7", target, timeout=1000)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(re.search(r"(\d+) executions", result.stdout)[1]) > 200, result.stdout


def test_mistakes_are_told():
    for arguments, word in ((["nonsense"], "no target"), (["--seconds", "many"], "number of seconds"),
                            (["--slow"], "unknown option")):
        result = fuzz(*arguments, timeout=10)
        assert result.returncode != 0 and word in result.stderr
