#include "rom/copy_engine.h"

#include <stdbool.h>

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/mmio.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/copy_engine.h"

#define TIMEOUT_NS 100000000u /* ours */
#define CHANNEL(name, n) (RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_CHANNEL_##name(n))
#define ENDED (RDU_COPY_ENGINE_CHANNEL_STATUS_DONE_MASK | RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK)

static bool busy(uint32_t n) {
  return mmio_read32(CHANNEL(STATUS, n)) & RDU_COPY_ENGINE_CHANNEL_STATUS_BUSY_MASK;
}

/* False if the time passes first. */
static bool ends(uint32_t n) {
  const uint64_t deadline = clint_now_ns() + TIMEOUT_NS;
  clint_set_timer_ns(deadline);
  bool is_busy;
  while ((is_busy = busy(n)) && clint_now_ns() < deadline) hal_idle();
  clint_set_timer_ns(UINT64_MAX);
  return !is_busy;
}

/* A channel that was told to stop does so when what it has under way has come back. */
static void stop(uint32_t n) {
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 1u << n);
  mmio_write32(CHANNEL(CONTROL, n), RDU_COPY_ENGINE_CHANNEL_CONTROL_ABORT_MASK);
  while (busy(n)) hal_idle();
  mmio_write32(CHANNEL(STATUS, n), ENDED);
}

void copy_stop_all(void) {
  for (uint32_t n = 0; n < RDU_COPY_ENGINE_CHANNEL_ENTRIES; ++n)
    if (busy(n)) stop(n);
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 0);
}

uint32_t copy_from_host(void* to, uint64_t bus_address, uint32_t bytes) {
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 1);
  mmio_write64(CHANNEL(SRC, 0), RDU_BASE_HOST + bus_address);
  mmio_write64(CHANNEL(DST, 0), (uint64_t)(uintptr_t)to);
  mmio_write64(CHANNEL(LENGTH, 0), bytes);
  mmio_write32(CHANNEL(CONTROL, 0), RDU_COPY_ENGINE_CHANNEL_CONTROL_START_MASK);
  uint32_t error = RDU_BOOT_OK;
  if (!ends(0)) {
    stop(0);
    error = RDU_BOOT_TIMEOUT;
  } else if (mmio_read32(CHANNEL(STATUS, 0)) & RDU_COPY_ENGINE_CHANNEL_STATUS_ERROR_MASK) {
    error = RDU_BOOT_COPY;
  }
  mmio_write32(CHANNEL(STATUS, 0), ENDED);
  mmio_write32(RDU_BASE_COPY_ENGINE + RDU_COPY_ENGINE_IRQ_ENABLE, 0);
  return error;
}
