# Prints two lines, 5 us apart, and a third without an end.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  li s5, UART
  la a0, first
  call print
  li s1, CLINT_MTIMECMP
  li s2, CLINT_MTIME
  ld t0, 0(s2)
  addi t0, t0, 50
  sd t0, 0(s1)
  li t0, 1 << 7
  csrw mie, t0
  wfi
  la a0, second
  call print
  finish

print:
  lbu t0, 0(a0)
  beqz t0, 2f
1:
  lbu t1, 5(s5)
  andi t1, t1, 0x20
  beqz t1, 1b
  sb t0, 0(s5)
  addi a0, a0, 1
  j print
2:
  ret

first: .asciz "first line\r\n"
second: .asciz "second \033 line\nrest"
