/* Reset vector. The constants in memory come from rom.c, where the generated headers can be read. */
  .section .text.start, "ax"
  .globl _start
_start:
  csrw mie, zero
  la t0, trap
  csrw mtvec, t0
  call stack
  call rom_main

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
