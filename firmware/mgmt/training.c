#include "mgmt/training.h"

#include <inttypes.h>
#include <stdbool.h>

#include "hal/clint.h"
#include "hal/cpu.h"
#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/irq.h"
#include "mgmt/log.h"
#include "rdu_abi.h"
#include "regs/memctl.h"

static uint32_t status(const struct chip_memory* memory) {
  return mmio_read32(memory->control + RDU_MEMCTL_STATUS);
}

static bool trained(const struct chip_memory* memory) {
  return status(memory) & RDU_MEMCTL_STATUS_TRAINED_MASK;
}

static void start(const struct chip_memory* memory) {
  if (memory->bytes == 0 || trained(memory)) return;
  mmio_write32(memory->control + RDU_MEMCTL_IRQ, RDU_MEMCTL_IRQ_DONE_MASK | RDU_MEMCTL_IRQ_ENABLE_MASK);
  mmio_write32(memory->control + RDU_MEMCTL_CONTROL, RDU_MEMCTL_CONTROL_TRAIN_MASK);
}

static bool ended(const struct chip_memory* memory) {
  return memory->bytes == 0 ||
         status(memory) & (RDU_MEMCTL_STATUS_TRAINED_MASK | RDU_MEMCTL_STATUS_FAILED_MASK);
}

void training_interrupt(uint64_t control) {
  mmio_write32(control + RDU_MEMCTL_IRQ, RDU_MEMCTL_IRQ_DONE_MASK); /* seen; and no more of them */
}

static bool report(const struct chip_memory* memory) {
  if (memory->bytes == 0) {
    log_info("no %s", memory->name);
    return true;
  }
  if (!trained(memory)) {
    const bool failed = status(memory) & RDU_MEMCTL_STATUS_FAILED_MASK;
    log_error("%s training %s", memory->name, failed ? "failed" : "timed out");
    return false;
  }
  const bool gib = memory->bytes % (1ull << 30) == 0;
  log_info("%s trained: %" PRIu64 " %s, %" PRIu32 " channel%s, %" PRIu64 " GB/s", memory->name,
           memory->bytes >> (gib ? 30 : 20), gib ? "GiB" : "MiB", memory->channels,
           memory->channels == 1 ? "" : "s", memory->bandwidth / 1000000000u);
  return true;
}

uint32_t training_run(void) {
  const uint64_t deadline = clint_now_ns() + TRAINING_TIMEOUT_NS;
  clint_set_timer_ns(deadline);
  cpu_wake_on(MIE_EXTERNAL | MIE_TIMER);
  start(&chip.hbm);
  start(&chip.ddr);
  for (;;) {
    irq_service();
    if ((ended(&chip.hbm) && ended(&chip.ddr)) || clint_now_ns() >= deadline) break;
    cpu_wait();
  }
  clint_set_timer_ns(UINT64_MAX);
  cpu_wake_on(MIE_EXTERNAL);
  if (!report(&chip.hbm)) return RDU_BOOT_HBM_TRAINING;
  if (!report(&chip.ddr)) return RDU_BOOT_DDR_TRAINING;
  return RDU_BOOT_OK;
}
