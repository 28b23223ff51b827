#ifndef RDU_FW_ROM_COPY_ENGINE_H
#define RDU_FW_ROM_COPY_ENGINE_H

#include <stdint.h>

/* Stops what firmware may have left running before a restart of the core: nothing writes to RAM behind the
 * ROM's back. */
void copy_stop_all(void);

/* Host memory at a bus address to RAM: RDU_BOOT_OK, COPY or TIMEOUT. */
uint32_t copy_from_host(void* to, uint64_t bus_address, uint32_t bytes);

#endif
