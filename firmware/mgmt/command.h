#ifndef RDU_FW_COMMAND_H
#define RDU_FW_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/engine.h"
#include "mgmt/queue.h"

/* Runs the commands of all queues. Commands of one queue run one after another; different queues proceed
 * independently until they want the same engine, which serves them in the order in which they asked. */

/* Hardware engines that commands run on. */
enum {
  ENGINE_COPY1, /* channels 1..3 of the copy engine: whichever is free */
  ENGINE_COPY2,
  ENGINE_COPY3,
  ENGINE_SEQUENCER0, /* + tile */
  ENGINE_COUNT = ENGINE_SEQUENCER0 + 4,
};

void command_init(void);
/* Begins, hands on and completes what it can; false when there was nothing to do. */
bool command_service(void);
void command_finished(uint32_t engine, const struct engine_result* result);

/* For the admin queue's command: starts to write zeroes to HBM or DDR, on a copy channel; false: none is
 * free, and the caller, who has its place among those that wait, tries again. Its end calls admin_cleared. */
bool command_clear(uint64_t address, uint64_t bytes);

/* The queue's command, if it runs on an engine or waits for an event, ends with RDU_STATUS_ABORTED. */
void command_abort(struct queue* queue);
/* Ends everything that runs, on the firmware's own channel too. */
void command_abort_all(void);
bool command_idle(void);

#endif
