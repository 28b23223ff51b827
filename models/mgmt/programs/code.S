# Code that changes, crosses pages, jumps far, and runs from where it is copied to.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  li s0, RESULTS

  # FENCE.I: the function is overwritten after it has run.
  call target
  record a0
  la t0, target
  la t1, replacement
  lw t2, 0(t1)
  sw t2, 0(t0)
  fence.i
  call target
  record a0

  # The same for code copied to a page of its own, by bytes.
  li t0, 0x80300000
  la t1, replacement
  li t2, 8
1:
  lbu t3, 0(t1)
  sb t3, 0(t0)
  addi t0, t0, 1
  addi t1, t1, 1
  addi t2, t2, -1
  bnez t2, 1b
  fence.i
  li t0, 0x80300000
  jalr t0
  record a0

  # An instruction that begins in one page and ends in the next.
  call crossing
  record a0

  # Calls and returns over pages; jalr whose base is its destination; an odd target loses its lowest bit.
  li a0, 1
  call far_away
  record a0
  la t0, odd
  addi t0, t0, 1
  jalr t0, 0(t0)
odd_return:
  la t1, odd_return
  sub a0, t0, t1
  record a0                     # 0: the link

  # x0 stays zero whatever is written to it.
  li t0, 77
  add zero, t0, t0
  lw zero, 0(s0)
  csrr zero, mscratch
  jal zero, 2f
2:
  record zero
  finish

  .option push
  .option norvc
  .balign 8
target:
  li a0, 1
  ret
replacement:
  li a0, 2
  ret
  .option pop

odd:
  jr t0

  .section .text.later, "ax"
  .balign 4096
  .option push
  .option norvc
  .skip 4096 - 6
crossing:
  .option rvc
  nop
  nop
  .option norvc
  li a0, 1234                   # at the page's last half word
  ret
  .option pop
  .skip 8192
far_away:
  addi sp, zero, 0
  mv t6, ra
  call farther
  mv ra, t6
  addi a0, a0, 1
  ret
  .skip 8192
farther:
  slli a0, a0, 4
  ret
