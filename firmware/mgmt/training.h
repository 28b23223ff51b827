#ifndef RDU_FW_TRAINING_H
#define RDU_FW_TRAINING_H

#include <stdint.h>

#define TRAINING_TIMEOUT_NS \
  500000000ull /* of all attempts; ours. The host waits longer (HOSTIF.CAP.TIMEOUT) */
#define TRAINING_ATTEMPTS 3u

/* Trains HBM and DDR, both at once, and sleeps until both have ended; what fails is tried again. Returns
 * RDU_BOOT_OK or the error of the one that failed for good or did not end in time. Memory of size zero (a
 * chip without) is left out; so is what is trained already. */
uint32_t training_run(void);

#endif
