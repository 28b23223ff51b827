#ifndef RDU_FW_LINK_H
#define RDU_FW_LINK_H

#include <stdint.h>

#include "rdu_abi.h"

/* Links to other sockets. A link that does not come up is reported, and the boot goes on: the socket works
 * alone. */

#define LINK_ATTEMPTS 3u
#define LINK_TIMEOUT_NS 10000000ull /* of an attempt; ours */

/* Trains all links, side by side, and sleeps until each is up, has no partner, or has failed for good. */
void link_train(void);
/* A link went down. */
void link_interrupt(void);

uint32_t link_count(void);
void link_read(uint32_t n, struct rdu_log_link* entry);

#endif
