#ifndef RDU_FW_WATCHDOG_H
#define RDU_FW_WATCHDOG_H

/* The watchdog's care. It counts while the core executes, so the firmware owes it a kick for each stretch of
 * work, and nothing while it sleeps for want of work: an idle chip needs no timer that wakes it. Where the
 * firmware waits for something that has to come it says so, and the watchdog counts in WFI too. Commands of
 * the host may take as long as they like; the host's time-outs are there for engines that never end.
 *
 * The watchdog warns before it expires. Its warning is the one interrupt that is ever taken (hal/cpu.h), at
 * any time but around WFI: it traps out of whatever hangs, and the panic handler reports where. The expiry
 * then restarts the core. */

#include <stdint.h>

#define WATCHDOG_TIMEOUT_US 20000u   /* of work without a pause; usual are less than 1,000; ours */
#define WATCHDOG_WAIT_US 500000u     /* for what has to come; the flash's longest takes 45,000; ours */
#define WATCHDOG_PRETIMEOUT_US 5000u /* for the report; ours */
#define WATCHDOG_PRIORITY 2u         /* in the interrupt controller; all others have 1 */

/* From here on it runs, and cannot be switched off but by a restart. Interrupts are set up. */
void watchdog_start(void);
void watchdog_kick(void);
/* WFI, with a kick before it. Everything else in mgmt/ that waits, waits by one of these. For want of work:
 */
void watchdog_sleep(void);
/* For what has to come within WATCHDOG_WAIT_US: */
void watchdog_wait(void);
/* The same; wakes at that time at the latest. */
void watchdog_sleep_until(uint64_t ns);
/* The warning came around WFI, and the firmware has got here nevertheless. */
void watchdog_interrupt(void);

#endif
