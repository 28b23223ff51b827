"""What crosses the host boundary, recorded and replayed without the host."""

import collections
import json
import re
import signal
import time

import pytest

import rdu
import vfio_user
from driver import ABI, DDR, HOST, Device, va
from gdb import Gdb

Recording = collections.namedtuple("Recording", "file stats output")
OTHER_FIRMWARE = rdu.BUILD / "firmware/hello.elf"


def copies(socket, data):
    """A second driver's session: puts data into DDR and gets it back."""
    with Device(socket) as device:
        context = device.create_context()
        queue = device.create_queue(context)
        source, target = device.memory.put(data), device.memory.put(bytes(len(data)))
        queue.ok(ABI["RDU_CMD_COPY"], va(DDR, 0), va(HOST, source), len(data), context=context)
        queue.ok(ABI["RDU_CMD_COPY"], va(HOST, target), va(DDR, 0), len(data), context=context)
        assert device.memory.get(target, len(data)) == data


def record(folder, session, *arguments):
    file = folder / "session.rec"
    with rdu.Simulator("--record", file, *arguments) as simulator:
        simulator.ready()
        session(simulator)
        return Recording(file, simulator.stop(), simulator.output)


def replay(recording, *arguments, status=rdu.OK, timeout=60):
    """Result, and the statistics if it came so far."""
    stats = recording.with_suffix(".replayed.json")
    stats.unlink(missing_ok=True)
    result = rdu.run("rduvp", "--replay", recording, "--stats", stats, *arguments, timeout=timeout)
    assert result.returncode == status, f"{result.returncode}\n{result.stdout}\n{result.stderr}"
    return result, json.loads(stats.read_text()) if stats.exists() else None


def simulated(stats):
    return {key: value for key, value in stats.items() if key != "on_this_machine"}


@pytest.fixture(scope="module")
def session(digits, tmp_path_factory):
    """Probe, run, reset, remove: the application with its driver, then another driver, which resets before."""

    def drivers(simulator):
        rdu.run_digits(simulator, digits, simulator.folder / "report.json")
        with vfio_user.Client(simulator.socket) as client:
            client.reset()
        copies(simulator.socket, bytes(range(256)) * 64)

    return record(tmp_path_factory.mktemp("record"), drivers)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return record(tmp_path_factory.mktemp("short"), lambda simulator: copies(simulator.socket, b"hello" * 100))


def altered(recording, *what):
    copy = recording.file.with_name("altered-" + "-".join(map(str, what)) + ".rec")
    result = rdu.run(rdu.BUILD / "tests/alter_recording", recording.file, copy, *what)
    assert result.returncode == 0, result.stderr
    return copy


def test_a_session_replays_with_the_same_statistics_and_hash(session):
    result, stats = replay(session.file)
    assert simulated(stats) == simulated(session.stats)
    match = re.search(r"as recorded: (\d+) requests, (\d+) DMA accesses, (\d+) interrupts, trace hash (\w+)", result.stdout)
    assert match, result.stdout
    assert match[4] == session.stats["trace_hash"]
    assert int(match[1]) > 100 and int(match[2]) > 100 and int(match[3]) > 5


def test_the_firmware_says_what_it_said(session):
    def lines(text):
        return [line for line in text.splitlines() if re.match(r"\[ *\d+\.\d+ [num]?s\]", line)]

    result, _ = replay(session.file)
    assert lines(result.stdout) == lines(session.output)


def test_a_recording_is_much_smaller_than_what_crossed(session):
    crossed = session.stats["host"]["dma_bytes_read"] + session.stats["host"]["dma_bytes_written"]
    assert session.file.stat().st_size < crossed


def test_recording_changes_nothing(short, tmp_path):
    with rdu.Simulator() as simulator:
        simulator.ready()
        copies(simulator.socket, b"hello" * 100)
        assert simulated(simulator.stop()) == simulated(short.stats)


def test_a_replay_can_be_traced_and_debugged(short, tmp_path):
    trace = tmp_path / "trace.json"
    _, stats = replay(short.file, "--trace", trace, "--profile", tmp_path / "profile")
    assert stats["trace_hash"] == short.stats["trace_hash"]
    assert "doorbell" in trace.read_text()

    stats_file = tmp_path / "stats.json"
    with rdu.Process("rduvp", "--replay", short.file, "--stats", stats_file, "--gdb", "tcp::0", "-S") as process:
        where = process.wait_for(r"gdb: waiting on (\S+:\d+)")[1]
        with Gdb(where, rdu.BUILD / "firmware/mgmt.elf") as gdb:
            gdb("hbreak admin_finish")
            assert "admin_finish" in gdb("continue", timeout=60)
            gdb("delete")
            gdb("detach")
        assert process.wait(60) == rdu.OK, process.transcript()
    assert json.loads(stats_file.read_text())["trace_hash"] == short.stats["trace_hash"]


@pytest.mark.parametrize("kind, count", [("answer", 5), ("dma_write", 4)])
def test_another_byte_of_what_the_device_did_is_the_first_difference(short, kind, count):
    result, _ = replay(altered(short, kind, count, 0), status=rdu.DIFFERED)
    assert "differs" in result.stderr
    recorded = re.search(r"recorded: .*: ((?:[0-9a-f]{2} ?)+)", result.stderr)[1].split()
    replayed = re.search(r"replayed: .*: ((?:[0-9a-f]{2} ?)+)", result.stderr)[1].split()
    assert int(recorded[0], 16) == int(replayed[0], 16) ^ 1 and recorded[1:] == replayed[1:]
    assert "data differ from byte 0 on" in result.stderr
    assert re.search(r"last request: .*request \d+", result.stderr)
    assert re.search(r"us +core (reads|writes) socket0", result.stderr), result.stderr


def test_another_byte_of_the_hosts_memory_is_a_difference_inside(short):
    """The source of a copy to DDR: no answer and no time shows it, the trace hash does, at the next request."""
    result, _ = replay(altered(short, "dma_read", 4, 7), status=rdu.DIFFERED)
    assert re.search(r"recorded: .*request \d+, write of .*trace hash \w+", result.stderr), result.stderr
    assert "inside the device something went otherwise since the last request" in result.stderr


def test_a_recording_can_be_read_by_people(short):
    result = rdu.run("rduvp", "--print-recording", short.file)
    assert result.returncode == rdu.OK, result.stderr
    assert re.search(r"^flash .*mgmt.img, sha256 [0-9a-f]{64}$", result.stdout, re.M)
    assert re.search(r"request \d+, write of BAR0\+0x10, 4 bytes: 01 00 00 00$", result.stdout, re.M), result.stdout
    assert "DMA write of 0x6000, 500 bytes" in result.stdout and "interrupt, index 2, vector 1" in result.stdout


def test_other_firmware_is_told_up_front_and_differs(short):
    result, _ = replay(short.file, "--firmware", OTHER_FIRMWARE, status=rdu.BAD_INPUT)
    assert re.search(r"the flash is .*mgmt.img \(sha256 \w+...\), here .*hello.elf", result.stderr), result.stderr
    assert "secure_boot is true, here false" in result.stderr
    result, _ = replay(short.file, "--firmware", OTHER_FIRMWARE, "--replay-anyway", status=rdu.DIFFERED)
    assert "recorded:" in result.stderr and "replayed:" in result.stderr


def test_another_configuration_is_told_up_front_and_differs(short):
    other = ["--config", "mini", "--set", "socket.pcie.latency=500 ns"]
    result, _ = replay(short.file, *other, status=rdu.BAD_INPUT)
    assert "socket.pcie.latency is 400 ns, here 500 ns" in result.stderr
    result, _ = replay(short.file, *other, "--replay-anyway", status=rdu.DIFFERED)
    assert "answer to request" in result.stderr


def test_the_recordings_own_configuration_is_the_default(tmp_path):
    recording = record(tmp_path, lambda simulator: copies(simulator.socket, b"x" * 64), "--set",
                       "socket.pcie.latency=350 ns")
    _, stats = replay(recording.file)
    assert stats["trace_hash"] == recording.stats["trace_hash"]


def test_a_file_that_was_cut_off_is_used_as_far_as_it_goes(session, tmp_path):
    whole = session.file.read_bytes()
    cut = tmp_path / "cut.rec"
    cut.write_bytes(whole[:-10])
    result, stats = replay(cut, status=rdu.BAD_INPUT)
    assert "is cut off at byte" in result.stderr
    assert "no difference in" in result.stdout
    result, _ = replay(cut, "--replay-anyway")
    assert "cut off" in result.stdout


def test_a_damaged_file_is_used_as_far_as_it_is_whole(session, tmp_path):
    data = bytearray(session.file.read_bytes())
    data[-100] ^= 0x10
    damaged = tmp_path / "damaged.rec"
    damaged.write_bytes(data)
    result, _ = replay(damaged, status=rdu.BAD_INPUT)
    assert "checksum" in result.stderr


@pytest.mark.parametrize("content, complaint", [
    (b"", "is no recording"),
    (b"\x7fELF" + bytes(100), "is no recording"),
    (b"RDU-VPR\n\x63\0\0\0" + bytes(100), "version 99"),
    (b"RDU-VPR\n\x01\0\0\0\x10\0\0\0", "cut off in its header"),
])
def test_foreign_files_are_refused(tmp_path, content, complaint):
    file = tmp_path / "foreign.rec"
    file.write_bytes(content)
    result, _ = replay(file, status=rdu.BAD_INPUT)
    assert complaint in result.stderr and str(file) in result.stderr


def test_what_a_killed_recorder_wrote_can_be_used(tmp_path):
    file = tmp_path / "killed.rec"
    with rdu.Simulator("--record", file) as simulator:
        simulator.ready()
        with Device(simulator.socket) as device:
            device.create_context()
            deadline = time.monotonic() + 10
            while file.stat().st_size < 20000 and time.monotonic() < deadline:
                device.read("CSTS")
            simulator.signal(signal.SIGKILL)
            simulator.wait()
    result, _ = replay(file, status=rdu.BAD_INPUT)
    assert "ends at byte" in result.stderr
    requests = int(re.search(r"no difference in (\d+) requests", result.stdout)[1])
    assert requests > 20


def test_options_that_do_not_go_together(short, tmp_path):
    for arguments, word in [
        (["--record", tmp_path / "x"], "--socket"),
        (["--replay", short.file, "--socket", tmp_path / "s"], "--socket"),
        (["--replay-anyway"], "--replay"),
        (["--replay", tmp_path / "none.rec"], "No such file"),
    ]:
        result = rdu.run("rduvp", *arguments)
        assert result.returncode != 0 and word in result.stderr + result.stdout, (arguments, result)
    result = rdu.run("rduvp", "--socket", tmp_path / "s", "--record", tmp_path / "no/such/folder")
    assert result.returncode == rdu.BAD_INPUT and "--record" in result.stderr
