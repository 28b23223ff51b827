#ifndef RDU_FW_TRAINING_H
#define RDU_FW_TRAINING_H

#include <stdint.h>

#define TRAINING_TIMEOUT_NS 500000000ull /* ours; the host waits longer (HOSTIF.CAP.TIMEOUT) */

/* Trains HBM and DDR, both at once, and sleeps until both have ended. Returns RDU_BOOT_OK or the error of the
 * one that failed or did not end in time. Memory of size zero (a chip without) is left out; so is what is
 * trained already. */
uint32_t training_run(void);
void training_interrupt(uint64_t control);

#endif
