"""Configuration from files and the command line, and mistakes in it."""

import re

import pytest

import rdu


def refused(*arguments):
    """What rduvp says when it refuses them; it must be one line and the status of bad input."""
    result = rdu.run("rduvp", *arguments, "--check")
    assert result.returncode == rdu.BAD_INPUT, f"{arguments}: {result}"
    text = result.stderr.strip()
    assert text.startswith("rduvp: ") and len(text.splitlines()) == 1, text
    return text


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("socket:\n  hbn:\n    latency: 100 ns\n", 2, ["hbn", "hbm"]),
        ("socket:\n  hbm:\n    latencyy: 100 ns\n", 3, ["latencyy", "latency"]),
        ("sockets:\n  tiles: 1\n", 1, ["sockets", "socket"]),
        ("socket:\n  tiles: many\n", 2, ["tiles", "many"]),
        ("socket:\n  tiles: 1000\n", 2, ["tiles", "1000"]),
        ("socket:\n  tiles: -1\n", 2, ["tiles", "-1"]),
        ("socket:\n  tile:\n    clock: 1.6\n", 3, ["clock", "GHz"]),
        ("socket:\n  tile:\n    clock: 1.6 GiB\n", 3, ["clock", "GHz"]),
        ("socket:\n  hbm:\n    capacity: 64\n", 3, ["capacity", "GiB"]),
        ("socket: [1, 2]\n", 1, ["socket"]),
        ("socket:\n  hbm: 7\n", 2, ["hbm"]),
        ("socket:\n  tiles: 1\n  tiles: 2\n", 3, ["tiles"]),
        ("socket:\n  tiles: {\n", None, []),
        ("include: absent.yaml\n", 1, ["absent.yaml"]),
    ],
)
def test_mistakes_in_a_file(tmp_path, text, line, words):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    message = refused("--config", file)
    where = f"wrong.yaml:{line}" if line else "wrong.yaml:"
    assert where in message, message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    "assignment, words",
    [
        ("socket.hbn.latency=1 ns", ["hbm"]),
        ("socket.hbm.latency=1 parsec", ["parsec", "ns"]),
        ("socket.hbm.latency", ["="]),
        ("=5", []),
        ("socket.hbm=5", ["socket.hbm"]),
    ],
)
def test_mistakes_on_the_command_line(assignment, words):
    message = refused("--config", "mini", "--set", assignment)
    for word in words:
        assert word in message, message


def test_files_that_are_not_there():
    message = refused("--config", "no-such-config")
    assert "mini" in message and "sn40l" in message
    for option in ("--firmware", "--rom"):
        assert "no-such-file" in refused("--config", "mini", option, "no-such-file")


def test_later_files_and_settings_override(tmp_path):
    (tmp_path / "base.yaml").write_text("include: more.yaml\nsocket:\n  tiles: 1\n  tile: {rows: 3}\n")
    (tmp_path / "more.yaml").write_text("socket:\n  tile:\n    rows: 2\n    columns: 5\n")
    listing = rdu.run("rduvp", "--config", "mini", "--config", tmp_path / "base.yaml", "--set", "socket.tile.rows=4",
                      "--list-params").stdout
    values = dict(re.findall(r"^ +(\S+)\s+(\S+)", listing, re.M))
    assert values["socket.tile.rows"] == "4" and values["socket.tile.columns"] == "5"


def test_list_params_is_complete():
    result = rdu.run("rduvp", "--config", "mini", "--list-params")
    assert result.returncode == 0 and not result.stderr
    paths = re.findall(r"^ +((?:socket|coupling)\.\S+) ", result.stdout, re.M)
    assert len(paths) > 25 and len(set(paths)) == len(paths)
    for path in ("socket.tiles", "socket.tile.clock", "socket.hbm.capacity", "socket.ddr.bandwidth"):
        assert path in paths
    for word in ("ours", "GHz", "GiB", "GB/s"):  # sources and units
        assert word in result.stdout


@pytest.mark.parametrize("name, pcus", [("mini", None), ("sn40l", 1040)])
def test_shipped_configurations_elaborate(name, pcus):
    result = rdu.run("rduvp", "--config", name, "--check", timeout=60)
    assert result.returncode == 0, result
    if pcus:
        assert str(pcus) in result.stdout.replace(",", ""), result.stdout


@pytest.mark.parametrize("preset, line", [
    ("hbm-1.8tb", "4 channels, 1.8 TB/s"), ("hbm-2.0tb", "4 channels, 2 TB/s"), ("ddr-100gb", "6 channels, 100 GB/s")])
def test_presets_on_top_of_the_full_chip(preset, line):
    result = rdu.run("rduvp", "--config", "sn40l", "--config", preset, "--check")
    assert result.returncode == 0 and line in result.stdout, result


def test_sn40l_boots():
    """The full chip's firmware comes up."""
    with rdu.Simulator(config="sn40l") as simulator:
        simulator.wait_for(r"\] .*ready", 60)
        simulator.stop()


def test_trace_and_statistics_that_cannot_be_written():
    for option in ("--trace", "--stats"):
        result = rdu.run("rduvp", "--config", "mini", option, "/no/such/folder/file", "--run-for", "1 us")
        assert result.returncode == rdu.BAD_INPUT, (option, result)
        assert "/no/such/folder/file" in result.stderr
