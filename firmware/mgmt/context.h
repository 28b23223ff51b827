#ifndef RDU_FW_CONTEXT_H
#define RDU_FW_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Contexts: a piece of HBM, a piece of DDR and a window of host memory, each a segment that the hardware
 * translates and protects. Context 0 is the firmware's own and has none. Memory is not cleared between
 * contexts: whoever needs that clears what he leaves. */

void context_init(void);
/* Returns a RDU_STATUS_* code and, with RDU_STATUS_OK, the new context's number. Sizes may be 0: no such
 * segment. */
uint32_t context_create(uint64_t hbm_bytes, uint64_t ddr_bytes, uint64_t host_bytes, uint32_t* id);
bool context_exists(uint32_t id);
void context_delete(uint32_t id);
void context_delete_all(void);

#endif
