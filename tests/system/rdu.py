"""What the system tests share: where things are, a simulator as a child process, the digits' inputs."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RDU_BUILD_DIR", ROOT / "build")).resolve()
BIN = BUILD / "bin"
DIGITS = ROOT / "sw/apps/digits"
PYTHON = "/usr/bin/python3"
# Programs built with sanitizers are several times slower; CTest says so.
SLOWER = float(os.environ.get("RDU_TIMEOUT_SCALE", "1"))

OK, BAD_INPUT, UNIMPLEMENTED, INTERNAL, GUEST_FAULT, DIFFERED = 0, 2, 3, 4, 5, 6  # exit statuses of rduvp


def run(program, *arguments, timeout=60, **options):
    """Runs a program of build/bin (or any path) to its end; the result has returncode, stdout, stderr."""
    path = BIN / program if os.sep not in str(program) else program
    return subprocess.run(
        [str(path), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout * SLOWER,
        **options,
    )


def python_environment():
    """What the distribution's Python needs in its environment to import the module of this build."""
    environment = {"PYTHONPATH": str(BUILD / "python")}
    # An interpreter without sanitizers takes a library with them only if it loads their run-time libraries first.
    needed = subprocess.run(["ldd", BUILD / "lib/librdu.so"], capture_output=True, text=True, check=True).stdout
    sanitizers = re.findall(r"=> (\S+/lib(?:asan|ubsan)\.so\S*)", needed)
    if sanitizers:
        environment.update(LD_PRELOAD=":".join(sanitizers), ASAN_OPTIONS="detect_leaks=0")  # it leaks by itself
    return environment


class Process:
    """A child whose output (both streams) is collected line by line as it comes."""

    def __init__(self, program, *arguments, env=None):
        path = BIN / program if os.sep not in str(program) else program
        self.command = [str(path), *map(str, arguments)]
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(os.environ, **(env or {})),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def pid(self):
        return self._process.pid

    @property
    def output(self):
        with self._changed:
            return "\n".join(self.lines)

    def transcript(self):
        return f"$ {' '.join(self.command)}\n{self.output}\n[status {self._process.poll()}]"

    def wait_for(self, pattern, timeout=20):
        """The match of the first line (already seen or to come) in which `pattern` occurs."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + timeout * SLOWER
        seen = 0
        with self._changed:
            while True:
                while seen < len(self.lines):
                    match = expression.search(self.lines[seen])
                    seen += 1
                    if match:
                        return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "it ended" if self._ended else f"not within {timeout * SLOWER:.0f} s"
                    raise AssertionError(f"no line with /{pattern}/ ({why}):\n{self._text()}")
                self._changed.wait(left)

    def _text(self):
        return f"$ {' '.join(self.command)}\n" + "\n".join(self.lines)

    def running(self):
        return self._process.poll() is None

    def wait(self, timeout=20):
        """The exit status."""
        try:
            status = self._process.wait(timeout * SLOWER)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout * SLOWER:.0f} s:\n{self.transcript()}") from None
        self._reader.join(10)
        return status

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(10)


class Simulator(Process):
    """rduvp on a socket of its own. Leaves nothing behind: with Simulator() as simulator: ..."""

    def __init__(self, *arguments, config="mini", env=None):
        # Not pytest's tmp_path: the path of a UNIX socket has at most 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rduvp-"))
        self.socket = self.folder / "socket"
        self.stats_file = self.folder / "stats.json"
        options = ["--config", config] if config else []
        options += ["--socket", self.socket, "--stats", self.stats_file, *arguments]
        super().__init__("rduvp", *options, env=env)

    def __exit__(self, *exception):
        super().__exit__(*exception)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ready(self, timeout=30):
        """Waits until a host can attach; gives self."""
        self.wait_for(r"(listening|host) on unix:", timeout)
        return self

    def stop(self, timeout=20, status=OK):
        """Ends it as a user does (SIGINT); gives its statistics."""
        if self.running():
            self.signal(signal.SIGINT)
        got = self.wait(timeout)
        assert got == status, f"rduvp ended with {got}, expected {status}:\n{self.transcript()}"
        return self.stats()

    def stats(self):
        return json.loads(self.stats_file.read_text())


def digits_inputs():
    """A folder with test_images.npy, test_labels.npy, expected.npy, made at most once a build."""
    digest = hashlib.sha256()
    for file in sorted([*DIGITS.glob("*.py"), *DIGITS.glob("weights/*.npy")]):
        digest.update(file.name.encode() + file.read_bytes())
    folder = BUILD / "tests" / f"digits-{digest.hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
        subprocess.run([PYTHON, DIGITS / "prepare.py", scratch], check=True)
        reference(scratch / "test_images.npy", scratch / "expected.npy")
        try:
            scratch.rename(folder)
        except OSError:  # another test was faster
            shutil.rmtree(scratch)
    return folder


def reference(images, out):
    """The independent evaluation of the digits network, in numpy."""
    subprocess.run(
        [PYTHON, DIGITS / "reference.py", "--weights", DIGITS / "weights", "--images", images, "--out", out],
        check=True,
    )
    return out


def digits_command(simulator, digits, report, *more, images=None, labels=True, expected=None,
                   programs=("--programs", BUILD / "programs")):
    """The arguments of rdu-digits for the test images, or others."""
    arguments = ["--device", f"unix:{simulator.socket}", "--weights", DIGITS / "weights"]
    arguments += [*programs, "--images", images or digits / "test_images.npy"]
    if labels and images is None:
        arguments += ["--labels", digits / "test_labels.npy"]
    if expected or images is None:
        arguments += ["--expected", expected or digits / "expected.npy"]
    return [*arguments, "--report", report, *more]


def run_digits(simulator, digits, report, *more, timeout=60, **inputs):
    """Runs the application to its end, which must be a good one; gives (its report, its output)."""
    result = run("rdu-digits", *digits_command(simulator, digits, report, *more, **inputs), timeout=timeout)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}\n--- simulator ---\n{simulator.output}"
    return json.loads(pathlib.Path(report).read_text()), result.stdout


def read_vcd(path):
    """Waves: {signal with its scopes: [(time, value), ...]}."""
    names, scopes, waves, time = {}, [], {}, 0
    for line in path.read_text().splitlines():
        word = line.split()
        if not word:
            continue
        if word[0] == "$scope":
            scopes.append(word[2])
        elif word[0] == "$upscope":
            scopes.pop()
        elif word[0] == "$var":
            names.setdefault(word[3], []).append(".".join([*scopes, word[4]]))
        elif line[0] == "#":
            time = int(line[1:])
        elif line[0] in "01xz":
            waves.setdefault(line[1:], []).append((time, line[0]))
        elif line[0] in "bB":
            waves.setdefault(word[1], []).append((time, word[0][1:].lstrip("0") or "0"))
    return {name: waves.get(code, []) for code, all_names in names.items() for name in all_names}
