#ifndef RDU_FW_EVENT_H
#define RDU_FW_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/queue.h"

/* What happens to the device by itself and concerns the host: kept here, and forwarded to the host as
 * completions of its RDU_CMD_EVENT commands. */

void event_init(void);
/* Both as struct rdu_log_event describes. May be called at any time. */
void event_report(uint32_t type, uint32_t code, uint32_t severity, uint32_t source, uint64_t value);

/* A new queue: it gets what no queue has got, and what happens from now on. */
void event_open(const struct queue* queue);
/* The queue's running command waits for an event; it completes at once when one is there. */
void event_wait(struct queue* queue);
/* Ends the queue's wait, if it waits, with RDU_STATUS_ABORTED. */
void event_abort(struct queue* queue);

void event_abort_all(void);

/* Reported since the start, and dropped before a host took them. */
uint64_t event_count(void);
uint64_t event_lost(void);
/* The latest events, oldest first: entry n of event_kept(). */
uint32_t event_kept(void);
void event_read(uint32_t n, struct rdu_log_event* event);

#endif
