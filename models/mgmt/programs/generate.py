#!/usr/bin/python3
"""Generates the instruction tests of the management core's hart.

    generate.py operations --out DIR     DIR/operations.S runs every computing, memory, atomic and branch instruction on
                                         tables of operands; DIR/operations.txt says in which order
    generate.py float --out DIR          the same for floating point: DIR/float_operations.S and .txt
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
mul mulh mulhsu mulhu mulw div divu divw divuw rem remu remw remuw
add.uw sh1add sh2add sh3add sh1add.uw sh2add.uw sh3add.uw andn orn xnor max maxu min minu rol rolw ror rorw
bclr bext binv bset""".split()
UNARY_OPS = "clz clzw ctz ctzw cpop cpopw sext.b sext.h zext.h orc.b rev8".split()
IMMEDIATE_OPS = "addi slti sltiu xori ori andi addiw".split()
SHIFT_OPS = {"slli": 63, "srli": 63, "srai": 63, "slliw": 31, "srliw": 31, "sraiw": 31, "slli.uw": 63, "rori": 63,
             "roriw": 31, "bclri": 63, "bexti": 63, "binvi": 63, "bseti": 63}
BRANCH_OPS = "beq bne blt bge bltu bgeu".split()
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
AMOS = [f"amo{op}.{width}" for op in "swap add xor and or min max minu maxu".split() for width in "wd"]

# Floating point, without the format at the end. Those that round take a rounding mode.
FLOAT_BINARY = "fadd fsub fmul fdiv".split()
FLOAT_FUSED = "fmadd fmsub fnmsub fnmadd".split()
FLOAT_EXACT = "fsgnj fsgnjn fsgnjx fmin fmax".split()
FLOAT_COMPARE = "feq flt fle".split()
FLOAT_LOADS = {"flw": 4, "fld": 8}
FLOAT_STORES = {"fsw": 4, "fsd": 8}
INTEGERS = "w wu l lu".split()
MODES = "rne rtz rdn rup rmm".split()
UNROUNDED = ("fcvt.d.s", "fcvt.d.w", "fcvt.d.wu")  # exact; assemblers give them no rounding mode


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
        for op in UNARY_OPS:
            self.loop(op, 0, 1, [f"{op} a2, a0", "record a2"])
            self.loop(op, 0, 1, [f"{op} a0, a0", "record a0"])
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


class FloatOperations:
    """One test an instruction and rounding mode: a loop over a table of operand triples, s1 pointing to one. They are in
    fa0, fa1, fa2, the first also in a0; s0 points to where results go: the instruction's, then its flags."""

    TABLES = {"s": "OPERANDS", "d": f"OPERANDS + {24 * PAIRS}"}

    def __init__(self):
        self.code = []
        self.manifest = []

    def loop(self, name, width, mode, body, result):
        self.manifest.append(f"{name} {width} {mode}")
        self.code += [f"  # {name} {mode}", f"  li s1, {self.TABLES[width]}", f"  li s2, {PAIRS}",
                      "1:", "  fld fa0, 0(s1)", "  fld fa1, 8(s1)", "  fld fa2, 16(s1)", "  ld a0, 0(s1)"]
        self.code += [f"  {line}" for line in body]
        self.code += ["  csrrw a3, fflags, zero", f"  {result}", "  record a3", "  addi s1, s1, 24", "  addi s2, s2, -1",
                      "  bnez s2, 1b"]

    def rounding(self, name, width, operands, to_float=True):
        """Each mode from frm and from the instruction. The destination may be a source too, or f0."""
        record = "recordf {}" if to_float else "record {}"
        for mode, letters in enumerate(MODES):
            rd = ("fa3", "fa0", "ft0", "fa2", "fs1")[mode] if to_float else ("a2", "a0", "t0", "a2", "s5")[mode]
            self.loop(name, width, mode, [f"fsrmi {mode}", f"{name} {rd}, {operands}", "fsrmi 0"], record.format(rd))
            self.loop(name, width, mode, [f"{name} {rd}, {operands}, {letters}"], record.format(rd))

    def exact(self, name, width, operands, to_float=True):
        rd, record = ("fa3", "recordf fa3") if to_float else ("a2", "record a2")
        self.loop(name, width, 0, [f"{name} {rd}, {operands}"], record)
        self.loop(name, width, 0, ["fsrmi 4", f"{name} {rd}, {operands}", "fsrmi 0"], record)  # no host has mode 4

    def everything(self):
        for width in "sd":
            for op in FLOAT_BINARY:
                self.rounding(f"{op}.{width}", width, "fa0, fa1")
            for op in FLOAT_FUSED:
                self.rounding(f"{op}.{width}", width, "fa0, fa1, fa2")
            self.rounding(f"fsqrt.{width}", width, "fa0")
            for op in FLOAT_EXACT:
                self.exact(f"{op}.{width}", width, "fa0, fa1")
            for op in FLOAT_COMPARE:
                self.exact(f"{op}.{width}", width, "fa0, fa1", to_float=False)
            self.exact(f"fclass.{width}", width, "fa0", to_float=False)
            for integer in INTEGERS:
                self.rounding(f"fcvt.{integer}.{width}", width, "fa0", to_float=False)
                name = f"fcvt.{width}.{integer}"
                if name in UNROUNDED:
                    self.exact(name, "d", "a0")
                else:
                    self.rounding(name, "d", "a0")
        self.rounding("fcvt.s.d", "d", "fa0")
        self.exact("fcvt.d.s", "s", "fa0")
        self.exact("fmv.x.w", "d", "fa0", to_float=False)
        self.exact("fmv.x.d", "d", "fa0", to_float=False)
        self.exact("fmv.w.x", "d", "a0")
        self.exact("fmv.d.x", "d", "a0")
        # Loads and stores; the store leaves its neighbours alone.
        self.loop("flw", "d", 0, ["flw fa3, 4(s1)"], "recordf fa3")
        self.loop("fld", "d", 0, ["addi a4, s1, 2040", "fld ft0, -2032(a4)"], "recordf ft0")
        self.loop("c.fld", "d", 0, ["c.fld fa3, 8(s1)"], "recordf fa3")
        self.loop("c.fldsp", "d", 0, ["mv sp, s1", "c.fldsp ft0, 8(sp)"], "recordf ft0")
        for op in ("fsw fa1, 4(s3)", "fsd fa1, 0(s3)", "c.fsd fa1, 0(s3)"):
            self.loop(op.split()[0], "d", 0, ["sd a0, 0(s3)", op.replace("s3", "a5")], "ld a2, 0(a5)\n  record a2")
        self.loop("c.fsdsp", "d", 0, ["mv sp, s3", "c.fsdsp fa1, 8(sp)"], "ld a2, 8(sp)\n  record a2")

    def write(self, out):
        with open(os.path.join(out, "float_operations.S"), "w", encoding="utf-8") as handle:
            handle.write('# Generated by generate.py; do not edit.\n#include "program.inc"\n')
            handle.write('  .section .text.start, "ax"\n  .globl _start\n_start:\n')
            handle.write("  li s0, RESULTS\n  la s3, scratch\n  mv a5, s3\n  li t0, 0x2000\n  csrs mstatus, t0\n")
            handle.write("\n".join(self.code))
            handle.write("\n  finish\n  .data\n  .balign 8\nscratch: .dword 0, 0\n")
        with open(os.path.join(out, "float_operations.txt"), "w", encoding="utf-8") as handle:
            handle.write(f"triples {PAIRS} 0\n" + "\n".join(self.manifest) + "\n")


def float_operations(out):
    tests = FloatOperations()
    tests.everything()
    tests.write(out)


def operations(out, rng):
    tests = Operations(rng)
    tests.computing()
    tests.branches()
    tests.memory()
    tests.atomics()
    tests.write(out)


def unusual(word):
    """Conversions that cannot round with a rounding mode all the same: legal, but nothing that objdump knows."""
    exact = word >> 20 in (0x420, 0xd20, 0xd21)
    return word & 0x7f == 0x53 and exact and word >> 12 & 7 != 0


def encodings(out, rng):
    opcodes = [0x37, 0x17, 0x6f, 0x67, 0x63, 0x03, 0x23, 0x13, 0x1b, 0x33, 0x3b, 0x2f, 0x73, 0x07, 0x27, 0x43, 0x47, 0x4b,
               0x4f, 0x53]
    words = []
    for opcode in opcodes:
        for _ in range(600):
            words.append(rng.getrandbits(25) << 7 | opcode)
    # Random bits seldom hit encodings with a fixed part.
    for _ in range(600):
        words.append(rng.choice([0, 0x20, 1]) << 25 | rng.getrandbits(18) << 7 | rng.choice([0x33, 0x3b, 0x13, 0x1b]))
        words.append(rng.choice([4, 5, 0x10, 0x14, 0x20, 0x24, 0x30, 0x34, 0x35]) << 25 | rng.getrandbits(18) << 7 |
                     rng.choice([0x33, 0x3b, 0x13, 0x1b]))
        words.append(rng.choice([0x600, 0x601, 0x602, 0x604, 0x605, 0x287, 0x6b8, 0x080]) << 20 | rng.getrandbits(5) << 15 |
                     rng.choice([1, 4, 5]) << 12 | rng.getrandbits(5) << 7 | rng.choice([0x13, 0x1b, 0x3b]))
        words.append(rng.choice([0, 1, 2, 3, 4, 8, 12, 16, 20, 24, 28]) << 27 | rng.getrandbits(10) << 15 |
                     rng.choice([2, 3]) << 12 | rng.getrandbits(5) << 7 | 0x2f)
    for _ in range(60):
        words.append(2 << 27 | rng.getrandbits(2) << 25 | rng.getrandbits(5) << 15 | rng.choice([2, 3]) << 12 |
                     rng.getrandbits(5) << 7 | 0x2f)  # LR
        words.append(rng.getrandbits(8) << 20 | 0x0f)  # FENCE
        words.append(9 << 25 | rng.getrandbits(10) << 15 | 0x73)  # SFENCE.VMA
    for funct7 in range(0x80):
        if funct7 & 2:
            continue  # half and quadruple precision
        for funct3 in range(8):
            for rs2 in (0, 1, 2, 3, rng.randint(4, 31)):
                words.append(funct7 << 25 | rs2 << 20 | rng.getrandbits(5) << 15 | funct3 << 12 | rng.getrandbits(5) << 7 |
                             0x53)
    words = [word for word in words if not unusual(word)]
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
NAMES.update({name: i for i, name in enumerate(
    "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 "
    "ft8 ft9 ft10 ft11".split())})
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
    "c.fld": ("fld", "rd,off(rs1)"), "c.fsd": ("fsd", "rs2,off(rs1)"), "c.fldsp": ("fld", "rd,off(rs1)"),
    "c.fsdsp": ("fsd", "rs2,off(rs1)"), "c.mv": ("add", "rd,zero,rs2"), "c.add": ("add", "rd=,rs2"), "c.ebreak": ("ebreak", ""),
}


def sign32(value):
    return (value & 0xffffffff ^ 0x80000000) - 0x80000000


class Line:
    """An instruction as objdump -M no-aliases writes it, turned into op, rd, rs1, rs2, rs3, imm."""

    def __init__(self, address, mnemonic, operands):
        self.address = address
        self.rd = self.rs1 = self.rs2 = self.rs3 = self.imm = 0
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
        elif base in LOADS or base in FLOAT_LOADS or base == "jalr":
            self.rd, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif base in STORES or base in FLOAT_STORES:
            self.rs2, self.imm, self.rs1 = NAMES[args[0]], self.number(args[1]), NAMES[args[2]]
        elif base in BRANCH_OPS:
            self.rs1, self.rs2 = NAMES[args[0]], NAMES[args[1]]
            self.imm = sign32(int(args[2], 16) - self.address)
        elif base in IMMEDIATE_OPS or base in SHIFT_OPS:
            self.rd, self.rs1, self.imm = NAMES[args[0]], NAMES[args[1]], self.number(args[2])
        elif base in REGISTER_OPS:
            self.rd, self.rs1, self.rs2 = (NAMES[a] for a in args)
        elif base in UNARY_OPS:
            self.rd, self.rs1 = (NAMES[a] for a in args)
        elif base[0] == "f" and base[-2:] in (".s", ".d", ".x", ".w", ".l", "wu", "lu"):
            self.floating_point(base)
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

    def floating_point(self, op):
        args = self.args
        stem = op.split(".")[0]
        count = 4 if stem in FLOAT_FUSED else 3 if stem in FLOAT_BINARY + FLOAT_EXACT + FLOAT_COMPARE else 2
        self.rd, self.rs1 = NAMES[args[0]], NAMES[args[1]]
        self.rs2 = NAMES[args[2]] if count > 2 else None  # else a part of the code: taken from the encoding
        self.rs3 = NAMES[args[3]] if count > 3 else 0
        rounds = stem in FLOAT_BINARY + FLOAT_FUSED + ["fsqrt", "fcvt"] and op not in UNROUNDED
        mode = args[count] if len(args) > count else "dyn"
        if mode == "unknown":
            self.op = "illegal"
        elif rounds:
            self.imm = 7 if mode == "dyn" else MODES.index(mode)

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
            if line.rs2 is None:
                line.rs2 = bits >> 20 & 31
            if line.op == "illegal":
                line.imm = sign32(bits)
            sink.write(f"{bits:x} {len(match[2]) // 2} {line.op} {line.rd} {line.rs1} {line.rs2} {line.rs3} {line.imm}\n")
            count += 1
    if count < 50000:
        sys.exit(f"generate.py: only {count} instructions in {disassembly}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("operations", "float", "encodings", "expect"))
    parser.add_argument("input", nargs="?")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=40)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    if arguments.what == "operations":
        operations(arguments.out, rng)
    elif arguments.what == "float":
        float_operations(arguments.out)
    elif arguments.what == "encodings":
        encodings(arguments.out, rng)
    else:
        expect(arguments.input, arguments.out)


if __name__ == "__main__":
    main()
