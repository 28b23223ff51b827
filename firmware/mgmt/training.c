#include "mgmt/training.h"

#include <inttypes.h>
#include <stdbool.h>

#include "hal/clint.h"
#include "mgmt/chip.h"
#include "mgmt/irq.h"
#include "mgmt/log.h"
#include "mgmt/watchdog.h"
#include "rdu_abi.h"
#include "regs/memctl_hal.h"

struct training {
  const struct chip_memory* memory;
  uint32_t attempts;
  uint32_t error_failed, error_timeout; /* RDU_BOOT_* */
};

static bool trained(const struct chip_memory* memory) {
  return rdu_memctl_STATUS_TRAINED_get(memory->control);
}

static bool failed(const struct chip_memory* memory) {
  return rdu_memctl_STATUS_FAILED_get(memory->control);
}

static void start(struct training* training) {
  const struct chip_memory* const memory = training->memory;
  if (memory->bytes == 0 || trained(memory)) return;
  ++training->attempts;
  rdu_memctl_IRQ_write(memory->control, RDU_MEMCTL_IRQ_DONE_MASK | RDU_MEMCTL_IRQ_ENABLE_MASK);
  rdu_memctl_CONTROL_TRAIN_set(memory->control, 1);
}

/* Has it ended? What failed begins again, as long as it has attempts left. */
static bool ended(struct training* training) {
  static const char* const phases[] = {"idle", "power-up", "levelling", "data eye"};
  const struct chip_memory* const memory = training->memory;
  if (memory->bytes == 0 || trained(memory)) return true;
  if (!failed(memory)) return false;
  const uint32_t phase = rdu_memctl_STATUS_PHASE_get(memory->control);
  log_warning("%s training attempt %" PRIu32 " failed in phase %s, channels 0x%" PRIx64, memory->name,
              training->attempts, phase < sizeof phases / sizeof *phases ? phases[phase] : "?",
              rdu_memctl_FAILED_CHANNELS_read(memory->control));
  if (training->attempts == TRAINING_ATTEMPTS) return true;
  start(training);
  return false;
}

static uint32_t report(const struct training* training) {
  const struct chip_memory* const memory = training->memory;
  if (memory->bytes == 0) {
    log_info("no %s", memory->name);
    return RDU_BOOT_OK;
  }
  if (failed(memory)) {
    log_error("%s training failed, %" PRIu32 " attempts, channels 0x%" PRIx64, memory->name,
              training->attempts, rdu_memctl_FAILED_CHANNELS_read(memory->control));
    return training->error_failed;
  }
  if (!trained(memory)) {
    log_error("%s training timed out", memory->name);
    return training->error_timeout;
  }
  const bool gib = memory->bytes % (1ull << 30) == 0;
  log_info("%s trained: %" PRIu64 " %s, %" PRIu32 " channel%s, %" PRIu64 " GB/s", memory->name,
           memory->bytes >> (gib ? 30 : 20), gib ? "GiB" : "MiB", memory->channels,
           memory->channels == 1 ? "" : "s", memory->bandwidth / 1000000000u);
  return RDU_BOOT_OK;
}

uint32_t training_run(void) {
  struct training hbm = {&chip.hbm, 0, RDU_BOOT_HBM_TRAINING, RDU_BOOT_HBM_TIMEOUT};
  struct training ddr = {&chip.ddr, 0, RDU_BOOT_DDR_TRAINING, RDU_BOOT_DDR_TIMEOUT};
  const uint64_t deadline = clint_now_ns() + TRAINING_TIMEOUT_NS;
  start(&hbm);
  start(&ddr);
  bool hbm_ended = false, ddr_ended = false;
  for (;;) {
    irq_service();
    if (!hbm_ended) hbm_ended = ended(&hbm);
    if (!ddr_ended) ddr_ended = ended(&ddr);
    if ((hbm_ended && ddr_ended) || clint_now_ns() >= deadline) break;
    watchdog_sleep_until(deadline);
  }
  const uint32_t error = report(&hbm);
  return error != RDU_BOOT_OK ? error : report(&ddr);
}
