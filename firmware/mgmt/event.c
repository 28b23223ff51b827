#include "mgmt/event.h"

#include <string.h>

#include "hal/clint.h"

static struct rdu_log_event ring[RDU_EVENTS_KEPT]; /* event of sequence n lies at n % RDU_EVENTS_KEPT */
static uint64_t happened;                          /* sequence of the latest; the first is 1 */
static uint64_t taken;             /* sequence of the last that any queue got, or that was dropped */
static uint64_t seen[QUEUE_COUNT]; /* sequence of the last that the queue got */
static uint64_t lost;
static uint32_t waiting; /* bit n: the running command of queue n waits */

void event_init(void) {
  happened = taken = lost = 0;
  waiting = 0;
}

void event_open(const struct queue* queue) {
  seen[queue->id] = taken;
}

static void deliver(struct queue* queue) {
  uint64_t* const last = &seen[queue->id];
  if (happened - *last > RDU_EVENTS_KEPT) *last = happened - RDU_EVENTS_KEPT;
  const struct rdu_log_event* const event = &ring[++*last % RDU_EVENTS_KEPT];
  if (*last > taken) taken = *last;
  struct engine_result result = {.start_ns = event->time_ns, .end_ns = event->time_ns};
  memcpy(&result.value, event, sizeof result.value);
  waiting &= ~(1u << queue->id);
  queue_complete(queue, &result);
}

void event_report(uint32_t type, uint32_t code, uint32_t severity, uint32_t source, uint64_t value) {
  ++happened;
  if (happened - taken > RDU_EVENTS_KEPT) {
    ++taken;
    ++lost;
  }
  ring[happened % RDU_EVENTS_KEPT] = (struct rdu_log_event){.sequence = (uint32_t)happened,
                                                            .type = (uint8_t)type,
                                                            .code = (uint8_t)code,
                                                            .severity = (uint8_t)severity,
                                                            .source = (uint8_t)source,
                                                            .time_ns = clint_now_ns(),
                                                            .value = value};
  for (uint32_t n = 0; waiting >> n; ++n)
    if (waiting >> n & 1) deliver(&queues[n]);
}

void event_wait(struct queue* queue) {
  waiting |= 1u << queue->id;
  if (seen[queue->id] != happened)
    deliver(queue);
  else if (queue->sealed) /* there may never be one */
    event_abort(queue);
}

void event_abort(struct queue* queue) {
  static const struct engine_result aborted = {.status = RDU_STATUS_ABORTED};
  if (!(waiting >> queue->id & 1)) return;
  waiting &= ~(1u << queue->id);
  queue_complete(queue, &aborted);
}

void event_abort_all(void) {
  for (uint32_t n = 0; n < QUEUE_COUNT; ++n) event_abort(&queues[n]);
}

uint64_t event_count(void) {
  return happened;
}
uint64_t event_lost(void) {
  return lost;
}

uint32_t event_kept(void) {
  return happened < RDU_EVENTS_KEPT ? (uint32_t)happened : RDU_EVENTS_KEPT;
}

void event_read(uint32_t n, struct rdu_log_event* event) {
  *event = ring[(happened - event_kept() + 1 + n) % RDU_EVENTS_KEPT];
}
