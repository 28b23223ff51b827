#pragma once

#include <array>
#include <cstdint>

#include "fabric/pmu/pmu_config.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// The tokens of a PMU. Each has one pipeline at most that gives it and one that takes it, so its times are
/// taken in the order in which they were given.
class Tokens {
 public:
  explicit Tokens(Unit& owner) : control_{TokenInput(owner), TokenInput(owner)} {}

  /// Control input c gives token 6 + c.
  TokenInput& control(unsigned c) { return control_[c]; }
  const TokenInput& control(unsigned c) const { return control_[c]; }

  void start(uint64_t cycle, const std::array<uint8_t, PmuConfig::kTokens>& counts) {
    for (unsigned n = 0; n < PmuConfig::kTokens; ++n) {
      times_[n].clear();
      if (counts[n] != 0) times_[n].push({cycle, 0, counts[n]}, counts[n]);
    }
  }
  /// The lowest token of `mask` that is not there; -1 if all are.
  int missing(uint8_t mask) const {
    for (unsigned n = 0; n < PmuConfig::kTokens; ++n) {
      if ((mask >> n & 1) != 0 && times_[n].count() == 0 && arrived(n) == 0) return static_cast<int>(n);
    }
    return -1;
  }
  /// When the last of the tokens of `mask`, one each, is there.
  uint64_t ready(uint8_t mask) const {
    uint64_t latest = 0;
    for (unsigned n = 0; n < PmuConfig::kTokens; ++n) {
      if ((mask >> n & 1) == 0) continue;
      const uint64_t t = times_[n].count() != 0 ? times_[n].front() : control_[n - kFirst].head().t;
      latest = std::max(latest, t);
    }
    return latest;
  }
  void take(uint8_t mask) {
    for (unsigned n = 0; n < PmuConfig::kTokens; ++n) {
      if ((mask >> n & 1) == 0) continue;
      if (times_[n].count() != 0) {
        times_[n].pop(1);
      } else {
        control_[n - kFirst].pop(1);
      }
    }
  }
  void give(uint8_t mask, uint64_t cycle) {
    for (unsigned n = 0; n < PmuConfig::kTokens; ++n) {
      if ((mask >> n & 1) != 0) times_[n].push({cycle, 0, 1}, kLongestRun);
    }
  }

 private:
  static constexpr unsigned kFirst = PmuConfig::kFirstControlToken;
  static constexpr uint64_t kLongestRun = 256;

  uint64_t arrived(unsigned n) const { return n < kFirst ? 0 : control_[n - kFirst].available(); }

  std::array<RunQueue, PmuConfig::kTokens> times_;  ///< those at the start, then those given
  std::array<TokenInput, PmuConfig::kTokens - kFirst> control_;
};

}  // namespace rdu::fabric
