#!/usr/bin/python3
"""Generates the instruction tests of the management core's hart.

    generate.py operations --out DIR     DIR/operations.S runs every computing, memory, atomic and branch instruction on
                                         tables of operands; DIR/operations.txt says in which order
    generate.py encodings --out DIR      DIR/encodings.S holds all 16-bit encodings and random 32-bit ones as data
    generate.py expect DISASSEMBLY --out FILE   turns objdump's view of that file into lines for the decoder's test

Seeded: the same files each time.
"""
import argparse
import os
import random
import re
import sys

PAIRS = 48  # operand pairs; the test fills the table
IMMEDIATES = 10

REGISTER_OPS = """add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw
mul mulh mulhsu mulhu mulw div divu divw divuw rem remu remw remuw""".split()
IMMEDIATE_OPS = "addi slti sltiu xori ori andi addiw".split()
SHIFT_OPS = {"slli": 63, "srli": 63, "srai": 63, "slliw": 31, "srliw": 31, "sraiw": 31}
BRANCH_OPS = "beq bne blt bge bltu bgeu".split()
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
AMOS = [f"amo{op}.{width}" for op in "swap add xor and or min max minu maxu".split() for width in "wd"]


class Operations:
    """One test an instruction (and immediate): a loop over the operand table, s1 pointing to a pair, whose first word is
    in a0 and second in a1; s0 points to where the next result goes. s3 points to a scratch word."""

    def __init__(self, rng):
        self.rng = rng
        self.code = []
        self.manifest = []

    def loop(self, name, immediate, results, body):
        self.manifest.append(f"{name} {immediate} {results}")
        self.code += [f"  # {name} {immediate}", "  la s1, operands", f"  li s2, {PAIRS}", "1:", "  ld a0, 0(s1)",
                      "  ld a1, 8(s1)"] + [f"  {line}" for line in body]
        self.code += ["  addi s1, s1, 16", "  addi s2, s2, -1", "  bnez s2, 1b"]

    def computing(self):
        for op in REGISTER_OPS:
            self.loop(op, 0, 1, [f"{op} a2, a0, a1", "record a2"])
            # The destination may be one of the sources, or nothing.
            self.loop(op, 0, 1, ["mv a3, a0", f"{op} a3, a3, a1", "record a3"])
            self.loop(op, 0, 1, ["mv a4, a1", f"{op} a4, a0, a4", "record a4"])
            self.loop("zero", 0, 1, [f"{op} zero, a0, a1", "record zero"])
        for op in IMMEDIATE_OPS:
            for imm in [0, 1, -1, 2047, -2048] + [self.rng.randint(-2048, 2047) for _ in range(IMMEDIATES)]:
                rd = self.rng.choice(["a2", "a0", "t3", "s8"])
                self.loop(op, imm, 1, [f"{op} {rd}, a0, {imm}", f"record {rd}"])
        for op, most in SHIFT_OPS.items():
            for imm in sorted({0, 1, most} | {self.rng.randint(0, most) for _ in range(IMMEDIATES)}):
                self.loop(op, imm, 1, [f"{op} a2, a0, {imm}", "record a2"])
        for imm in [0, 1, 0x7ffff, 0x80000, 0xfffff] + [self.rng.randint(0, 0xfffff) for _ in range(IMMEDIATES)]:
            self.loop("lui", imm, 1, [f"lui a2, {imm}", "record a2"])
            self.loop("auipc", imm, 1, [f"2: auipc a2, {imm}", "la a3, 2b", "sub a2, a2, a3", "record a2"])

    def branches(self):
        for op in BRANCH_OPS:
            self.loop(op, 0, 1, ["li a2, 1", f"{op} a0, a1, 2f", "li a2, 0", "2: record a2"])
            # Far away: a target in another page.
            self.loop(op, 0, 1, ["li a2, 1", f"{op} a0, a1, 3f", "li a2, 0", "2: record a2", "j 4f", ".skip 3000",
                                 "3: j 2b", "4:"])

    def memory(self):
        for op, size in LOADS.items():
            for offset in range(0, 16, size):
                self.loop(op, offset, 1, [f"{op} a2, {offset}(s1)", "record a2"])
            self.loop(op, 8, 1, ["addi a3, s1, 2040", f"{op} a3, -2032(a3)", "record a3"])
        for op, size in STORES.items():
            for offset in range(0, 8, size):
                self.loop(op, offset, 1, ["sd a1, 0(s3)", f"{op} a0, {offset}(s3)", "ld a2, 0(s3)", "record a2"])

    def atomics(self):
        for op in AMOS:
            # What it returns and what it leaves.
            self.loop(op, 0, 2, ["sd a1, 0(s3)", f"{op} a2, a0, (s3)", "record a2", "ld a2, 0(s3)", "record a2"])
            self.loop(op, 0, 2, ["sd a1, 0(s3)", f"{op} a0, a0, (s3)", "record a0", "ld a2, 0(s3)", "record a2"])
        for width in "wd":
            self.loop(f"lrsc.{width}", 0, 3, ["sd a1, 0(s3)", f"lr.{width} a2, (s3)", f"sc.{width} a3, a0, (s3)",
                                              "record a2", "record a3", "ld a2, 0(s3)", "record a2"])
            # Without a reservation, and with one that a store of another value has broken.
            self.loop(f"sc.{width}", 0, 2, ["sd a1, 0(s3)", f"sc.{width} a3, a0, (s3)", "record a3", "ld a2, 0(s3)",
                                            "record a2"])
            self.loop(f"sc.{width}", 0, 2, ["not a4, a1", "sd a4, 0(s3)", f"lr.{width} a2, (s3)", "sd a1, 0(s3)",
                                            f"sc.{width} a3, a0, (s3)", "record a3", "ld a2, 0(s3)", "record a2"])

    def write(self, out):
        with open(os.path.join(out, "operations.S"), "w", encoding="utf-8") as handle:
            handle.write('# Generated by generate.py; do not edit.\n#include "program.inc"\n')
            handle.write("  .equ operands, OPERANDS\n  .section .text.start, \"ax\"\n  .globl _start\n_start:\n")
            handle.write("  li s0, RESULTS\n  la s3, scratch\n")
            handle.write("\n".join(self.code).replace("la s1, operands", "li s1, OPERANDS"))
            handle.write("\n  finish\n  .data\n  .balign 8\nscratch: .dword 0\n")
        with open(os.path.join(out, "operations.txt"), "w", encoding="utf-8") as handle:
            handle.write(f"pairs {PAIRS} 0\n" + "\n".join(self.manifest) + "\n")


def operations(out, rng):
    tests = Operations(rng)
    tests.computing()
    tests.branches()
    tests.memory()
    tests.atomics()
    tests.write(out)


def encodings(out, rng):
    opcodes = [0x37, 0x17, 0x6f, 0x67, 0x63, 0x03, 0x23, 0x13, 0x1b, 0x33, 0x3b, 0x2f, 0x73]
    words = []
    for opcode in opcodes:
        for _ in range(600):
            words.append(rng.getrandbits(25) << 7 | opcode)
    # Random bits seldom hit encodings with a fixed part.
    for _ in range(600):
        words.append(rng.choice([0, 0x20, 1]) << 25 | rng.getrandbits(18) << 7 | rng.choice([0x33, 0x3b, 0x13, 0x1b]))
        words.append(rng.choice([0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28]) << 27 | rng.getrandbits(10) << 15 |
                     rng.choice([2, 3]) << 12 | rng.getrandbits(5) << 7 | 0x2f)
    for _ in range(60):
        words.append(2 << 27 | rng.getrandbits(2) << 25 | rng.getrandbits(5) << 15 | rng.choice([2, 3]) << 12 |
                     rng.getrandbits(5) << 7 | 0x2f)  # LR
        words.append(rng.getrandbits(8) << 20 | 0x0f)  # FENCE
        words.append(9 << 25 | rng.getrandbits(10) << 15 | 0x73)  # SFENCE.VMA
    words += [0x00000073, 0x00100073, 0x10200073, 0x30200073, 0x10500073, 0x0000100f, 0x0ff0000f]
    with open(os.path.join(out, "encodings.S"), "w", encoding="utf-8") as handle:
        handle.write("  .text\n")
        # .insn marks what follows as code, so that the disassembler takes it apart.
        for half in range(0x10000):
            if half & 3 != 3:
                handle.write(f"  .insn 2, {half:#x}\n")
        for word in words:
            handle.write(f"  .insn 4, {word:#x}\n")


# ---- objdump's view ---------------------------------------------------------------------------------------------------

NAMES = {name: i for i, name in enumerate(
    "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split())}
REGISTER = "(" + "|".join(sorted(NAMES, key=len, reverse=True)) + ")"
CSR_NAMES_UNKNOWN = re.compile(r"^csrr[wsc]i?$")

EXPANSIONS = {  # compressed: base instruction and how its operands are written
    "c.addi4spn": ("addi", "rd,sp,imm"), "c.lw": ("lw", "rd,off(rs1)"), "c.ld": ("ld", "rd,off(rs1)"),
    "c.sw": ("sw", "rs2,off(rs1)"), "c.sd": ("sd", "rs2,off(rs1)"), "c.nop": ("addi", "nop"),
    "c.addi": ("addi", "rd=,imm"), "c.addiw": ("addiw", "rd=,imm"), "c.li": ("addi", "rd,zero,imm"),
    "c.addi16sp": ("addi", "sp=,imm"), "c.lui": ("lui", "rd,upper"), "c.srli": ("srli", "rd=,imm"),
    "c.srai": ("srai", "rd=,imm"), "c.andi": ("andi", "rd=,imm"), "c.sub": ("sub", "rd=,rs2"),
    "c.xor": ("xor", "rd=,rs2"), "c.or": ("or", "rd=,rs2"), "c.and": ("and", "rd=,rs2"),
    "c.subw": ("subw", "rd=,rs2"), "c.addw": ("addw", "rd=,rs2"), "c.j": ("jal", "target"),
    "c.beqz": ("beq", "rs1,target"), "c.bnez": ("bne", "rs1,target"), "c.slli": ("slli", "rd=,imm"),
    "c.slli64": ("slli", "rd="), "c.srli64": ("srli", "rd="), "c.srai64": ("srai", "rd="),
    "c.lwsp": ("lw", "rd,off(rs1)"), "c.ldsp": ("ld", "rd,off(rs1)"), "c.swsp": ("sw", "rs2,off(rs1)"),
    "c.sdsp": ("sd", "rs2,off(rs1)"), "c.jr": ("jalr", "rs1"), "c.jalr": ("jalr", "ra,rs1"),
    "c.mv": ("add", "rd,zero,rs2"), "c.add": ("add", "rd=,rs2"), "c.ebreak": ("ebreak", ""),
}


def sign32(value):
    return (value & 0xffffffff ^ 0x80000000) - 0x80000000


class Line:
    """An instruction as objdump -M no-aliases writes it, turned into op, rd, rs1, rs2, imm."""

    def __init__(self, address, mnemonic, operands):
        self.address = address
        self.rd = self.rs1 = self.rs2 = self.imm = 0
        operands = re.sub(r"\s*[#<].*$", "", operands)  # "# 0x123", "<symbol>"
        self.args = [a for a in re.split(r"[,()]", operands) if a]
        self.op = mnemonic
        if mnemonic in EXPANSIONS:
            self.op, shape = EXPANSIONS[mnemonic]
            self.compressed(shape)
        else:
            self.full(mnemonic)

    def compressed(self, shape):
        args = self.args
        if shape == "nop":
            self.imm = self.number(args[0]) if args else 0
        elif shape == "rd,sp,imm":
            self.rd, self.rs1, self.imm = NAMES[args[0]], 2, self.number(args[2])
        elif shape == "rd,off(rs1)":
            self.rd, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif shape == "rs2,off(rs1)":
            self.rs2, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif shape in ("rd=,imm", "sp=,imm"):
            self.rd = self.rs1 = NAMES[args[0]]
            self.imm = self.number(args[1])
        elif shape == "rd=":
            self.rd = self.rs1 = NAMES[args[0]]
        elif shape == "rd,zero,imm":
            self.rd, self.imm = NAMES[args[0]], self.number(args[1])
        elif shape == "rd,upper":
            self.rd, self.imm = NAMES[args[0]], sign32(self.number(args[1]) << 12)
        elif shape == "rd=,rs2":
            self.rd = self.rs1 = NAMES[args[0]]
            self.rs2 = NAMES[args[1]]
        elif shape == "target":
            self.imm = sign32(int(args[0], 16) - self.address)
        elif shape == "rs1,target":
            self.rs1, self.imm = NAMES[args[0]], sign32(int(args[1], 16) - self.address)
        elif shape == "rs1":
            self.rs1 = NAMES[args[0]]
        elif shape == "ra,rs1":
            self.rd, self.rs1 = 1, NAMES[args[0]]
        elif shape == "rd,zero,rs2":
            self.rd, self.rs2 = NAMES[args[0]], NAMES[args[1]]

    def full(self, op):
        args = self.args
        # amoadd.w.aqrl: ordering makes no difference here.
        base = re.sub(r"\.(aq|rl|aqrl)$", "", op)
        self.op = base
        if base in ("lui", "auipc"):
            self.rd, self.imm = NAMES[args[0]], sign32(self.number(args[1]) << 12)
        elif base == "jal":
            self.rd, self.imm = NAMES[args[0]], sign32(int(args[1], 16) - self.address)
        elif base in LOADS or base == "jalr":
            self.rd, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif base in STORES:
            self.rs2, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif base in BRANCH_OPS:
            self.rs1, self.rs2 = NAMES[args[0]], NAMES[args[1]]
            self.imm = sign32(int(args[2], 16) - self.address)
        elif base in IMMEDIATE_OPS or base in SHIFT_OPS:
            self.rd, self.rs1, self.imm = NAMES[args[0]], NAMES[args[1]], self.number(args[2])
        elif base in REGISTER_OPS:
            self.rd, self.rs1, self.rs2 = (NAMES[a] for a in args)
        elif base.startswith("lr."):
            self.rd, self.rs1 = NAMES[args[0]], NAMES[args[1]]
        elif base.startswith(("amo", "sc.")):
            self.rd, self.rs2, self.rs1 = (NAMES[a] for a in args)
        elif base in ("fence", "fence.i", "fence.tso", "ecall", "ebreak", "mret", "sret", "wfi"):
            self.op = "fence" if base == "fence.tso" else base
        elif base == "sfence.vma":
            self.rs1, self.rs2 = (NAMES[a] for a in (args + ["zero", "zero"])[:2])
        elif CSR_NAMES_UNKNOWN.match(base):
            # The CSR's number is taken from the encoding by the caller; its name would need a table.
            self.rd = NAMES[args[0]]
            self.rs1 = int(args[2], 0) if base.endswith("i") else NAMES[args[2]]
            self.imm = None
        else:
            self.op = "illegal"

    @staticmethod
    def number(text):
        return int(text, 0)


# objdump knows more than the core has: debug mode, hypervisor.
NOT_OURS = {"dret", "uret", "hret", "sfence.vm", "hfence.vvma", "hfence.gvma", "unimp", "c.unimp"}


def expect(disassembly, out):
    pattern = re.compile(r"^\s*([0-9a-f]+):\s+([0-9a-f]+)\s+(\S+)\s*(.*)$")
    count = 0
    with open(disassembly, encoding="utf-8") as source, open(out, "w", encoding="utf-8") as sink:
        for text in source:
            match = pattern.match(text)
            if not match:
                continue
            address, bits = int(match[1], 16), int(match[2], 16)
            mnemonic, operands = match[3], match[4].strip()
            reserved = mnemonic == "c.addi16sp" and operands == "sp,0"  # objdump prints it all the same
            if mnemonic.startswith(".") or mnemonic in NOT_OURS or reserved:
                line = Line(address, "none", "")
            else:
                line = Line(address, mnemonic, operands)
            if line.imm is None:
                line.imm = bits >> 20
            if line.op == "illegal":
                line.imm = sign32(bits)
            sink.write(f"{bits:x} {len(match[2]) // 2} {line.op} {line.rd} {line.rs1} {line.rs2} {line.imm}\n")
            count += 1
    if count < 50000:
        sys.exit(f"generate.py: only {count} instructions in {disassembly}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("operations", "encodings", "expect"))
    parser.add_argument("input", nargs="?")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=40)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    if arguments.what == "operations":
        operations(arguments.out, rng)
    elif arguments.what == "encodings":
        encodings(arguments.out, rng)
    else:
        expect(arguments.input, arguments.out)


if __name__ == "__main__":
    main()
