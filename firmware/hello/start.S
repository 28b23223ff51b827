  .section .text.start, "ax"
  .globl _start
_start: /* the ROM jumps here: RAM is loaded, bss is zero, there is no stack yet */
  la sp, __stack_top
  j hello
