#include "mgmt/command.h"

#include <stddef.h>

#include "hal/clint.h"
#include "mgmt/admin.h"
#include "mgmt/chip.h"
#include "mgmt/copy_engine.h"
#include "mgmt/dma.h"
#include "mgmt/event.h"
#include "mgmt/fault.h"
#include "mgmt/host.h"
#include "mgmt/panic.h"
#include "mgmt/sequencer.h"
#include "mgmt/telemetry.h"
#include "mgmt/usage.h"
#include "rdu_abi.h"
#include "regs/sequencer.h"

_Static_assert(CHIP_MAX_TILES == ENGINE_COUNT - ENGINE_SEQUENCER0, "an engine a tile");

/* What a command waits for: one of equal engines. */
enum wanted { WANTS_NOTHING, WANTS_COPY, WANTS_TILE /* + tile */ };

static struct queue* users[ENGINE_COUNT]; /* whose command runs there, NULL: free */
static uint32_t next_ticket;
static uint32_t waiting; /* bit n: queue n may wait for an engine */

void command_init(void) {
  for (uint32_t n = 0; n < ENGINE_COUNT; ++n) users[n] = NULL;
  waiting = 0;
  dma_init();
  queue_init();
  admin_init();
}

/* --- engines --- */

static int free_engine(uint32_t wanted) {
  const uint32_t first = wanted == WANTS_COPY ? ENGINE_COPY1 : ENGINE_SEQUENCER0 + (wanted - WANTS_TILE);
  const uint32_t last = wanted == WANTS_COPY ? ENGINE_COPY3 : first;
  for (uint32_t n = first; n <= last; ++n)
    if (!users[n]) return (int)n;
  return -1;
}

/* Did another queue ask for the same before this one? */
static bool others_first(const struct queue* queue, uint32_t wanted) {
  for (uint32_t n = 0; waiting >> n; ++n) {
    const struct queue* const other = &queues[n];
    if (!(waiting >> n & 1) || other == queue) continue;
    if (!other->exists || other->waiting_for == WANTS_NOTHING)
      waiting &= ~(1u << n); /* it was closed */
    else if (other->waiting_for == wanted &&
             (queue->waiting_for != wanted || (int32_t)(other->ticket - queue->ticket) < 0))
      return true;
  }
  return false;
}

/* An engine for the queue's next command, or -1: then it waits its turn. */
static int take_engine(struct queue* queue, uint32_t wanted) {
  const int engine = free_engine(wanted);
  if (engine >= 0 && !others_first(queue, wanted)) {
    queue->waiting_for = WANTS_NOTHING;
    waiting &= ~(1u << queue->id);
    queues_attention |= waiting; /* the next may be first now */
    users[engine] = queue;
    return engine;
  }
  if (queue->waiting_for != wanted) {
    queue->waiting_for = wanted;
    queue->ticket = next_ticket++;
    waiting |= 1u << queue->id;
  }
  return -1;
}

static void free_user(uint32_t engine) {
  users[engine] = NULL;
  queues_attention |= waiting;
}

static void abort_engine(uint32_t engine) {
  if (engine < ENGINE_SEQUENCER0)
    copy_engine_abort(engine - ENGINE_COPY1 + 1);
  else
    sequencer_abort(engine - ENGINE_SEQUENCER0);
}

void command_abort(struct queue* queue) {
  event_abort(queue);
  if (queue->id == 0) admin_abort();
  for (uint32_t n = 0; n < ENGINE_COUNT; ++n)
    if (users[n] == queue) abort_engine(n);
}

void command_abort_all(void) {
  for (uint32_t n = 0; n < ENGINE_COUNT; ++n)
    if (users[n]) abort_engine(n);
  event_abort_all();
  dma_abort();
}

bool command_idle(void) {
  for (uint32_t n = 0; n < ENGINE_COUNT; ++n)
    if (users[n]) return false;
  return dma_idle();
}

void command_finished(uint32_t engine, const struct engine_result* result) {
  struct queue* const queue = users[engine];
  if (!queue) panic("an engine ended a command that it was not given");
  free_user(engine);
  usage_engine(engine, queue->shape.context, result);
  fault_report(queue, result);
  host_trace(queue_tag(queue->id, queue->begun - 1));
  if (queue->id == 0)
    admin_cleared(result);
  else
    queue_complete(queue, result);
  host_trace(0);
}

bool command_clear(uint64_t address, uint64_t bytes) {
  const int engine = take_engine(&queues[0], WANTS_COPY);
  if (engine < 0) return false;
  const struct copy copy = {
      .dst = address, .bytes = bytes, .zero = true, .tag = queue_tag(0, queues[0].begun - 1)};
  copy_engine_start((uint32_t)engine - ENGINE_COPY1 + 1, &copy);
  return true;
}

/* --- commands of a context's queues --- */

static bool is_for_tile(const struct rdu_sqe* sqe) {
  return sqe->opcode == RDU_CMD_LOAD_PROGRAM || sqe->opcode == RDU_CMD_LAUNCH ||
         sqe->opcode == RDU_CMD_SCHEDULE;
}

static uint32_t wanted_by(const struct rdu_sqe* sqe) {
  if (sqe->opcode == RDU_CMD_COPY) return WANTS_COPY;
  return is_for_tile(sqe) ? WANTS_TILE + (uint32_t)sqe->arg[2] : WANTS_NOTHING;
}

/* What is wrong with a command, or RDU_STATUS_OK. */
static uint32_t check(const struct queue* queue, const struct rdu_sqe* sqe) {
  switch (sqe->opcode) {
    case RDU_CMD_NOP:
    case RDU_CMD_COPY:
    case RDU_CMD_LOAD_PROGRAM:
    case RDU_CMD_LAUNCH:
    case RDU_CMD_SCHEDULE:
    case RDU_CMD_EVENT:
      break;
    default:
      return RDU_STATUS_BAD_OPCODE;
  }
  if (sqe->context != queue->shape.context) return RDU_STATUS_BAD_CONTEXT;
  if (is_for_tile(sqe)) {
    if (sqe->arg[2] >= chip.tiles || sqe->arg[1] > UINT32_MAX) return RDU_STATUS_BAD_ARGUMENT;
    if (sqe->opcode != RDU_CMD_LAUNCH && sqe->arg[1] == 0) return RDU_STATUS_BAD_ARGUMENT;
  }
  return RDU_STATUS_OK;
}

static void complete_now(struct queue* queue, uint32_t status, uint64_t value) {
  const uint64_t now = clint_now_ns();
  const struct engine_result result = {.status = status, .value = value, .start_ns = now, .end_ns = now};
  queue_complete(queue, &result);
}

/* May the context's program, or its schedule, run on the tile now? A RDU_STATUS_* code, and its result. */
static uint32_t check_launch(uint32_t tile, uint32_t context, bool brings_program, uint64_t* value) {
  uint32_t sensor;
  if (!brings_program && !sequencer_holds(tile, context)) /* somebody else's program, or none */
    return RDU_STATUS_PROGRAM + RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM;
  if (telemetry_cool(&sensor)) return RDU_STATUS_OK;
  *value = sensor;
  return RDU_STATUS_TOO_HOT;
}

static void start(struct queue* queue, int engine, const struct rdu_sqe* sqe, uint32_t tag) {
  const uint32_t context = queue->shape.context;
  if (sqe->opcode == RDU_CMD_COPY) {
    const struct copy copy = {.dst = sqe->arg[0],
                              .src = sqe->arg[1],
                              .bytes = sqe->arg[2],
                              .translate = true,
                              .context = context,
                              .tag = tag};
    copy_engine_start((uint32_t)engine - ENGINE_COPY1 + 1, &copy);
    return;
  }
  const uint32_t tile = (uint32_t)engine - ENGINE_SEQUENCER0;
  if (sqe->opcode == RDU_CMD_LOAD_PROGRAM) {
    sequencer_load(tile, context, sqe->arg[0], (uint32_t)sqe->arg[1], tag);
    return;
  }
  const bool is_schedule = sqe->opcode == RDU_CMD_SCHEDULE;
  uint64_t value = 0;
  const uint32_t error = check_launch(tile, context, is_schedule, &value);
  if (error != RDU_STATUS_OK) {
    free_user((uint32_t)engine);
    complete_now(queue, error, value);
  } else if (is_schedule) {
    sequencer_schedule(tile, context, sqe->arg[0], (uint32_t)sqe->arg[1], tag);
  } else {
    sequencer_launch(tile, context, sqe->arg[0], (uint32_t)sqe->arg[1], tag);
  }
}

/* Begins the queue's next command; false when it has to wait for an engine. */
static bool begin(struct queue* queue, const struct rdu_sqe* next) {
  const struct rdu_sqe sqe = *next;
  const uint32_t tag = queue_tag(queue->id, queue->begun);
  const uint32_t error = check(queue, &sqe);
  const uint32_t wanted = wanted_by(&sqe);
  int engine = -1;
  if (error == RDU_STATUS_OK && wanted != WANTS_NOTHING && (engine = take_engine(queue, wanted)) < 0)
    return false;
  host_trace(tag);
  queue_begin(queue);
  if (engine >= 0)
    start(queue, engine, &sqe, tag);
  else if (error == RDU_STATUS_OK && sqe.opcode == RDU_CMD_EVENT)
    event_wait(queue);
  else
    complete_now(queue, error, 0);
  return true;
}

static bool serve(struct queue* queue) {
  bool worked = queue_transfer(queue);
  const struct rdu_sqe* next;
  while ((next = queue_next(queue)) != NULL) {
    if (queue->id == 0)
      admin_begin(queue, next);
    else if (!begin(queue, next))
      break;
    worked = true;
  }
  if (queue->id != 0) host_trace(0); /* once for all that have begun: each is a write to a register */
  return queue_transfer(queue) || worked;
}

bool command_service(void) {
  if (!host_serving()) return false;
  bool worked = admin_service();
  const uint32_t attention = queues_attention;
  queues_attention = 0;
  for (uint32_t n = 0; attention >> n; ++n)
    if (attention >> n & 1 && queues[n].exists) worked |= serve(&queues[n]);
  return worked || queues_attention != 0;
}
