#ifndef RDU_FW_CHIP_H
#define RDU_FW_CHIP_H

#include <stdint.h>

/* What this chip consists of, as its registers tell at the start. */

#define CHIP_MAX_TILES 4u /* sequencers in the address map */

struct chip_memory {
  const char* name;
  uint64_t control; /* base address of the controller's registers */
  uint64_t base;    /* device physical address */
  uint64_t bytes;
  uint64_t bandwidth; /* peak, bytes a second */
  uint32_t channels;
};

struct chip {
  uint32_t part, revision, socket, ram_bytes;
  uint32_t tiles, rows, columns, agcus;
  const char* reset_reason;
  uint32_t restarted; /* the core was reset while the rest of the chip went on */
  struct chip_memory hbm, ddr;
};

extern struct chip chip;

void chip_init(void);

#endif
