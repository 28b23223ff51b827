#include "mgmt/chip.h"

#include "hal/clint.h"
#include "mgmt/panic.h"
#include "regs/address_map.h"
#include "regs/memctl_hal.h"
#include "regs/sequencer_hal.h"
#include "regs/sysctl_hal.h"

struct chip chip;

bool chip_restarted(void) {
  return chip_reset_reason() != RDU_SYSCTL_RESET_REASON_REASON_POWER_ON;
}

uint32_t chip_reset_reason(void) {
  return rdu_sysctl_RESET_REASON_REASON_get(RDU_BASE_SYSCTL);
}

static void memory_init(struct chip_memory* memory, const char* name, uint64_t control, uint64_t base,
                        uint64_t window) {
  memory->name = name;
  memory->control = control;
  memory->base = base;
  memory->bytes = rdu_memctl_SIZE_read(control);
  memory->bandwidth = rdu_memctl_BANDWIDTH_read(control);
  memory->channels = rdu_memctl_CHANNELS_read(control);
  if (memory->bytes > window) memory->bytes = window; /* what lies beyond has no address */
}

void chip_init(void) {
  static const char* const reasons[] = {"power on", "software", "host", "watchdog"};
  const uint32_t reason = chip_reset_reason();
  chip.start_ns = clint_now_ns();
  chip.part = rdu_sysctl_CHIP_ID_PART_get(RDU_BASE_SYSCTL);
  chip.revision = rdu_sysctl_CHIP_ID_REVISION_get(RDU_BASE_SYSCTL);
  chip.socket = rdu_sysctl_SOCKET_ID_read(RDU_BASE_SYSCTL);
  chip.ram_bytes = rdu_sysctl_RAM_SIZE_read(RDU_BASE_SYSCTL);
  chip.tiles = rdu_sysctl_TILES_read(RDU_BASE_SYSCTL);
  if (chip.tiles < 1 || chip.tiles > CHIP_MAX_TILES)
    panic("SYSCTL.TILES is none that the address map has room for");
  chip.rows = rdu_sysctl_TILE_SHAPE_ROWS_get(RDU_BASE_SYSCTL);
  chip.columns = rdu_sysctl_TILE_SHAPE_COLUMNS_get(RDU_BASE_SYSCTL);
  chip.agcus = rdu_sequencer_UNITS_AGCUS_get(RDU_BASE_SEQUENCER0);
  chip.reset_reason = reason < sizeof reasons / sizeof *reasons ? reasons[reason] : "unknown";
  memory_init(&chip.hbm, "HBM", RDU_BASE_HBM_CTL, RDU_BASE_HBM, RDU_SIZE_HBM);
  memory_init(&chip.ddr, "DDR", RDU_BASE_DDR_CTL, RDU_BASE_DDR, RDU_SIZE_DDR);
}
