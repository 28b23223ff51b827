#ifndef RDU_FW_ROM_CONSOLE_H
#define RDU_FW_ROM_CONSOLE_H

/* What the ROM says: on the UART, in SYSCTL.BOOT_STAGE and in the registers that the host reads. */

#include <stdint.h>

void put_hex(uint64_t value, unsigned digits);
void put_decimal(uint32_t value);
/* "1.2.3" */
void put_version(uint32_t version);

void set_stage(uint32_t stage, uint32_t error);

/* HOSTCTL registers by offset. */
uint32_t host_read(uint32_t offset);
void host_write(uint32_t offset, uint32_t value);

#endif
