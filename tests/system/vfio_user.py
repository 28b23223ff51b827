"""A vfio-user client that can also be rude: every field of a message can be set by hand.

Transcribed from the protocol's specification (docs/interop/vfio-user.rst of QEMU, from libvfio-user), apart from
the two transcriptions in C++ that it tests.
"""

import array
import collections
import errno
import json
import os
import socket
import struct
import time

from rdu import SLOWER

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION_INFO = 1, 2, 3, 4, 5
GET_REGION_IO_FDS, GET_IRQ_INFO, SET_IRQS, REGION_READ, REGION_WRITE = 6, 7, 8, 9, 10
DMA_READ, DMA_WRITE, DEVICE_RESET = 11, 12, 13

COMMAND, REPLY, NO_REPLY, ERROR = 0, 1, 1 << 4, 1 << 5
HEADER = struct.Struct("<HHIII")

BAR0, CONFIG = 0, 7
INTX, MSI, MSIX = 0, 1, 2

DATA_NONE, DATA_BOOL, DATA_EVENTFD = 1, 2, 4
ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER = 8, 16, 32

Message = collections.namedtuple("Message", "id command flags error payload fds")


class Closed(Exception):
    """The server has closed the connection."""


class Refused(Exception):
    """The server's error reply."""

    def __init__(self, command, number):
        super().__init__(f"command {command}: {errno.errorcode.get(number, number)}")
        self.errno = number


class Client:
    def __init__(self, path, timeout=20, negotiate=True):
        self.timeout = timeout * SLOWER
        self.next_id = 1
        deadline = time.monotonic() + self.timeout
        while True:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(self.timeout)
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self.capabilities = self.negotiate() if negotiate else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # --- messages ---

    def send(self, command, payload=b"", fds=(), *, id=None, size=None, flags=COMMAND, error=0):
        """Sends one message as given; returns its id."""
        if id is None:
            id = self.next_id
            self.next_id = self.next_id % 0xFFFF + 1
        size = HEADER.size + len(payload) if size is None else size
        self.send_bytes(HEADER.pack(id, command, size, flags, error) + payload, fds)
        return id

    def send_bytes(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.socket.sendmsg([data], ancillary)
            self.socket.sendall(data[sent:])
        except (BrokenPipeError, ConnectionResetError) as end:
            raise Closed from end

    def receive(self):
        header, fds = self._take(HEADER.size)
        id, command, size, flags, error = HEADER.unpack(header)
        assert HEADER.size <= size <= 1 << 24, f"the server sent a message of {size} bytes"
        payload, more = self._take(size - HEADER.size)
        return Message(id, command, flags, error, payload, fds + more)

    def _take(self, count):
        data, fds = b"", []
        while len(data) < count:
            try:
                part, ancillary, _, _ = self.socket.recvmsg(count - len(data), socket.CMSG_SPACE(64))
            except ConnectionResetError as end:
                raise Closed from end
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds += array.array("i", content[: len(content) // 4 * 4]).tolist()
            if not part:
                raise Closed
            data += part
        return data, fds

    def reply(self, id, command):
        """The reply to one message, all of whose fields are checked. Raises Refused for an error reply."""
        message = self.receive()
        assert message.id == id and message.command == command, f"reply to another message: {message}"
        assert message.flags & 0xF == REPLY, message
        if message.flags & ERROR:
            assert message.error != 0, message
            raise Refused(command, message.error)
        return message

    def call(self, command, payload=b"", fds=(), **fields):
        return self.reply(self.send(command, payload, fds, **fields), command)

    def refused(self, command, payload=b"", fds=(), **fields):
        """The errno value with which the server refuses the message."""
        try:
            message = self.call(command, payload, fds, **fields)
        except Refused as refusal:
            return refusal.errno
        raise AssertionError(f"the server accepted it: {message}")

    # --- the protocol ---

    @staticmethod
    def version_payload(major=0, minor=0, capabilities=None):
        text = {"capabilities": capabilities or {"max_msg_fds": 8, "max_data_xfer_size": 1 << 20}}
        return struct.pack("<HH", major, minor) + json.dumps(text).encode() + b"\0"

    def negotiate(self):
        payload = self.call(VERSION, self.version_payload()).payload
        major, _ = struct.unpack_from("<HH", payload)
        assert major == 0
        text = payload[4:]
        if not text:
            return {}
        assert text.endswith(b"\0")
        return json.loads(text[:-1]).get("capabilities", {})

    def device_info(self):
        """(flags, regions, interrupts)"""
        return struct.unpack("<IIII", self.call(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0)).payload)[1:]

    def region_info(self, index):
        """(flags, size)"""
        payload = self.call(GET_REGION_INFO, struct.pack("<IIIIQQ", 32, 0, index, 0, 0, 0)).payload
        _, flags, got, _, size, _ = struct.unpack_from("<IIIIQQ", payload)
        assert got == index
        return flags, size

    def irq_info(self, index):
        """(flags, vectors)"""
        payload = self.call(GET_IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0)).payload
        _, flags, got, count = struct.unpack("<IIII", payload)
        assert got == index
        return flags, count

    def read(self, region, offset, count):
        payload = self.call(REGION_READ, struct.pack("<QII", offset, region, count)).payload
        assert struct.unpack_from("<QII", payload) == (offset, region, count)
        assert len(payload) == 16 + count
        return payload[16:]

    def write(self, region, offset, data):
        payload = self.call(REGION_WRITE, struct.pack("<QII", offset, region, len(data)) + data).payload
        assert struct.unpack("<QII", payload) == (offset, region, len(data))

    def read32(self, offset, region=BAR0):
        return struct.unpack("<I", self.read(region, offset, 4))[0]

    def read64(self, offset, region=BAR0):
        return struct.unpack("<Q", self.read(region, offset, 8))[0]

    def write32(self, offset, value, region=BAR0):
        self.write(region, offset, struct.pack("<I", value))

    def write64(self, offset, value, region=BAR0):
        self.write(region, offset, struct.pack("<Q", value))

    def dma_map(self, fd, address, size, offset=0, flags=3):
        self.call(DMA_MAP, struct.pack("<IIQQQ", 32, flags, offset, address, size), [fd] if fd >= 0 else [])

    def dma_unmap(self, address, size, flags=0):
        self.call(DMA_UNMAP, struct.pack("<IIQQ", 24, flags, address, size))

    def set_irqs(self, flags, index, start, count, data=b"", fds=()):
        payload = struct.pack("<IIIII", 20 + len(data), flags, index, start, count) + data
        self.call(SET_IRQS, payload, fds)

    def reset(self):
        self.call(DEVICE_RESET)


def eventfd():
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
