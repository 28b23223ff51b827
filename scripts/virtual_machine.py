"""A virtual machine with the card in it: stock Debian Linux in stock QEMU, and rduvp as its device.

What scripts/vm and the test library (tests/system/vm.py) share.

The guest has no disk. Its RAM disk holds busybox and a short /init; what runs in it are this machine's own programs:
/usr, the project and the build folder are shared by 9p, read-only, under their own names, so that each program of
build/bin is the very same file inside and outside.

Commands go by a second serial line: the host puts a command into a folder that both see and sends its number; the
guest runs it in a session of its own, with standard output and error into files of that folder, and answers with
its exit status. Any number of them run at once.
"""

import contextlib
import ctypes
import json
import lzma
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import cpio

ROOT = pathlib.Path(__file__).resolve().parents[1]
KERNELS = ("6.1", "6.12")
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p")
# How long a guest waits for the device's answer before it goes on without, in ms. Long, because a device that is
# paused, or halted in gdb, is to stop its guest and not to lose it. One that has died is noticed at once.
DEVICE_TIMEOUT = 24 * 3600 * 1000

INIT = """#!/busybox/busybox sh
/busybox/busybox --install -s /busybox
export PATH=/busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /tmp /run /dev/shm; do mount -t tmpfs tmpfs $folder; done
mount -t debugfs debugfs /sys/kernel/debug
ip link set lo up 2>/dev/null
. /machine
for module in $MODULES; do insmod /boot/$module.ko || echo "init: no module $module"; done
share() {  # TAG FOLDER OPTIONS
  mkdir -p "$2" 2>/dev/null
  mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2" || echo "init: cannot mount $2"
}
mount_shares
export PATH=$PROGRAMS:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox
export HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
cd "$FOLDER"

run() {  # NUMBER
  commands=/run/commands/$1
  setsid /bin/sh "$commands/command" </dev/null >"$commands/stdout" 2>"$commands/stderr" &
  echo $! >"$commands/pid"
  wait $!
  echo "done $1 $?" >&3
}
serve() {
  stty -F /dev/ttyS1 raw -echo
  exec 3<>/dev/ttyS1
  echo "ready" >&3
  while read -r verb number <&3; do
    case $verb in
      run) run "$number" & ;;
      kill) kill -9 -"$(cat /run/commands/$number/pid)" ;;
    esac
  done
}
serve </dev/null >/dev/null 2>&1 &
dmesg -n 7
if [ -n "$SHELL_SIZE" ]; then
  dmesg -n 4
  stty -F /dev/ttyS0 $SHELL_SIZE
  export TERM=$SHELL_TERM PS1='guest:\\w# '
  echo "$WELCOME"
  # A session of its own on the console, so that Ctrl-C reaches what runs there.
  setsid cttyhack /bin/bash --norc --noprofile
  poweroff -f
fi
while :; do sleep 1000; done
"""


class Failure(Exception):
    """One line for the user."""


def build_folder():
    return pathlib.Path(os.environ.get("RDU_BUILD_DIR", ROOT / "build")).resolve()


def fetch(kernel):
    """Gets by scripts/fetch-vm what is missing of QEMU and the kernel, which may also be a file. Throws Failure."""
    place = build_folder() / "vm"
    needed, command = [place / "qemu/version", place / "busybox"], [ROOT / "scripts/fetch-vm", "--out", place]
    if kernel in KERNELS:
        needed.append(place / f"linux-{kernel}/version")
        command += ["--kernel", kernel]
    if not all(file.exists() for file in needed) and subprocess.run(command, stdout=2).returncode:
        raise Failure("scripts/fetch-vm has failed, see above")


def _die_with_parent():
    """In a child before it becomes another program: whoever kills us, even by SIGKILL, ends it, too."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _ancestors_gone(folder):
    number = folder.name.split(".")[1]
    return number.isdigit() and not pathlib.Path(f"/proc/{number}").exists()


def scratch_folder():
    """A folder for sockets (whose paths must be short) and logs. Those of processes that were killed are removed."""
    place = pathlib.Path(tempfile.gettempdir())
    for old in place.glob("rdu-vm.*"):
        if _ancestors_gone(old):
            shutil.rmtree(old, ignore_errors=True)
    return pathlib.Path(tempfile.mkdtemp(prefix=f"rdu-vm.{os.getpid()}.", dir=place))


class Child:
    """A program whose output goes to a file; it never outlives this process."""

    def __init__(self, name, command, log, foreground=False):
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        with contextlib.ExitStack() as stack:
            streams = {}
            if not foreground:
                out = stack.enter_context(open(log, "ab"))
                streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "start_new_session": True}
            self.process = subprocess.Popen(self.command, preexec_fn=_die_with_parent, **streams)

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def running(self):
        return self.process.poll() is None

    def last_words(self):
        lines = self.output.strip().splitlines()[-10:]
        return "".join(f"\n  {self.name} | {line}" for line in lines)

    def end(self, number=signal.SIGKILL, patience=5.0):
        """Ends it by a signal, in the end by SIGKILL; gives its status."""
        if self.running():
            self.process.send_signal(number)
            try:
                return self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


class Device(Child):
    """rduvp with a socket for hosts and one for control."""

    def __init__(self, folder, options=(), config="mini", control=None):
        """`control`: where its socket for control is to be (default: in the folder)."""
        program = build_folder() / "bin/rduvp"
        if not program.exists():
            raise Failure(f"{program} is missing: run scripts/build")
        self.socket, self.control = folder / "device", control or folder / "control"
        super().__init__("rduvp", [program, "--config", config, "--socket", self.socket, "--control", self.control,
                                   *options], folder / "rduvp.log")

    def wait_until_ready(self, timeout=60):
        deadline = time.monotonic() + timeout
        while not self.socket.exists():
            if not self.running():
                raise Failure(f"rduvp ended with status {self.process.wait()}:{self.last_words()}")
            if time.monotonic() > deadline:
                raise Failure(f"rduvp opened no socket within {timeout} s:{self.last_words()}")
            time.sleep(0.01)

    def stop(self, patience=20):
        """As by Ctrl-C: it lets the device settle and writes what it was asked to."""
        return self.end(signal.SIGINT, patience)


class Kernel:
    """A kernel with its modules, as scripts/fetch-vm leaves it, or any other file."""

    def __init__(self, name):
        """`name`: one of KERNELS, or the path of a bzImage. Throws Failure."""
        self.name = name
        place = build_folder() / "vm"
        if name in KERNELS:
            folder = place / f"linux-{name}"
            if not (folder / "release").exists():
                raise Failure(f"{folder} is missing: run scripts/fetch-vm --kernel {name}")
            self.image = folder / "vmlinuz"
            self.release = (folder / "release").read_text().strip()
            self.modules = folder / "modules/lib/modules" / self.release
            self.driver = build_folder() / f"driver/linux-{name}/rdu.ko"
        else:
            self.image = pathlib.Path(name).resolve()
            if not self.image.is_file():
                raise Failure(f"--kernel {name}: neither a file nor one of {', '.join(KERNELS)}")
            self.release = self._release_of(self.image)
            self.modules = self._modules_beside()
            self.driver = build_folder() / f"driver/{self.release}/rdu.ko"

    @staticmethod
    def _release_of(image):
        """What the header of a bzImage says of its version."""
        head = image.read_bytes()[:0x10000]
        if head[0x202:0x206] != b"HdrS":
            raise Failure(f"--kernel {image}: no Linux kernel for x86 (a bzImage)")
        offset = int.from_bytes(head[0x20E:0x210], "little") + 0x200
        return head[offset:head.index(b"\0", offset)].decode().split(" ")[0]

    def _modules_beside(self):
        for place in (self.image.parent / "modules/lib/modules", pathlib.Path("/lib/modules")):
            if (place / self.release / "modules.dep").exists():
                return place / self.release
        raise Failure(f"--kernel {self.image}: no modules of {self.release} in {self.image.parent}/modules/lib/modules "
                      "or /lib/modules")

    def boot_modules(self):
        """(name, contents) of those that /init loads, in order."""
        depends, wanted = {}, {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            depends[path] = needs.split()
            wanted[re.sub(r"\.ko.*", "", pathlib.Path(path).name).replace("-", "_")] = path
        order = []
        for name in BOOT_MODULES:
            path = wanted.get(name)  # else it is built in
            for each in [*reversed(depends.get(path, [])), path]:
                if each and each not in order:
                    order.append(each)
        for path in order:
            contents = (self.modules / path).read_bytes()
            if path.endswith(".xz"):
                contents = lzma.decompress(contents)
            yield re.sub(r"\.ko.*", "", pathlib.Path(path).name), contents


class Command:
    """One that runs in the guest."""

    def __init__(self, machine, number, text, folder):
        self._machine = machine
        self.number = number
        self.text = text
        self.folder = folder
        self.status = None  # until it has ended
        self.ended = threading.Event()

    def _text_of(self, name):
        file = self.folder / name
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def stdout(self):
        return self._text_of("stdout")

    @property
    def stderr(self):
        return self._text_of("stderr")

    def wait(self, timeout):
        """Its exit status; 128 + N if signal N ended it. Throws TimeoutError, or Failure if the guest ends."""
        if not self.ended.wait(timeout):
            raise TimeoutError(f"still running after {timeout:g} s: {self.text}")
        if self.status is None:
            raise Failure(f"the guest ended before the command: {self.text}{self._machine.qemu.last_words()}")
        return self.status

    def kill(self):
        """Kills it and what it has started."""
        self._machine.send(f"kill {self.number}")


class Monitor:
    """QEMU's monitor: replies in their order, events whenever they come."""

    def __init__(self, connection, qemu):
        self._stream = connection.makefile("rw")
        self._qemu = qemu
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._replies, self._events, self._over = [], [], False
        threading.Thread(target=self._listen, daemon=True).start()
        self._take(lambda: self._replies and self._replies.pop(0), 60, "QEMU's monitor says nothing")  # its greeting
        self.execute("qmp_capabilities", {}, 60)

    def _listen(self):
        with contextlib.suppress(OSError, ValueError):
            for line in self._stream:
                message = json.loads(line)
                with self._changed:
                    (self._events if "event" in message else self._replies).append(message)
                    self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self, find, timeout, what):
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = find()
                if found:
                    return found
                left = deadline - time.monotonic()
                if self._over:
                    raise Failure(f"QEMU has ended{self._qemu.last_words()}")
                if left <= 0:
                    raise TimeoutError(f"{what} within {timeout:g} s")
                self._changed.wait(left)

    def execute(self, name, arguments, timeout):
        with self._asking:
            try:
                self._stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                self._stream.flush()
            except OSError:
                raise Failure(f"QEMU has ended{self._qemu.last_words()}") from None
            reply = self._take(lambda: self._replies and self._replies.pop(0), timeout, f"no answer to '{name}'")
        if "error" in reply:
            raise Failure(f"QEMU refuses '{name}': {reply['error']['desc']}")
        return reply["return"]

    def expect(self, name, timeout):
        def find():
            while self._events:
                event = self._events.pop(0)
                if event["event"] == name:
                    return event
            return None
        return self._take(find, timeout, f"no event {name} of QEMU")


class VirtualMachine:
    """QEMU with a Debian guest. Leaves nothing behind: `with VirtualMachine(folder, ...) as machine: ...`."""

    def __init__(self, folder, device=None, kernel="6.1", memory="1G", smp=1, share=None, append="", terminal=None,
                 qemu_options=()):
        """`folder`: for sockets and logs, short. `device`: the socket of a vfio-user server, None for no card.
        `terminal`: None, or the (lines, columns) of ours, on which the guest's shell then is. Throws Failure."""
        self.folder = folder
        self.device = device
        self.kernel = Kernel(kernel)
        self.share = pathlib.Path(share).resolve() if share else None
        if self.share and not self.share.is_dir():
            raise Failure(f"--share {share}: no such folder")
        self.terminal = terminal
        self.console_log = folder / "console.log"
        self._commands_folder = folder / "commands"
        self._commands_folder.mkdir()
        self._commands = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._gone = threading.Event()
        program = build_folder() / "vm/qemu/qemu-system-x86_64"
        if not program.exists():
            raise Failure(f"{program} is missing: run scripts/fetch-vm")
        (folder / "initramfs").write_bytes(self._initramfs())
        with self._listen("serve") as serve, self._listen("qmp") as qmp:
            self.qemu = Child("qemu", [program, *self._arguments(memory, smp, append), *qemu_options],
                              folder / "qemu.log", foreground=terminal is not None)
            try:
                self._channel = self._accept(serve)
                self._monitor = Monitor(self._accept(qmp), self.qemu)
            except Failure:
                self.qemu.end()
                raise
        threading.Thread(target=self._listen_to_guest, daemon=True).start()

    # What QEMU is told

    def _shares(self):
        """(tag, folder outside, folder inside, mount options)"""
        build = build_folder()
        # /usr does not change while the guest runs; the project does: programs and modules are built anew.
        yield "usr", pathlib.Path("/usr"), "/usr", "ro,cache=loose"
        yield "project", ROOT, str(ROOT), "ro,cache=mmap"
        if ROOT not in build.parents:
            yield "build", build, str(build), "ro,cache=mmap"
        yield "commands", self._commands_folder, "/run/commands", "rw,cache=none"
        if self.share:
            yield "share", self.share, "/mnt", "rw,cache=mmap"

    def _arguments(self, memory, smp, append):
        yield from ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")
        yield from ("-machine", "q35,memory-backend=ram,hpet=off", "-accel", "tcg,thread=multi", "-cpu", "max")
        # PCI Express slots work as the specification has them, not as ACPI would: with ACPI's, QEMU shows a link that
        # is down, and Linux waits in vain for it after a reset of the bus.
        yield from ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
        yield from ("-smp", smp, "-m", memory, "-object", f"memory-backend-memfd,id=ram,size={memory},share=on")
        if self.terminal is not None:
            yield from ("-serial", "mon:stdio")
        else:
            yield from ("-serial", f"file:{self.console_log}")
        yield from ("-serial", f"unix:{self.folder}/serve", "-qmp", f"unix:{self.folder}/qmp")
        for tag, outside, _, options in self._shares():
            readonly = ",readonly=on" if options.startswith("ro") else ""
            path = str(outside).replace(",", ",,")
            yield from ("-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{readonly}")
            yield from ("-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}")
        # Its port is there without the card, too: one can be plugged in later.
        yield from ("-device", "pcie-root-port,id=card-slot,chassis=1,slot=1")
        if self.device:
            yield from ("-device", json.dumps(self._card()))
        yield from ("-kernel", self.kernel.image, "-initrd", self.folder / "initramfs")
        yield from ("-append", f"console=ttyS0,115200 quiet panic=-1 mitigations=off nokaslr {append}".strip())

    def _card(self):
        return {"driver": "vfio-user-pci", "id": "card", "bus": "card-slot", "x-msg-timeout": DEVICE_TIMEOUT,
                "socket": {"type": "unix", "path": str(self.device)}}

    def _initramfs(self):
        archive = cpio.Archive()
        for name in ("boot", "busybox", "dev/", "etc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sys", "tmp",
                     "usr", "var"):
            if name == "dev/":
                archive.console()
            else:
                archive.folder(name)
        busybox = build_folder() / "vm/busybox"
        if not busybox.exists():
            raise Failure(f"{busybox} is missing: run scripts/fetch-vm")
        archive.file("busybox/busybox", busybox.read_bytes(), 0o755)
        modules = list(self.kernel.boot_modules())
        for name, contents in modules:
            archive.file(f"boot/{name}.ko", contents)
        for name in ("bin", "sbin", "lib64"):
            archive.link(name, f"usr/{name}")
        for folder in pathlib.Path("/usr/lib").glob("*-linux-gnu*"):
            archive.link(f"lib/{folder.name}", str(folder))
        archive.link(f"lib/modules/{self.kernel.release}", str(self.kernel.modules))
        archive.link("lib/modules/rdu.ko", str(self.kernel.driver))
        archive.link("var/run", "/run")
        archive.link("etc/mtab", "/proc/mounts")
        archive.file("etc/hostname", b"guest\n")
        archive.file("etc/hosts", b"127.0.0.1 localhost guest\n")
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            file = pathlib.Path("/etc", name)
            if file.exists():
                archive.file(f"etc/{name}", file.read_bytes())
        archive.folder("etc/alternatives")
        for link in pathlib.Path("/etc/alternatives").glob("*"):
            if link.is_symlink():
                archive.link(f"etc/alternatives/{link.name}", os.readlink(link))
        archive.file("machine", self._machine_script([name for name, _ in modules]).encode())
        archive.file("init", INIT.encode(), 0o755)
        return archive.finish()

    def _machine_script(self, modules):
        """What /init needs to know of this machine."""
        lines = [f"MODULES={shlex.quote(' '.join(modules))}", f"PROGRAMS={shlex.quote(str(build_folder() / 'bin'))}",
                 f"FOLDER={shlex.quote(str(ROOT))}", "hostname guest"]
        if self.terminal is not None:
            rows, columns = self.terminal
            driver = "insmod /lib/modules/rdu.ko" if self.kernel.driver.exists() else "the driver is not built"
            lines += [f"SHELL_SIZE='rows {rows} cols {columns}'",
                      f"SHELL_TERM={shlex.quote(os.environ.get('TERM', 'vt100'))}",
                      f"WELCOME={shlex.quote(f'Linux {self.kernel.release}; {driver}; poweroff -f or Ctrl-A x ends.')}"]
        lines.append("mount_shares() {")
        for tag, _, inside, options in self._shares():
            lines.append(f"  share {tag} {shlex.quote(inside)} {options}")
        return "\n".join([*lines, "}"]) + "\n"

    # Channels

    def _listen(self, name):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(str(self.folder / name))
        server.listen(1)
        return server

    def _accept(self, server, timeout=60):
        server.settimeout(0.1)
        deadline = time.monotonic() + timeout
        while True:
            try:
                connection = server.accept()[0]
                connection.settimeout(None)
                return connection
            except socket.timeout:
                pass
            if not self.qemu.running():
                raise Failure(f"QEMU ended with status {self.qemu.process.wait()}:{self.qemu.last_words()}")
            if time.monotonic() > deadline:
                raise Failure(f"QEMU did not start within {timeout} s:{self.qemu.last_words()}")

    def _listen_to_guest(self):
        with contextlib.suppress(OSError), self._channel.makefile("r", errors="replace") as lines:
            for line in lines:
                word, *values = line.split() or [""]
                if word == "ready":
                    self._ready.set()
                elif word == "done" and len(values) == 2:
                    with self._lock:
                        command = self._commands.get(int(values[0]))
                    command.status = int(values[1])
                    command.ended.set()
        self._gone.set()
        self._ready.set()
        with self._lock:
            for command in self._commands.values():
                command.ended.set()

    def send(self, line):
        try:
            self._channel.sendall(line.encode() + b"\n")
        except OSError:
            raise Failure(f"the guest has ended{self.qemu.last_words()}") from None

    # For users

    def wait_for_boot(self, timeout=120):
        """Until the guest takes commands. Throws TimeoutError, or Failure if it ends."""
        came = self._ready.wait(timeout)
        if self._gone.is_set() or not came:
            what = "the guest ended while it booted" if self._gone.is_set() else f"no shell within {timeout:g} s"
            console = self.console_log.read_text(errors="replace") if self.console_log.exists() else ""
            lines = "".join(f"\n  guest | {line}" for line in console.strip().splitlines()[-15:])
            raise (Failure if self._gone.is_set() else TimeoutError)(what + self.qemu.last_words() + lines)

    def spawn(self, text):
        """Starts a command of the shell in the guest; gives a Command."""
        with self._lock:
            number = len(self._commands) + 1
            folder = self._commands_folder / str(number)
            folder.mkdir()
            (folder / "command").write_text(text + "\n")
            command = self._commands[number] = Command(self, number, text, folder)
            if self._gone.is_set():
                command.ended.set()
        self.send(f"run {number}")
        return command

    def running(self):
        return self.qemu.running()

    def qmp(self, execute, timeout=60, **arguments):
        """Asks QEMU's monitor, e.g. qmp("device_del", id="card"). Throws Failure with what it says."""
        return self._monitor.execute(execute, arguments, timeout)

    def expect_qmp_event(self, name, timeout):
        """Takes the next event of that name, e.g. "SUSPEND", as QEMU tells it; those before it are forgotten."""
        return self._monitor.expect(name, timeout)

    def plug(self):
        """Puts the card into its slot."""
        self.qmp("device_add", **self._card())

    def end(self):
        self.qemu.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
