#include "mgmt/sequencer.h"

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/sequencer.h"

#define TILE_STRIDE (RDU_BASE_SEQUENCER1 - RDU_BASE_SEQUENCER0)
#define REGISTER(name, tile) (RDU_BASE_SEQUENCER0 + (tile)*TILE_STRIDE + RDU_SEQUENCER_##name)
#define ENDED (RDU_SEQUENCER_STATUS_DONE_MASK | RDU_SEQUENCER_STATUS_ERROR_MASK)

_Static_assert(RDU_BASE_SEQUENCER3 == RDU_BASE_SEQUENCER0 + 3 * TILE_STRIDE, "sequencers are evenly spaced");

struct tile {
  bool busy;
  enum work { LOADS, LAUNCHES, SCHEDULES } work; /* what it does, or did last */
  uint32_t context;                              /* of the command that runs */
  uint32_t owner;   /* context whose program is loaded, 0: none that may be launched */
  uint32_t data_of; /* context that may find its data in the scratchpads, 0: none may */
};

static struct tile tiles[CHIP_MAX_TILES];

static uint32_t state(uint32_t tile) {
  return FIELD_GET(mmio_read32(REGISTER(STATUS, tile)), RDU_SEQUENCER_STATUS_STATE);
}

void sequencer_init(void) {
  for (uint32_t n = 0; n < chip.tiles; ++n) {
    tiles[n] = (struct tile){0};
    mmio_write32(REGISTER(IRQ_ENABLE, n), RDU_SEQUENCER_IRQ_ENABLE_DONE_MASK);
    if (state(n) != RDU_SEQUENCER_STATUS_STATE_IDLE) {
      mmio_write32(REGISTER(CONTROL, n), RDU_SEQUENCER_CONTROL_ABORT_MASK);
      while (state(n) != RDU_SEQUENCER_STATUS_STATE_IDLE) hal_idle();
    }
    mmio_write32(REGISTER(STATUS, n), ENDED);
  }
}

static void start(uint32_t tile, uint32_t context, uint32_t tag, uint32_t what) {
  tiles[tile].busy = true;
  tiles[tile].context = context;
  mmio_write32(REGISTER(TAG, tile), tag);
  mmio_write32(REGISTER(CONTROL, tile), FIELD(RDU_SEQUENCER_CONTROL_CONTEXT, context) | what);
}

/* The tile gets another program. What must be written to CONTROL so that it finds no data of others. */
static uint32_t take_over(uint32_t tile, uint32_t context, enum work work) {
  struct tile* const t = &tiles[tile];
  const uint32_t scrub = t->data_of == context ? 0 : RDU_SEQUENCER_CONTROL_SCRUB_MASK;
  t->owner = 0;
  t->data_of = context;
  t->work = work;
  return scrub;
}

void sequencer_load(uint32_t tile, uint32_t context, uint64_t program, uint32_t bytes, uint32_t tag) {
  const uint32_t scrub = take_over(tile, context, LOADS);
  mmio_write64(REGISTER(PROGRAM_ADDRESS, tile), program);
  mmio_write32(REGISTER(PROGRAM_SIZE, tile), bytes);
  start(tile, context, tag, RDU_SEQUENCER_CONTROL_PLOAD_MASK | scrub);
}

void sequencer_launch(uint32_t tile, uint32_t context, uint64_t tuples, uint32_t count, uint32_t tag) {
  tiles[tile].work = LAUNCHES;
  mmio_write64(REGISTER(ARGUMENT_ADDRESS, tile), tuples);
  mmio_write32(REGISTER(ARGUMENT_COUNT, tile), count);
  start(tile, context, tag,
        RDU_SEQUENCER_CONTROL_EXEC_MASK | (count ? RDU_SEQUENCER_CONTROL_ALOAD_MASK : 0u));
}

void sequencer_schedule(uint32_t tile, uint32_t context, uint64_t schedule, uint32_t bytes, uint32_t tag) {
  const uint32_t scrub = take_over(tile, context, SCHEDULES);
  mmio_write64(REGISTER(SCHEDULE_ADDRESS, tile), schedule);
  mmio_write32(REGISTER(SCHEDULE_SIZE, tile), bytes);
  start(tile, context, tag, RDU_SEQUENCER_CONTROL_SCHEDULE_MASK | scrub);
}

void sequencer_abort(uint32_t tile) {
  static const struct engine_result aborted = {.status = RDU_STATUS_ABORTED};
  mmio_write32(REGISTER(CONTROL, tile),
               FIELD(RDU_SEQUENCER_CONTROL_CONTEXT, tiles[tile].context) | RDU_SEQUENCER_CONTROL_ABORT_MASK);
  const uint32_t status = mmio_read32(REGISTER(STATUS, tile));
  if (status & (RDU_SEQUENCER_STATUS_STATE_MASK | RDU_SEQUENCER_STATUS_DONE_MASK)) return; /* it will end */
  tiles[tile].busy = false; /* a reset took it away */
  tiles[tile].owner = tiles[tile].data_of = 0;
  command_finished(ENGINE_SEQUENCER0 + tile, &aborted);
}

bool sequencer_holds(uint32_t tile, uint32_t context) {
  return tiles[tile].owner == context;
}

void sequencer_forget(uint32_t context) {
  for (uint32_t n = 0; n < CHIP_MAX_TILES; ++n) {
    if (tiles[n].owner == context) tiles[n].owner = 0;
    if (tiles[n].data_of == context) tiles[n].data_of = 0;
  }
}

static void read_fault(uint32_t tile, struct engine_result* result) {
  const uint32_t code = FIELD_GET(mmio_read32(REGISTER(FAULT, tile)), RDU_SEQUENCER_FAULT_CODE);
  if (code == RDU_SEQUENCER_FAULT_CODE_ABORTED) {
    result->status = RDU_STATUS_ABORTED;
    return;
  }
  result->status = RDU_STATUS_PROGRAM + code;
  result->unit = mmio_read32(REGISTER(FAULT_UNIT, tile));
  if (code == RDU_SEQUENCER_FAULT_CODE_SEGMENT || code == RDU_SEQUENCER_FAULT_CODE_MEMORY)
    result->value = mmio_read64(REGISTER(FAULT_ADDRESS, tile));
  else if (code == RDU_SEQUENCER_FAULT_CODE_BAD_SCHEDULE)
    result->value = mmio_read32(REGISTER(SCHEDULE_INDEX, tile));
  else
    result->value = result->unit;
}

void sequencer_interrupt(uint32_t tile) {
  struct tile* const t = &tiles[tile];
  const uint32_t status = mmio_read32(REGISTER(STATUS, tile));
  struct engine_result result = {.status = RDU_STATUS_OK};
  if (!(status & RDU_SEQUENCER_STATUS_DONE_MASK)) return;
  if (status & RDU_SEQUENCER_STATUS_ERROR_MASK)
    read_fault(tile, &result);
  else
    result.value = t->work == LOADS ? mmio_read64(REGISTER(PLOAD_CYCLES, tile))
                                    : mmio_read64(REGISTER(EXEC_CYCLES, tile));
  result.start_ns = mmio_read64(REGISTER(START_TIME, tile));
  result.end_ns = mmio_read64(REGISTER(END_TIME, tile));
  mmio_write32(REGISTER(STATUS, tile), ENDED);
  if (!t->busy) return; /* left over from before a restart */
  t->busy = false;
  if (!(status & RDU_SEQUENCER_STATUS_LOADED_MASK))
    t->owner = 0;
  else if (t->work == SCHEDULES || (t->work == LOADS && result.status == RDU_STATUS_OK))
    t->owner = t->context; /* a schedule begins without a program, so it is one of its own */
  if (t->work != LAUNCHES && result.status == RDU_STATUS_ABORTED)
    t->data_of = 0; /* perhaps before they were cleared */
  command_finished(ENGINE_SEQUENCER0 + tile, &result);
}

bool sequencer_busy(uint32_t tile, uint64_t* since_ns) {
  if (tiles[tile].busy) *since_ns = mmio_read64(REGISTER(START_TIME, tile));
  return tiles[tile].busy;
}
