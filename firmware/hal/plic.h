#ifndef RDU_FW_HAL_PLIC_H
#define RDU_FW_HAL_PLIC_H

#include <stdint.h>

/* Lets exactly these sources (bit n: source n) interrupt machine mode of hart 0, all with the same priority.
 */
void plic_init(uint32_t sources);
/* Sources of a priority above it only interrupt; at first it is 0. Claims are not held back. */
void plic_set_threshold(uint32_t threshold);
void plic_set_priority(uint32_t source, uint32_t priority);
/* The next pending source, 0 when there is none. Every claim is followed by plic_complete. */
uint32_t plic_claim(void);
void plic_complete(uint32_t source);

#endif
