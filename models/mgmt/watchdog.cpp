#include "mgmt/watchdog.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace rdu::mgmt {

namespace ctrl = regs::watchdog::CTRL;
namespace status = regs::watchdog::STATUS;
namespace kick = regs::watchdog::KICK;

Watchdog::Watchdog(const sc_core::sc_module_name& name) : sc_module(name), registers(this->name(), regs_) {
  regs_.CTRL.on_write([this](uint64_t before) { control_written(before); });
  for (core::Register* reg : {&regs_.TIMEOUT, &regs_.PRETIMEOUT, &regs_.WINDOW, &regs_.WAIT_TIMEOUT}) {
    reg->on_write([this, reg](uint64_t before) {
      if (regs_.CTRL.get(ctrl::LOCK)) {
        reg->set_value(before);
        core::report_guest_fault(this->name(), reg->name() + " was written while CTRL.LOCK is set; ignored");
      }
      settle();
      schedule();
    });
  }
  regs_.KICK.on_write([this](uint64_t) { kicked(); });
  regs_.COUNT.on_read([this] {
    const core::Time left = regs_.CTRL.get(ctrl::ENABLE) ? timeout_ - std::min(timeout_, counted()) : 0;
    regs_.COUNT.set_value((left + core::kMicrosecond - 1) / core::kMicrosecond);
  });
  regs_.STATUS.on_write([this](uint64_t) {
    interrupt.set(regs_.STATUS.get(status::PRETIMEOUT) && regs_.CTRL.get(ctrl::PRETIMEOUT_IRQ));
  });
  SC_METHOD(due);
  sensitive << count_end_;
  dont_initialize();
}

bool Watchdog::counts() const {
  return regs_.CTRL.get(ctrl::ENABLE) && (awake_ || waits_ || regs_.CTRL.get(ctrl::IN_SLEEP));
}

/// Time counted since the last kick.
core::Time Watchdog::counted() const {
  return counted_ + (counts() ? core::now() - since_ : 0);
}

/// Takes what was counted so far into counted_; before anything changes on which counting depends.
void Watchdog::settle() {
  counted_ = counted();
  since_ = core::now();
}

void Watchdog::schedule() {
  count_end_.cancel();
  if (!counts()) return;
  const core::Time before = regs_.PRETIMEOUT.value() * core::kMicrosecond;
  core::Time at = timeout_;
  if (before != 0 && !warned_) at = timeout_ - std::min(timeout_, before);
  count_end_.notify(core::to_sc(at - std::min(at, counted_)));
}

void Watchdog::restart_count(bool waits) {
  waits_ = waits;
  counted_ = 0;
  since_ = core::now();
  warned_ = false;
  const core::Register& timeout = waits ? regs_.WAIT_TIMEOUT : regs_.TIMEOUT;
  timeout_ = std::max<uint64_t>(timeout.value(), 1) * core::kMicrosecond;
}

void Watchdog::set_core_awake(bool awake) {
  if (awake == awake_) return;
  if (!regs_.CTRL.get(ctrl::ENABLE)) {
    awake_ = awake;
    return;
  }
  settle();
  awake_ = awake;
  schedule();
}

void Watchdog::control_written(uint64_t before) {
  const uint64_t wanted = regs_.CTRL.value();
  if (ctrl::LOCK.get(before)) {
    regs_.CTRL.set_value(before);
    if (wanted != before)
      core::report_guest_fault(name(), "CTRL was written while CTRL.LOCK is set; ignored");
    return;
  }
  regs_.CTRL.set_value(before);
  settle();
  regs_.CTRL.set_value(wanted);
  if (ctrl::ENABLE.get(wanted) && !ctrl::ENABLE.get(before)) restart_count(false);
  interrupt.set(regs_.STATUS.get(status::PRETIMEOUT) && regs_.CTRL.get(ctrl::PRETIMEOUT_IRQ));
  schedule();
}

void Watchdog::kicked() {
  const uint64_t key = regs_.KICK.get(kick::VALUE);
  if (key != kick::VALUE_KEY && key != kick::VALUE_WAIT) {
    core::report_guest_fault(name(), fmt::format("KICK was written with {:#x}, which is not the key; ignored",
                                                 regs_.KICK.value()));
    return;
  }
  if (!regs_.CTRL.get(ctrl::ENABLE)) return;
  if (counted() < regs_.WINDOW.value() * core::kMicrosecond) {
    expire("it was kicked inside its window");
    return;
  }
  restart_count(key == kick::VALUE_WAIT);
  schedule();
}

void Watchdog::due() {
  settle();
  if (counted_ >= timeout_) {
    expire("it was not kicked in time");
    return;
  }
  warned_ = true;
  regs_.STATUS.set(status::PRETIMEOUT, 1);
  interrupt.set(regs_.CTRL.get(ctrl::PRETIMEOUT_IRQ) != 0);
  schedule();
}

void Watchdog::expire(const char* why) {
  core::report_guest_fault(name(), fmt::format("expired: {}", why));
  reset();
  if (expiry_) expiry_();
}

void Watchdog::reset() {
  count_end_.cancel();
  regs_.reset();
  interrupt.set(false);
  counted_ = 0;
  waits_ = false;
}

}  // namespace rdu::mgmt
