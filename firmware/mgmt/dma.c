#include "mgmt/dma.h"

#include <stddef.h>

#include "mgmt/copy_engine.h"
#include "mgmt/watchdog.h"
#include "rdu_abi.h"
#include "regs/address_map.h"

static struct dma_job *first, *last; /* first: on the channel */

uint64_t dma_host(uint64_t bus_address) {
  return RDU_BASE_HOST + bus_address;
}
uint64_t dma_ram(const void* p) {
  return (uint64_t)(uintptr_t)p;
}

bool dma_addressable(uint64_t bus_address, uint64_t bytes) {
  return bytes <= RDU_SIZE_HOST && bus_address <= RDU_SIZE_HOST - bytes;
}

void dma_init(void) {
  first = NULL;
  last = NULL;
}

static void start(const struct dma_job* job) {
  const struct copy copy = {.dst = job->dst, .src = job->src, .bytes = job->bytes, .tag = job->tag};
  copy_engine_start(0, &copy);
}

/* Entries move, so the firmware gets on: hosts may keep it busy without a pause for as long as they like. */
void dma_submit(struct dma_job* job) {
  watchdog_kick();
  job->busy = true;
  job->next = NULL;
  if (first) {
    last->next = job;
  } else {
    first = job;
    start(job);
  }
  last = job;
}

static void end(struct dma_job* job, const struct engine_result* result) {
  job->busy = false;
  job->done(job, result);
}

void dma_abort(void) {
  static const struct engine_result aborted = {.status = RDU_STATUS_ABORTED};
  if (!first) return;
  struct dma_job* waiting = first->next;
  first->next = NULL;
  last = first;
  while (waiting) {
    struct dma_job* const job = waiting;
    waiting = job->next;
    end(job, &aborted);
  }
  copy_engine_abort(0);
}

bool dma_idle(void) {
  return !first;
}

void dma_finished(const struct engine_result* result) {
  struct dma_job* const job = first;
  first = job->next;
  if (first)
    start(first);
  else
    last = NULL;
  end(job, result);
}
