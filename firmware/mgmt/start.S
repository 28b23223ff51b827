/* The boot ROM has loaded the image and zeroed bss and stack. */
  .section .text.start, "ax"
  .globl _start
_start:
  csrw mie, zero
  la t0, trap
  csrw mtvec, t0
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  la sp, __stack_top
  li s0, 0 /* ends the chain of frames */
  call main
1:
  wfi
  j 1b

/* Interrupts stay disabled (hal/cpu.h), so whatever comes here is fatal. The registers are kept as they were, on a stack of
   their own since the usual one may be the reason. */
  .balign 4
trap:
  csrw mscratch, sp
  la sp, __panic_stack_top
  addi sp, sp, -256
  sd x1, 8(sp)
  sd x3, 24(sp)
  sd x4, 32(sp)
  sd x5, 40(sp)
  sd x6, 48(sp)
  sd x7, 56(sp)
  sd x8, 64(sp)
  sd x9, 72(sp)
  sd x10, 80(sp)
  sd x11, 88(sp)
  sd x12, 96(sp)
  sd x13, 104(sp)
  sd x14, 112(sp)
  sd x15, 120(sp)
  sd x16, 128(sp)
  sd x17, 136(sp)
  sd x18, 144(sp)
  sd x19, 152(sp)
  sd x20, 160(sp)
  sd x21, 168(sp)
  sd x22, 176(sp)
  sd x23, 184(sp)
  sd x24, 192(sp)
  sd x25, 200(sp)
  sd x26, 208(sp)
  sd x27, 216(sp)
  sd x28, 224(sp)
  sd x29, 232(sp)
  sd x30, 240(sp)
  sd x31, 248(sp)
  csrr t0, mscratch
  sd t0, 16(sp)
  csrr t0, mepc
  sd t0, 0(sp) /* in place of x0 */
  la t0, trap_in_panic
  csrw mtvec, t0
  mv a0, sp
  csrr a1, mcause
  csrr a2, mtval
  call panic_trap

  .balign 4
trap_in_panic: /* even the report fails: nothing left but to stop */
  csrw mie, zero
1:
  wfi
  j 1b
