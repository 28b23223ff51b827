#ifndef RDU_FW_BOOT_H
#define RDU_FW_BOOT_H

#include <stdint.h>

void boot_stage(uint32_t stage); /* RDU_SYSCTL_BOOT_STAGE_STAGE_* */

/* Tells the host that there is no hope: BOOT_STAGE FAILED with a RDU_BOOT_* code, CSTS.CFS. */
void boot_failed(uint32_t error);

/* From the image's first instruction to the state in which the host is served. If that cannot be, it stops
 * the core. */
void boot(void);

#endif
