#include "mgmt/log_page.h"

#include <string.h>

#include "fabric/program.h"
#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/copy_engine.h"
#include "mgmt/log.h"
#include "mgmt/update.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/memctl.h"
#include "regs/sequencer.h"

_Static_assert(LOG_PAGE_CHUNK % sizeof(struct rdu_log_activity) == 0, "entries are not read twice");

#define CELL_UNITS 3u /* PCU, PMU and switch of one place of the mesh */

static uint32_t unit_count(void) {
  return chip.rows * chip.columns * CELL_UNITS + chip.agcus;
}

/* The order of the page: cells by row and column, then AGCUs by row, west before east. */
static uint32_t unit_id(uint32_t n) {
  static const uint32_t kinds[CELL_UNITS] = {RDU_UNIT_PCU, RDU_UNIT_PMU, RDU_UNIT_SWITCH};
  const uint32_t cell = n / CELL_UNITS;
  if (cell < chip.rows * chip.columns)
    return RDU_UNIT(kinds[n % CELL_UNITS], cell / chip.columns, cell % chip.columns);
  const uint32_t agcu = n - chip.rows * chip.columns * CELL_UNITS;
  return RDU_UNIT(RDU_UNIT_AGCU, agcu / 2, agcu % 2);
}

static uint64_t perf(uint32_t offset) {
  return mmio_read64(RDU_BASE_SEQUENCER0 + offset);
}

static void read_activity(uint32_t n, struct rdu_log_activity* entry) {
  memset(entry, 0, sizeof *entry);
  entry->unit = unit_id(n);
  mmio_write32(RDU_BASE_SEQUENCER0 + RDU_SEQUENCER_PERF_SELECT, entry->unit);
  entry->busy = perf(RDU_SEQUENCER_PERF_BUSY);
  entry->stall_in = perf(RDU_SEQUENCER_PERF_STALL_IN);
  entry->stall_out = perf(RDU_SEQUENCER_PERF_STALL_OUT);
  entry->vectors = perf(RDU_SEQUENCER_PERF_VECTORS);
  entry->bytes = perf(RDU_SEQUENCER_PERF_BYTES);
}

static void read_memory(struct rdu_log_memory* page) {
  page->hbm_read = mmio_read64(chip.hbm.control + RDU_MEMCTL_BYTES_READ);
  page->hbm_written = mmio_read64(chip.hbm.control + RDU_MEMCTL_BYTES_WRITTEN);
  page->ddr_read = mmio_read64(chip.ddr.control + RDU_MEMCTL_BYTES_READ);
  page->ddr_written = mmio_read64(chip.ddr.control + RDU_MEMCTL_BYTES_WRITTEN);
  page->host_read = copy_engine_host_read();
  page->host_written = copy_engine_host_written();
}

bool log_page_open(uint64_t page, uint64_t* bytes) {
  switch (page) {
    case RDU_LOG_TEXT:
      *bytes = log_text_open();
      return true;
    case RDU_LOG_MEMORY:
      *bytes = sizeof(struct rdu_log_memory);
      return true;
    case RDU_LOG_ACTIVITY:
      *bytes = (uint64_t)unit_count() * sizeof(struct rdu_log_activity);
      return true;
    case RDU_LOG_FIRMWARE:
      *bytes = sizeof(struct rdu_log_firmware);
      return true;
    default:
      return false;
  }
}

void log_page_read(uint32_t page, uint64_t offset, uint8_t* to, uint32_t length) {
  if (page == RDU_LOG_TEXT) {
    log_text_read((uint32_t)offset, (char*)to, length);
  } else if (page == RDU_LOG_MEMORY) {
    struct rdu_log_memory memory;
    read_memory(&memory);
    memcpy(to, (const uint8_t*)&memory + offset, length);
  } else if (page == RDU_LOG_FIRMWARE) {
    struct rdu_log_firmware firmware;
    update_read(&firmware);
    memcpy(to, (const uint8_t*)&firmware + offset, length);
  } else {
    while (length > 0) {
      struct rdu_log_activity entry;
      const uint32_t skip = (uint32_t)(offset % sizeof entry);
      const uint32_t part = sizeof entry - skip < length ? (uint32_t)sizeof entry - skip : length;
      read_activity((uint32_t)(offset / sizeof entry), &entry);
      memcpy(to, (const uint8_t*)&entry + skip, part);
      to += part;
      offset += part;
      length -= part;
    }
  }
}
