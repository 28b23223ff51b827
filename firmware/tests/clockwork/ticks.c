/* Firmware that never settles, for tests of simulated time against the host's: a timer wakes it each
 * millisecond, for ever, and the host reads in FW_VERSION how often that was. */

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/uart.h"
#include "regs/address_map.h"
#include "regs/hostctl_hal.h"

#define MILLISECOND 1000000u /* ns */

_Noreturn void run(void);

_Noreturn void run(void) {
  uart_puts("ticks: each millisecond\n");
  uint64_t next = clint_now_ns();
  cpu_wake_on(MIE_TIMER);
  for (uint32_t ticks = 0;; ++ticks) {
    rdu_hostctl_FW_VERSION_write(RDU_BASE_HOSTCTL, ticks & 0xffffff);
    next += MILLISECOND;
    clint_set_timer_ns(next);
    while (clint_now_ns() < next) cpu_wait();
  }
}
