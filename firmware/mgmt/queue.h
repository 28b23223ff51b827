#ifndef RDU_FW_QUEUE_H
#define RDU_FW_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/dma.h"
#include "mgmt/engine.h"
#include "rdu_abi.h"
#include "regs/hostctl.h"

/* Queue pairs: fetches submissions from host memory in batches, hands them out one by one, collects
 * completions and writes them to the host in batches, each followed by one interrupt. What the commands do is
 * no matter of this file. */

#define QUEUE_COUNT RDU_HOSTCTL_QUEUE_ENTRIES
#define QUEUE_BATCH 32u /* most entries moved at once */

struct queue_shape {
  uint64_t sq, cq; /* bus addresses */
  uint32_t sq_entries, cq_entries;
  uint32_t vector;
  uint32_t context;
};

struct queue {
  uint32_t id;
  bool exists, closing, sealed;
  struct queue_shape shape;

  /* submissions: [sq_head, sq_tail) are the host's and not yet fetched */
  uint32_t sq_head, sq_tail;
  uint32_t fetched;                  /* running number of the next to fetch */
  uint32_t staged_first, staged_end; /* fetched and not begun, in `staged` */
  struct rdu_sqe staged[QUEUE_BATCH];
  struct dma_job fetch;

  /* the command that runs */
  bool running;
  uint16_t command_id;
  uint32_t begun; /* running number of the next to begin */

  /* waiting for an engine (mgmt/command.c) */
  uint32_t waiting_for, ticket;

  /* completions: [cq_head, cq_posted) are in host memory and not yet consumed, [cq_posted, cq_tail) are to be
   * written */
  uint32_t cq_head, cq_posted, cq_tail;
  uint32_t posted;          /* running number of the next to be written */
  uint32_t collected_first; /* where in `collected` the oldest of them lies */
  uint32_t posting;         /* how many the transfer under way takes */
  bool phase;
  bool bad_head_logged;
  struct rdu_cqe collected[QUEUE_BATCH];
  struct dma_job post;
};

extern struct queue queues[QUEUE_COUNT];

/* Bit n: something has happened to queue n since it was last served. */
extern uint32_t queues_attention;

static inline void queue_attend(const struct queue* queue) {
  queues_attention |= 1u << queue->id;
}

/* The tag under which the trace knows submission number n of a queue. */
uint32_t queue_tag(uint32_t id, uint32_t n);

void queue_init(void);
void queue_create(uint32_t id, const struct queue_shape* shape);
/* No more fetches; what was fetched and not begun is dropped. */
void queue_close(struct queue* queue);
/* Submissions that the host rings from here on are not taken; those before are. */
void queue_seal(struct queue* queue);
/* Every submission that is to be taken has been completed, and the completions are the host's. */
bool queue_drained(const struct queue* queue);
/* Nothing runs and nothing is on the way to or from the host. */
bool queue_idle(const struct queue* queue);
void queue_destroy(struct queue* queue);

/* A doorbell of the queue rang. */
void queue_doorbell(uint32_t id);
/* Starts what transfers are due; false when there was none. */
bool queue_transfer(struct queue* queue);
/* The next submission when it may begin (none runs, and its completion has room), else NULL. */
const struct rdu_sqe* queue_next(const struct queue* queue);
/* The next submission begins; whoever works on it has copied what it needs. */
void queue_begin(struct queue* queue);
/* The running command has ended. */
void queue_complete(struct queue* queue, const struct engine_result* result);

#endif
