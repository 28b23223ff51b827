#pragma once

#include <array>
#include <cstdint>

#include "fabric/pcu/pcu_config.h"

namespace rdu::fabric {

/// The counters of a program at one of its firings, counter 0 innermost.
class CounterChain {
 public:
  void start(const std::array<uint64_t, PcuConfig::kLevels>& counts) {
    counts_ = counts;
    at_.fill(0);
    find_edges();
  }
  /// The next firing's.
  void next() {
    for (unsigned l = 0; l < PcuConfig::kLevels; ++l) {
      if (++at_[l] < counts_[l]) break;
      at_[l] = 0;
    }
    find_edges();
  }

  uint32_t value(unsigned level) const { return static_cast<uint32_t>(at_[level]); }
  /// Counters 0 .. level are all at their first (last) value.
  bool first(unsigned level) const { return level < firsts_; }
  bool last(unsigned level) const { return level < lasts_; }

 private:
  void find_edges() {
    firsts_ = lasts_ = 0;
    while (firsts_ < PcuConfig::kLevels && at_[firsts_] == 0) ++firsts_;
    while (lasts_ < PcuConfig::kLevels && at_[lasts_] + 1 == counts_[lasts_]) ++lasts_;
  }

  std::array<uint64_t, PcuConfig::kLevels> counts_{};
  std::array<uint64_t, PcuConfig::kLevels> at_{};
  unsigned firsts_ = 0;  ///< counters from 0 on that are at their first value
  unsigned lasts_ = 0;
};

}  // namespace rdu::fabric
