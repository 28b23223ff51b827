#include "mgmt/clint.h"

namespace rdu::mgmt {

Clint::Clint(const std::string& name, unsigned harts)
    : port_(name, regs_), harts_(harts), software_(harts), timers_(harts, nullptr) {
  for (unsigned i = 0; i < regs_.MSIP.size(); ++i) {
    // Registers of harts that the chip lacks keep their reset values.
    regs_.MSIP[i].on_write([this, i](uint64_t before) {
      if (i < harts_) {
        software_[i].set(regs_.MSIP[i].get(regs::clint::MSIP::PENDING) != 0);
      } else {
        regs_.MSIP[i].set_value(before);
      }
    });
    regs_.MTIMECMP[i].on_write([this, i](uint64_t before) {
      if (i < harts_) {
        announce(i);
      } else {
        regs_.MTIMECMP[i].set_value(before);
      }
    });
  }
  regs_.MTIME.on_read([this] { regs_.MTIME.set_value(ticks(core::now())); });
  regs_.MTIME.on_write([this](uint64_t) { set_mtime(regs_.MTIME.value()); });
}

void Clint::connect(unsigned hart, core::InterruptSink& software, unsigned number, TimerListener& timer) {
  software_.at(hart).connect(software, number);
  timers_.at(hart) = &timer;
  announce(hart);
}

uint64_t Clint::ticks(core::Time at) const {
  return at / kTick + offset_;
}

void Clint::set_mtime(uint64_t value) {
  offset_ = value - core::now() / kTick;
  for (unsigned i = 0; i < harts_; ++i) announce(i);
}

/// When the hart's comparison becomes (or became) true.
void Clint::announce(unsigned hart) {
  if (!timers_[hart]) return;
  timers_[hart]->set_timer_deadline(when(regs_.MTIMECMP[hart].value()));
}

core::Time Clint::when(uint64_t compare) const {
  const uint64_t ticks_now = ticks(core::now());
  if (compare <= ticks_now) return core::now();
  const uint64_t left = compare - ticks_now;
  const uint64_t tick_now = core::now() / kTick;
  return left < core::kNever / kTick - tick_now ? (tick_now + left) * kTick : core::kNever;
}

void Clint::restart() {
  const uint64_t mtime = ticks(core::now());
  reset();
  set_mtime(mtime);
}

void Clint::reset() {
  regs_.reset();
  for (core::InterruptLine& line : software_) line.set(false);
  set_mtime(0);
}

}  // namespace rdu::mgmt
