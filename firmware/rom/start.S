/* Reset vector. The constants in memory come from rom.c, where the generated headers can be read. */
  .section .text.start, "ax"
  .globl _start
_start:
  csrw mie, zero
  la t0, trap
  csrw mtvec, t0
  csrr t0, mhartid
  bnez t0, other_hart
  call stack
  call rom_main

/* The firmware starts the other harts: entry in SYSCTL.SCRATCH[2] and [3], then CLINT.MSIP. */
other_hart:
  li t0, 8
  csrw mie, t0
1:
  wfi
  csrr t1, mip
  and t1, t1, t0
  beqz t1, 1b
  csrw mie, zero
  ld t0, rom_entry_register
  lwu a0, 0(t0)
  lwu t1, 4(t0)
  slli t1, t1, 32
  or a0, a0, t1
  j rom_enter

/* sp = top of RAM */
stack:
  ld t0, rom_ram_size_register
  lwu t0, 0(t0)
  ld t1, rom_ram_base
  add sp, t0, t1
  ret

  .balign 4
trap: /* Nothing that the ROM does may trap; what it was doing is of no more use. */
  call stack
  csrr a0, mcause
  csrr a1, mepc
  csrr a2, mtval
  call rom_trap

/* void rom_enter(uint64_t entry): the image finds the hart's number in a0 and zero in a1, as supervisors and boot loaders
   of the RISC-V world expect. */
  .globl rom_enter
rom_enter:
  mv t0, a0
  csrr a0, mhartid
  li a1, 0
  fence rw, rw
  fence.i
  jr t0
