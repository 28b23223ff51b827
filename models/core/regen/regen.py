#!/usr/bin/python3
"""Turns a block's register description (YAML) into C++, C, Verilog and a documentation page.

A description is the one home of a block's registers. models/core/regen/README.md documents its format.

    regen.py --out DIR BLOCK.yaml ...        one block a file, all outputs below DIR
    regen.py --out DIR --map ADDRESS_MAP.yaml   the address map: which block and memory lives where
    regen.py --out DIR --index BLOCK.yaml ...   regs/all.hpp and rtl/all.svh: every block, for tests that want them all

Outputs: DIR/regs/BLOCK.hpp (C++), DIR/regs/BLOCK.h (C constants), DIR/regs/BLOCK_hal.h (C accessors for firmware),
DIR/rtl/BLOCK.svh (Verilog), DIR/docs/BLOCK.md.
"""
import argparse
import os
import sys

import yaml

ACCESS = ("rw", "ro", "wo", "w1c", "w1s", "rc")
WIDTHS = (8, 16, 32, 64)


class Bad(Exception):
    """A description that breaks the format; the text says where and how."""


def integer(value, where):
    if isinstance(value, bool) or not isinstance(value, int):
        raise Bad(f"{where}: expected an integer, found {value!r}")
    return value


def known(mapping, allowed, where):
    if not isinstance(mapping, dict):
        raise Bad(f"{where}: expected a mapping")
    for key in mapping:
        if key not in allowed:
            raise Bad(f"{where}: unknown key '{key}' (known: {', '.join(sorted(allowed))})")


class Field:
    KEYS = {"name", "bits", "access", "reset", "description", "enum", "volatile"}

    def __init__(self, data, register, where):
        known(data, self.KEYS, where)
        self.name = data["name"]
        where = f"{where}.{self.name}"
        bits = str(data["bits"])
        high, _, low = bits.partition(":")
        self.msb, self.lsb = int(high), int(low or high)
        self.width = self.msb - self.lsb + 1
        if self.width < 1 or self.msb >= register.width:
            raise Bad(f"{where}: bits {bits} do not fit a register of {register.width} bits")
        self.access = data.get("access", register.access)
        if self.access not in ACCESS:
            raise Bad(f"{where}: access '{self.access}' is none of {', '.join(ACCESS)}")
        self.reset = integer(data.get("reset", 0), where)
        if self.reset >> self.width:
            raise Bad(f"{where}: reset value {self.reset:#x} is wider than the field")
        self.volatile = bool(data.get("volatile", register.volatile))
        self.description = " ".join(str(data.get("description", "")).split())
        self.enum = data.get("enum", {})

    @property
    def mask(self):
        return ((1 << self.width) - 1) << self.lsb


class Register:
    KEYS = {"name", "offset", "width", "access", "reset", "description", "fields", "count", "stride", "volatile",
            "write_effect", "read_effect"}

    def __init__(self, data, block_width, where):
        known(data, self.KEYS, where)
        self.name = data["name"]
        where = f"{where}.{self.name}"
        self.offset = integer(data["offset"], where)
        self.width = integer(data.get("width", block_width), where)
        if self.width not in WIDTHS:
            raise Bad(f"{where}: width {self.width} is none of {WIDTHS}")
        if self.offset % (self.width // 8):
            raise Bad(f"{where}: offset {self.offset:#x} is not aligned to the register's width")
        self.access = data.get("access", "rw")
        self.volatile = bool(data.get("volatile", False))
        self.write_effect = bool(data.get("write_effect", False))
        self.read_effect = bool(data.get("read_effect", False))
        self.count = integer(data.get("count", 1), where)
        self.is_array = "count" in data
        self.stride = integer(data.get("stride", self.width // 8), where)
        self.description = " ".join(str(data.get("description", "")).split())
        fields = data.get("fields")
        if fields is None:
            fields = [{"name": "VALUE", "bits": f"{self.width - 1}:0", "reset": data.get("reset", 0),
                       "description": self.description}]
        elif "reset" in data:
            raise Bad(f"{where}: give reset values at the fields")
        self.fields = [Field(f, self, where) for f in fields]
        self.plain = data.get("fields") is None
        used = 0
        for field in self.fields:
            if used & field.mask:
                raise Bad(f"{where}.{field.name}: overlaps another field")
            used |= field.mask
        self.reset = sum(f.reset << f.lsb for f in self.fields)

    @property
    def bytes(self):
        return self.width // 8

    @property
    def span(self):
        return (self.count - 1) * self.stride + self.bytes


class Group:
    KEYS = {"group", "offset", "count", "stride", "description", "registers"}

    def __init__(self, data, block_width, where):
        known(data, self.KEYS, where)
        self.name = data["group"]
        where = f"{where}.{self.name}"
        self.offset = integer(data["offset"], where)
        self.count = integer(data["count"], where)
        self.stride = integer(data["stride"], where)
        self.description = " ".join(str(data.get("description", "")).split())
        self.registers = [Register(r, block_width, where) for r in data["registers"]]
        for register in self.registers:
            if register.offset + register.span > self.stride:
                raise Bad(f"{where}.{register.name}: reaches beyond the group's stride")


class Block:
    KEYS = {"block", "title", "description", "width", "size", "registers"}

    def __init__(self, path):
        with open(path, encoding="utf-8") as handle:
            data = yaml.safe_load(handle)
        known(data, self.KEYS, path)
        self.path = path
        self.name = data["block"]
        self.title = data["title"]
        self.description = data.get("description", "").strip()
        self.width = integer(data.get("width", 32), path)
        self.size = integer(data["size"], path)
        self.items = [Group(r, self.width, self.name) if "group" in r else Register(r, self.width, self.name)
                      for r in data["registers"]]
        taken = {}
        for name, offset, register, _ in self.flat():
            if offset + register.bytes > self.size:
                raise Bad(f"{path}: {name} at {offset:#x} lies outside the block's {self.size:#x} bytes")
            for byte in range(offset, offset + register.bytes):
                if byte in taken:
                    raise Bad(f"{path}: {name} overlaps {taken[byte]} at offset {byte:#x}")
                taken[byte] = name

    def flat(self):
        """Every register instance: (name, offset, register, indices)."""
        for item in self.items:
            if isinstance(item, Group):
                for i in range(item.count):
                    for r in item.registers:
                        base = item.offset + i * item.stride + r.offset
                        if not r.is_array:
                            yield f"{item.name}[{i}].{r.name}", base, r, i
                            continue
                        for j in range(r.count):
                            yield f"{item.name}[{i}].{r.name}[{j}]", base + j * r.stride, r, (i, j)
            elif item.is_array:
                for i in range(item.count):
                    yield f"{item.name}[{i}]", item.offset + i * item.stride, item, i
            else:
                yield item.name, item.offset, item, None


HEADER = "Generated by models/core/regen/regen.py from {}; do not edit."


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# A block may be called as a C++ keyword; its namespace then gets an underscore (regs::switch_).
CPP_KEYWORDS = {"switch"}


def namespace(block):
    return block.name + "_" if block.name in CPP_KEYWORDS else block.name


# --- C++ -------------------------------------------------------------------------------------------------------------

def cpp(block, source):
    out = [f"// {HEADER.format(source)}", "#pragma once", '#include "core/register.h"', "",
           f"namespace rdu::regs::{namespace(block)} {{", ""]

    def describe(register, prefix):
        ident = prefix + register.name
        out.append(f"inline constexpr core::FieldDesc kFields_{ident}[] = {{")
        for f in register.fields:
            out.append(f"    {{{quoted(f.name)}, {f.lsb}, {f.width}, core::Access::{f.access}, {f.reset:#x}u, "
                       f"{'true' if f.volatile else 'false'}}},")
        out.append("};")
        out.append(f"inline constexpr core::RegisterDesc kDesc_{ident} = core::describe({quoted(register.name)}, "
                   f"{register.offset:#x}, {register.width}, {'true' if register.write_effect else 'false'}, "
                   f"{'true' if register.read_effect else 'false'}, kFields_{ident});")
        out.append(f"/// {register.description}")
        out.append(f"namespace {ident} {{")
        for f in register.fields:
            out.append(f"inline constexpr core::Field {f.name}{{{f.lsb}, {f.width}}};  // {f.description}"
                       if f.description else f"inline constexpr core::Field {f.name}{{{f.lsb}, {f.width}}};")
            for key, value in f.enum.items():
                out.append(f"inline constexpr uint64_t {f.name}_{key} = {value:#x};")
        out.append(f"}}  // namespace {ident}")

    for item in block.items:
        if isinstance(item, Group):
            for r in item.registers:
                describe(r, item.name + "_")
        else:
            describe(item, "")
    out.append("")
    out.append(f"inline constexpr const char* kName = {quoted(block.name)};")
    out.append(f"inline constexpr uint64_t kSize = {block.size:#x};")
    for item in block.items:
        if isinstance(item, Group):
            out.append(f"inline constexpr uint64_t k{item.name}_OFFSET = {item.offset:#x};")
            out.append(f"inline constexpr uint64_t k{item.name}_STRIDE = {item.stride:#x};")
            out.append(f"inline constexpr unsigned k{item.name}_COUNT = {item.count};")
            for r in item.registers:
                out.append(f"inline constexpr uint64_t k{item.name}_{r.name}_OFFSET = {r.offset:#x};")
                if r.is_array:
                    out.append(f"inline constexpr uint64_t k{item.name}_{r.name}_STRIDE = {r.stride:#x};")
                    out.append(f"inline constexpr unsigned k{item.name}_{r.name}_COUNT = {r.count};")
        else:
            out.append(f"inline constexpr uint64_t k{item.name}_OFFSET = {item.offset:#x};")
            if item.is_array:
                out.append(f"inline constexpr uint64_t k{item.name}_STRIDE = {item.stride:#x};")
                out.append(f"inline constexpr unsigned k{item.name}_COUNT = {item.count};")
    out.append("")
    for item in block.items:
        if not isinstance(item, Group):
            continue
        out.append(f"/// {item.description}")
        out.append(f"struct {item.name}_t {{")
        out.append(f"  {item.name}_t(core::RegisterFile& file, unsigned index)")
        base = f"{item.offset:#x} + index * {item.stride:#x}"

        def initial(r):
            group = f"core::indexed({quoted(item.name)}, index) + "
            if not r.is_array:
                return f"{r.name}(file, kDesc_{item.name}_{r.name}, {base} + {r.offset:#x}, {group}{quoted('.' + r.name)})"
            entries = [f"core::Register(file, kDesc_{item.name}_{r.name}, {base} + {r.offset + m * r.stride:#x}, "
                       f"{group}{quoted(f'.{r.name}[{m}]')})" for m in range(r.count)]
            return f"{r.name}{{{', '.join(entries)}}}"

        out.append("      : " + ",\n        ".join(initial(r) for r in item.registers) + " {}")
        for r in item.registers:
            kind = f"std::array<core::Register, {r.count}>" if r.is_array else "core::Register"
            out.append(f"  {kind} {r.name};  ///< {r.description}")
        out.append("};")
    out.append("")
    out.append(f"/// {block.title}")
    out.append("class Registers : public core::RegisterFile {")
    out.append(" public:")
    out.append("  Registers() : core::RegisterFile(kName, kSize) {}")
    for item in block.items:
        if isinstance(item, Group):
            out.append(f"  core::Indexed<{item.name}_t, {item.count}> {item.name}{{*this}};  ///< {item.description}")
        elif item.is_array:
            out.append(f"  core::RegisterArray<{item.count}> {item.name}{{*this, kDesc_{item.name}, "
                       f"{item.stride:#x}}};  ///< {item.description}")
        else:
            out.append(f"  core::Register {item.name}{{*this, kDesc_{item.name}}};  ///< {item.description}")
    out.append("};")
    out.append(f"\n}}  // namespace rdu::regs::{namespace(block)}")
    return "\n".join(out) + "\n"


# --- C ---------------------------------------------------------------------------------------------------------------

def c_header(block, source):
    guard = f"RDU_REGS_{block.name.upper()}_H"
    out = [f"/* {HEADER.format(source)} */", f"#ifndef {guard}", f"#define {guard}", "",
           f"/* {block.title} */", f"#define RDU_{block.name.upper()}_BLOCK_SIZE {block.size:#x}u"]

    def fields(register, prefix):
        for f in register.fields:
            suffix = "u" if register.width <= 32 else "ull"
            out.append(f"#define {prefix}_{f.name}_SHIFT {f.lsb}")
            out.append(f"#define {prefix}_{f.name}_MASK {f.mask:#x}{suffix}")
            for key, value in f.enum.items():
                out.append(f"#define {prefix}_{f.name}_{key} {value:#x}{suffix}")

    for item in block.items:
        prefix = f"RDU_{block.name.upper()}_{item.name}"
        out.append("")
        if isinstance(item, Group):
            out.append(f"/* {item.name}: {item.description} */")
            # Not _COUNT: a register of the group may have that name.
            out.append(f"#define {prefix}_ENTRIES {item.count}u")
            for r in item.registers:
                index, place = ("n, m", f" + (m) * {r.stride:#x}u") if r.is_array else ("n", "")
                if r.is_array:
                    out.append(f"#define {prefix}_{r.name}_ENTRIES {r.count}u")
                out.append(f"#define {prefix}_{r.name}({index}) ({item.offset:#x}u + (n) * {item.stride:#x}u + "
                           f"{r.offset:#x}u{place}) /* {r.width} bits. {r.description} */")
                if not r.plain:
                    fields(r, f"{prefix}_{r.name}")
        else:
            if item.is_array:
                out.append(f"#define {prefix}_COUNT {item.count}u")
                out.append(f"#define {prefix}(n) ({item.offset:#x}u + (n) * {item.stride:#x}u) "
                           f"/* {item.width} bits. {item.description} */")
            else:
                out.append(f"#define {prefix} {item.offset:#x}u /* {item.width} bits. {item.description} */")
            if not item.plain:
                fields(item, prefix)
            if item.reset and not item.is_array:
                suffix = "u" if item.width <= 32 else "ull"
                out.append(f"#define {prefix}_RESET {item.reset:#x}{suffix}")
    out.append(f"\n#endif")
    return "\n".join(out) + "\n"


# --- C accessors -----------------------------------------------------------------------------------------------------

def hal_header(block, source):
    """One function a register for reads and writes, and a few a field, on top of hal/mmio.h. BLOCK is lower case in names
    and registers and fields keep theirs: rdu_watchdog_CTRL_read(base), rdu_watchdog_CTRL_ENABLE_set(base, 1)."""
    guard = f"RDU_REGS_{block.name.upper()}_HAL_H"
    out = [f"/* {HEADER.format(source)} */", f"#ifndef {guard}", f"#define {guard}", "",
           f"/* {block.title}: accessors. `base` is the block's address (regs/address_map.h), `n` the index in an array or group.",
           " * A field's _set keeps the register's other fields and touches none that writing clears or starts; _clear is for",
           " * fields that a one clears. */", "", '#include "hal/mmio.h"', f'#include "regs/{block.name}.h"']

    def function(kind, name, parameters, body):
        out.append(f"static inline {kind} {name}({', '.join(parameters)}) {{")
        out.extend(f"  {line}" for line in body)
        out.append("}")

    def accessors(register, name, offset, index):
        bits = register.width
        kind = f"uint{bits}_t"
        where = ["uint64_t base"] + [f"uint32_t {i}" for i in index]
        given = ", ".join(["base", *index])
        function_name = f"rdu_{block.name}_{name}"
        accesses = {f.access for f in register.fields}
        kept = sum(f.mask for f in register.fields if f.access == "rw")
        suffix = "u" if bits <= 32 else "ull"
        out.append("")
        if register.description:
            out.append(f"/* {name}: {register.description} */")
        if accesses != {"wo"}:
            function(kind, f"{function_name}_read", where, [f"return mmio_read{bits}(base + {offset});"])
        if accesses & {"rw", "wo", "w1c", "w1s"}:
            function("void", f"{function_name}_write", where + [f"{kind} value"],
                     [f"mmio_write{bits}(base + {offset}, value);"])
        if register.plain:
            return
        for f in register.fields:
            macro = f"RDU_{block.name.upper()}_{name}_{f.name}"
            others = kept & ~f.mask
            # A register that reading changes cannot be read for the sake of its other fields.
            rest = f"({function_name}_read({given}) & {others:#x}{suffix})" if others else "0"
            settable = not others or not (register.read_effect or "rc" in accesses)
            if f.access != "wo":
                function(kind, f"{function_name}_{f.name}_get", where,
                         [f"return ({kind})(({function_name}_read({given}) & {macro}_MASK) >> {macro}_SHIFT);"])
            if f.access in ("rw", "wo", "w1s") and settable:
                value = f"(({kind})(value) << {macro}_SHIFT & {macro}_MASK)"
                function("void", f"{function_name}_{f.name}_set", where + [f"{kind} value"],
                         [f"{function_name}_write({given}, ({kind})({rest} | {value}));"])
            if f.access == "w1c" and settable:
                function("void", f"{function_name}_{f.name}_clear", where,
                         [f"{function_name}_write({given}, ({kind})({rest} | {macro}_MASK));"])

    for item in block.items:
        prefix = f"RDU_{block.name.upper()}_{item.name}"
        if isinstance(item, Group):
            for r in item.registers:
                index = ("n", "m") if r.is_array else ("n",)
                accessors(r, f"{item.name}_{r.name}", f"{prefix}_{r.name}({', '.join(index)})", index)
        else:
            accessors(item, item.name, f"{prefix}(n)" if item.is_array else prefix, ("n",) if item.is_array else ())
    out.append(f"\n#endif")
    return "\n".join(out) + "\n"


# --- Verilog ---------------------------------------------------------------------------------------------------------

def verilog(block, source):
    guard = f"RDU_{block.name.upper()}_SVH"
    up = block.name.upper()
    out = [f"// {HEADER.format(source)}", f"`ifndef {guard}", f"`define {guard}", ""]

    def fields(register, prefix):
        for f in register.fields:
            out.append(f"localparam int {prefix}_{f.name}_LSB = {f.lsb};")
            out.append(f"localparam int {prefix}_{f.name}_WIDTH = {f.width};")
            for key, value in f.enum.items():
                out.append(f"localparam logic [{f.width - 1}:0] {prefix}_{f.name}_{key} = {f.width}'h{value:x};")

    for item in block.items:
        prefix = f"{up}_{item.name}"
        out.append(f"localparam logic [31:0] {prefix}_OFFSET = 32'h{item.offset:x};")
        if isinstance(item, Group) or item.is_array:
            out.append(f"localparam int {prefix}_COUNT = {item.count};")
            out.append(f"localparam int {prefix}_STRIDE = {item.stride};")
        if isinstance(item, Group):
            for r in item.registers:
                out.append(f"localparam logic [31:0] {prefix}_{r.name}_OFFSET = 32'h{r.offset:x};")
                if r.is_array:
                    out.append(f"localparam int {prefix}_{r.name}_COUNT = {r.count};")
                    out.append(f"localparam int {prefix}_{r.name}_STRIDE = {r.stride};")
                out.append(f"localparam logic [{r.width - 1}:0] {prefix}_{r.name}_RESET = {r.width}'h{r.reset:x};")
                fields(r, f"{prefix}_{r.name}")
        else:
            out.append(f"localparam logic [{item.width - 1}:0] {prefix}_RESET = {item.width}'h{item.reset:x};")
            fields(item, prefix)
    out.append(f"`endif")
    return "\n".join(out) + "\n"


# --- documentation ---------------------------------------------------------------------------------------------------

def table(block):
    """Registers and fields as a table in Markdown; scripts/book puts it into a unit's page, too."""
    out = ["| offset | register | bits | field | access | reset | meaning |", "|---|---|---|---|---|---|---|"]

    def rows(name, offset, register):
        first = True
        for f in register.fields:
            bits = f"{f.msb}:{f.lsb}" if f.width > 1 else f"{f.lsb}"
            text = f.description
            if f.enum:
                text += " " + ", ".join(f"{v} = {k}" for k, v in f.enum.items())
            if f.volatile:
                text += " *(changed by hardware)*"
            shown = "" if register.plain else f.name
            out.append(f"| {offset if first else ''} | {('**' + name + '**') if first else ''} | {bits} | {shown} | "
                       f"{f.access} | {f.reset:#x} | {text.strip()} |")
            first = False

    for item in block.items:
        if isinstance(item, Group):
            out.append(f"| {item.offset:#x} + n*{item.stride:#x} | **{item.name}[n]** | | | | | n = 0 .. "
                       f"{item.count - 1}. {item.description} |")
            for r in item.registers:
                if r.is_array:
                    rows(f"{item.name}[n].{r.name}[0..{r.count - 1}]", f"+{r.offset:#x} + m*{r.stride:#x}", r)
                else:
                    rows(f"{item.name}[n].{r.name}", f"+{r.offset:#x}", r)
        elif item.is_array:
            rows(f"{item.name}[0..{item.count - 1}]", f"{item.offset:#x} + n*{item.stride:#x}", item)
        else:
            rows(item.name, f"{item.offset:#x}", item)
    return "\n".join(out) + "\n"


def page(block, source):
    out = [f"<!-- {HEADER.format(source)} -->", f"# {block.title}", "", block.description, "", table(block)]
    out += ["Access: rw read and write; ro read-only; wo write-only (reads zero); w1c write one to clear; w1s write "
            "one to set; rc cleared by reading. Bits without a field read zero and ignore writes."]
    return "\n".join(out) + "\n"


# --- address map -----------------------------------------------------------------------------------------------------

def address_map(path, out_dir):
    with open(path, encoding="utf-8") as handle:
        data = yaml.safe_load(handle)
    known(data, {"title", "description", "entries", "interrupts"}, path)
    entries = data["entries"]
    end, previous = 0, ""
    for e in sorted(entries, key=lambda e: e["base"]):
        known(e, {"name", "base", "size", "block", "kind", "description"}, f"{path}: {e.get('name')}")
        if e["base"] < end:
            raise Bad(f"{path}: {e['name']} overlaps {previous}")
        end, previous = e["base"] + e["size"], e["name"]
    head = HEADER.format(path)
    irqs = data.get("interrupts", {})
    c = [f"/* {head} */", "#ifndef RDU_REGS_ADDRESS_MAP_H", "#define RDU_REGS_ADDRESS_MAP_H", ""]
    cc = [f"// {head}", "#pragma once", "#include <cstdint>", "", "namespace rdu::regs::map {", "",
          "struct Entry {", "  const char* name;", "  const char* block;  ///< its register description, or \"\"",
          "  uint64_t base;", "  uint64_t size;", "  unsigned interrupt;  ///< its source, 0: none", "};", ""]
    for e in entries:
        c.append(f"#define RDU_BASE_{e['name']} {e['base']:#x}ull /* {e['description']} */")
        c.append(f"#define RDU_SIZE_{e['name']} {e['size']:#x}ull")
        cc.append(f"inline constexpr Entry {e['name']}{{{quoted(e['name'])}, {quoted(e.get('block', ''))}, {e['base']:#x}, "
                  f"{e['size']:#x}, {irqs.get(e['name'], 0)}}};  // {e['description']}")
    cc.append(f"inline constexpr Entry kEntries[] = {{{', '.join(e['name'] for e in entries)}}};")
    for name, number in irqs.items():
        c.append(f"#define RDU_IRQ_{name} {number}u")
        cc.append(f"inline constexpr unsigned IRQ_{name} = {number};")
    c += ["", "#endif"]
    cc += ["", "}  // namespace rdu::regs::map"]
    md = [f"<!-- {head} -->", f"# {data['title']}", "", data.get("description", ""), "",
          "| base | size | name | registers | what |", "|---|---|---|---|---|"]
    for e in sorted(entries, key=lambda e: e["base"]):
        block = f"[{e['block']}]({e['block']}.md)" if e.get("block") else ""
        md.append(f"| {e['base']:#x} | {e['size']:#x} | {e['name']} | {block} | {e['description']} |")
    md += ["", "| interrupt | source |", "|---|---|"] + [f"| {n} | {name} |" for name, n in irqs.items()]
    write(out_dir, "regs/address_map.h", "\n".join(c) + "\n")
    write(out_dir, "regs/address_map.hpp", "\n".join(cc) + "\n")
    write(out_dir, "docs/address_map.md", "\n".join(md) + "\n")


# --- index -----------------------------------------------------------------------------------------------------------

def index(blocks, out_dir):
    out = ["// Generated by models/core/regen/regen.py; do not edit.", "#pragma once", "#include <memory>", "#include <string>",
           ""]
    out += [f'#include "regs/{b.name}.hpp"' for b in blocks]
    out += ["", "namespace rdu::regs {", "", "/// A fresh register file of the block of that name, at reset values; null if there is none.",
            "inline std::unique_ptr<core::RegisterFile> make_registers(const std::string& block) {"]
    out += [f'  if (block == {namespace(b)}::kName) return std::make_unique<{namespace(b)}::Registers>();' for b in blocks]
    out += ["  return nullptr;", "}", "", "inline constexpr const char* kBlocks[] = {" + ", ".join(quoted(b.name) for b in blocks) + "};",
            "", "}  // namespace rdu::regs"]
    write(out_dir, "regs/all.hpp", "\n".join(out) + "\n")
    sv = ["// Generated by models/core/regen/regen.py; do not edit."] + [f'`include "{b.name}.svh"' for b in blocks]
    write(out_dir, "rtl/all.svh", "\n".join(sv) + "\n")


def write(out_dir, name, text):
    path = os.path.join(out_dir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as handle:
            if handle.read() == text:
                os.utime(path)
                return
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder that receives regs/, rtl/ and docs/")
    parser.add_argument("--map", action="store_true", help="the inputs are address maps")
    parser.add_argument("--index", action="store_true", help="write the index of the given blocks only")
    parser.add_argument("inputs", nargs="+")
    args = parser.parse_args()
    try:
        if args.index:
            blocks = []
            for path in args.inputs:
                blocks.append(Block(path))
            index(sorted(blocks, key=lambda b: b.name), args.out)
            return 0
        for path in args.inputs:
            if args.map:
                address_map(path, args.out)
                continue
            block = Block(path)
            source = os.path.basename(path)
            write(args.out, f"regs/{block.name}.hpp", cpp(block, source))
            write(args.out, f"regs/{block.name}.h", c_header(block, source))
            write(args.out, f"regs/{block.name}_hal.h", hal_header(block, source))
            write(args.out, f"rtl/{block.name}.svh", verilog(block, source))
            write(args.out, f"docs/{block.name}.md", page(block, source))
    except (Bad, KeyError, ValueError, yaml.YAMLError, OSError) as error:
        text = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        print(f"regen.py: {path}: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
