# Page tables with every combination of flags: what happens to a load, a store and a fetch in each mode, with and without
# hardware updates of A and D. Then superpages, addresses that are not canonical, Sv48, and misaligned accesses over a
# page's end. The handler gives back mcause; ECALL, which follows each access, means that it worked.
#include "program.inc"

#define ROOT 0x80300000                 /* Sv39: 1 GiB an entry */
#define MIDDLE 0x80301000               /* 2 MiB */
#define LEAVES 0x80302000               /* 4 KiB */
#define ROOT48 0x80303000
#define TARGET 0x80310000               /* the page under test, mapped at PROBED */
#define PROBED 0x40000000
#define USER_VIEW 0x40000000            /* the program is also seen here plus this, as user pages */
#define SV39 (8 << 60)
#define SV48 (9 << 60)
#define ALL_FLAGS 0xcf                  /* D A X W R V */

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
  # S and U may touch all memory.
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0

  # The program as supervisor pages at its address, as user pages at USER_VIEW further on.
  li s1, ROOT
  li t0, (0x80000000 >> 2) | ALL_FLAGS
  sd t0, 16(s1)
  li t0, (0x80000000 >> 2) | ALL_FLAGS | 0x10
  sd t0, 24(s1)
  li t0, (MIDDLE >> 2) | 1
  sd t0, 8(s1)
  li t1, MIDDLE
  li t0, (LEAVES >> 2) | 1
  sd t0, 0(t1)
  # What a fetch finds there.
  li t1, TARGET
  li t0, 0x00000073             # ecall
  sw t0, 0(t1)
  fence.i
  li t0, SV39 | (ROOT >> 12)
  csrw satp, t0
  la t0, handler
  csrw mtvec, t0
  li s5, PROBED

  # a0: ADUE or not, s2: flags, s3: mode, s4: access
  li s6, 0
each_ad:
  slli t0, s6, 61
  csrw menvcfg, t0
  li s2, 0
each_flags:
  la s3, modes
each_mode:
  la s4, accesses
each_access:
  # An ADDI's worth of flags: D A 0 U X W R V.
  li t1, LEAVES
  andi t0, s2, 0x1f
  andi t2, s2, 0x60
  slli t2, t2, 1
  or t0, t0, t2
  li t2, TARGET >> 2
  or t0, t0, t2
  sd t0, 0(t1)
  sfence.vma s5
  call probe
  li t1, LEAVES
  ld t0, 0(t1)
  andi t0, t0, 0xff
  slli a0, a0, 8
  or a0, a0, t0
  sh a0, 0(s0)
  addi s0, s0, 2
  addi s4, s4, 8
  ld t0, 0(s4)
  bnez t0, each_access
  addi s3, s3, 24
  ld t0, 16(s3)
  bnez t0, each_mode
  addi s2, s2, 1
  li t0, 128
  bne s2, t0, each_flags
  addi s6, s6, 1
  li t0, 2
  bne s6, t0, each_ad

  # ---- supervisor loads of chosen addresses
  li s0, RESULTS + 0x10000
  la s3, modes
  la s4, accesses
  li t1, LEAVES
  li t0, (TARGET >> 2) | ALL_FLAGS
  sd t0, 0(t1)
  # 2 MiB pages: aligned and misaligned; a pointer at the last level; reserved bits; tables where nothing is.
  li t1, MIDDLE
  li t0, (0x80200000 >> 2) | ALL_FLAGS
  sd t0, 8(t1)
  li t0, (0x80201000 >> 2) | ALL_FLAGS
  sd t0, 16(t1)
  li t0, (0x40000000 >> 2) | 1
  sd t0, 24(t1)
  li t0, (LEAVES >> 2) | 0x41     # a pointer with A
  sd t0, 32(t1)
  li t1, LEAVES
  li t0, (LEAVES >> 2) | 1
  sd t0, 8(t1)
  li t0, (TARGET >> 2) | ALL_FLAGS | (1 << 54)
  sd t0, 16(t1)
  sfence.vma
  la s7, addresses
1:
  ld s5, 0(s7)
  call probe
  record a0
  record a1
  addi s7, s7, 8
  ld t0, 0(s7)
  bnez t0, 1b

  # Sv48: the same tree, one level further down.
  li t1, ROOT48
  li t0, (ROOT >> 2) | 1
  sd t0, 0(t1)
  sd t0, 8(t1)
  li t0, SV48 | (ROOT48 >> 12)
  csrw satp, t0
  la s7, addresses48
1:
  ld s5, 0(s7)
  call probe
  record a0
  record a1
  addi s7, s7, 8
  ld t0, 0(s7)
  bnez t0, 1b

  # A mode that does not exist changes nothing; there are no address-space identifiers.
  li t0, (1 << 60) | 1
  csrw satp, t0
  csrr t0, satp
  record t0
  li t0, SV39 | (0xffff << 44) | (ROOT >> 12)
  csrw satp, t0
  csrr t0, satp
  record t0

  # Without SFENCE.VMA an old translation may be used, behind it the new one is: TARGET, then the page after it.
  li s5, PROBED
  call probe
  li t1, TARGET + 0x1000
  li t0, 0x5a5a
  sd t0, 0(t1)
  li t1, LEAVES
  li t0, ((TARGET + 0x1000) >> 2) | ALL_FLAGS
  sd t0, 0(t1)
  sfence.vma s5
  call probe
  record a2
  # A superpage is dropped whichever of its addresses is named.
  li s5, PROBED + 0x3f0000
  call probe
  record a0
  li t1, MIDDLE
  li t0, (LEAVES >> 2) | 1
  sd t0, 8(t1)
  li t0, PROBED + 0x2ff000
  sfence.vma t0
  call probe
  record a0

  # Misaligned over a page's end (works where hart.misaligned says so): the second page is elsewhere, then missing.
  li t1, LEAVES
  li t0, ((TARGET + 0x2000) >> 2) | ALL_FLAGS
  sd t0, 8(t1)
  li t1, TARGET + 0x1ff8
  li t0, 0x1122334455667788
  sd t0, 0(t1)
  sd t0, 8(t1)
  sfence.vma
  li s5, PROBED + 0xffd
  call probe
  record a0
  record a1
  record a2
  li t1, LEAVES
  sd zero, 8(t1)
  sfence.vma
  call probe
  record a0
  record a1
  finish

# Makes the access s4 at s5 in the mode s3. a0: mcause, a1: mtval, a2: what was loaded
probe:
  mv s11, ra
  ld t0, 0(s3)                  # mstatus
  ld t1, 0(s4)                  # routine
  ld t2, 8(s3)                  # where the mode sees it
  add t1, t1, t2
  csrw mepc, t1
  ld t2, 16(s3)
  li t3, 3
  li a2, 0
  csrw mstatus, t0
  beq t2, t3, 1f
  mret
1:
  jr t1                         # machine mode stays, with another's eyes
  .balign 4
handler:
  csrw mstatus, zero
  csrr a0, mcause
  csrr a1, mtval
  jr s11

load:
  ld a2, 0(s5)
  ecall
store:
  sd a2, 16(s5)
  ecall
fetch:
  jr s5

#define MPP_S 0x800
#define SUM 0x40000
#define MXR 0x80000
#define MPRV 0x20000
  .balign 8
modes:                          # mstatus, offset of the program's addresses, 1: by MRET, 3: stays in machine mode
  .dword MPP_S, 0, 1
  .dword MPP_S | SUM, 0, 1
  .dword MPP_S | MXR, 0, 1
  .dword 0, USER_VIEW, 1
  .dword MXR, USER_VIEW, 1
  .dword MPRV | MPP_S | SUM, 0, 3
  .dword MPRV, 0, 3
  .dword 0, 0, 0
accesses:
  .dword load, store, fetch, 0
addresses:
  .dword PROBED + 8, PROBED + 0x200008, PROBED + 0x400000, PROBED + 0x600010, PROBED + 0x800000, PROBED + 0x1000
  .dword PROBED + 0x2000, PROBED | (1 << 39), PROBED | (1 << 38), 0xffffffffffffff00, 0xc0000008, 0
addresses48:
  .dword PROBED + 8, PROBED | (1 << 39), PROBED | (1 << 47), PROBED | (1 << 48), 0x1000000, 0
