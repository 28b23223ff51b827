  .section .text.start, "ax"
  .globl _start
_start:
  la sp, __stack_top
  j run
