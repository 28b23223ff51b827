# Privilege: delegation, vectored handlers, returns, what each mode may do, which CSRs it may read.
#include "program.inc"
  .option norvc

#define MPP_S 0x800
#define MPP_U 0
#define TVM 0x100000
#define TW 0x200000
#define TSR 0x400000
#define CSR_TABLE 0x80300000

  .section .text.start, "ax"
  .globl _start
_start:
  csrr t0, mhartid
  beqz t0, 1f
98:
  wfi
  j 98b
1:
  li s0, RESULTS
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  la t0, machine_handler
  csrw mtvec, t0
  la t0, supervisor_handler
  csrw stvec, t0

# Runs `instruction` in a mode (mstatus' bits) and records what ends it: mcause or scause | 0x100, then mtval or stval and
# mstatus as the handler finds it.
.macro in_mode status, instruction:vararg
  la s11, 97f
  li t0, \status
  csrw mstatus, t0
  la t0, 96f
  csrw mepc, t0
  mret
96:
  \instruction
  ecall
  .balign 4
97:
.endm

  # Nothing delegated: all goes to machine mode.
  in_mode MPP_U, ecall
  in_mode MPP_S, ecall
  in_mode MPP_U, .word 0xffffffff
  in_mode MPP_S, ebreak
  # Delegated: supervisor mode takes its own and user mode's, not machine mode's.
  li t0, -1
  csrw medeleg, t0
  csrr t0, medeleg
  record t0
  li t0, 1 << 9                 # the supervisor handler's own way to machine mode
  csrc medeleg, t0
  in_mode MPP_U | 0x2, ecall
  in_mode MPP_S | 0x2, ecall
  in_mode MPP_U, .word 0xffffffff
  in_mode 0x1800, .word 0xffffffff
  csrw medeleg, zero

  # What mstatus forbids.
  in_mode MPP_S, sfence.vma
  in_mode MPP_S | TVM, sfence.vma
  in_mode MPP_U, sfence.vma
  in_mode MPP_S, csrr a0, satp
  in_mode MPP_S | TVM, csrr a0, satp
  in_mode MPP_S | TVM, csrw satp, zero
  in_mode MPP_S | TW, wfi
  in_mode MPP_U, wfi
  in_mode MPP_S | TSR, sret
  in_mode MPP_U, sret
  in_mode MPP_S, mret
  # SRET goes to the mode in SPP, with SPIE's enable.
  la t0, an_ecall
  csrw sepc, t0
  in_mode MPP_S | 0x20, sret
  in_mode MPP_S | 0x100, sret
  # MRET to less than machine mode clears MPRV.
  in_mode MPP_S | 0x20000, ecall

  # ---- interrupts
  # sip and sie show what is delegated; mip's supervisor bits can be written.
  li t0, -1
  csrw mideleg, t0
  csrr t0, mideleg
  record t0
  csrw mie, t0
  li t0, -1
  csrw mip, t0
  csrr t0, mip
  record t0
  csrr t0, sip
  record t0
  csrr t0, sie
  record t0
  csrw sip, zero
  csrr t0, mip
  record t0
  csrw mip, zero
  # Delegated ones wait in machine mode, come in supervisor mode if SIE, always in user mode.
  la t0, vectors + 1
  csrw stvec, t0
  csrwi mip, 2
  nop
  in_mode MPP_S, nop
  in_mode MPP_S | 0x22, nop
  in_mode MPP_U, nop
  # External before software before timer.
  li t0, 0x222
  csrw mip, t0
  in_mode MPP_U, nop
  li t0, 0x22
  csrw mip, t0
  in_mode MPP_U, nop
  li t0, 0x20
  csrw mip, t0
  in_mode MPP_U, nop
  # Not delegated: machine mode's, whatever SIE says; vectored there too.
  csrw mideleg, zero
  la t0, vectors + 1
  csrw mtvec, t0
  in_mode MPP_S, nop
  la t0, machine_handler
  csrw mtvec, t0
  csrw mip, zero
  csrw mie, zero
  la t0, supervisor_handler
  csrw stvec, t0

  # stimecmp interrupts at its time, if menvcfg lets it.
  in_mode MPP_S, csrr a0, stimecmp
  li t0, 1 << 63
  csrs menvcfg, t0
  in_mode MPP_S, csrr a0, stimecmp
  li t0, 2
  csrw mcounteren, t0
  in_mode MPP_S, csrr a0, stimecmp
  csrr t0, time
  addi s7, t0, 20
  csrw stimecmp, s7
  csrr t0, mip
  record t0
  li t0, 0x20
  csrw mie, t0
  wfi
  csrr t0, time
  sub t0, t0, s7
  record t0
  csrr t0, mip
  record t0
  csrw mip, zero
  csrr t0, mip
  record t0
  li t0, -1
  csrw stimecmp, t0
  csrr t0, mip
  record t0
  csrw mie, zero

  # Counters: stopped, and by privilege.
  csrwi mcountinhibit, 5
  csrr t0, mcycle
  csrr t2, minstret
  nop
  csrr t1, mcycle
  csrr t3, minstret
  sub t0, t1, t0
  sub t2, t3, t2
  record t0
  record t2
  li t0, 77
  csrw mcycle, t0
  csrr t0, mcycle
  record t0
  csrwi mcountinhibit, 0
  csrr t0, mcycle
  addi t0, t0, -77
  sltiu t0, t0, 10
  record t0
  csrwi mcounteren, 1
  csrwi scounteren, 0
  in_mode MPP_S, csrr a0, cycle
  in_mode MPP_S, csrr a0, instret
  in_mode MPP_U, csrr a0, cycle
  csrwi scounteren, 5
  in_mode MPP_U, csrr a0, cycle
  in_mode MPP_U, csrr a0, instret

  # ---- every CSR, read in each mode: bit 0 machine, bit 1 supervisor, bit 2 user mode; one byte each
  li t0, -1
  csrw mcounteren, t0
  csrw scounteren, t0
  li s1, CSR_TABLE
  li s2, 0
  la t0, quiet_handler
  csrw mtvec, t0
each_csr:
  la t0, csr_instruction
  lwu t1, 0(t0)
  slli t1, t1, 44
  srli t1, t1, 44
  slli t2, s2, 20
  or t1, t1, t2
  sw t1, 0(t0)
  fence.i
  li s3, 0
  li s4, 0x1800
  li s5, 1
each_csr_mode:
  la s11, 2f
  csrw mstatus, s4
  la t0, csr_instruction
  csrw mepc, t0
  mret
2:
  bnez a0, 3f
  or s3, s3, s5
3:
  slli s5, s5, 1
  li t0, 0x1000
  sub s4, s4, t0
  bgez s4, each_csr_mode
  bnez s4, 4f
4:
  li t0, -0x800
  bne s4, t0, 5f
  li s4, 0
  li t0, 8
  bne s5, t0, each_csr_mode
5:
  sb s3, 0(s1)
  addi s1, s1, 1
  addi s2, s2, 1
  li t0, 4096
  bne s2, t0, each_csr
  finish

  .balign 4
an_ecall:
  ecall
csr_instruction:
  csrr a1, cycle
  ecall

  .balign 4
quiet_handler:                  # a0: 1 if the instruction was illegal
  csrr a0, mcause
  addi a0, a0, -2
  seqz a0, a0
  jr s11

  .balign 4
machine_handler:
  csrr t0, mcause
  csrr t1, mtval
  csrr t2, mstatus
back:
  record t0
  record t1
  record t2
  jr s11
  .balign 4
supervisor_handler:             # shows itself by 0x100, and returns to machine mode by an ECALL that records nothing
  csrr t0, scause
  ori t0, t0, 0x100
  csrr t1, stval
  csrr t2, sstatus
to_machine:
  mv s10, s11
  record t0
  record t1
  record t2
  la s11, 1f
  ecall
1:
  addi s0, s0, -24
  mv s11, s10
  jr s11

  .balign 64
vectors:
  j machine_handler
  j vector1
  j vector_bad
  j vector_bad
  j vector_bad
  j vector5
  j vector_bad
  j vector_bad
  j vector_bad
  j vector9
vector_bad:
  li t0, 0xbad
  j vector_all
vector1:
  li t0, 0x701
  j vector_all
vector5:
  li t0, 0x705
  j vector_all
vector9:
  li t0, 0x709
vector_all:
  li t1, 0
  li t2, 0
  j to_machine
