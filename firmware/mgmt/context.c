#include "mgmt/context.h"

#include <inttypes.h>

#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/extents.h"
#include "mgmt/log.h"
#include "mgmt/sequencer.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/slb.h"

#define SEGMENTS 4u /* of a context */
#define REGISTER(name, context, segment) \
  (RDU_BASE_SLB + RDU_SLB_SEGMENT_##name((context)*SEGMENTS + (segment)))

_Static_assert(RDU_MAX_CONTEXTS* SEGMENTS == RDU_SLB_SEGMENT_ENTRIES, "the table holds every context");
_Static_assert(RDU_MAX_CONTEXTS <= EXTENTS_MAX, "a piece of each memory for every context");

struct context {
  bool exists;
  uint64_t hbm_bytes, ddr_bytes;
  uint64_t hbm, ddr; /* where they begin in the memory */
};

static struct context contexts[RDU_MAX_CONTEXTS];
static struct extents hbm, ddr;

static void clear_segment(uint32_t context, uint64_t segment) {
  mmio_write32(REGISTER(FLAGS, context, segment), 0);
  mmio_write64(REGISTER(BASE, context, segment), 0);
  mmio_write64(REGISTER(LIMIT, context, segment), 0);
}

static void set_segment(uint32_t context, uint64_t segment, uint64_t base, uint64_t bytes) {
  if (bytes == 0) return;
  mmio_write64(REGISTER(BASE, context, segment), base);
  mmio_write64(REGISTER(LIMIT, context, segment), bytes);
  mmio_write32(REGISTER(FLAGS, context, segment), RDU_SLB_SEGMENT_FLAGS_VALID_MASK |
                                                      RDU_SLB_SEGMENT_FLAGS_READ_MASK |
                                                      RDU_SLB_SEGMENT_FLAGS_WRITE_MASK);
}

void context_init(void) {
  extents_init(&hbm, chip.hbm.bytes);
  extents_init(&ddr, chip.ddr.bytes);
  for (uint32_t id = 0; id < RDU_MAX_CONTEXTS; ++id) {
    contexts[id].exists = false;
    for (uint64_t segment = 0; segment < SEGMENTS; ++segment) clear_segment(id, segment);
  }
}

static uint32_t free_context(void) {
  for (uint32_t id = 1; id < RDU_MAX_CONTEXTS; ++id)
    if (!contexts[id].exists) return id;
  return 0;
}

uint32_t context_create(uint64_t hbm_bytes, uint64_t ddr_bytes, uint64_t host_bytes, uint32_t* id) {
  struct context c = {.exists = true, .hbm_bytes = hbm_bytes, .ddr_bytes = ddr_bytes};
  if (host_bytes > RDU_SIZE_HOST) return RDU_STATUS_BAD_ARGUMENT;
  const uint32_t new_id = free_context();
  if (new_id == 0) return RDU_STATUS_NO_RESOURCE;
  if (hbm_bytes && !extents_take(&hbm, hbm_bytes, &c.hbm)) return RDU_STATUS_NO_MEMORY;
  if (ddr_bytes && !extents_take(&ddr, ddr_bytes, &c.ddr)) {
    if (hbm_bytes) extents_give(&hbm, c.hbm);
    return RDU_STATUS_NO_MEMORY;
  }
  contexts[new_id] = c;
  set_segment(new_id, RDU_SEGMENT_HBM, RDU_BASE_HBM + c.hbm, hbm_bytes);
  set_segment(new_id, RDU_SEGMENT_DDR, RDU_BASE_DDR + c.ddr, ddr_bytes);
  set_segment(new_id, RDU_SEGMENT_HOST, RDU_BASE_HOST, host_bytes);
  log_debug("context %" PRIu32 ": %" PRIu64 " bytes of HBM, %" PRIu64 " of DDR", new_id, hbm_bytes,
            ddr_bytes);
  *id = new_id;
  return RDU_STATUS_OK;
}

bool context_exists(uint32_t id) {
  return id < RDU_MAX_CONTEXTS && contexts[id].exists;
}

void context_delete(uint32_t id) {
  struct context* const c = &contexts[id];
  for (uint64_t segment = 0; segment < SEGMENTS; ++segment) clear_segment(id, segment);
  if (c->hbm_bytes) extents_give(&hbm, c->hbm);
  if (c->ddr_bytes) extents_give(&ddr, c->ddr);
  c->exists = false;
  sequencer_forget(id);
}

void context_delete_all(void) {
  for (uint32_t id = 1; id < RDU_MAX_CONTEXTS; ++id)
    if (contexts[id].exists) context_delete(id);
}
