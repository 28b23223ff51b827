#pragma once

#include <cstdint>
#include <vector>

#include "fabric/counters.h"

namespace rdu::fabric {

/// Cycles that an access takes: the largest number of distinct 4-byte words that it touches in one bank.
/// Lanes that touch the same word share it.
class BankCost {
 public:
  /// `elements` of `bytes` each, `stride` bytes apart; a word at byte address a lies in bank
  /// ((a >> shift) + (skew ? a >> skew : 0)) modulo `banks`.
  BankCost(unsigned banks, unsigned shift, unsigned skew, unsigned elements, unsigned bytes, int64_t stride);
  BankCost() = default;

  /// Accesses so many bytes apart cost the same, whatever the address.
  bool is_period(int64_t bytes) const { return bytes % static_cast<int64_t>(period_) == 0; }

  /// Of the access whose first element is at byte `address`.
  unsigned cost(uint64_t address) {
    if (known_.empty()) return compute(address);
    uint8_t& cost = known_[mask_ != 0 ? address & mask_ : address % period_];
    if (cost == 0) cost = static_cast<uint8_t>(compute(address));
    return cost;
  }
  /// Of all accesses of a fill, the first of which is at `address`, if they cost the same; else, or if that
  /// takes too long to find out, 0.
  unsigned cost_of_all(uint64_t address, const Counters<6>& counters);
  /// Of an access that touches the words at these byte addresses, in any order; sorts them. 1 for none.
  unsigned cost_of_words(uint64_t* words, unsigned count) const;

 private:
  unsigned compute(uint64_t address) const;

  unsigned banks_ = 1;
  unsigned shift_ = 2;
  unsigned skew_ = 0;
  unsigned elements_ = 0;
  unsigned bytes_ = 0;
  int64_t stride_ = 0;
  uint64_t mask_ = 0;           ///< period - 1 if that is a power of two
  uint64_t period_ = 1;         ///< costs repeat after so many bytes
  std::vector<uint8_t> known_;  ///< by address modulo period; 0: not yet computed
};

}  // namespace rdu::fabric
