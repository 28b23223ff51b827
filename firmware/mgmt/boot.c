#include "mgmt/boot.h"

#include "hal/cpu.h"
#include "hal/mmio.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/context.h"
#include "mgmt/copy_engine.h"
#include "mgmt/host.h"
#include "mgmt/irq.h"
#include "mgmt/log.h"
#include "mgmt/sequencer.h"
#include "mgmt/training.h"
#include "mgmt/update.h"
#include "mgmt/version.h"
#include "rdu_abi.h"
#include "regs/address_map.h"
#include "regs/sysctl.h"

static void set_stage(uint32_t stage, uint32_t error) {
  mmio_write32(RDU_BASE_SYSCTL + RDU_SYSCTL_BOOT_STAGE,
               FIELD(RDU_SYSCTL_BOOT_STAGE_STAGE, stage) | FIELD(RDU_SYSCTL_BOOT_STAGE_ERROR, error));
}

void boot_stage(uint32_t stage) {
  set_stage(stage, RDU_BOOT_OK);
}

_Noreturn void boot_fail(uint32_t error) {
  set_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_FAILED, error);
  host_dead();
  cpu_halt();
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
  host_init();
  /* Nothing is known of what ran before a restart of the core. */
  copy_engine_init();
  sequencer_init();
  command_init();

  boot_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_TRAINING);
  const uint32_t error = training_run();
  if (error != RDU_BOOT_OK) boot_fail(error);
  context_init();

  boot_stage(RDU_SYSCTL_BOOT_STAGE_STAGE_READY);
  host_start();
  update_confirm();
  log_info("ready");
}
