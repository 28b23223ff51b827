#include "mgmt/extents.h"

void extents_init(struct extents* extents, uint64_t bytes) {
  extents->bytes = bytes - bytes % EXTENTS_GRANULE;
  extents->count = 0;
}

uint64_t extents_rounded(uint64_t bytes) {
  return (bytes + EXTENTS_GRANULE - 1) / EXTENTS_GRANULE * EXTENTS_GRANULE;
}

bool extents_take(struct extents* extents, uint64_t bytes, uint64_t* base) {
  if (bytes == 0 || bytes > extents->bytes || extents->count == EXTENTS_MAX) return false;
  bytes = extents_rounded(bytes);
  uint64_t start = 0; /* of the gap before taken[n] */
  for (uint32_t n = 0; n <= extents->count; ++n) {
    const uint64_t end = n < extents->count ? extents->taken[n].base : extents->bytes;
    if (end - start >= bytes) {
      for (uint32_t m = extents->count; m > n; --m) extents->taken[m] = extents->taken[m - 1];
      extents->taken[n].base = start;
      extents->taken[n].bytes = bytes;
      ++extents->count;
      *base = start;
      return true;
    }
    if (n < extents->count) start = end + extents->taken[n].bytes;
  }
  return false;
}

bool extents_give(struct extents* extents, uint64_t base) {
  for (uint32_t n = 0; n < extents->count; ++n) {
    if (extents->taken[n].base != base) continue;
    --extents->count;
    for (; n < extents->count; ++n) extents->taken[n] = extents->taken[n + 1];
    return true;
  }
  return false;
}

uint64_t extents_free_bytes(const struct extents* extents) {
  uint64_t bytes = extents->bytes;
  for (uint32_t n = 0; n < extents->count; ++n) bytes -= extents->taken[n].bytes;
  return bytes;
}
