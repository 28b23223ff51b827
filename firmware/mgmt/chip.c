#include "mgmt/chip.h"

#include "hal/mmio.h"
#include "mgmt/panic.h"
#include "regs/address_map.h"
#include "regs/memctl.h"
#include "regs/sequencer.h"
#include "regs/sysctl.h"

struct chip chip;

static uint32_t sysctl(uint32_t offset) {
  return mmio_read32(RDU_BASE_SYSCTL + offset);
}

static void memory_init(struct chip_memory* memory, const char* name, uint64_t control, uint64_t base,
                        uint64_t window) {
  memory->name = name;
  memory->control = control;
  memory->base = base;
  memory->bytes = mmio_read64(control + RDU_MEMCTL_SIZE);
  memory->bandwidth = mmio_read64(control + RDU_MEMCTL_BANDWIDTH);
  memory->channels = mmio_read32(control + RDU_MEMCTL_CHANNELS);
  if (memory->bytes > window) memory->bytes = window; /* what lies beyond has no address */
}

void chip_init(void) {
  static const char* const reasons[] = {"power on", "software", "host"};
  const uint32_t id = sysctl(RDU_SYSCTL_CHIP_ID);
  const uint32_t shape = sysctl(RDU_SYSCTL_TILE_SHAPE);
  const uint32_t reason = FIELD_GET(sysctl(RDU_SYSCTL_RESET_REASON), RDU_SYSCTL_RESET_REASON_REASON);
  chip.part = FIELD_GET(id, RDU_SYSCTL_CHIP_ID_PART);
  chip.revision = FIELD_GET(id, RDU_SYSCTL_CHIP_ID_REVISION);
  chip.socket = sysctl(RDU_SYSCTL_SOCKET_ID);
  chip.ram_bytes = sysctl(RDU_SYSCTL_RAM_SIZE);
  chip.tiles = sysctl(RDU_SYSCTL_TILES);
  if (chip.tiles < 1 || chip.tiles > CHIP_MAX_TILES)
    panic("SYSCTL.TILES is none that the address map has room for");
  chip.rows = FIELD_GET(shape, RDU_SYSCTL_TILE_SHAPE_ROWS);
  chip.columns = FIELD_GET(shape, RDU_SYSCTL_TILE_SHAPE_COLUMNS);
  chip.agcus = FIELD_GET(mmio_read32(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_UNITS), RDU_SEQUENCER_UNITS_AGCUS);
  chip.reset_reason = reason < sizeof reasons / sizeof *reasons ? reasons[reason] : "unknown";
  chip.restarted = reason != RDU_SYSCTL_RESET_REASON_REASON_POWER_ON;
  memory_init(&chip.hbm, "HBM", RDU_BASE_HBM_CTL, RDU_BASE_HBM, RDU_SIZE_HBM);
  memory_init(&chip.ddr, "DDR", RDU_BASE_DDR_CTL, RDU_BASE_DDR, RDU_SIZE_DDR);
}
