#ifndef RDU_FW_HAL_FLASH_H
#define RDU_FW_HAL_FLASH_H

/* The boot flash: read in place, erased by sectors, programmed by pages. Offsets count from the flash's first
 * byte. */

#include <stdbool.h>
#include <stdint.h>

#define FLASH_PAGE 256u /* FLASH_CTL.PAGE_BYTES */

#ifdef __riscv
#include "regs/address_map.h"
static inline const uint8_t* flash_at(uint32_t offset) {
  return (const uint8_t*)(RDU_BASE_FLASH + offset);
}
#else
const uint8_t* flash_at(uint32_t offset);
#endif

uint32_t flash_bytes(void);

/* Both begin the operation, after the one before has ended; its end interrupts. A program lies within a page.
 */
void flash_erase(uint32_t offset);
void flash_program(uint32_t offset, const void* data, uint32_t bytes);
bool flash_busy(void);
/* Acknowledges the end. Gives STATUS.ERROR: 0 if all went well. */
uint32_t flash_end(void);
/* Sleeps until the end (hal_idle), then flash_end(). */
uint32_t flash_wait(void);

/* Nothing in [offset, offset + bytes) can be changed until the core restarts. n: 0 or 1. */
void flash_protect(uint32_t n, uint32_t offset, uint32_t bytes);

#endif
