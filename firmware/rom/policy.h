#ifndef RDU_FW_ROM_POLICY_H
#define RDU_FW_ROM_POLICY_H

#include "rom/image.h"

#define ROM_STACK_BYTES 4096u /* at the top of RAM; an image may not be loaded there */

/* What this chip demands of firmware: its fuses, its RAM, and its cryptography block to check with. */
void policy_read(struct image_policy* policy);

#endif
