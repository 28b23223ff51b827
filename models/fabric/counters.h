#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace rdu::fabric {

/// Nested address counters: offset = sum over the levels of index * stride, level 0 innermost. A count of 0
/// means 1. `Levels` is a capacity.
template <unsigned Levels>
class Counters {
 public:
  /// More iterations than this are refused: larger than any program can finish, small enough that sums stay
  /// exact.
  static constexpr uint64_t kMostIterations = uint64_t{1} << 40;

  /// Levels that iterate once are left out by compact(), and levels that go on where the one inside ends are
  /// joined with it; offsets stay the same.
  void compact() {
    std::array<uint32_t, Levels> counts = ones();
    std::array<int32_t, Levels> strides{};
    unsigned used = 0;
    for (unsigned i = 0; i < Levels; ++i) {
      if (counts_[i] == 1) continue;
      if (used != 0 && static_cast<uint64_t>(counts[used - 1]) * counts_[i] <= 0xffffffff &&
          static_cast<int64_t>(counts[used - 1]) * strides[used - 1] == strides_[i]) {
        counts[used - 1] *= counts_[i];
        continue;
      }
      counts[used] = counts_[i];
      strides[used] = strides_[i];
      ++used;
    }
    counts_ = counts;
    strides_ = strides;
    rewind();
  }
  void set(unsigned level, uint32_t count, uint32_t stride) {
    counts_[level] = count == 0 ? 1 : count;
    strides_[level] = static_cast<int32_t>(stride);
  }
  /// Product of the counts; kMostIterations + 1 if it is larger than kMostIterations.
  uint64_t total() const {
    uint64_t product = 1;
    for (uint32_t count : counts_) {
      if (product > kMostIterations / count) return kMostIterations + 1;
      product *= count;
    }
    return product;
  }
  /// Does no offset, on the way from one to the next neither, come near the ends of 64 bits?
  bool fits() const {
    __int128 reach = 0;
    for (unsigned i = 0; i < Levels; ++i) {
      const __int128 level = static_cast<__int128>(counts_[i] - 1) * strides_[i];
      reach += level < 0 ? -level : level;
    }
    return reach < (__int128{1} << 62);
  }
  /// Smallest and largest offset, if they fit.
  std::pair<int64_t, int64_t> extent() const {
    int64_t low = 0;
    int64_t high = 0;
    for (unsigned i = 0; i < Levels; ++i) {
      const int64_t reach = static_cast<int64_t>(counts_[i] - 1) * strides_[i];  // below 2^63: 32 by 32 bits
      (reach < 0 ? low : high) += reach;
    }
    return {low, high};
  }

  uint32_t count(unsigned level) const { return counts_[level]; }
  int32_t stride(unsigned level) const { return strides_[level]; }
  uint32_t index(unsigned level) const { return indices_[level]; }

  void rewind() {
    indices_.fill(0);
    offset_ = 0;
  }
  int64_t offset() const { return offset_; }
  /// Iterations of the innermost level from here to its end, this one included; their offsets are
  /// inner_stride() apart.
  uint64_t inner_left() const { return counts_[0] - indices_[0]; }
  int64_t inner_stride() const { return strides_[0]; }
  /// next() n times; n is at most inner_left().
  void advance_inner(uint64_t n) {
    indices_[0] += static_cast<uint32_t>(n - 1);
    offset_ += static_cast<int64_t>(n - 1) * strides_[0];
    next();
  }
  /// To iteration n, counted from the first.
  void seek(uint64_t n) {
    offset_ = 0;
    for (unsigned i = 0; i < Levels; ++i) {
      indices_[i] = static_cast<uint32_t>(n % counts_[i]);
      n /= counts_[i];
      offset_ += static_cast<int64_t>(indices_[i]) * strides_[i];
    }
  }
  void advance(uint64_t n) {
    while (n != 0) {
      const uint64_t step = n < inner_left() ? n : inner_left();
      advance_inner(step);
      n -= step;
    }
  }
  /// To the next iteration; after the last one, back to the first.
  void next() {
    for (unsigned i = 0; i < Levels; ++i) {
      if (++indices_[i] < counts_[i]) {
        offset_ += strides_[i];
        return;
      }
      offset_ -= static_cast<int64_t>(counts_[i] - 1) * strides_[i];
      indices_[i] = 0;
    }
  }

 private:
  static constexpr std::array<uint32_t, Levels> ones() {
    std::array<uint32_t, Levels> a{};
    for (uint32_t& x : a) x = 1;
    return a;
  }
  std::array<uint32_t, Levels> counts_ = ones();
  std::array<int32_t, Levels> strides_{};
  std::array<uint32_t, Levels> indices_{};
  int64_t offset_ = 0;
};

}  // namespace rdu::fabric
