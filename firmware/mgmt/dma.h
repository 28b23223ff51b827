#ifndef RDU_FW_DMA_H
#define RDU_FW_DMA_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/engine.h"

/* The firmware's own transfers between RAM and host memory: jobs, one after another, on channel 0 of the copy
 * engine. A job belongs to its user; nothing is allocated. */

struct dma_job {
  uint64_t dst, src, bytes; /* device physical addresses */
  uint32_t tag;
  void (*done)(struct dma_job* job, const struct engine_result* result); /* may submit again */
  void* user;
  bool busy; /* from dma_submit until just before `done` */
  struct dma_job* next;
};

/* Device physical address of a bus address, and of something in RAM. */
uint64_t dma_host(uint64_t bus_address);
uint64_t dma_ram(const void* p);
/* Is [bus_address, bus_address + bytes) host memory that can be addressed? */
bool dma_addressable(uint64_t bus_address, uint64_t bytes);

void dma_init(void);
void dma_submit(struct dma_job* job);
/* Ends all jobs with RDU_STATUS_ABORTED: the waiting ones at once, the running one when the channel has
 * stopped. */
void dma_abort(void);
bool dma_idle(void);
void dma_finished(const struct engine_result* result);

#endif
