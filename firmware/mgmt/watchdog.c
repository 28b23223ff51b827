#include "mgmt/watchdog.h"

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/plic.h"
#include "mgmt/log.h"
#include "regs/address_map.h"
#include "regs/watchdog_hal.h"

/* While work is done the threshold holds back everything but the warning, so that nothing else interrupts.
 * Around WFI it is open, so that everything wakes, and mstatus.MIE is 0, so that nothing is taken. */
static void guard(void) {
  plic_set_threshold(WATCHDOG_PRIORITY - 1);
  cpu_take_interrupts(1);
}

void watchdog_start(void) {
  rdu_watchdog_TIMEOUT_write(RDU_BASE_WATCHDOG, WATCHDOG_TIMEOUT_US);
  rdu_watchdog_WAIT_TIMEOUT_write(RDU_BASE_WATCHDOG, WATCHDOG_WAIT_US);
  rdu_watchdog_PRETIMEOUT_write(RDU_BASE_WATCHDOG, WATCHDOG_PRETIMEOUT_US);
  rdu_watchdog_CTRL_write(RDU_BASE_WATCHDOG, RDU_WATCHDOG_CTRL_ENABLE_MASK |
                                                 RDU_WATCHDOG_CTRL_PRETIMEOUT_IRQ_MASK |
                                                 RDU_WATCHDOG_CTRL_LOCK_MASK);
  watchdog_kick(); /* the boot ROM may have started it, with another time-out */
  plic_set_priority(RDU_IRQ_WATCHDOG, WATCHDOG_PRIORITY);
  guard();
}

void watchdog_kick(void) {
  rdu_watchdog_KICK_write(RDU_BASE_WATCHDOG, RDU_WATCHDOG_KICK_VALUE_KEY);
}

static void wait_for_interrupt(uint32_t kick) {
  cpu_take_interrupts(0);
  plic_set_threshold(0);
  rdu_watchdog_KICK_write(RDU_BASE_WATCHDOG, kick);
  cpu_wait();
}

void watchdog_sleep(void) {
  wait_for_interrupt(RDU_WATCHDOG_KICK_VALUE_KEY);
  guard();
}

void watchdog_wait(void) {
  wait_for_interrupt(RDU_WATCHDOG_KICK_VALUE_WAIT);
  guard(); /* if it was the warning that woke the core, it is taken here */
  watchdog_kick();
}

/* The timer wakes, and must not be pending when interrupts are taken again. */
void watchdog_sleep_until(uint64_t ns) {
  cpu_take_interrupts(0);
  clint_set_timer_ns(ns);
  cpu_wake_on(MIE_EXTERNAL | MIE_TIMER);
  wait_for_interrupt(RDU_WATCHDOG_KICK_VALUE_KEY);
  cpu_wake_on(MIE_EXTERNAL);
  clint_set_timer_ns(UINT64_MAX);
  guard();
}

void watchdog_interrupt(void) {
  rdu_watchdog_STATUS_PRETIMEOUT_clear(RDU_BASE_WATCHDOG);
  log_warning("%u us of work without a pause", WATCHDOG_TIMEOUT_US - WATCHDOG_PRETIMEOUT_US);
}
