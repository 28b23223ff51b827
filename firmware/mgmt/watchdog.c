#include "mgmt/watchdog.h"

#include "hal/cpu.h"
#include "hal/plic.h"
#include "mgmt/log.h"
#include "regs/address_map.h"
#include "regs/watchdog_hal.h"

void watchdog_start(void) {
  rdu_watchdog_TIMEOUT_write(RDU_BASE_WATCHDOG, WATCHDOG_TIMEOUT_US);
  rdu_watchdog_PRETIMEOUT_write(RDU_BASE_WATCHDOG, WATCHDOG_PRETIMEOUT_US);
  rdu_watchdog_CTRL_write(RDU_BASE_WATCHDOG, RDU_WATCHDOG_CTRL_ENABLE_MASK |
                                                 RDU_WATCHDOG_CTRL_PRETIMEOUT_IRQ_MASK |
                                                 RDU_WATCHDOG_CTRL_LOCK_MASK);
  plic_set_priority(RDU_IRQ_WATCHDOG, WATCHDOG_PRIORITY);
}

void watchdog_kick(void) {
  rdu_watchdog_KICK_write(RDU_BASE_WATCHDOG, RDU_WATCHDOG_KICK_VALUE_KEY);
}

/* The threshold holds back everything else, so that nothing but the warning interrupts. */
void watchdog_guard(bool on) {
  if (on) {
    plic_set_threshold(WATCHDOG_PRIORITY - 1);
    cpu_take_interrupts(1);
  } else {
    cpu_take_interrupts(0);
    plic_set_threshold(0);
  }
}

void watchdog_interrupt(void) {
  rdu_watchdog_STATUS_PRETIMEOUT_clear(RDU_BASE_WATCHDOG);
  log_warning("%u us of work without a pause", WATCHDOG_TIMEOUT_US - WATCHDOG_PRETIMEOUT_US);
}
