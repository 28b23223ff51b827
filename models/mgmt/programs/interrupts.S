# Timer, software and external interrupts, direct and vectored, and WFI. Handlers record mcause and what belongs to it.
#include "program.inc"

  .section .text.start, "ax"
  .globl _start
_start:
  li s0, RESULTS
  la t0, handler
  csrw mtvec, t0
  li s1, CLINT_MTIMECMP
  li s2, CLINT_MTIME
  li s3, CLINT_MSIP
  li s4, PLIC
  li s5, UART

  # A timer interrupt ends a WFI, at its time.
  ld t0, 0(s2)
  addi s7, t0, 50
  sd s7, 0(s1)
  li t0, 1 << 7
  csrw mie, t0
  csrsi mstatus, 8
  wfi
  record s7                     # deadline

  # And breaks into a running loop.
  ld t0, 0(s2)
  addi s7, t0, 70
  sd s7, 0(s1)
  li s9, 0
  .globl spin_begin, spin_end
spin_begin:
  addi s8, s8, 1
  beqz s9, spin_begin
spin_end:
  record s7

  # A software interrupt is taken right after the store that raises it.
  li t0, 1 << 3
  csrw mie, t0
  li t0, 1
  .globl after_msip
  sw t0, 0(s3)
after_msip:
  nop

  # With mstatus.MIE off, WFI ends but nothing is taken.
  csrci mstatus, 8
  li t0, 1
  sw t0, 0(s3)
  wfi
  csrr t0, mip
  record t0
  sw zero, 0(s3)
  csrr t0, mip
  record t0

  # Vectored: each cause has its entry.
  la t0, vectors + 1
  csrw mtvec, t0
  li t0, 1
  sw t0, 0(s3)
  csrsi mstatus, 8
  nop

  # External, through the PLIC: the test sends a byte to the UART.
  la t0, handler
  csrw mtvec, t0
  li t0, 3
  sw t0, 40(s4)                 # priority of source 10
  li t0, 1 << 10
  li t1, 0x2000
  add t1, t1, s4
  sw t0, 0(t1)                  # enable
  li t0, 1
  sb t0, 1(s5)                  # UART: received data
  li t0, 1 << 11
  csrw mie, t0
  csrsi mstatus, 8
  .globl waiting
waiting:
  wfi
  finish

  .balign 4
handler:
  csrr t0, mcause
  record t0
  csrr t0, time
  record t0
  csrr t0, mepc
  record t0
  csrr t0, mcause
  slli t0, t0, 1
  srli t0, t0, 1
  li t1, 7
  beq t0, t1, timer
  li t1, 3
  beq t0, t1, software
external:
  li t1, 0x200000
  add t1, t1, s4
  lw t2, 4(t1)                  # claim
  record t2
  lbu t3, 0(s5)
  record t3
  csrr t3, mip                  # the line is low again, but not before completion
  record t3
  sw t2, 4(t1)
  lw t2, 4(t1)                  # nothing left
  record t2
  mret
timer:
  li t1, -1
  sd t1, 0(s1)
  li s9, 1
  mret
software:
  sw zero, 0(s3)
  mret

  .balign 64
  .option push
  .option norvc
vectors:
  j unexpected
  j unexpected
  j unexpected
  j vector3
  .option pop
unexpected:
  li t0, 0xbad
  record t0
  mret
vector3:
  li t0, 0x333
  record t0
  sw zero, 0(s3)
  mret
