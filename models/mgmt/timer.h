#pragma once

#include <cstdint>

#include "core/time.h"

/// What the CLINT and the harts say to each other about time.
namespace rdu::mgmt {

class TimeBase {
 public:
  /// MTIME at a simulated time, which may lie ahead of the kernel's.
  virtual uint64_t ticks(core::Time at) const = 0;
  /// From when on MTIME >= `ticks`: a time that may have passed, kNever if not in this simulation.
  virtual core::Time when(uint64_t ticks) const = 0;

 protected:
  ~TimeBase() = default;
};

class TimerListener {
 public:
  /// The timer interrupt is pending from `at` on, until the next call. kNever: not in this simulation. Also
  /// called when TimeBase's answers have changed.
  virtual void set_timer_deadline(core::Time at) = 0;

 protected:
  ~TimerListener() = default;
};

}  // namespace rdu::mgmt
