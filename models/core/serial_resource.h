#pragma once

#include <cstdint>
#include <numeric>

#include "core/time.h"

namespace rdu::core {

/// Something that passes bytes one after another at a constant rate: the data bus of a memory channel, a port
/// of a network, the data path of a copy engine.
///
/// Exact: the time at which it is free again is kept as whole picoseconds plus a fraction over the rate, so
/// any number of back-to-back requests takes precisely the time of one request of their sum, rounded once.
/// Nothing drifts, whatever the rate.
class SerialResource {
 public:
  /// One of `sharers` equal parts of `bytes_per_second`; so six channels that make 200 GB/s together take 30
  /// ps a byte each, although 200e9 / 6 is no integer. Both at least 1.
  explicit SerialResource(uint64_t bytes_per_second, uint64_t sharers = 1)
      : numerator_(kPicosecondsPerSecond * sharers), denominator_(bytes_per_second) {
    const uint64_t common = std::gcd(numerator_, denominator_);
    numerator_ /= common;
    denominator_ /= common;
  }

  struct Slot {
    Time begin;  ///< ps, rounded down
    Time end;    ///< ps, rounded up: all bytes have passed
  };

  /// Queues `bytes` that are there at time `arrive` behind everything taken before.
  Slot take(Time arrive, uint64_t bytes) {
    if (arrive > free_ || (arrive == free_ && fraction_ == 0)) {
      free_ = arrive;
      fraction_ = 0;
    }
    const Time begin = free_;
    const unsigned __int128 total = static_cast<unsigned __int128>(bytes) * numerator_ + fraction_;
    // Numbers of everyday size take the short division.
    if (total >> 64 == 0) {
      const auto word = static_cast<uint64_t>(total);
      free_ += word / denominator_;
      fraction_ = word % denominator_;
    } else {
      free_ += static_cast<uint64_t>(total / denominator_);
      fraction_ = static_cast<uint64_t>(total % denominator_);
    }
    return {begin, free_ + (fraction_ != 0 ? 1 : 0)};
  }

  /// Forgets what was queued.
  void reset() {
    free_ = 0;
    fraction_ = 0;
  }

 private:
  static constexpr uint64_t kPicosecondsPerSecond = 1'000'000'000'000;

  uint64_t numerator_;  ///< a byte takes numerator_ / denominator_ ps
  uint64_t denominator_;
  Time free_ = 0;
  uint64_t fraction_ = 0;  ///< of a ps, over denominator_
};

}  // namespace rdu::core
