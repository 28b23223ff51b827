# CSR instructions, counters, and how long instructions take.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  li s0, RESULTS

  # What is there.
  csrr t0, misa
  record t0
  csrr t0, mhartid
  record t0
  csrr t0, mstatus
  record t0
  # All ones where only some bits exist.
  li t1, -1
  csrw mie, t1
  csrr t0, mie
  record t0
  csrw mie, zero
  csrw mtvec, t1
  csrr t0, mtvec
  record t0
  csrw mepc, t1
  csrr t0, mepc
  record t0
  csrw misa, zero
  csrr t0, misa
  record t0
  csrw mstatus, zero
  csrr t0, mstatus
  record t0
  # Each instruction, with what it returns.
  li t1, 0xf0
  csrrw t0, mscratch, t1
  record t0
  li t1, 0x3c
  csrrs t0, mscratch, t1
  record t0
  csrrc t0, mscratch, t1
  record t0
  csrrwi t0, mscratch, 21
  record t0
  csrrsi t0, mscratch, 10
  record t0
  csrrci t0, mscratch, 1
  record t0
  csrrs t0, mscratch, zero
  record t0
  csrr t0, mhpmcounter3
  record t0

  # Retired instructions: exact, and the write takes effect before the next.
  csrr t0, minstret
  nop
  nop
  csrr t1, minstret
  sub t0, t1, t0
  record t0
  li t1, 1000
  csrw minstret, t1
  csrr t0, minstret
  record t0
  li t1, 5000
  csrw mcycle, t1
  csrr t0, mcycle
  record t0

  # Cycles of straight code, of a loop, of multiplications, divisions, loads and an access to the bus.
  .option push
  .option norvc
.macro begin
  csrr s1, mcycle
.endm
.macro end
  csrr s2, mcycle
  sub t0, s2, s1
  record t0
.endm
  begin
  nop
  end
  begin
  .rept 10
  nop
  .endr
  end
  li a0, 10
  begin
1:
  addi a0, a0, -1
  bnez a0, 1b
  end
  begin
  mul a0, a1, a2
  end
  begin
  div a0, a1, a2
  end
  la a3, place
  ld a0, 0(a3)
  begin
  ld a0, 0(a3)
  end
  begin
  sd a0, 0(a3)
  end
  begin
  amoadd.d a0, a0, (a3)
  end
  begin
  fence
  end
  li a4, SYSCTL
  begin
  lw a0, 0(a4)
  end
  begin
  j 1f
1:
  end
  .option pop
  finish

  .balign 8
place: .dword 0
