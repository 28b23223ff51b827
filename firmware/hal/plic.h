#ifndef RDU_FW_HAL_PLIC_H
#define RDU_FW_HAL_PLIC_H

#include <stdint.h>

/* Lets exactly these sources (bit n: source n) interrupt machine mode of hart 0, all with the same priority.
 */
void plic_init(uint32_t sources);
/* The next pending source, 0 when there is none. Every claim is followed by plic_complete. */
uint32_t plic_claim(void);
void plic_complete(uint32_t source);

#endif
