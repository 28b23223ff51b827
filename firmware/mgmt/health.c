#include "mgmt/health.h"

#include "hal/clint.h"
#include "mgmt/chip.h"
#include "mgmt/event.h"
#include "mgmt/log.h"
#include "mgmt/panic_report.h"
#include "mgmt/restart.h"
#include "regs/address_map.h"
#include "regs/memctl_hal.h"
#include "regs/sysctl_hal.h"

void health_read(struct rdu_log_health* health) {
  *health = (struct rdu_log_health){
      .reset_reason = chip_reset_reason(),
      .restarts = rdu_sysctl_RESTARTS_read(RDU_BASE_SYSCTL),
      .restart_code = restart_code(),
      .panics = panic_report_count(),
      .start_ns = chip.start_ns,
      .time_ns = clint_now_ns(),
      .log_lines_lost = log_lines_lost(),
      .events = event_count(),
      .events_lost = event_lost(),
      .hbm_corrected = rdu_memctl_ECC_CORRECTED_read(chip.hbm.control),
      .hbm_uncorrected = rdu_memctl_ECC_UNCORRECTED_read(chip.hbm.control),
      .ddr_corrected = rdu_memctl_ECC_CORRECTED_read(chip.ddr.control),
      .ddr_uncorrected = rdu_memctl_ECC_UNCORRECTED_read(chip.ddr.control),
  };
}
