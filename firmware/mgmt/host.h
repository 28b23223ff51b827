#ifndef RDU_FW_HOST_H
#define RDU_FW_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/engine.h"

/* The host interface as a whole: status, enabling and disabling, resets of the host, the mailbox. */

void host_init(void);
/* The firmware is ready: says so and takes requests. */
void host_start(void);
/* The firmware gives up (boot error, panic): CSTS.CFS. */
void host_dead(void);

void host_interrupt(void);
/* Follows CC.EN and resets of the host; false when there was nothing to do. */
bool host_service(void);

/* Are the queues served? */
bool host_serving(void);
/* No more of them, until the core restarts. */
void host_quiesce(void);
/* A queue of the host can no longer be served, since its entries could not be read or written: CSTS.CFS,
 * until the host disables or resets the device. */
void host_fatal(const char* what, uint32_t queue, const struct engine_result* result);

/* The command that the firmware now works for, 0: none. Appears in the trace of the platform. */
void host_trace(uint32_t tag);

#endif
