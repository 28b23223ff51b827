#ifndef RDU_FW_LOG_RING_H
#define RDU_FW_LOG_RING_H

/* The latest text that was put in, as far as it fits; a line that has been overwritten in part does not
 * count. */

#include <stdint.h>

#define LOG_RING_BYTES 16384u

struct log_ring {
  uint64_t written; /* bytes ever */
  uint64_t first;   /* start of the oldest whole line, counted as `written` is */
  char text[LOG_RING_BYTES];
};

/* Appends a line; its '\n' is the caller's. Longer than the ring: keeps its end. */
void log_ring_put(struct log_ring* ring, const char* line, uint32_t length);
/* Bytes that can be read. */
uint32_t log_ring_size(const struct log_ring* ring);
/* Copies out text from a position, counted as `written` is, that is not before `first` (else newer text comes
 * instead). */
void log_ring_read(const struct log_ring* ring, uint64_t position, char* to, uint32_t length);

#endif
