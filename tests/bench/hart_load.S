# Entry: a stack, then compute(). Memory is zero after power-on, so there is nothing else to prepare.
  .section .text.start, "ax"
  .global _start
_start:
  la sp, stack_top
  j compute

  .bss
  .balign 16
  .space 4096
stack_top:
