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
  - {group: CH, offset: 0x40, count: 2, stride: 0x10, registers: [
      {name: COUNT, offset: 0x4}, {name: STEP, offset: 0x8, count: 2, fields: [{name: SIZE, bits: "3:0", reset: 3}]}]}
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
    assert "#define RDU_DEMO_CH_STEP_ENTRIES 2u" in c
    assert "MODE{1, 3}" in (out / "regs/demo.hpp").read_text()
    assert "DEMO_CTRL_MODE_LSB = 1" in (out / "rtl/demo.svh").read_text()
    assert "DEMO_CH_STEP_STRIDE = 4;" in (out / "rtl/demo.svh").read_text()
    page = (out / "docs/demo.md").read_text()
    for name in ("CTRL", "WIDE", "LIST[0..3]", "CH[n].COUNT", "CH[n].STEP[0..1]", "FAST"):
        assert name in page


def test_the_headers_compile_alone(tmp_path):
    assert regen(tmp_path, GOOD).returncode == 0
    user = tmp_path / "user.c"
    user.write_text('#include "regs/demo.h"\n_Static_assert(RDU_DEMO_CH_COUNT(1) == 0x54, "offset");\n'
                    '_Static_assert(RDU_DEMO_CH_STEP(1, 1) == 0x5c, "offset in an array of a group");\n'
                    '_Static_assert(RDU_DEMO_CTRL_RESET == 4, "reset");\nint main(void) { return 0; }\n')
    done = subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-I", str(tmp_path / "out"), "-c", str(user), "-o", "/dev/null"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


HAL = """
block: demo
title: Demo
size: 0x100
registers:
  - {name: CTRL, offset: 0x0, fields: [
      {name: GO, bits: 0, access: wo}, {name: MODE, bits: "3:1"}, {name: DONE, bits: 4, access: w1c}, {name: LEVEL, bits: "15:8"}]}
  - {name: WIDE, offset: 0x8, width: 64, access: ro}
  - {name: DATA, offset: 0x10, read_effect: true, fields: [{name: A, bits: 0}, {name: B, bits: 1}]}
  - {group: CH, offset: 0x40, count: 2, stride: 0x10, registers: [{name: COUNT, offset: 0x4}, {name: STEP, offset: 0x8, count: 2}]}
"""
HAL_USER = r"""
#include <assert.h>
#include <string.h>
#include "regs/demo_hal.h"
static unsigned char memory[0x100];
static unsigned writes;
uint8_t mmio_read8(uint64_t a) { return memory[a]; }
uint32_t mmio_read32(uint64_t a) { uint32_t v; memcpy(&v, memory + a, 4); return v; }
uint64_t mmio_read64(uint64_t a) { uint64_t v; memcpy(&v, memory + a, 8); return v; }
void mmio_write8(uint64_t a, uint8_t v) { memory[a] = v; ++writes; }
void mmio_write32(uint64_t a, uint32_t v) { memcpy(memory + a, &v, 4); ++writes; }
void mmio_write64(uint64_t a, uint64_t v) { memcpy(memory + a, &v, 8); ++writes; }
int main(void) {
  rdu_demo_CTRL_write(0, 0xab14); /* DONE is set, MODE 2, LEVEL 0xab */
  rdu_demo_CTRL_MODE_set(0, 5);
  assert(mmio_read32(0) == 0xab0a && rdu_demo_CTRL_MODE_get(0) == 5 && rdu_demo_CTRL_LEVEL_get(0) == 0xab);
  rdu_demo_CTRL_GO_set(0, 1);
  assert(mmio_read32(0) == 0xab0b);
  rdu_demo_CTRL_MODE_set(0, 0xff); /* wider than the field: cut */
  assert(mmio_read32(0) == 0xab0e);
  rdu_demo_CTRL_DONE_clear(0);
  assert(mmio_read32(0) == 0xab1e);
  rdu_demo_CH_COUNT_write(0, 1, 77);
  assert(mmio_read32(0x54) == 77 && rdu_demo_CH_COUNT_read(0, 1) == 77);
  rdu_demo_CH_STEP_write(0, 1, 1, 88);
  assert(mmio_read32(0x5c) == 88 && rdu_demo_CH_STEP_read(0, 1, 1) == 88);
  assert(rdu_demo_WIDE_read(0) == 0 && writes == 7);
  return 0;
}
"""


def test_accessors_do_what_they_say(tmp_path):
    result = regen(tmp_path, HAL)
    assert result.returncode == 0, result.stderr
    header = (tmp_path / "out/regs/demo_hal.h").read_text()
    assert "rdu_demo_WIDE_write" not in header, "read-only"
    assert "rdu_demo_CTRL_GO_get" not in header, "write-only"
    assert "rdu_demo_DATA_A_set" not in header, "reading it for the sake of B has an effect"
    assert "rdu_demo_DATA_write" in header
    user = tmp_path / "user.c"
    user.write_text(HAL_USER)
    firmware = os.path.join(HERE, "../../../firmware")
    program = tmp_path / "user"
    done = subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-I", str(tmp_path / "out"), "-I", firmware,
                           str(user), "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(program)]).returncode == 0


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
    ("offset: 0x8, count: 2", "offset: 0x8, count: 3", "beyond the group's stride"),
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
