# Floating point around the arithmetic: mstatus.FS, fcsr, rounding modes, NaN boxing, and how long instructions take.
#include "program.inc"

  .equ FS_MASK, 0x6000
  .equ FS_INITIAL, 0x2000
  .equ FS_CLEAN, 0x4000

/* Records mcause of what follows: 0 if it did not trap. */
.macro trapping instruction:vararg
  li s11, 0
  \instruction
  record s11
.endm
/* mstatus.FS and SD, as 0 to 3 and with 4 for SD. */
.macro record_state
  csrr t0, mstatus
  srli t1, t0, 13
  andi t1, t1, 3
  srli t2, t0, 63
  slli t2, t2, 2
  or t1, t1, t2
  record t1
.endm
.macro set_state bits
  li t0, FS_MASK
  csrc mstatus, t0
  li t0, \bits
  csrs mstatus, t0
.endm
/* The instruction's flags, then none. */
.macro record_flags
  csrrw t0, fflags, zero
  record t0
.endm

  .section .text.start, "ax"
  .globl _start
_start:
  li s0, RESULTS
  la t0, handler
  csrw mtvec, t0
  la s3, place

  # Off after a reset: everything is illegal, and nothing happens.
  record_state
  trapping fadd.d fa0, fa1, fa2
  trapping fld fa0, 0(s3)
  trapping fsd fa0, 0(s3)
  trapping flw fa0, 0(s3)
  trapping fsw fa0, 0(s3)
  trapping fmv.x.d a0, fa0
  trapping fclass.s a0, fa0
  trapping csrr a0, fcsr
  trapping csrw frm, zero
  trapping csrr a0, fflags
  ld a0, 0(s3)
  record a0
  record_state

  # Initial and clean: reading leaves it so, writing makes it dirty.
  set_state FS_INITIAL
  record_state
  fsd fa0, 8(s3)
  fmv.x.d a0, fa0
  feq.d a0, fa0, fa0
  csrr a0, fcsr
  record_state
  fmv.d.x fa0, zero
  record_state
  set_state FS_CLEAN
  record_state
  fld fa0, 0(s3)
  record_state
  set_state FS_CLEAN
  csrw fflags, zero
  record_state
  set_state FS_CLEAN
  fmv.w.x fa1, zero
  set_state FS_CLEAN
  fdiv.s fa1, fa1, fa1
  record_state
  record_flags

  # fcsr and its two parts; flags collect until they are cleared, whoever computes.
  li t0, -1
  csrw fcsr, t0
  csrr t1, fcsr
  record t1
  csrr t1, frm
  record t1
  csrr t1, fflags
  record t1
  csrw fcsr, zero
  la s4, numbers
  fld fa0, 0(s4)              # 1
  fld fa1, 8(s4)              # 3
  fmv.d.x fa2, zero
  fdiv.d fa3, fa0, fa1        # inexact
  fdiv.d fa4, fa0, fa2        # division by zero
  csrr t1, fflags
  record t1
  fsqrt.d fa5, fa4
  fsub.d fa5, fa4, fa4        # invalid; the result is not a number
  recordf fa5
  csrr t1, fflags
  record t1
  csrsi fflags, 4
  csrci fflags, 1
  record_flags
  # A mode that is set takes effect at once, also in the middle of straight code.
  fsrmi 2
  fdiv.d fa3, fa0, fa1
  recordf fa3
  fsrmi 3
  fdiv.d fa3, fa0, fa1
  recordf fa3
  # An access to the bus, where others compute in their own mode, changes nothing.
  li t0, UART
  li t1, 'x'
  sb t1, 0(t0)
  csrr t1, fflags
  record t1
  fdiv.d fa3, fa0, fa1
  recordf fa3
  fdiv.d fa3, fa0, fa1, rtz
  recordf fa3
  frrm t1
  record t1

  # Ties: 2.5 and -2.5 in each mode, from frm and from the instruction.
  fld fa0, 16(s4)
  fneg.d fa1, fa0
.macro tie mode
  fsrmi \mode
  fcvt.w.d t1, fa0, dyn
  record t1
  fcvt.w.d t1, fa1, dyn
  record t1
.endm
  tie 0
  tie 1
  tie 2
  tie 3
  tie 4
  fsrmi 0
  fcvt.w.d t1, fa0, rmm
  record t1
  fcvt.l.d t1, fa1, rmm
  record t1
  record_flags

  # Reserved modes: an instruction that names one, and one that reads one from frm. What does not round works.
  trapping .insn 4, 0x02b57653  # fadd.d fa2, fa0, fa1, dyn
  trapping .insn 4, 0x02b55653  # ... with mode 5
  fsrmi 5
  trapping fadd.d fa2, fa0, fa1, dyn
  trapping fadd.d fa2, fa0, fa1, rtz
  trapping feq.d a0, fa0, fa1
  trapping fld fa2, 0(s3)
  fsrmi 7
  trapping fcvt.w.d a0, fa0, dyn
  fsrmi 0
  csrw fflags, zero

  # A single is boxed; what is not boxed reads as the canonical NaN, but moves and stores take the bits as they are.
  li t1, 0x123456783f800000
  fmv.d.x fa0, t1
  fadd.s fa1, fa0, fa0
  recordf fa1
  fsgnj.s fa1, fa0, fa0
  recordf fa1
  fmv.x.w t1, fa0
  record t1
  fclass.s t1, fa0
  record t1
  fsw fa0, 8(s3)
  lwu t1, 8(s3)
  record t1
  flw fa1, 8(s3)
  recordf fa1
  fadd.s fa2, fa1, fa1
  recordf fa2
  fcvt.d.s fa3, fa2
  recordf fa3
  record_flags
  # Register 0 is one like the others.
  fmv.d.x ft0, s3
  fmv.x.d t1, ft0
  sub t1, t1, s3
  record t1
  feq.d zero, ft0, ft0
  record zero

  # Cycles.
.macro begin
  csrr s1, mcycle
.endm
.macro end
  csrr s2, mcycle
  sub t0, s2, s1
  record t0
.endm
  .option push
  .option norvc
  fmv.d.x fa0, zero
  fcvt.s.d fa1, fa0
  begin
  fadd.d fa2, fa0, fa0
  end
  begin
  fmadd.s fa2, fa1, fa1, fa1
  end
  begin
  fmul.d fa2, fa0, fa0, rmm
  end
  begin
  fsgnj.d fa2, fa0, fa0
  end
  begin
  feq.d a0, fa0, fa0
  end
  begin
  fcvt.l.d a0, fa0, rtz
  end
  begin
  fsqrt.s fa2, fa1
  end
  begin
  fdiv.d fa2, fa0, fa0
  end
  fld fa0, 0(s3)
  begin
  fld fa0, 0(s3)
  end
  begin
  fsd fa0, 8(s3)
  end
  begin
  sh1add a0, a1, a2
  end
  .option pop
  finish

  # Steps over the instruction.
  .balign 4
handler:
  csrr s11, mcause
  csrr s10, mepc
  addi s10, s10, 4
  csrw mepc, s10
  mret

  .balign 8
place: .dword 0x5566778811223344, 0
numbers: .double 1.0, 3.0, 2.5
