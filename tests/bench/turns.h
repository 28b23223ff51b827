// What the measurements here have in common: two kinds of work in turns, and medians.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <vector>

namespace rdu::bench {

/// Of the host's clock.
inline double seconds(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Of at least one value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Work of `bytes` by the device and the same without it, in turns; the medians of both, and of the ratios of
/// the turns.
class Pair {
 public:
  explicit Pair(uint64_t bytes) : bytes_(bytes) {}

  void turn(const std::function<void()>& device, const std::function<void()>& plain) {
    device_.push_back(seconds(device));
    plain_.push_back(seconds(plain));
    ratio_.push_back(device_.back() / plain_.back());
  }

  /// As a member of a JSON object.
  void print(const char* name) const {
    std::printf("\"%s\": {\"bytes\": %llu, \"device_s\": %.9f, \"plain_s\": %.9f, \"ratio\": %.3f}", name,
                static_cast<unsigned long long>(bytes_), median(device_), median(plain_), median(ratio_));
  }

 private:
  uint64_t bytes_;
  std::vector<double> device_, plain_, ratio_;
};

}  // namespace rdu::bench
