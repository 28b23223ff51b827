#ifndef RDU_FW_PANIC_H
#define RDU_FW_PANIC_H

#include <stdint.h>

/* The firmware is wrong or was given a broken chip: says so on the console, tells the host (CSTS.CFS,
 * BOOT_STAGE FAILED with RDU_BOOT_PANIC) and stops. */
_Noreturn void panic(const char* why);

/* From the trap entry. registers[0] is the PC, registers[n] is xn. */
_Noreturn void panic_trap(const uint64_t* registers, uint64_t cause, uint64_t value);

#endif
