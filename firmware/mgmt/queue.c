#include "mgmt/queue.h"

#include <inttypes.h>
#include <stddef.h>

#include "hal/mmio.h"
#include "mgmt/host.h"
#include "mgmt/log.h"
#include "mgmt/ring.h"
#include "mgmt/usage.h"
#include "regs/address_map.h"

#define REGISTER(name, id) (RDU_BASE_HOSTCTL + RDU_HOSTCTL_QUEUE_##name(id))

struct queue queues[QUEUE_COUNT];
uint32_t queues_attention;

uint32_t queue_tag(uint32_t id, uint32_t n) {
  return (id << 16 | (n & 0xffff)) + 1;
}

static void fetch_done(struct dma_job* job, const struct engine_result* result);
static void post_done(struct dma_job* job, const struct engine_result* result);

void queue_init(void) {
  for (uint32_t id = 0; id < QUEUE_COUNT; ++id) queue_destroy(&queues[id]);
}

void queue_create(uint32_t id, const struct queue_shape* shape) {
  struct queue* const q = &queues[id];
  q->shape = *shape;
  q->sq_head = q->sq_tail = 0;
  q->staged_first = q->staged_end = 0;
  q->fetched = q->begun = q->posted = 0;
  q->cq_head = q->cq_posted = q->cq_tail = 0;
  q->collected_first = q->posting = 0;
  q->waiting_for = 0;
  q->phase = true;
  q->running = q->closing = q->sealed = q->bad_head_logged = false;
  q->exists = true;
  mmio_write32(REGISTER(SIZE, id), shape->sq_entries);
}

void queue_close(struct queue* queue) {
  queue->closing = true;
  queue->staged_first = queue->staged_end;
  queue->waiting_for = 0;
}

void queue_seal(struct queue* queue) {
  queue->sealed = true;
}

bool queue_drained(const struct queue* queue) {
  const bool all_taken = queue->closing || queue->sq_head == queue->sq_tail;
  return all_taken && queue->staged_first == queue->staged_end && queue_idle(queue);
}

bool queue_idle(const struct queue* queue) {
  return !queue->running && !queue->fetch.busy && !queue->post.busy && queue->cq_posted == queue->cq_tail;
}

void queue_destroy(struct queue* queue) {
  const uint32_t id = (uint32_t)(queue - queues);
  mmio_write32(REGISTER(SIZE, id), 0);
  queue->id = id;
  queue->exists = false;
  queue->running = false;
  queue->waiting_for = 0;
  queue->shape = (struct queue_shape){0};
  queue->fetch = (struct dma_job){.done = fetch_done, .user = queue};
  queue->post = (struct dma_job){.done = post_done, .user = queue};
}

static void take_completion_head(struct queue* q, uint32_t head) {
  const uint32_t entries = q->shape.cq_entries;
  if (head < entries &&
      ring_distance(q->cq_head, head, entries) <= ring_distance(q->cq_head, q->cq_posted, entries)) {
    q->cq_head = head;
  } else if (!q->bad_head_logged) {
    q->bad_head_logged = true;
    log_warning("queue %" PRIu32 ": completion head %" PRIu32 " is not between %" PRIu32 " and %" PRIu32
                "; ignored",
                q->id, head, q->cq_head, q->cq_posted);
  }
}

void queue_doorbell(uint32_t id) {
  struct queue* const q = &queues[id];
  if (!q->exists) return;
  const uint32_t tail = mmio_read32(REGISTER(SQ_TAIL, id));
  if (tail < q->shape.sq_entries && !q->sealed) q->sq_tail = tail; /* the hardware has refused any other */
  take_completion_head(q, mmio_read32(REGISTER(CQ_HEAD, id)));
  queue_attend(q);
}

static bool start_fetch(struct queue* q) {
  const uint32_t entries = q->shape.sq_entries;
  const uint32_t waiting = ring_distance(q->sq_head, q->sq_tail, entries);
  if (q->closing || q->fetch.busy || q->staged_first != q->staged_end || waiting == 0) return false;
  uint32_t count = ring_run(q->sq_head, waiting, entries);
  if (count > QUEUE_BATCH) count = QUEUE_BATCH;
  q->staged_first = 0;
  q->staged_end = 0;
  q->fetch.dst = dma_ram(q->staged);
  q->fetch.src = dma_host(q->shape.sq) + q->sq_head * sizeof(struct rdu_sqe);
  q->fetch.bytes = count * sizeof(struct rdu_sqe);
  q->fetch.tag = queue_tag(q->id, q->fetched);
  host_trace(q->fetch.tag);
  dma_submit(&q->fetch);
  host_trace(0);
  return true;
}

static void fetch_done(struct dma_job* job, const struct engine_result* result) {
  struct queue* const q = job->user;
  if (result->status == RDU_STATUS_ABORTED || q->closing) return;
  if (result->status != RDU_STATUS_OK) {
    host_fatal("submission", q->id, result);
    return;
  }
  const uint32_t count = (uint32_t)(job->bytes / sizeof(struct rdu_sqe));
  q->sq_head = ring_add(q->sq_head, count, q->shape.sq_entries);
  q->fetched += count;
  q->staged_end = count;
  queue_attend(q);
}

const struct rdu_sqe* queue_next(const struct queue* q) {
  const uint32_t entries = q->shape.cq_entries;
  if (q->running || q->staged_first == q->staged_end || ring_full(q->cq_head, q->cq_tail, entries))
    return NULL;
  if (ring_distance(q->cq_posted, q->cq_tail, entries) == QUEUE_BATCH) return NULL;
  return &q->staged[q->staged_first];
}

void queue_begin(struct queue* q) {
  q->command_id = q->staged[q->staged_first].command_id;
  q->running = true;
  ++q->staged_first;
  ++q->begun;
}

void queue_complete(struct queue* q, const struct engine_result* result) {
  const uint32_t entries = q->shape.cq_entries;
  const uint32_t collected = ring_distance(q->cq_posted, q->cq_tail, entries);
  q->collected[ring_add(q->collected_first, collected, QUEUE_BATCH)] = (struct rdu_cqe){
      .result = result->value,
      .start_ns = result->start_ns,
      .end_ns = result->end_ns,
      .command_id = q->command_id,
      .sq_head = (uint16_t)q->sq_head,
      .status = (uint16_t)result->status,
      .phase = q->phase,
  };
  q->cq_tail = ring_add(q->cq_tail, 1, entries);
  if (q->cq_tail == 0) q->phase = !q->phase;
  q->running = false;
  usage_command(q->shape.context);
  queue_attend(q);
}

static bool start_post(struct queue* q) {
  const uint32_t entries = q->shape.cq_entries;
  uint32_t count = ring_distance(q->cq_posted, q->cq_tail, entries);
  if (q->post.busy || count == 0) return false;
  count = ring_run(q->cq_posted, count, entries);
  count = ring_run(q->collected_first, count, QUEUE_BATCH);
  q->posting = count;
  q->post.dst = dma_host(q->shape.cq) + q->cq_posted * sizeof(struct rdu_cqe);
  q->post.src = dma_ram(&q->collected[q->collected_first]);
  q->post.bytes = count * sizeof(struct rdu_cqe);
  q->post.tag = queue_tag(q->id, q->posted);
  host_trace(q->post.tag);
  dma_submit(&q->post);
  host_trace(0);
  return true;
}

static void post_done(struct dma_job* job, const struct engine_result* result) {
  struct queue* const q = job->user;
  if (result->status == RDU_STATUS_ABORTED) return;
  if (result->status != RDU_STATUS_OK) {
    host_fatal("completion", q->id, result);
    return;
  }
  host_trace(job->tag);
  q->cq_posted = ring_add(q->cq_posted, q->posting, q->shape.cq_entries);
  q->collected_first = ring_add(q->collected_first, q->posting, QUEUE_BATCH);
  q->posted += q->posting;
  queue_attend(q);
  mmio_write32(RDU_BASE_HOSTCTL + RDU_HOSTCTL_MSIX_TRIGGER,
               FIELD(RDU_HOSTCTL_MSIX_TRIGGER_VECTOR, q->shape.vector));
  host_trace(0);
}

bool queue_transfer(struct queue* q) {
  const bool fetching = start_fetch(q);
  const bool posting = start_post(q);
  return fetching || posting;
}
