#include "mgmt/panic_report.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hal/clint.h"
#include "mgmt/chip.h"
#include "mgmt/persist.h"
#include "mgmt/version.h"
#include "regs/address_map.h"
#include "regs/sysctl_hal.h"

static PERSIST struct {
  struct rdu_log_panic report;
  uint32_t count;
  uint32_t checksum; /* of what stands before it */
} saved;

static uint32_t checksum(void) {
  const uint8_t* const bytes = (const uint8_t*)&saved;
  uint32_t sum = 0x811c9dc5u; /* FNV-1a */
  for (size_t n = 0; n < offsetof(__typeof__(saved), checksum); ++n) sum = (sum ^ bytes[n]) * 0x01000193u;
  return sum;
}

static bool valid(void) {
  return saved.count != 0 && saved.checksum == checksum();
}

bool panic_report_init(void) {
  if (chip_restarted() && valid()) return true;
  memset(&saved, 0, sizeof saved);
  return false;
}

struct rdu_log_panic* panic_report_begin(uint32_t kind, const char* text) {
  struct rdu_log_panic* const report = &saved.report;
  const uint32_t count = valid() ? saved.count : 0;
  memset(&saved, 0, sizeof saved);
  saved.count = count + 1;
  report->kind = kind;
  report->restarts = rdu_sysctl_RESTARTS_read(RDU_BASE_SYSCTL);
  report->time_ns = clint_now_ns();
  snprintf(report->text, sizeof report->text, "%s", text);
  snprintf(report->firmware, sizeof report->firmware, "RDU-VP management %s", FW_VERSION_TEXT);
  return report;
}

void panic_report_seal(void) {
  saved.checksum = checksum();
}

const struct rdu_log_panic* panic_report(void) {
  return saved.count != 0 ? &saved.report : NULL;
}

uint32_t panic_report_word(uint32_t n) {
  uint32_t word = RDU_MBOX_UNKNOWN;
  if (saved.count != 0 && n < sizeof saved.report / sizeof word)
    memcpy(&word, (const uint8_t*)&saved.report + (size_t)n * sizeof word, sizeof word);
  return word;
}

uint32_t panic_report_count(void) {
  return saved.count;
}

uint32_t panic_report_walk(uint64_t frame, uint64_t stack, uint64_t stack_top, uint64_t text,
                           uint64_t text_end, uint64_t* calls) {
  uint32_t count = 0;
  while (count < RDU_PANIC_CALLS) {
    if (frame % 8 || frame < stack + 16 || frame > stack_top) break;
    const uint64_t return_address = ((const uint64_t*)frame)[-1];
    const uint64_t caller = ((const uint64_t*)frame)[-2];
    if (return_address < text || return_address >= text_end) break;
    calls[count++] = return_address;
    if (caller <= frame) break;
    frame = caller;
  }
  return count;
}
