#include "mgmt/log_page.h"

#include <string.h>

#include "fabric/program.h"
#include "mgmt/chip.h"
#include "mgmt/context.h"
#include "mgmt/copy_engine.h"
#include "mgmt/event.h"
#include "mgmt/fault.h"
#include "mgmt/health.h"
#include "mgmt/link.h"
#include "mgmt/log.h"
#include "mgmt/panic_report.h"
#include "mgmt/telemetry.h"
#include "mgmt/update.h"
#include "mgmt/usage.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/memctl_hal.h"
#include "regs/sequencer_hal.h"

/* A page is `count` entries of `bytes` each, which `read` makes one by one. The text is a page of its own
 * kind. */
struct page {
  uint32_t (*count)(void);
  uint32_t bytes;
  void (*read)(uint32_t n, void* entry);
};

#define LARGEST_ENTRY sizeof(struct rdu_log_panic)

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

static void read_activity(uint32_t n, void* to) {
  struct rdu_log_activity* const entry = to;
  entry->unit = unit_id(n);
  rdu_sequencer_PERF_SELECT_write(RDU_BASE_SEQUENCER0, entry->unit);
  entry->busy = rdu_sequencer_PERF_BUSY_read(RDU_BASE_SEQUENCER0);
  entry->stall_in = rdu_sequencer_PERF_STALL_IN_read(RDU_BASE_SEQUENCER0);
  entry->stall_out = rdu_sequencer_PERF_STALL_OUT_read(RDU_BASE_SEQUENCER0);
  entry->vectors = rdu_sequencer_PERF_VECTORS_read(RDU_BASE_SEQUENCER0);
  entry->bytes = rdu_sequencer_PERF_BYTES_read(RDU_BASE_SEQUENCER0);
}

static void read_memory(uint32_t n, void* to) {
  (void)n;
  struct rdu_log_memory* const page = to;
  page->hbm_read = rdu_memctl_BYTES_READ_read(chip.hbm.control);
  page->hbm_written = rdu_memctl_BYTES_WRITTEN_read(chip.hbm.control);
  page->ddr_read = rdu_memctl_BYTES_READ_read(chip.ddr.control);
  page->ddr_written = rdu_memctl_BYTES_WRITTEN_read(chip.ddr.control);
  page->host_read = copy_engine_host_read();
  page->host_written = copy_engine_host_written();
}

static void read_health(uint32_t n, void* to) {
  (void)n;
  health_read(to);
}

static uint32_t panic_count(void) {
  return panic_report() ? 1 : 0;
}
static void read_panic(uint32_t n, void* to) {
  (void)n;
  memcpy(to, panic_report(), sizeof(struct rdu_log_panic));
}

static void read_sensor(uint32_t n, void* to) {
  telemetry_read(n, to);
}
static void read_event(uint32_t n, void* to) {
  event_read(n, to);
}
static void read_link(uint32_t n, void* to) {
  link_read(n, to);
}

static void read_context(uint32_t n, void* to) {
  context_read(n, to);
}
static void read_fault(uint32_t n, void* to) {
  fault_read(n, to);
}
static void read_usage(uint32_t n, void* to) {
  (void)n;
  usage_read(to);
}

static void read_firmware(uint32_t n, void* to) {
  (void)n;
  update_read(to);
}

static uint32_t one(void) {
  return 1;
}

static const struct page pages[] = {
    [RDU_LOG_MEMORY] = {one, sizeof(struct rdu_log_memory), read_memory},
    [RDU_LOG_ACTIVITY] = {unit_count, sizeof(struct rdu_log_activity), read_activity},
    [RDU_LOG_HEALTH] = {one, sizeof(struct rdu_log_health), read_health},
    [RDU_LOG_PANIC] = {panic_count, sizeof(struct rdu_log_panic), read_panic},
    [RDU_LOG_SENSORS] = {telemetry_count, sizeof(struct rdu_log_sensor), read_sensor},
    [RDU_LOG_EVENTS] = {event_kept, sizeof(struct rdu_log_event), read_event},
    [RDU_LOG_LINKS] = {link_count, sizeof(struct rdu_log_link), read_link},
    [RDU_LOG_CONTEXTS] = {context_count, sizeof(struct rdu_log_context), read_context},
    [RDU_LOG_USAGE] = {one, sizeof(struct rdu_log_usage), read_usage},
    [RDU_LOG_FAULTS] = {fault_kept, sizeof(struct rdu_log_fault), read_fault},
    [RDU_LOG_FIRMWARE] = {one, sizeof(struct rdu_log_firmware), read_firmware},
};

_Static_assert(LOG_PAGE_CHUNK % sizeof(struct rdu_log_activity) == 0, "entries are not read twice");

bool log_page_open(uint64_t page, uint64_t* bytes) {
  if (page == RDU_LOG_TEXT) {
    *bytes = log_text_open();
    return true;
  }
  if (page >= sizeof pages / sizeof *pages || !pages[page].count) return false;
  *bytes = (uint64_t)pages[page].count() * pages[page].bytes;
  return true;
}

void log_page_read(uint32_t number, uint64_t offset, uint8_t* to, uint32_t length) {
  if (number == RDU_LOG_TEXT) {
    log_text_read((uint32_t)offset, (char*)to, length);
    return;
  }
  const struct page* const page = &pages[number];
  while (length > 0) {
    uint64_t entry[LARGEST_ENTRY / sizeof(uint64_t)];
    const uint32_t skip = (uint32_t)(offset % page->bytes);
    const uint32_t part = page->bytes - skip < length ? page->bytes - skip : length;
    memset(entry, 0, page->bytes);
    page->read((uint32_t)(offset / page->bytes), entry);
    memcpy(to, (const uint8_t*)entry + skip, part);
    to += part;
    offset += part;
    length -= part;
  }
}
