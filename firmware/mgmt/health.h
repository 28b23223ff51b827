#ifndef RDU_FW_HEALTH_H
#define RDU_FW_HEALTH_H

#include "rdu_abi.h"

/* How the device is and what it has been through, for the host. */
void health_read(struct rdu_log_health* health);

#endif
