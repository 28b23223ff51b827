#ifndef RDU_FW_ROM_SLOTS_H
#define RDU_FW_ROM_SLOTS_H

/* What the flash says about its two slots, apart from what lies in them. */

#include <stdbool.h>
#include <stdint.h>

#include "rdu_image.h"

uint32_t slot_rank(const struct rdu_slot_state* state);
bool slot_is_good(const struct rdu_slot_state* state);
uint32_t slot_attempts(const struct rdu_slot_state* state);
/* `attempts` after one more. */
uint32_t slot_next_attempt(const struct rdu_slot_state* state);

/* The slot to try first: the higher rank; if equal, the newer version (0 where there is no header); if equal,
 * slot 0. */
uint32_t slots_first(const struct rdu_slot_state states[RDU_FLASH_SLOTS],
                     const uint32_t versions[RDU_FLASH_SLOTS]);

#endif
