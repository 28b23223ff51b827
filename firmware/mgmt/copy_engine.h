#ifndef RDU_FW_COPY_ENGINE_H
#define RDU_FW_COPY_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/engine.h"

/* The copy engine's channels. Channel 0 is the firmware's own (mgmt/dma.h), the others serve COPY commands.
 */

#define COPY_CHANNELS 4u

struct copy {
  uint64_t dst, src, bytes;
  bool zero;      /* writes zeroes to HBM or DDR; there is no source */
  bool translate; /* virtual addresses of `context`; else device physical addresses */
  uint32_t context;
  uint32_t tag;
};

/* Stops what runs and enables the interrupts: after a boot, and after a host that may have reset hardware. */
void copy_engine_init(void);
/* Starts a channel that is not busy. Its end calls dma_finished (channel 0) or command_finished. */
void copy_engine_start(uint32_t channel, const struct copy* copy);
/* A busy channel ends early, with RDU_STATUS_ABORTED. */
void copy_engine_abort(uint32_t channel);
void copy_engine_interrupt(void);
/* Is it busy? If so, since when (device time). */
bool copy_engine_busy(uint32_t channel, uint64_t* since_ns);

/* Bytes that copies have read from and written to host memory since the boot. */
uint64_t copy_engine_host_read(void);
uint64_t copy_engine_host_written(void);

#endif
