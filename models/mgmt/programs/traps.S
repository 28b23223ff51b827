# Every exception that the hart can take. The handler records mcause, mtval and mepc and goes on at s11.
#include "program.inc"

# Runs one instruction at a label of its own and expects it to trap.
.macro trap label, instruction:vararg
  la s11, 97f
  .globl \label
\label:
  \instruction
  li a7, 0xbad
  record a7
  record a7
  record a7
  .balign 2
97:
.endm

  .section .text.start, "ax"
  .globl _start
_start:
  li s0, RESULTS
  la t0, handler
  csrw mtvec, t0
  li s1, UNMAPPED
  la s2, word
  li s3, UART
  li s4, 0x1000
  la s5, word + 2

  .option norvc
  trap at_ecall, ecall
  trap at_ebreak, ebreak
  trap at_illegal, .word 0xffffffff
  trap at_csr_unknown, csrr a0, 0x5c0
  trap at_csr_read_only, csrw mhartid, a0
  trap at_dret, .word 0x7b200073
  trap at_load_misaligned, lw a0, 2(s2)
  trap at_load_half, lhu a0, 1(s2)
  trap at_store_misaligned, sd a0, 4(s2)
  trap at_lr_misaligned, lr.w a0, (s5)
  trap at_amo_misaligned, amoadd.w a0, a0, (s5)
  trap at_load_unmapped, ld a0, 8(s1)
  trap at_store_unmapped, sb a0, 9(s1)
  trap at_store_rom, sw a0, 0(s4)
  trap at_amo_device, amoswap.w a0, a0, (s3)
  trap at_lr_device, lr.w a0, (s3)
  trap at_wrong_size, lw a0, 0(s3)
  trap at_fetch_unmapped, jr s1
  .option rvc
  trap at_c_ebreak, c.ebreak
  trap at_c_illegal, .half 0
  finish

  .balign 4
handler:
  csrr t0, mcause
  record t0
  csrr t0, mtval
  record t0
  csrr t0, mepc
  record t0
  csrw mepc, s11
  mret

  .data
  .balign 8
word: .dword 0x8877665544332211, 0x00ffeeddccbbaa99
