"""Small ELF images, right and wrong, for tests of whoever loads them."""

import struct

RISCV, X86_64, AARCH64 = 243, 62, 183


def image(code=b"\x6f\x00\x00\x00", base=0x80000000, entry=None, machine=RISCV, bits=64, little=True, kind=2,
          memory_size=None):
    """An executable with one segment: `code` (default: a jump to itself) at `base`."""
    order = "<" if little else ">"
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if little else 2, 1]) + bytes(9)
    entry = base if entry is None else entry
    memory_size = len(code) if memory_size is None else memory_size
    if bits == 64:
        header = struct.pack(order + "HHIQQQIHHHHHH", kind, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack(order + "IIQQQQQQ", 1, 5, 120, base, base, len(code), memory_size, 4)
    else:
        header = struct.pack(order + "HHIIIIIHHHHHH", kind, machine, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        segment = struct.pack(order + "IIIIIIII", 1, 84, base, base, len(code), memory_size, 5, 4)
    return ident + header + segment + code


def sections(data):
    """Name -> (offset, size) of a little-endian 64-bit ELF file."""
    table, size, count, names = (struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HHH", data, 58))
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    strings = headers[names][4]
    found = {}
    for name, _, _, _, offset, length, *_ in headers:
        start = strings + name
        found[data[start : data.index(b"\0", start)].decode()] = (offset, length)
    return found
