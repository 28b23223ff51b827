# Which part runs is chosen by the word at OPERANDS.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  csrr t0, mhartid
  bnez t0, other_hart
  li s0, RESULTS
  li t0, OPERANDS
  ld t0, 0(t0)
  slli t0, t0, 2
  la t1, table
  add t1, t1, t0
  jr t1
  .option push
  .option norvc
table:
  j no_handler                  # 0
  j bad_handler                 # 1
  j fault_loop                  # 2
  j restart                     # 3
  j misaligned                  # 4
  j two_harts                   # 5
  j endless                     # 6
  j many_faults                 # 7
  j tags                        # 8
  j slow_counting               # 9
  j flash                       # 10
  .option pop

  # mtvec is still 0, where nothing is.
  .globl no_handler, no_handler_pc
no_handler:
no_handler_pc:
  .word 0xffffffff

bad_handler:
  la t0, handler_that_faults
  csrw mtvec, t0
  li t1, UNMAPPED
  sd t0, 0(t1)
  .balign 4
  .globl handler_that_faults
handler_that_faults:
  lw t0, 1(t1)

# The handler does something, but never gets anywhere.
fault_loop:
  la t0, 1f
  csrw mtvec, t0
  .balign 4
1:
  addi t2, t2, 1
  ebreak

restart:
  li t0, SYSCTL
  lw t1, 0x44(t0)               # SCRATCH1 counts the boots
  addi t1, t1, 1
  sw t1, 0x44(t0)
  lw t2, 0x24(t0)               # RESET_REASON
  li t3, RESULTS
  sd t2, 0(t3)
  li t4, 2
  beq t1, t4, 1f
  li t2, 3
  sw t2, 0x20(t0)               # BOOT_STAGE, which a restart clears
  li t2, 1
  .globl restart_pc
  sw t2, 0x28(t0)
restart_pc:
  li t2, 0xbad
  sd t2, 8(t3)
1:
  lw t2, 0x20(t0)
  sd t2, 16(t3)
  finish

misaligned:
  la t0, handler
  csrw mtvec, t0
  li t1, 0x80101000 - 3         # over a page's end
  ld t0, 0(t1)
  record t0
  li t2, 0x1122334455667788
  sd t2, 0(t1)
  ld t0, 0(t1)
  record t0
  lh t0, 1(t1)
  record t0
  li t1, CLINT_MTIME            # not for devices
  li t3, 0
  lw t0, 2(t1)
  record t3                     # mcause of the trap
  finish
  .balign 4
handler:
  csrr t3, mcause
  csrr t4, mepc
  addi t4, t4, 4
  csrw mepc, t4
  mret

two_harts:
  li t1, CLINT_MSIP
  li t2, 1
  li t3, 0x80102000
  sd zero, 0(t3)
  sw t2, 4(t1)                  # wakes hart 1
1:
  ld t0, 0(t3)
  beqz t0, 1b
  record t0
  finish

other_hart:
  li t1, CLINT_MSIP
  li t0, 1 << 3
  csrw mie, t0
1:
  wfi
  csrr t0, mip
  beqz t0, 1b
  sw zero, 4(t1)
  li t3, 0x80102000
  li t0, 41
  amoadd.d t2, t0, (t3)
  csrr t0, mhartid
  amoadd.d t2, t0, (t3)
  j 1b

endless:
  j endless

many_faults:
  la t0, handler
  csrw mtvec, t0
  li t1, UNMAPPED
  li t2, 20
  .option push
  .option norvc
1:
  lw t0, 0(t1)
  .option pop
  addi t1, t1, 4                # nothing is there either
  addi t2, t2, -1
  bnez t2, 1b
  finish

tags:
  li t0, SYSCTL
  li t1, 0x10007
  sw t1, 0x60(t0)
  li t2, 200
1:
  addi t2, t2, -1
  bnez t2, 1b
  sw zero, 0x60(t0)
  finish

slow_counting:
  li t0, OPERANDS
  ld t1, 8(t0)
  li t2, 1
  li t3, 0x80103000
1:
  mul t2, t2, t1
  xor t2, t2, t1
  srli t4, t2, 7
  add t2, t2, t4
  sd t2, 0(t3)
  ld t5, 0(t3)
  add t2, t2, t5
  addi t1, t1, -1
  bnez t1, 1b
  record t2
  finish

flash:
  li t1, 0x20000000
  lwu t0, 0(t1)
  record t0
  li t1, 0x21000000
  ld t0, 0(t1)
  record t0
  la t0, handler
  csrw mtvec, t0
  li t3, 0
  .option push
  .option norvc
  sd t0, 0(t1)
  .option pop
  record t3
  finish
