#include "mgmt/usage.h"

#include <stdbool.h>
#include <string.h>

#include "hal/clint.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/context.h"
#include "mgmt/copy_engine.h"
#include "mgmt/persist.h"
#include "mgmt/sequencer.h"

#define MAGIC 0x55534731u

_Static_assert(RDU_USAGE_TILES == CHIP_MAX_TILES, "every tile has its place in the page");

static PERSIST struct {
  uint32_t magic;
  uint64_t busy_ns[ENGINE_COUNT]; /* since power-on, of what has ended */
} engines;

static struct { uint64_t commands, copied_bytes, tile_ns, copy_ns; } contexts[RDU_MAX_CONTEXTS];

void usage_init(void) {
  if (chip_restarted() && engines.magic == MAGIC) return;
  memset(&engines, 0, sizeof engines);
  engines.magic = MAGIC;
}

void usage_forget(uint32_t context) {
  memset(&contexts[context], 0, sizeof contexts[context]);
}

void usage_command(uint32_t context) {
  ++contexts[context].commands;
}

static bool is_tile(uint32_t engine) {
  return engine >= ENGINE_SEQUENCER0;
}

void usage_engine(uint32_t engine, uint32_t context, const struct engine_result* result) {
  const uint64_t ns = result->end_ns - result->start_ns;
  engines.busy_ns[engine] += ns;
  *(is_tile(engine) ? &contexts[context].tile_ns : &contexts[context].copy_ns) += ns;
  contexts[context].copied_bytes += result->bytes;
}

/* What runs counts up to now. */
static uint64_t busy_ns(uint32_t engine, uint64_t now) {
  uint64_t since;
  const bool busy = is_tile(engine) ? sequencer_busy(engine - ENGINE_SEQUENCER0, &since)
                                    : copy_engine_busy(engine - ENGINE_COPY1 + 1, &since);
  return engines.busy_ns[engine] + (busy && since < now ? now - since : 0);
}

void usage_read(struct rdu_log_usage* page) {
  page->time_ns = clint_now_ns();
  for (uint32_t n = 0; n < RDU_USAGE_TILES; ++n)
    page->tile_ns[n] = busy_ns(ENGINE_SEQUENCER0 + n, page->time_ns);
  for (uint32_t n = 0; n < ENGINE_SEQUENCER0; ++n)
    page->copy_ns[n] = busy_ns(ENGINE_COPY1 + n, page->time_ns);
  page->hbm_bytes = chip.hbm.bytes;
  page->ddr_bytes = chip.ddr.bytes;
  context_used(&page->hbm_used, &page->ddr_used);
}

void usage_read_context(uint32_t context, struct rdu_log_context* entry) {
  entry->commands = contexts[context].commands;
  entry->copied_bytes = contexts[context].copied_bytes;
  entry->tile_ns = contexts[context].tile_ns;
  entry->copy_ns = contexts[context].copy_ns;
}
