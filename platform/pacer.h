#pragma once

#include <chrono>
#include <cstdint>

#include "core/time.h"

namespace rdu::platform {

/// Couples idle simulated time to the host's clock: simulated time in which nothing happens does not run
/// ahead of it. What the simulation lags behind, because the host is slower than the harts, is made up for
/// during the next idle time up to kMostLag, and forgotten beyond.
class Pacer {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kMostLag{100};  ///< ours

  /// `now`: the clock to follow; tests have their own.
  explicit Pacer(Clock::time_point (*now)() = &Clock::now) : now_(now), host_(now()) {}

  /// Idle time begins at this simulated time.
  void begin(core::Time at);
  /// The simulation has stood still up to now: that is neither idle time nor a lag.
  void forget(core::Time at);
  /// How long the host's clock has still to run until it is at a simulated time; not positive: it may pass.
  std::chrono::nanoseconds left(core::Time until) const;
  /// The simulated time that the host's clock has reached, not before the idle time began.
  core::Time reached() const;

 private:
  Clock::time_point (*now_)();
  // These are the same moment.
  Clock::time_point host_;
  core::Time simulated_ = 0;
  core::Time begun_ = 0;
};

}  // namespace rdu::platform
