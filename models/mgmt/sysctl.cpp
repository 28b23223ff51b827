#include "mgmt/sysctl.h"

namespace rdu::mgmt {

using namespace regs::sysctl;

Sysctl::Sysctl(const std::string& name, const Values& values) : values_(values), port_(name, regs_) {
  regs_.RESET.on_write([this](uint64_t) {
    if (!regs_.RESET.get(RESET::HART) || !hart_reset_) return;
    hart_reset_(regs_.RESET.get(RESET::FOR_HOST) ? ResetReason::host : ResetReason::software);
  });
  regs_.TRACE_TAG.on_write([this](uint64_t) {
    if (trace_tag_) trace_tag_(static_cast<core::CommandTag>(regs_.TRACE_TAG.value()));
  });
  publish();
}

unsigned Sysctl::boot_stage() const {
  return static_cast<unsigned>(regs_.BOOT_STAGE.get(BOOT_STAGE::STAGE));
}
unsigned Sysctl::boot_error() const {
  return static_cast<unsigned>(regs_.BOOT_STAGE.get(BOOT_STAGE::ERROR));
}

void Sysctl::publish() {
  regs_.SOCKET_ID.set_value(values_.socket);
  regs_.RAM_SIZE.set_value(values_.ram_size);
  regs_.FLASH_SIZE.set_value(values_.flash_size);
  regs_.CORE_CLOCK.set_value(values_.core_clock);
  regs_.TILES.set_value(values_.tiles);
  regs_.TILE_SHAPE.set(TILE_SHAPE::ROWS, values_.rows);
  regs_.TILE_SHAPE.set(TILE_SHAPE::COLUMNS, values_.columns);
}

void Sysctl::reset(ResetReason reason) {
  regs_.reset();
  publish();
  started(reason);
}

void Sysctl::hart_restarted(ResetReason reason) {
  regs_.RESTARTS.set_value(regs_.RESTARTS.value() + 1);
  started(reason);
}

void Sysctl::started(ResetReason reason) {
  regs_.BOOT_STAGE.reset();
  regs_.RESET_REASON.set(RESET_REASON::REASON, static_cast<uint64_t>(reason));
  if (trace_tag_) trace_tag_(core::kNoCommand);
  regs_.TRACE_TAG.reset();
}

}  // namespace rdu::mgmt
