#ifndef RDU_FW_RING_H
#define RDU_FW_RING_H

/* Arithmetic of indices into a ring of n entries, as submission and completion queues are. All indices are
 * below n. */

#include <stdbool.h>
#include <stdint.h>

/* index + count, for count <= n */
static inline uint32_t ring_add(uint32_t index, uint32_t count, uint32_t n) {
  index += count;
  return index >= n ? index - n : index;
}

/* Entries from `from` up to, not including, `to`. */
static inline uint32_t ring_distance(uint32_t from, uint32_t to, uint32_t n) {
  return to >= from ? to - from : to + n - from;
}

/* How many of `count` entries from `first` on lie one behind another in memory. */
static inline uint32_t ring_run(uint32_t first, uint32_t count, uint32_t n) {
  return count < n - first ? count : n - first;
}

/* A ring whose tail met its head would look empty, so one entry stays free. */
static inline bool ring_full(uint32_t head, uint32_t tail, uint32_t n) {
  return ring_distance(head, tail, n) == n - 1;
}

#endif
