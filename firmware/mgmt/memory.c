#include "mgmt/memory.h"

#include <inttypes.h>
#include <stddef.h>

#include "mgmt/chip.h"
#include "mgmt/event.h"
#include "mgmt/log.h"
#include "rdu_abi.h"
#include "regs/memctl_hal.h"

static const struct chip_memory* memory_of(uint64_t segment) {
  return segment == RDU_SEGMENT_HBM ? &chip.hbm : segment == RDU_SEGMENT_DDR ? &chip.ddr : NULL;
}

void memory_watch(void) {
  rdu_memctl_IRQ_ECC_ENABLE_set(chip.hbm.control, 1);
  rdu_memctl_IRQ_ECC_ENABLE_set(chip.ddr.control, 1);
}

static void report(uint32_t segment, bool corrected) {
  const struct chip_memory* const memory = memory_of(segment);
  const uint64_t offset = rdu_memctl_ECC_ADDRESS_read(memory->control);
  log_line(corrected ? LOG_WARNING : LOG_ERROR,
           "%s: ECC %s an error at 0x%" PRIx64 " (%" PRIu32 " corrected, %" PRIu32 " not, so far)",
           memory->name, corrected ? "corrected" : "could not correct", offset,
           rdu_memctl_ECC_CORRECTED_read(memory->control), rdu_memctl_ECC_UNCORRECTED_read(memory->control));
  event_report(RDU_EVENT_ECC, corrected ? 0 : 1, corrected ? RDU_SEVERITY_WARNING : RDU_SEVERITY_ERROR,
               segment, offset);
}

void memory_interrupt(uint32_t segment) {
  const uint64_t control = memory_of(segment)->control;
  if (rdu_memctl_IRQ_DONE_get(control)) rdu_memctl_IRQ_DONE_clear(control);
  const uint32_t found = rdu_memctl_ECC_STATUS_read(control);
  rdu_memctl_ECC_STATUS_write(control, found);
  if (found & RDU_MEMCTL_ECC_STATUS_CORRECTED_MASK) report(segment, true);
  if (found & RDU_MEMCTL_ECC_STATUS_UNCORRECTED_MASK) report(segment, false);
}

uint32_t memory_inject(uint64_t kind, uint64_t segment, uint64_t offset) {
  const struct chip_memory* const memory = memory_of(segment);
  if (!memory || offset >= memory->bytes) return RDU_STATUS_BAD_ARGUMENT;
  rdu_memctl_ECC_INJECT_ADDRESS_write(memory->control, offset);
  rdu_memctl_ECC_INJECT_KIND_set(memory->control, kind == RDU_INJECT_ECC_CORRECTABLE
                                                      ? RDU_MEMCTL_ECC_INJECT_KIND_CORRECTABLE
                                                      : RDU_MEMCTL_ECC_INJECT_KIND_UNCORRECTABLE);
  return RDU_STATUS_OK;
}
