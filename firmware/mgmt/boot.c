#include "mgmt/boot.h"

#include "hal/cpu.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/context.h"
#include "mgmt/copy_engine.h"
#include "mgmt/event.h"
#include "mgmt/fault.h"
#include "mgmt/host.h"
#include "mgmt/irq.h"
#include "mgmt/link.h"
#include "mgmt/log.h"
#include "mgmt/memory.h"
#include "mgmt/panic_report.h"
#include "mgmt/restart.h"
#include "mgmt/sequencer.h"
#include "mgmt/telemetry.h"
#include "mgmt/training.h"
#include "mgmt/update.h"
#include "mgmt/usage.h"
#include "mgmt/version.h"
#include "mgmt/watchdog.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/sysctl_hal.h"

static void set_stage(uint32_t stage, uint32_t error) {
  rdu_sysctl_BOOT_STAGE_write(
      RDU_BASE_SYSCTL, FIELD(RDU_SYSCTL_BOOT_STAGE_STAGE, stage) | FIELD(RDU_SYSCTL_BOOT_STAGE_ERROR, error));
}

void boot_stage(uint32_t stage) {
  set_stage(stage, RDU_BOOT_OK);
}

void boot_failed(uint32_t error) {
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, error);
  host_dead();
}

_Noreturn static void give_up(uint32_t error) {
  boot_failed(error);
  cpu_halt();
}

/* What happened before this start, for the host. */
static void report_restart(bool panicked) {
  if (!chip_restarted()) return;
  const uint32_t reason = chip_reset_reason();
  event_report(RDU_EVENT_RESTARTED, reason,
               reason == RDU_SYSCTL_RESET_REASON_REASON_WATCHDOG ? RDU_SEVERITY_ERROR : RDU_SEVERITY_INFO, 0,
               restart_code());
  if (!panicked) return;
  log_error("there is the report of a panic: %s", panic_report()->text);
  event_report(RDU_EVENT_PANIC, panic_report()->kind, RDU_SEVERITY_ERROR, 0, panic_report()->registers[0]);
}

void boot(void) {
  boot_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FIRMWARE);
  log_init();
  log_info("RDU-VP management firmware %s", FW_VERSION_TEXT);
  chip_init();
  log_info("socket %u, part %04x rev %x, %u tile%s of %u x %u, %u MiB of RAM, reset: %s", chip.socket,
           chip.part, chip.revision, chip.tiles, chip.tiles == 1 ? "" : "s", chip.rows, chip.columns,
           chip.ram_bytes >> 20, chip.reset_reason);

  irq_init();
  watchdog_start();
  host_init();
  event_init();
  fault_init();
  usage_init();
  restart_init();
  report_restart(panic_report_init());
  /* Nothing is known of what ran before a restart of the core. */
  copy_engine_init();
  sequencer_init();
  command_init();
  telemetry_init();

  boot_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_TRAINING);
  const uint32_t error = training_run();
  if (error != RDU_BOOT_OK) give_up(error);
  memory_watch();
  link_train();
  context_init();

  boot_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_READY);
  host_start();
  update_confirm();
  log_info("ready");
}
