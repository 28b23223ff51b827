# Two harts on the same memory: counters by LR/SC and by AMO, a reservation that another hart's store of the same value
# breaks, and code that the other hart writes.
#include "program.inc"

#define TURNS 3000
#define SHARED 0x80102000               /* counters at 0 and 8, the ABA word at 16, flags from 24 on */

  .section .text.start, "ax"
  .globl _start
_start:
  li s1, SHARED
  li s2, TURNS
  csrr s3, mhartid
  la t0, patched
  # Both count.
again:
  j load_reserved
counted:
  li t1, 1
  addi t2, s1, 8
  amoadd.d zero, t1, (t2)
  addi s2, s2, -1
  bnez s2, again
  bnez s3, other

  # ---- hart 0
  li s0, RESULTS
1:                              # until the other has counted too
  ld t1, 24(s1)
  beqz t1, 1b
  ld t1, 0(s1)
  record t1
  ld t1, 8(s1)
  record t1
  # The other stores what is there already.
  addi t2, s1, 16
  lr.d t3, (t2)
  li t1, 1
  sd t1, 32(s1)
1:
  ld t1, 40(s1)
  beqz t1, 1b
  sc.d t4, t3, (t2)
  snez t4, t4
  record t4
  # Without anybody in between it works; once.
  lr.d t3, (t2)
  sc.d t4, t3, (t2)
  record t4
  sc.d t4, t3, (t2)
  snez t4, t4
  record t4
  # Code that the other hart has changed.
  call patched
  record a0
  li t1, 1
  sd t1, 48(s1)
1:
  ld t1, 56(s1)
  beqz t1, 1b
  fence.i
  call patched
  record a0
  finish

  # ---- hart 1
other:
  li t1, 1
  sd t1, 24(s1)
1:
  ld t1, 32(s1)
  beqz t1, 1b
  ld t1, 16(s1)
  sd t1, 16(s1)
  li t1, 1
  sd t1, 40(s1)
1:
  ld t1, 48(s1)
  beqz t1, 1b
  la t0, patched
  li t1, 0x00200513             # li a0, 2
  sw t1, 0(t0)
  li t1, 1
  sd t1, 56(s1)
98:
  wfi
  j 98b

  .option norvc
  .balign 4
patched:
  li a0, 1
  ret

  # LR and SC on either side of a page's end.
  .section .text.later, "ax"
  .balign 4096
  .skip 4096 - 8
load_reserved:
  lr.d t1, (s1)
  addi t1, t1, 1
  sc.d t2, t1, (s1)
  bnez t2, load_reserved
  j counted
