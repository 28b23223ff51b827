#include "mgmt/link.h"

#include <inttypes.h>
#include <stdbool.h>

#include "hal/clint.h"
#include "mgmt/event.h"
#include "mgmt/irq.h"
#include "mgmt/log.h"
#include "mgmt/watchdog.h"
#include "regs/address_map.h"
#include "regs/linkctl_hal.h"

static uint32_t count;
static uint32_t attempts[RDU_LINKCTL_LINK_ENTRIES];
static bool trained; /* what happens to a link from here on, it does by itself */

static uint32_t state(uint32_t n) {
  return rdu_linkctl_LINK_STATUS_STATE_get(RDU_BASE_LINK_CTL, n);
}

static bool trains(uint32_t n) {
  const uint32_t s = state(n);
  return s >= RDU_LINKCTL_LINK_STATUS_STATE_DETECT && s <= RDU_LINKCTL_LINK_STATUS_STATE_EQUALIZATION;
}

static const char* error_name(uint32_t n) {
  static const char* const names[] = {"no reason given", "too few lanes work", "equalization failed",
                                      "partner lost"};
  const uint32_t error = rdu_linkctl_LINK_STATUS_ERROR_get(RDU_BASE_LINK_CTL, n);
  return names[error < sizeof names / sizeof *names ? error : 0];
}

static void start(uint32_t n) {
  ++attempts[n];
  rdu_linkctl_LINK_IRQ_write(RDU_BASE_LINK_CTL, n,
                             RDU_LINKCTL_LINK_IRQ_DONE_MASK | RDU_LINKCTL_LINK_IRQ_ENABLE_MASK);
  rdu_linkctl_LINK_CONTROL_TRAIN_set(RDU_BASE_LINK_CTL, n, 1);
}

/* Until none trains any more, or the time is over. */
static void await(void) {
  const uint64_t deadline = clint_now_ns() + LINK_TIMEOUT_NS;
  for (;;) {
    bool any = false;
    irq_service();
    for (uint32_t n = 0; n < count; ++n) any |= trains(n);
    if (!any || clint_now_ns() >= deadline) break;
    watchdog_sleep_until(deadline);
  }
}

/* Starts another attempt of a link that failed and has one left. */
static bool retry(uint32_t n) {
  const bool hangs = trains(n);
  if (!hangs && state(n) != RDU_LINKCTL_LINK_STATUS_STATE_FAILED) return false;
  log_warning("link %" PRIu32 ": training attempt %" PRIu32 " %s: %s", n, attempts[n],
              hangs ? "timed out" : "failed", hangs ? "the partner does not answer" : error_name(n));
  if (attempts[n] == LINK_ATTEMPTS) {
    if (hangs) rdu_linkctl_LINK_CONTROL_DISABLE_set(RDU_BASE_LINK_CTL, n, 1);
    return false;
  }
  start(n);
  return true;
}

static void report(uint32_t n, uint32_t* alone) {
  const uint32_t width = rdu_linkctl_LINK_STATUS_WIDTH_get(RDU_BASE_LINK_CTL, n);
  const uint32_t most = rdu_linkctl_LINK_MAX_WIDTH_read(RDU_BASE_LINK_CTL, n);
  const uint32_t error = rdu_linkctl_LINK_STATUS_ERROR_get(RDU_BASE_LINK_CTL, n);
  switch (state(n)) {
    case RDU_LINKCTL_LINK_STATUS_STATE_UP:
      log_info("link %" PRIu32 " up: %" PRIu32 " lanes, %" PRIu32 " MT/s", n, width,
               rdu_linkctl_LINK_SPEED_read(RDU_BASE_LINK_CTL, n));
      if (width == most) break;
      log_warning("link %" PRIu32 ": %" PRIu32 " of %" PRIu32 " lanes in use, good are 0x%" PRIx32, n, width,
                  most, rdu_linkctl_LINK_LANES_read(RDU_BASE_LINK_CTL, n));
      event_report(RDU_EVENT_LINK, error, RDU_SEVERITY_WARNING, n, width);
      break;
    case RDU_LINKCTL_LINK_STATUS_STATE_NO_PARTNER:
      ++*alone;
      break;
    default:
      log_error("link %" PRIu32 " stays down after %" PRIu32 " attempts", n, attempts[n]);
      event_report(RDU_EVENT_LINK, error, RDU_SEVERITY_ERROR, n, 0);
      break;
  }
}

void link_train(void) {
  trained = false;
  count = rdu_linkctl_COUNT_read(RDU_BASE_LINK_CTL);
  if (count > RDU_LINKCTL_LINK_ENTRIES) count = RDU_LINKCTL_LINK_ENTRIES;
  for (uint32_t n = 0; n < count; ++n) {
    attempts[n] = 0;
    start(n);
  }
  bool again = count > 0;
  while (again) {
    await();
    again = false;
    for (uint32_t n = 0; n < count; ++n) again |= retry(n);
  }
  uint32_t alone = 0;
  for (uint32_t n = 0; n < count; ++n) report(n, &alone);
  if (alone > 0) log_info("%" PRIu32 " of %" PRIu32 " links have no partner", alone, count);
  trained = true;
}

void link_interrupt(void) {
  const uint32_t links = rdu_linkctl_IRQ_STATUS_read(RDU_BASE_LINK_CTL);
  for (uint32_t n = 0; links >> n; ++n) {
    if (!(links >> n & 1)) continue;
    rdu_linkctl_LINK_IRQ_DONE_clear(RDU_BASE_LINK_CTL, n);
    if (!trained) continue;
    log_error("link %" PRIu32 " went down: %s", n, error_name(n));
    event_report(RDU_EVENT_LINK, rdu_linkctl_LINK_STATUS_ERROR_get(RDU_BASE_LINK_CTL, n), RDU_SEVERITY_ERROR,
                 n, 0);
  }
}

uint32_t link_count(void) {
  return count;
}

void link_read(uint32_t n, struct rdu_log_link* entry) {
  *entry = (struct rdu_log_link){
      .state = (uint8_t)state(n),
      .error = (uint8_t)rdu_linkctl_LINK_STATUS_ERROR_get(RDU_BASE_LINK_CTL, n),
      .width = (uint8_t)rdu_linkctl_LINK_STATUS_WIDTH_get(RDU_BASE_LINK_CTL, n),
      .max_width = (uint8_t)rdu_linkctl_LINK_MAX_WIDTH_read(RDU_BASE_LINK_CTL, n),
      .speed = rdu_linkctl_LINK_SPEED_read(RDU_BASE_LINK_CTL, n),
      .lanes = rdu_linkctl_LINK_LANES_read(RDU_BASE_LINK_CTL, n),
      .attempts = attempts[n],
  };
}
