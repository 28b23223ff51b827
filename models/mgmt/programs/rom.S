# The boot ROM of the tests: goes straight to RAM.
  .section .text.start, "ax"
  .globl _start
_start:
  li t0, 0x80000000
  jr t0
