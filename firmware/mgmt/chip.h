#ifndef RDU_FW_CHIP_H
#define RDU_FW_CHIP_H

#include <stdbool.h>
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
  uint64_t start_ns; /* device time at which the firmware began */
  struct chip_memory hbm, ddr;
};

extern struct chip chip;

void chip_init(void);
/* Was the core reset while the rest of the chip went on? Needs no chip_init. */
bool chip_restarted(void);
uint32_t chip_reset_reason(void); /* RDU_SYSCTL_RESET_REASON_REASON_* */

#endif
