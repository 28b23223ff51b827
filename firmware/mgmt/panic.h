#ifndef RDU_FW_PANIC_H
#define RDU_FW_PANIC_H

#include <stdint.h>

/* The firmware is wrong or was given a broken chip: leaves a report (mgmt/panic_report.h), prints it on the
 * console, tells the host (CSTS.CFS, BOOT_STAGE FAILED with RDU_BOOT_PANIC), and from then on answers
 * questions about the report and nothing else. */
_Noreturn void panic(const char* why);

/* From the trap entry, for exceptions, and for the watchdog's warning: then the watchdog restarts the core.
 * registers[0] is the PC, registers[n] is xn. */
_Noreturn void panic_trap(const uint64_t* registers, uint64_t cause, uint64_t value);

#endif
