#ifndef RDU_FW_ROM_RECOVERY_H
#define RDU_FW_ROM_RECOVERY_H

#include "rom/image.h"

/* No slot can be booted: waits until the host has pushed an image that the policy allows. The image lies in
 * RAM, above all that it will be loaded to. `reason` goes to the host with the boot stage. */
void recovery_receive(const struct image_policy* policy, uint32_t reason, struct image* image);

#endif
