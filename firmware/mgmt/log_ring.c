#include "mgmt/log_ring.h"

static char at(const struct log_ring* ring, uint64_t position) {
  return ring->text[position % LOG_RING_BYTES];
}

void log_ring_put(struct log_ring* ring, const char* line, uint32_t length) {
  for (uint32_t n = 0; n < length; ++n) ring->text[ring->written++ % LOG_RING_BYTES] = line[n];
  if (ring->written - ring->first <= LOG_RING_BYTES) return;
  ring->first = ring->written - LOG_RING_BYTES;
  do ++ring->first; /* what was before is overwritten: nobody knows whether a line began here */
  while (ring->first < ring->written && at(ring, ring->first - 1) != '\n');
}

uint32_t log_ring_size(const struct log_ring* ring) {
  return (uint32_t)(ring->written - ring->first);
}

void log_ring_read(const struct log_ring* ring, uint64_t position, char* to, uint32_t length) {
  for (uint32_t n = 0; n < length; ++n) to[n] = at(ring, position + n);
}
