#ifndef RDU_FW_RESTART_H
#define RDU_FW_RESTART_H

#include <stdbool.h>
#include <stdint.h>

/* A restart of the core that the host has asked for: what runs is aborted, then the boot ROM starts again. */

/* Finds out what the last start was. */
void restart_init(void);
void restart_request(uint32_t code);
/* Restarts when nothing runs any more; false while there is none to do. */
bool restart_service(void);

/* The code of the request that led to this start, 0 when something else did. */
uint32_t restart_code(void);

#endif
