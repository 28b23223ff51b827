#include "mgmt/panic.h"

#include <string.h>

#include "hal/cpu.h"
#include "hal/plic.h"
#include "hal/uart.h"
#include "mgmt/boot.h"
#include "mgmt/panic_report.h"
#include "mgmt/watchdog.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/hostctl_hal.h"

#ifdef __riscv
extern char __text_start[], __text_end[], __stack_bottom[], __panic_stack_top[];

#define INTERRUPT (1ull << 63)

static void put_hex(uint64_t value) {
  for (int shift = 60; shift >= 0; shift -= 4) uart_put("0123456789abcdef"[value >> shift & 0xf]);
}

static void put_register(const char* name, uint64_t value) {
  uart_puts(name);
  uart_puts(" 0x");
  put_hex(value);
}

static void put_calls(const struct rdu_log_panic* report) {
  uart_puts("panic: called from");
  for (uint32_t n = 0; n < report->call_count; ++n) put_register("", report->calls[n]);
  uart_puts("\n");
}

static void walk(struct rdu_log_panic* report, uint64_t frame) {
  report->call_count = panic_report_walk(frame, (uint64_t)__stack_bottom, (uint64_t)__panic_stack_top,
                                         (uint64_t)__text_start, (uint64_t)__text_end, report->calls);
}

/* All that is left of the firmware: it answers questions about the report, and other requests as unknown,
 * until the host restarts the core (HOSTIF.RESTART). */
_Noreturn static void serve(void) {
  rdu_hostctl_IRQ_ENABLE_write(RDU_BASE_HOSTCTL, RDU_HOSTCTL_IRQ_STATUS_MAILBOX_MASK);
  plic_init(1u << RDU_IRQ_HOSTCTL);
  cpu_wake_on(MIE_EXTERNAL);
  for (;;) {
    for (uint32_t source; (source = plic_claim()) != 0; plic_complete(source)) {
      if (!rdu_hostctl_IRQ_STATUS_MAILBOX_get(RDU_BASE_HOSTCTL)) continue;
      rdu_hostctl_IRQ_STATUS_MAILBOX_clear(RDU_BASE_HOSTCTL);
      const uint32_t request = rdu_hostctl_MBOX_REQUEST_read(RDU_BASE_HOSTCTL);
      rdu_hostctl_MBOX_RESPONSE_write(RDU_BASE_HOSTCTL, (request & 0xff) == RDU_MBOX_PANIC
                                                            ? panic_report_word(request >> 8)
                                                            : RDU_MBOX_UNKNOWN);
    }
    watchdog_kick();
    cpu_wait();
  }
}

_Noreturn void panic(const char* why) {
  const uint64_t here = (uint64_t)__builtin_return_address(0);
  cpu_take_interrupts(0); /* as the hart does for a trap */
  struct rdu_log_panic* const report = panic_report_begin(RDU_PANIC_ASSERT, why);
  report->registers[0] = here;
  walk(report, (uint64_t)__builtin_frame_address(0));
  panic_report_seal();
  uart_puts("panic: ");
  uart_puts(why);
  uart_puts("\n");
  put_calls(report);
  boot_failed(RDU_BOOT_PANIC);
  serve();
}

static void put_registers(const struct rdu_log_panic* report) {
  static const char* const names[32] = {"pc ", "ra ", "sp ", "gp ", "tp ", "t0 ", "t1 ", "t2 ",
                                        "s0 ", "s1 ", "a0 ", "a1 ", "a2 ", "a3 ", "a4 ", "a5 ",
                                        "a6 ", "a7 ", "s2 ", "s3 ", "s4 ", "s5 ", "s6 ", "s7 ",
                                        "s8 ", "s9 ", "s10", "s11", "t3 ", "t4 ", "t5 ", "t6 "};
  put_register("panic: trap, mcause", report->cause);
  put_register(" mtval", report->value);
  for (int n = 0; n < 32; ++n) {
    uart_puts(n % 4 ? "  " : "\npanic:   ");
    put_register(names[n], report->registers[n]);
  }
  uart_puts("\n");
}

_Noreturn void panic_trap(const uint64_t* registers, uint64_t cause, uint64_t value) {
  /* The one interrupt that is taken is the watchdog's warning (hal/cpu.h). */
  const bool hangs = cause & INTERRUPT;
  struct rdu_log_panic* const report =
      panic_report_begin(hangs ? RDU_PANIC_WATCHDOG : RDU_PANIC_TRAP,
                         hangs ? "the firmware hangs: the watchdog expires soon" : "unexpected trap");
  report->cause = cause;
  report->value = value;
  memcpy(report->registers, registers, sizeof report->registers);
  walk(report, registers[8]);
  panic_report_seal();
  if (hangs) uart_puts("panic: the firmware hangs\n");
  put_registers(report);
  put_calls(report);
  boot_failed(RDU_BOOT_PANIC);
  if (!hangs) serve();
  for (;;) { /* working, so that the watchdog goes on and restarts the core */
  }
}
#endif
