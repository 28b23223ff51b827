#ifndef RDU_FW_USAGE_H
#define RDU_FW_USAGE_H

#include <stdint.h>

#include "mgmt/engine.h"
#include "rdu_abi.h"

/* Who has used how much of what: of each context, and of each engine since power-on. */

void usage_init(void);
/* A new context has this number. */
void usage_forget(uint32_t context);
/* A command of the context has completed. */
void usage_command(uint32_t context);
/* An engine (mgmt/command.h) has ended a command of the context. */
void usage_engine(uint32_t engine, uint32_t context, const struct engine_result* result);

void usage_read(struct rdu_log_usage* page);
/* Fills in the numbers of use. */
void usage_read_context(uint32_t context, struct rdu_log_context* entry);

#endif
