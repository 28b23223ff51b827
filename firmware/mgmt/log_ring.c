#include "mgmt/log_ring.h"

#define MAGIC 0x676f4c2d55445221ull

static char at(const struct log_ring* ring, uint64_t position) {
  return ring->text[position % LOG_RING_BYTES];
}

void log_ring_init(struct log_ring* ring) {
  ring->magic = MAGIC;
  ring->written = ring->first = ring->lost = 0;
}

bool log_ring_valid(const struct log_ring* ring) {
  return ring->magic == MAGIC && ring->first <= ring->written &&
         ring->written - ring->first <= LOG_RING_BYTES &&
         (ring->written == ring->first || at(ring, ring->written - 1) == '\n');
}

static void drop_line(struct log_ring* ring) {
  while (ring->first < ring->written && at(ring, ring->first++) != '\n') {
  }
  ++ring->lost;
}

void log_ring_put(struct log_ring* ring, const char* line, uint32_t length) {
  while (log_ring_size(ring) + length > LOG_RING_BYTES && ring->first < ring->written) drop_line(ring);
  for (uint32_t n = 0; n < length; ++n) ring->text[ring->written++ % LOG_RING_BYTES] = line[n];
}

uint32_t log_ring_size(const struct log_ring* ring) {
  return (uint32_t)(ring->written - ring->first);
}

void log_ring_read(const struct log_ring* ring, uint64_t position, char* to, uint32_t length) {
  for (uint32_t n = 0; n < length; ++n) to[n] = at(ring, position + n);
}
