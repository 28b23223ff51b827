"""The Python module: the digits against numpy, and what is particular to it: arrays, exceptions, threads, lifetimes."""

import os
import subprocess
import textwrap

import numpy as np
import pytest

import rdu

DIGITS_PY = rdu.ROOT / "sw/runtime/python/digits.py"


@pytest.fixture(scope="module")
def simulator():
    with rdu.Simulator() as simulator:
        yield simulator.ready()


def python(simulator, *arguments, timeout=60):
    environment = dict(os.environ, **rdu.python_environment(), RDU_DEVICE=f"unix:{simulator.socket}")
    return subprocess.run([rdu.PYTHON, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout * rdu.SLOWER)


def script(simulator, text, **options):
    """Runs a script that has a device, a context and a queue; gives its output."""
    head = """
        import numpy as np, rdu, threading, time
        device = rdu.Device(timeout=20)
        context = device.context(hbm=1 << 20, ddr=1 << 20)
        queue = context.queue()
    """
    result = python(simulator, "-c", textwrap.dedent(head) + textwrap.dedent(text), **options)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def test_digits_have_the_bits_of_the_reference(simulator, tmp_path):
    digits = rdu.digits_inputs()
    out = tmp_path / "probabilities.npy"
    result = python(simulator, DIGITS_PY, "--images", digits / "test_images.npy", "--out", out, "--program",
                    rdu.BUILD / "programs/digits_fused.rdu")
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    found, expected = np.load(out), np.load(digits / "expected.npy")
    assert found.shape == expected.shape
    assert np.array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_arrays_there_and_back(simulator):
    script(simulator, """
        x = context.memory(rdu.HBM, 80_000)
        there = np.arange(20_000, dtype=np.float32).reshape(100, 200)
        back = np.zeros_like(there)
        queue.upload(x, there)
        event = queue.download(back, x)
        event.wait()
        assert event.done and np.array_equal(there, back)
        assert event.info["end_ns"] > event.info["start_ns"]
        # A part of it, by way of DDR and of host memory that numpy shows without a copy.
        d = context.memory(rdu.DDR, 400)
        queue.copy(d, x, source_offset=800)
        host = context.memory(rdu.HOST, 400)
        queue.copy(host, d).wait()
        shown = host.array(np.float32)
        assert np.array_equal(shown, there[1, :100])
        shown[:] = -1
        assert host.array(np.float32, (10, 10))[9, 9] == -1
        assert np.asarray(host).dtype == np.uint8 and len(host) == 400
        queue.copy(x, host).wait()
        queue.download(back, x).wait()
        assert (back[0, :100] == -1).all() and back[0, 100] == 100
    """)


def test_arrays_that_do_not_fit(simulator):
    script(simulator, """
        x = context.memory(rdu.HBM, 64)
        def refused(call, error, text):
            try:
                call()
            except error as e:
                assert isinstance(e, rdu.Error) and text in str(e), repr(e)
                assert e.name.startswith("RDU_ERROR_") and e.code > 0
            else:
                raise AssertionError("not refused")
        big = np.zeros(65, np.uint8)
        refused(lambda: queue.upload(x, big), rdu.InvalidArgument, "65 bytes at offset 0 of memory that has 64")
        refused(lambda: queue.download(np.zeros((8, 8), np.uint8)[:, ::2], x), ValueError, "ascontiguousarray")
        refused(lambda: context.memory(rdu.HBM, 1 << 30), rdu.NoMemory, "no room")
        refused(lambda: context.memory(rdu.HBM, 1 << 30), MemoryError, "no room")
        refused(lambda: queue.program(b"junk"), rdu.BadProgram, "")
        refused(lambda: context.memory(rdu.HOST, 8).array(np.float64, 2), rdu.InvalidArgument, "does not fit")
        refused(lambda: queue.nop().wait(-1), rdu.InvalidArgument, "seconds")
        constant = np.zeros(8, np.uint8)
        constant.flags.writeable = False
        try:
            queue.download(constant, x)
        except ValueError:
            pass
        else:
            raise AssertionError("wrote a read-only array")
        queue.upload(x, constant).wait()
    """)


def test_commands_keep_what_they_use_alive(simulator):
    script(simulator, """
        import gc
        x = context.memory(rdu.HBM, 1 << 16)
        for i in range(50):
            queue.upload(x, np.full(1 << 16, i, np.uint8))  # array and event are dropped at once
            gc.collect()
        back = np.empty(1 << 16, np.uint8)
        queue.download(back, x)
        queue.finish()
        assert (back == 49).all()
    """)


def test_events_across_queues_and_in_a_loop(simulator):
    script(simulator, """
        import select
        other = context.queue()
        x = context.memory(rdu.HBM, 4096)
        out = np.zeros(4096, np.uint8)
        uploaded = queue.upload(x, np.full(4096, 7, np.uint8))
        other.wait_for(uploaded)
        downloaded = other.download(out, x)
        assert rdu.wait_any([downloaded]) == 0
        assert (out == 7).all()
        rdu.wait_all([uploaded, downloaded, queue.nop()])
        waiting = queue.nop()
        while not waiting.done:
            assert select.select([queue], [], [], 20)[0]
            queue.acknowledge()
        never = other.next_device_event()
        try:
            never.wait(0.05)
        except TimeoutError as e:
            assert isinstance(e, rdu.Timeout)
        else:
            raise AssertionError("an event of the device?")
    """)


def test_waits_release_the_interpreter(simulator):
    script(simulator, """
        count = 0
        def others():
            global count
            while not finished:
                count += 1
                time.sleep(0.001)
        finished = False
        thread = threading.Thread(target=others)
        thread.start()
        try:
            queue.next_device_event().wait(0.5)
        except rdu.Timeout:
            pass
        finished = True
        thread.join()
        assert count > 50, count
    """)


def test_a_closed_device(simulator):
    script(simulator, """
        shown = context.memory(rdu.HOST, 64).array()
        try:
            device.close()
        except rdu.InUse as e:
            assert "1 arrays still show memory" in str(e)
        else:
            raise AssertionError("closed under an array")
        del shown
        event = queue.nop()
        device.close()
        for call in (lambda: queue.nop(), lambda: device.info, lambda: device.context(), lambda: context.queue()):
            try:
                call()
            except rdu.DeviceLost as e:
                assert "closed" in str(e)
            else:
                raise AssertionError("works without a device")
        with rdu.Device(timeout=20) as again:
            assert again.info["rows"] == 6
            assert again.usage()["hbm_used"] == 0
            assert [s["kind"] for s in again.sensors()][:3] == ["socket", "core", "HBM"]
            assert again.contexts() == [] and again.time_ns > 0 and "ready" in again.log
    """)


def test_ctrl_c_ends_a_wait(simulator):
    script(simulator, """
        import os, signal
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        begin = time.monotonic()
        try:
            queue.next_device_event().wait(60)
        except KeyboardInterrupt:
            assert time.monotonic() - begin < 20
        else:
            raise AssertionError("not interrupted")
    """)


def test_no_device():
    result = subprocess.run([rdu.PYTHON, "-c", "import rdu; rdu.Device('unix:/nonexistent/rdu', timeout=0.05)"],
                            env=dict(os.environ, **rdu.python_environment()), capture_output=True, text=True, timeout=60)
    assert "rdu.NoDevice: no device at the socket /nonexistent/rdu" in result.stderr


def test_a_program_in_each_of_two_tiles():
    """From two queues; both give the reference's bits. A tile that is not there is refused."""
    digits = rdu.digits_inputs()
    with rdu.Simulator("--set", "socket.tiles=2") as simulator:
        script(simulator.ready(), f"""
            import pathlib, sys
            sys.path.insert(0, "{DIGITS_PY.parent}")
            from digits import bf16
            inputs = {{"x": bf16(np.load("{digits}/test_images.npy").reshape(-1, 64) / 16)}}
            for name in ("w1", "b1", "w2", "b2"):
                inputs[name] = np.load(f"{rdu.ROOT}/sw/apps/digits/weights/{{name}}.npy")
            expected = np.load("{digits}/expected.npy")
            rows = len(expected)
            memory = {{name: context.memory(rdu.HBM, array.nbytes) for name, array in inputs.items()}}
            for name, array in inputs.items():
                queue.upload(memory[name], np.ascontiguousarray(array))
            queue.finish()
            program = queue.program("{rdu.BUILD}/programs/digits_fused.rdu")
            queues = [queue, context.queue()]
            outputs = [context.memory(rdu.HBM, expected.nbytes) for _ in queues]
            for tile, each in enumerate(queues):
                each.load(program, tile=tile)
            for each in queues:
                each.finish()
            runs = [each.launch(program, tile, probabilities=output, rows=rows, **memory)
                    for tile, (each, output) in enumerate(zip(queues, outputs))]
            for each, output in zip(queues, outputs):
                found = np.empty_like(expected)
                each.download(found, output).wait()
                assert np.array_equal(found.view(np.uint32), expected.view(np.uint32))
            assert runs[0].info["cycles"] > 0 and runs[1].info["cycles"] > 0
            for call in (lambda: queue.load(program, tile=2), lambda: queue.launch(program, 2, probabilities=outputs[0], rows=rows, **memory)):
                try:
                    call()
                except rdu.Error as error:
                    assert "the device has no tile 2: it has 2" in str(error), error
                else:
                    assert False, "a tile that is not there was taken"
        """)


def test_the_unfused_network_as_one_schedule(simulator):
    """The same four kernels, launched by the host and by the tile itself: the same bits, in less time."""
    digits = rdu.digits_inputs()
    out = script(simulator, f"""
        import sys
        sys.path.insert(0, "{DIGITS_PY.parent}")
        from digits import bf16
        expected = np.load("{digits}/expected.npy")
        rows = len(expected)
        arrays = {{"x": bf16(np.load("{digits}/test_images.npy").reshape(-1, 64) / 16)}}
        for name in ("w1", "b1", "w2", "b2"):
            arrays[name] = np.load(f"{rdu.ROOT}/sw/apps/digits/weights/{{name}}.npy")
        memory = {{name: context.memory(rdu.HBM, array.nbytes) for name, array in arrays.items()}}
        for name, array in arrays.items():
            queue.upload(memory[name], np.ascontiguousarray(array))
        memory["acc"] = context.memory(rdu.HBM, rows * 128 * 4)
        memory["h"] = context.memory(rdu.HBM, rows * 128 * 2)
        memory["logits"] = context.memory(rdu.HBM, rows * 10 * 4)
        results = [context.memory(rdu.HBM, expected.nbytes) for _ in range(2)]
        kernels = [("matmul1", ("x", "w1", "acc")), ("bias_relu", ("acc", "b1", "h")), ("matmul2", ("h", "w2", "logits")),
                   ("softmax", ("logits", "b2"))]
        kernels = [(queue.program(f"{rdu.BUILD}/programs/digits_{{name}}.rdu"), names) for name, names in kernels]

        def arguments(names, result):
            given = {{name: memory[name] for name in names}}
            if "b2" in names:
                given["probabilities"] = result
            return {{"rows": rows, **given}}

        def found(result):
            array = np.empty_like(expected)
            queue.download(array, result).wait()
            return array

        queue.finish()
        events = []
        for program, names in kernels:
            events += [queue.load(program), queue.launch(program, **arguments(names, results[0]))]
        queue.finish()
        one_by_one = events[-1].info["end_ns"] - events[0].info["start_ns"]

        done = context.memory(rdu.HOST, 64)
        schedule = context.schedule()
        for program, names in kernels:
            schedule.load(program)
            schedule.launch(**arguments(names, results[1]))
        schedule.notify(done, 1)
        event = queue.run(schedule)
        event.wait()
        by_itself = event.info["end_ns"] - event.info["start_ns"]
        for result in results:
            assert np.array_equal(found(result).view(np.uint32), expected.view(np.uint32))
        assert event.info["cycles"] == sum(e.info["cycles"] for e in events[1::2])
        print("times", one_by_one, by_itself)
    """)
    one_by_one, by_itself = map(int, out.split("times")[1].split())
    assert by_itself < 0.7 * one_by_one, (one_by_one, by_itself)


def test_schedules_wait_for_the_host_loop_and_are_aborted(simulator):
    script(simulator, """
        flag = context.memory(rdu.HOST, 64)
        words = flag.array("int32")
        schedule = context.schedule()
        schedule.notify(flag, 1, offset=4)
        schedule.wait_until(flag, "==", 7, cycles=16000)
        with schedule.loop(3):
            with schedule.when(flag, "==", 7):
                schedule.notify(flag, 2, offset=8)
            with schedule.when(flag, "!=", 7):
                schedule.notify(flag, 3, offset=12)
        event = queue.run(schedule)
        end = time.monotonic() + 20
        while words[1] != 1:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not event.done
        words[0] = 7
        event.wait()
        assert list(words[:4]) == [7, 1, 2, 0]

        endless = context.schedule()
        with endless.loop():
            endless.notify(flag, 1, offset=16)
        event = queue.run(endless)
        while words[4] != 1:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert not event.done
        del words
        device.close()  # which ends it
    """)
    script(simulator, """
        flag = context.memory(rdu.HOST, 64)
        schedule = context.schedule()
        schedule.notify(flag, 9)
        queue.run(schedule).wait()
        assert flag.array("int32")[0] == 9
    """)
