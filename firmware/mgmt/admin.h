#ifndef RDU_FW_ADMIN_H
#define RDU_FW_ADMIN_H

#include <stdbool.h>

#include "mgmt/queue.h"

/* Commands of the admin queue, one at a time. */

void admin_init(void);
/* Begins the admin queue's next command. It completes at once, or after its transfers to host memory, or
 * (DELETE_QUEUE) when the queue's running command has ended, or (CREATE_CONTEXT) when memory is cleared. */
void admin_begin(struct queue* queue, const struct rdu_sqe* sqe);
/* The clearing of a new context's memory (mgmt/command.h) has ended. */
void admin_cleared(const struct engine_result* result);
/* A command that waits for a copy channel ends with RDU_STATUS_ABORTED. */
void admin_abort(void);
/* For the services that serve a command: it has ended. */
void admin_finish(uint32_t status, uint64_t value);
/* Goes on with a command that waits for something else than a transfer; false when there is nothing to do. */
bool admin_service(void);

#endif
