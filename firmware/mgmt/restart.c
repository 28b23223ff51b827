#include "mgmt/restart.h"

#include <inttypes.h>

#include "hal/cpu.h"
#include "mgmt/chip.h"
#include "mgmt/command.h"
#include "mgmt/host.h"
#include "mgmt/log.h"
#include "mgmt/persist.h"
#include "regs/address_map.h"
#include "regs/sysctl_hal.h"

#define MAGIC 0x52535452u

/* The request, for the firmware that comes. */
static PERSIST struct {
  uint32_t magic;
  uint32_t code;
} handed_over;

static bool requested;
static uint32_t code_of_start;

void restart_init(void) {
  const bool asked = chip_reset_reason() == RDU_SYSCTL_RESET_REASON_REASON_HOST && handed_over.magic == MAGIC;
  code_of_start = asked ? handed_over.code : 0;
  handed_over.magic = 0;
  requested = false;
}

void restart_request(uint32_t code) {
  if (requested) return;
  log_info("the host asks for a restart, code 0x%" PRIx32, code);
  handed_over.magic = MAGIC;
  handed_over.code = code;
  requested = true;
  host_quiesce();
  command_abort_all();
}

bool restart_service(void) {
  if (!requested || !command_idle()) return false;
  rdu_sysctl_RESET_write(RDU_BASE_SYSCTL, RDU_SYSCTL_RESET_HART_MASK | RDU_SYSCTL_RESET_FOR_HOST_MASK);
  cpu_halt(); /* until the reset takes effect */
}

uint32_t restart_code(void) {
  return code_of_start;
}
