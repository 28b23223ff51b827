#pragma once

#include <cstdint>

#include "core/systemc.h"
#include "core/time.h"

namespace rdu::mgmt {

/// A hart's own time. It runs ahead of the kernel's by whole cycles of the hart's clock; sync() lets the rest
/// of the platform catch up.
class LocalTime {
 public:
  explicit LocalTime(core::Clock clock) : clock_(clock) {}

  core::Time now() const { return base_ + clock_.time(cycles_); }
  core::Time period() const { return clock_.period; }
  void add(uint64_t cycles) { cycles_ += cycles; }

  /// Continues at the first clock edge at or after `t`.
  void restart(core::Time t) {
    base_ = clock_.align(t);
    cycles_ = 0;
  }

  /// Waits until the kernel's time is the hart's. Only in the hart's thread.
  void sync() {
    const core::Time t = now();
    const core::Time kernel = core::now();
    if (t > kernel) sc_core::wait(core::to_sc(t - kernel));
    base_ = t;
    cycles_ = 0;
  }

 private:
  core::Clock clock_;
  core::Time base_ = 0;
  uint64_t cycles_ = 0;
};

}  // namespace rdu::mgmt
