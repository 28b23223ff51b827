#include "mgmt/panic.h"

#include "hal/uart.h"
#include "mgmt/boot.h"
#include "rdu_abi.h"

#ifdef __riscv
extern char __text_start[], __text_end[], __stack_bottom[], __panic_stack_top[];

static void put_hex(uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) uart_put("0123456789abcdef"[value >> shift & 0xf]);
}

static void put_register(const char* name, uint64_t value) {
  uart_puts(name);
  uart_puts(" 0x");
  put_hex(value);
}

/* Return addresses, by the chain of frame pointers: each frame has the return address at fp-8 and the
 * caller's fp at fp-16. Only what can be true is followed. */
static void put_backtrace(uint64_t frame) {
  uart_puts("panic: called from");
  for (int depth = 0; depth < 16; ++depth) {
    if (frame % 8 || frame < (uint64_t)__stack_bottom + 16 || frame > (uint64_t)__panic_stack_top) break;
    const uint64_t return_address = ((const uint64_t*)frame)[-1];
    const uint64_t caller = ((const uint64_t*)frame)[-2];
    if (return_address < (uint64_t)__text_start || return_address >= (uint64_t)__text_end) break;
    put_register("", return_address);
    if (caller <= frame) break;
    frame = caller;
  }
  uart_puts("\n");
}

_Noreturn void panic(const char* why) {
  uart_puts("panic: ");
  uart_puts(why);
  uart_puts("\n");
  put_backtrace((uint64_t)__builtin_frame_address(0));
  boot_fail(RDU_BOOT_PANIC);
}

_Noreturn void panic_trap(const uint64_t* registers, uint64_t cause, uint64_t value) {
  static const char* const names[32] = {"pc ", "ra ", "sp ", "gp ", "tp ", "t0 ", "t1 ", "t2 ",
                                        "s0 ", "s1 ", "a0 ", "a1 ", "a2 ", "a3 ", "a4 ", "a5 ",
                                        "a6 ", "a7 ", "s2 ", "s3 ", "s4 ", "s5 ", "s6 ", "s7 ",
                                        "s8 ", "s9 ", "s10", "s11", "t3 ", "t4 ", "t5 ", "t6 "};
  put_register("panic: trap, mcause", cause);
  put_register(" mtval", value);
  for (int n = 0; n < 32; ++n) {
    uart_puts(n % 4 ? "  " : "\npanic:   ");
    put_register(names[n], registers[n]);
  }
  uart_puts("\n");
  put_backtrace(registers[8]);
  boot_fail(RDU_BOOT_PANIC);
}
#endif
