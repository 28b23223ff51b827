#ifndef RDU_FW_CONTEXT_H
#define RDU_FW_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "rdu_abi.h"

/* Contexts: a piece of HBM, a piece of DDR and a window of host memory, each a segment that the hardware
 * translates and protects. Context 0 is the firmware's own and has none.
 *
 * A context is reserved, its memory is cleared (mgmt/admin.c does it), then it is opened: before that its
 * segments reach nothing. */

#define CONTEXT_PIECES 2u /* of device memory */

struct context_request {
  uint64_t hbm_bytes, ddr_bytes, host_bytes; /* 0: no such segment */
  uint64_t host_table;                       /* bus address of its page table, 0: none */
  uint64_t owner;
};

void context_init(void);
/* Returns a RDU_STATUS_* code and, with RDU_STATUS_OK, the new context's number. */
uint32_t context_reserve(const struct context_request* request, uint32_t* id);
/* The bytes of piece n < CONTEXT_PIECES, 0: there is none; *address: its device physical address. Whole
 * pages, since the next context gets whole pages. */
uint64_t context_piece(uint32_t id, uint32_t n, uint64_t* address);
void context_open(uint32_t id);
bool context_exists(uint32_t id);
void context_delete(uint32_t id);
void context_delete_all(void);

/* Log pages. */
uint32_t context_count(void);
void context_read(uint32_t n, struct rdu_log_context* entry);
/* Bytes of both memories that contexts have. */
void context_used(uint64_t* hbm_bytes, uint64_t* ddr_bytes);

#endif
