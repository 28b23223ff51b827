#ifndef RDU_FW_FAULT_H
#define RDU_FW_FAULT_H

#include "mgmt/engine.h"
#include "mgmt/queue.h"

/* The latest commands that failed in the hardware. */

void fault_init(void);
/* The queue's running command has ended so; what is no failure of the hardware is not kept. */
void fault_report(const struct queue* queue, const struct engine_result* result);

/* Log page: how many are kept, and the nth of them, oldest first. */
uint32_t fault_kept(void);
void fault_read(uint32_t n, struct rdu_log_fault* entry);

#endif
