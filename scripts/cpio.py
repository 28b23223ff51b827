"""Initial RAM disks: archives in cpio's "newc" format, as Linux unpacks them."""


class Archive:
    """The same bytes from the same contents: no times, no owners but root."""

    def __init__(self):
        self._out = bytearray()
        self._number = 0

    def _entry(self, name, mode, content=b"", device=(0, 0)):
        self._number += 1
        path = name.encode() + b"\0"
        fields = [self._number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0]
        self._out += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._pad()
        self._out += content
        self._pad()

    def _pad(self):
        self._out += b"\0" * (-len(self._out) % 4)

    def folder(self, name):
        self._entry(name, 0o040755)

    def file(self, name, content, mode=0o644):
        self._entry(name, 0o100000 | mode, content)

    def link(self, name, target):
        self._entry(name, 0o120777, target.encode())

    def console(self):
        """/dev/console, which the kernel opens before /init can mount anything."""
        self.folder("dev")
        self._entry("dev/console", 0o020600, device=(5, 1))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        return bytes(self._out)
