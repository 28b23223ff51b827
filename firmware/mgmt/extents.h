#ifndef RDU_FW_EXTENTS_H
#define RDU_FW_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

/* First-fit allocation of a memory by a short sorted list of what is taken. What is free is the gaps between,
 * so neighbouring free pieces are one piece at once. */

#define EXTENTS_MAX 8u
#define EXTENTS_GRANULE 4096u /* pieces begin at multiples of it and are rounded up to it */

struct extents {
  uint64_t bytes; /* of the whole memory */
  uint32_t count;
  struct {
    uint64_t base, bytes;
  } taken[EXTENTS_MAX];
};

void extents_init(struct extents* extents, uint64_t bytes);
/* The lowest place with so many bytes (not 0); false when there is none, or EXTENTS_MAX pieces are taken. */
bool extents_take(struct extents* extents, uint64_t bytes, uint64_t* base);
/* Gives back what began at `base`; false when nothing does. */
bool extents_give(struct extents* extents, uint64_t base);
/* What a piece of so many bytes takes. */
uint64_t extents_rounded(uint64_t bytes);
uint64_t extents_free_bytes(const struct extents* extents);

#endif
