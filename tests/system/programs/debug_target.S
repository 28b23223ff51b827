/* Start of debug_target: every hart gets a stack of its own and calls run(hart). */
  .section .text.start, "ax"
  .globl _start
_start:
  la t0, trap
  csrw mtvec, t0
  csrr a0, mhartid
  la sp, __stacks
  addi t0, a0, 1
  slli t0, t0, 12
  add sp, sp, t0
  call run

/* An environment call returns behind itself. */
  .balign 4
  .globl trap
trap:
  csrr t0, mepc
  addi t0, t0, 4
  csrw mepc, t0
  mret
