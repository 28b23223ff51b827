"""What regen.py writes, and how it refuses descriptions that break the format."""
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = """
block: demo
title: Demo
description: A block.
size: 0x100
registers:
  - name: CTRL
    offset: 0x0
    fields:
      - {name: GO, bits: 0, access: wo}
      - {name: MODE, bits: "3:1", reset: 2, enum: {SLOW: 1, FAST: 2}}
  - {name: WIDE, offset: 0x8, width: 64, access: ro}
  - {name: LIST, offset: 0x20, count: 4}
  - {group: CH, offset: 0x40, count: 2, stride: 0x10, registers: [{name: COUNT, offset: 0x4}]}
"""


def regen(tmp_path, text, *options):
    source = tmp_path / "demo.regs.yaml"
    source.write_text(text)
    return subprocess.run([sys.executable, os.path.join(HERE, "regen.py"), "--out", str(tmp_path / "out"), *options, str(source)],
                          capture_output=True, text=True)


def test_every_output_knows_every_register(tmp_path):
    result = regen(tmp_path, GOOD)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "out"
    c = (out / "regs/demo.h").read_text()
    assert "#define RDU_DEMO_CTRL_MODE_FAST 0x2u" in c or "#define RDU_DEMO_CTRL_MODE_FAST 0x4u" in c
    assert "#define RDU_DEMO_CH_COUNT(n)" in c
    assert "MODE{1, 3}" in (out / "regs/demo.hpp").read_text()
    assert "DEMO_CTRL_MODE_LSB = 1" in (out / "rtl/demo.svh").read_text()
    page = (out / "docs/demo.md").read_text()
    for name in ("CTRL", "WIDE", "LIST[0..3]", "CH[n].COUNT", "FAST"):
        assert name in page


def test_the_headers_compile_alone(tmp_path):
    assert regen(tmp_path, GOOD).returncode == 0
    user = tmp_path / "user.c"
    user.write_text('#include "regs/demo.h"\n_Static_assert(RDU_DEMO_CH_COUNT(1) == 0x54, "offset");\n'
                    '_Static_assert(RDU_DEMO_CTRL_RESET == 4, "reset");\nint main(void) { return 0; }\n')
    done = subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-I", str(tmp_path / "out"), "-c", str(user), "-o", "/dev/null"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("old, new, message", [
    ('bits: "3:1"', 'bits: "3:0"', "overlaps another field"),
    ("reset: 2,", "reset: 9,", "wider than the field"),
    ("offset: 0x8, width: 64", "offset: 0xc, width: 64", "not aligned"),
    ("offset: 0x8, width: 64", "offset: 0x0, width: 64", "overlaps CTRL"),
    ("access: ro", "access: readonly", "none of rw"),
    ("count: 4", "count: 4, colour: red", "unknown key 'colour'"),
    ("size: 0x100", "size: 0x40", "lies outside"),
    ("width: 64", "width: 48", "none of"),
    ("stride: 0x10", "stride: 0x4", "beyond the group's stride"),
    ("title: Demo", "headline: Demo", "unknown key 'headline'"),
    ("offset: 0x20, ", "", "missing key 'offset'"),
])
def test_mistakes_are_named(tmp_path, old, new, message):
    assert old in GOOD
    result = regen(tmp_path, GOOD.replace(old, new))
    assert result.returncode == 1
    assert "demo.regs.yaml" in result.stderr
    assert message in result.stderr


def test_address_maps_must_not_overlap(tmp_path):
    text = ("title: Map\nentries:\n  - {name: A, base: 0x0, size: 0x20, description: a}\n"
            "  - {name: B, base: 0x10, size: 0x20, description: b}\n")
    result = regen(tmp_path, text, "--map")
    assert result.returncode == 1
    assert "B overlaps A" in result.stderr
