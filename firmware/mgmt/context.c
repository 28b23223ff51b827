#include "mgmt/context.h"

#include <inttypes.h>

#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/dma.h"
#include "mgmt/extents.h"
#include "mgmt/log.h"
#include "mgmt/queue.h"
#include "mgmt/sequencer.h"
#include "mgmt/usage.h"
#include "regs/address_map.h"
#include "regs/hostctl.h"
#include "regs/slb.h"

#define SEGMENTS 4u /* of a context */
#define REGISTER(name, context, segment) \
  (RDU_BASE_SLB + RDU_SLB_SEGMENT_##name((context)*SEGMENTS + (segment)))

_Static_assert(RDU_MAX_CONTEXTS* SEGMENTS == RDU_SLB_SEGMENT_ENTRIES, "the table holds every context");
_Static_assert(RDU_MAX_CONTEXTS <= EXTENTS_MAX, "a piece of each memory for every context");
_Static_assert(RDU_MAX_CONTEXTS* RDU_HOST_TABLE_SPAN == RDU_SIZE_HOST_PAGED, "a part of the window each");
_Static_assert(RDU_MAX_CONTEXTS == RDU_HOSTCTL_HOST_TABLE_ENTRIES, "a page table each");

#define HOST_PAGE 4096u

struct context {
  bool exists;
  struct context_request request;
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

/* The root of its page table, 0: none; what the hardware has kept of an older one is forgotten. */
static void set_host_table(uint32_t id, uint64_t root) {
  mmio_write64(RDU_BASE_HOSTCTL + RDU_HOSTCTL_HOST_TABLE_ROOT(id),
               root | FIELD(RDU_HOSTCTL_HOST_TABLE_ROOT_VALID, root != 0));
}

void context_init(void) {
  extents_init(&hbm, chip.hbm.bytes);
  extents_init(&ddr, chip.ddr.bytes);
  for (uint32_t id = 0; id < RDU_MAX_CONTEXTS; ++id) {
    contexts[id].exists = false;
    set_host_table(id, 0);
    for (uint64_t segment = 0; segment < SEGMENTS; ++segment) clear_segment(id, segment);
  }
}

static uint32_t free_context(void) {
  for (uint32_t id = 1; id < RDU_MAX_CONTEXTS; ++id)
    if (!contexts[id].exists) return id;
  return 0;
}

static uint32_t check(const struct context_request* r) {
  if (r->host_bytes > (r->host_table ? RDU_HOST_TABLE_SPAN : RDU_SIZE_HOST)) return RDU_STATUS_BAD_ARGUMENT;
  if (r->host_table % HOST_PAGE != 0 || !dma_addressable(r->host_table, HOST_PAGE))
    return RDU_STATUS_BAD_ARGUMENT;
  return RDU_STATUS_OK;
}

uint32_t context_reserve(const struct context_request* request, uint32_t* id) {
  struct context c = {.exists = true, .request = *request};
  const uint32_t error = check(request);
  if (error != RDU_STATUS_OK) return error;
  const uint32_t new_id = free_context();
  if (new_id == 0) return RDU_STATUS_NO_RESOURCE;
  if (request->hbm_bytes && !extents_take(&hbm, request->hbm_bytes, &c.hbm)) return RDU_STATUS_NO_MEMORY;
  if (request->ddr_bytes && !extents_take(&ddr, request->ddr_bytes, &c.ddr)) {
    if (request->hbm_bytes) extents_give(&hbm, c.hbm);
    return RDU_STATUS_NO_MEMORY;
  }
  contexts[new_id] = c;
  usage_forget(new_id);
  *id = new_id;
  return RDU_STATUS_OK;
}

uint64_t context_piece(uint32_t id, uint32_t n, uint64_t* address) {
  const struct context* const c = &contexts[id];
  const uint64_t bytes = n == 0 ? c->request.hbm_bytes : c->request.ddr_bytes;
  *address = n == 0 ? RDU_BASE_HBM + c->hbm : RDU_BASE_DDR + c->ddr;
  return extents_rounded(bytes);
}

void context_open(uint32_t id) {
  const struct context* const c = &contexts[id];
  const struct context_request* const r = &c->request;
  set_host_table(id, r->host_table);
  set_segment(id, RDU_SEGMENT_HBM, RDU_BASE_HBM + c->hbm, r->hbm_bytes);
  set_segment(id, RDU_SEGMENT_DDR, RDU_BASE_DDR + c->ddr, r->ddr_bytes);
  set_segment(id, RDU_SEGMENT_HOST,
              r->host_table ? RDU_BASE_HOST_PAGED + id * RDU_HOST_TABLE_SPAN : RDU_BASE_HOST, r->host_bytes);
  log_debug("context %" PRIu32 ": %" PRIu64 " bytes of HBM, %" PRIu64 " of DDR, owner %" PRIu64, id,
            r->hbm_bytes, r->ddr_bytes, r->owner);
}

bool context_exists(uint32_t id) {
  return id < RDU_MAX_CONTEXTS && contexts[id].exists;
}

void context_delete(uint32_t id) {
  struct context* const c = &contexts[id];
  for (uint64_t segment = 0; segment < SEGMENTS; ++segment) clear_segment(id, segment);
  set_host_table(id, 0);
  if (c->request.hbm_bytes) extents_give(&hbm, c->hbm);
  if (c->request.ddr_bytes) extents_give(&ddr, c->ddr);
  c->exists = false;
  sequencer_forget(id);
}

void context_delete_all(void) {
  for (uint32_t id = 1; id < RDU_MAX_CONTEXTS; ++id)
    if (contexts[id].exists) context_delete(id);
}

/* --- log pages --- */

uint32_t context_count(void) {
  uint32_t count = 0;
  for (uint32_t id = 0; id < RDU_MAX_CONTEXTS; ++id) count += contexts[id].exists;
  return count;
}

static uint32_t queues_of(uint32_t id) {
  uint32_t count = 0;
  for (uint32_t n = 1; n < QUEUE_COUNT; ++n) count += queues[n].exists && queues[n].shape.context == id;
  return count;
}

void context_read(uint32_t n, struct rdu_log_context* entry) {
  uint32_t id = 0;
  for (uint32_t before = 0; id < RDU_MAX_CONTEXTS; ++id)
    if (contexts[id].exists && before++ == n) break;
  if (id == RDU_MAX_CONTEXTS) return;
  *entry = (struct rdu_log_context){.id = id,
                                    .queues = queues_of(id),
                                    .owner = contexts[id].request.owner,
                                    .hbm_bytes = contexts[id].request.hbm_bytes,
                                    .ddr_bytes = contexts[id].request.ddr_bytes,
                                    .hbm_base = contexts[id].hbm,
                                    .ddr_base = contexts[id].ddr};
  usage_read_context(id, entry);
}

void context_used(uint64_t* hbm_bytes, uint64_t* ddr_bytes) {
  *hbm_bytes = hbm.bytes - extents_free_bytes(&hbm);
  *ddr_bytes = ddr.bytes - extents_free_bytes(&ddr);
}
