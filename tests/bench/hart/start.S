# Entry and end of a workload, for any machine with RAM at 0x80000000 that can be left in one of two ways: by a test
# finisher at 0x100000 (the RISC-V virt machine) or, where a store there traps, by the host-target interface (tohost,
# 1 = ended well, status << 1 | 1).

  .section .text.start, "ax"
  .global _start
_start:
  la t0, leave_by_tohost
  csrw mtvec, t0
  li t0, 0x6000  # mstatus.FS: floating point is on
  csrs mstatus, t0
  fscsr zero
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  la sp, stack_top
  lwu a0, rounds
  call workload

  # The finisher: 0x5555 is well; 0x3333 with the status above it is not.
  slli s0, a0, 1
  addi s0, s0, 1
  li t1, 0x5555
  beqz a0, 1f
  slli a0, a0, 16
  li t1, 0x3333
  or t1, t1, a0
1:
  li t0, 0x100000
  fence
  sw t1, 0(t0)
2:
  j 2b

  # Also what any other trap comes to: a status that no workload has.
  .balign 4
leave_by_tohost:
  csrr t0, mtval
  li t1, 0x100000
  beq t0, t1, 1f
  li s0, 255
1:
  la t0, tohost
  sd s0, 0(t0)
2:
  j 2b

  # Set by whoever starts the program.
  .section .parameter, "aw"
  .global rounds
  .balign 8
rounds:
  .word 1

  .section .tohost, "aw"
  .global tohost, fromhost
  .balign 64
tohost:
  .dword 0
  .balign 64
fromhost:
  .dword 0

  .bss
  .balign 16
  .space 16384
stack_top:
