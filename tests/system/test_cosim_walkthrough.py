"""The verification engineer's walk-through of rtl/cosim/README.md, typed as it stands there."""

import os
import re
import subprocess

import pytest

import rdu

README = rdu.ROOT / "rtl/cosim/README.md"


def blocks():
    """Of the section: (command, the lines that the page shows of what it says)."""
    section = re.search(r"^## Walk-through\n(.*?)^## ", README.read_text(), re.M | re.S)
    assert section, "rtl/cosim/README.md has no walk-through"
    found = re.findall(r"^```sh\n(.*?)^```\n(?:```\n(.*?)^```\n)?", section.group(1), re.M | re.S)
    return [(command, shown.splitlines()) for command, shown in found]


class Walk:
    """Types the blocks, one after the other, in a folder of this test's own."""

    def __init__(self, folder):
        self.folder = folder
        self.blocks = blocks()
        # What scripts/run writes goes to a build folder that has this test's run/ and the build's programs.
        view = folder / "view"
        view.mkdir()
        for name in ("bin", "programs", "firmware"):
            (view / name).symlink_to(rdu.BUILD / name)
        self.env = {**os.environ, "RDU_BUILD_DIR": str(view)}

    def mine(self, text):
        text = text.replace("$(realpath build)", str(rdu.BUILD)).replace("build/bin", f"{rdu.BUILD}/bin")
        return text.replace("/tmp/bad_pcu", str(self.folder))

    def type(self, number, status=0, timeout=120):
        """Gives what it says; all that the page shows of it is there, in this order."""
        command, shown = self.blocks[number]
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", self.mine(command)], cwd=rdu.ROOT, env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              timeout=timeout * rdu.SLOWER)
        assert done.returncode == status, f"{command}\n{done.stdout}"
        lines = [line.rstrip() for line in done.stdout.splitlines()]
        at = 0
        for line in shown:
            if line.strip() == "...":
                continue
            line = self.mine(line).rstrip()
            assert line in lines[at:], f"the page shows '{line}' at this place; it was\n{done.stdout}"
            at = lines.index(line, at) + 1
        return done.stdout


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    walk = Walk(tmp_path_factory.mktemp("bad_pcu"))
    assert len(walk.blocks) == 9
    return walk


def cycles(text):
    return re.findall(r"([\d,]+) cycles", text)


def test_one_pcu_in_verilog_changes_nothing(walk):
    rtl = walk.type(0)
    plain = subprocess.run(["scripts/run", "--no-build"], cwd=rdu.ROOT, env=walk.env, text=True, check=True,
                           capture_output=True, timeout=120 * rdu.SLOWER).stdout
    figures = lambda text: [line for line in text.splitlines() if re.search(r"bit for bit|simulated us|fused|unfused", line)
                            and not line.startswith("  rduvp |")]
    assert figures(rtl) and figures(rtl) == figures(plain)


def test_a_planted_bug_is_seen_replayed_and_made_small(walk):
    walk.type(1, timeout=400)
    said = walk.type(2, status=1)
    assert re.search(r"pcu\[0\]\[1\]: output \d+ \(to .*\), vector \d+, lane \d+, cycle \d+: expected 0x\w+.*, got 0x\w+", said)
    assert "ended with status 7" in said
    differs = re.search(r"\.(pcu\[0\]\[1\]): (output \d+) \(.*?\)(, vector .*)", said)
    again = walk.type(3, status=1)
    assert f"differs: {differs.group(1)}: {differs.group(2)}{differs.group(3)}" in again, f"{said}\n{again}"
    walk.type(4)
    smaller = walk.type(5, status=1, timeout=300)
    assert "minimised" in smaller
    walk.type(6)
    size = lambda name: (walk.folder / name).stat().st_size
    assert size("small.stim") < size("tile0-pcu-0-1.stim") / 3


def test_the_first_difference_can_end_the_run(walk, digits):
    options = ["--dut", walk.folder / "out/bad_pcu.so", "--set", "socket.tile.fidelity_of=pcu[0][1]=shadow",
               "--set", f"socket.tile.shadow_folder={walk.folder}", "--set", "socket.tile.shadow_stop=true"]
    with rdu.Simulator(*options) as simulator:
        simulator.ready()
        rdu.run("rdu-digits", *rdu.digits_command(simulator, digits, walk.folder / "report.json"), timeout=60)
        assert simulator.wait(60) == 7, simulator.output
        assert "shadow: 1 of 1 unit diverged" in simulator.output
        assert "ended at the first difference" in simulator.output


def test_the_waves_show_it(walk):
    walk.type(7, status=1)
    walk.type(8)
    bad, good = rdu.read_vcd(walk.folder / "bad.vcd"), rdu.read_vcd(walk.folder / "good.vcd")
    assert set(bad) == set(good)
    found = []
    for name in good:
        stage, _, signal = name.rpartition(".")
        if signal != "result" or good[name] == bad[name] or f"{stage}.a" not in good:
            continue
        if all(good[f"{stage}.{operand}"] == bad[f"{stage}.{operand}"] for operand in "ab"):
            found.append(name)
    assert found == ["TOP.pcu.pipeline[1].compute.result"]
    # Nothing differs before it does.
    first = lambda name: min(set(good[name]) ^ set(bad[name]))[0]
    assert min(first(name) for name in good if good[name] != bad[name]) == first(found[0]) == 8
