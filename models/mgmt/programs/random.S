# Runs whatever the test puts at 0x80001000, with whatever registers it puts at OPERANDS; skips what traps.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  la t0, handler
  csrw mtvec, t0
  li t0, 0x6000               # mstatus.FS
  csrs mstatus, t0
  li x31, OPERANDS
  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
  ld x\n, 8 * \n(x31)
  fld f\n, 8 * \n(x31)
  .endr
  li x30, 0x80001000
  jr x30

  .balign 4
handler:
  csrw mscratch, t0
  csrr t0, mepc
  addi t0, t0, 2
  csrw mepc, t0
  csrr t0, mscratch
  mret
