#ifndef RDU_FW_LOG_RING_H
#define RDU_FW_LOG_RING_H

/* The latest text that was put in, as far as it fits; a line that has been overwritten in part does not
 * count. */

#include <stdbool.h>
#include <stdint.h>

#define LOG_RING_BYTES 16384u

struct log_ring {
  uint64_t magic;
  uint64_t written; /* bytes ever */
  uint64_t first;   /* start of the oldest whole line, counted as `written` is */
  uint64_t lost;    /* lines ever overwritten */
  char text[LOG_RING_BYTES];
};

void log_ring_init(struct log_ring* ring);
/* Is this a ring, as far as one can see, or what RAM holds at power-on? */
bool log_ring_valid(const struct log_ring* ring);
/* Appends a line, which is shorter than the ring; its '\n' is the caller's. */
void log_ring_put(struct log_ring* ring, const char* line, uint32_t length);
/* Bytes that can be read. */
uint32_t log_ring_size(const struct log_ring* ring);
/* Copies out text from a position, counted as `written` is, that is not before `first` (else newer text comes
 * instead). */
void log_ring_read(const struct log_ring* ring, uint64_t position, char* to, uint32_t length);

#endif
