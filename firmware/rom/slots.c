#include "rom/slots.h"

uint32_t slot_rank(const struct rdu_slot_state* state) {
  return state->rank == UINT32_MAX ? 0 : state->rank;
}

bool slot_is_good(const struct rdu_slot_state* state) {
  return state->good == RDU_SLOT_GOOD;
}

uint32_t slot_attempts(const struct rdu_slot_state* state) {
  uint32_t count = 0;
  for (uint32_t cleared = ~state->attempts; cleared; cleared &= cleared - 1) ++count;
  return count;
}

uint32_t slot_next_attempt(const struct rdu_slot_state* state) {
  return state->attempts & (state->attempts - 1);
}

uint32_t slots_first(const struct rdu_slot_state states[RDU_FLASH_SLOTS],
                     const uint32_t versions[RDU_FLASH_SLOTS]) {
  const uint32_t ranks[2] = {slot_rank(&states[0]), slot_rank(&states[1])};
  if (ranks[0] != ranks[1]) return ranks[1] > ranks[0];
  return versions[1] > versions[0];
}
