#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/time.h"

namespace rdu::platform::control {

/// What has happened at the host boundary and to watched registers: numbered from 1, the last kMost of them.
/// All calls come from the simulation's thread.
class EventLog {
 public:
  static constexpr size_t kMost = 1 << 16;

  struct Event {
    uint64_t number;
    core::Time time;
    std::string kind;  ///< "interrupt", "reset", "host", "access", "restart"
    nlohmann::ordered_json details;
  };

  void add(const std::string& kind, nlohmann::ordered_json details) {
    events_.push_back({++last_, core::now(), kind, std::move(details)});
    if (events_.size() > kMost) events_.pop_front();
  }
  /// The number of the last one; 0 before the first.
  uint64_t last() const { return last_; }
  /// The first behind number `after` that fits, or nullptr.
  const Event* find(uint64_t after, const std::function<bool(const Event&)>& fits) const {
    if (events_.empty()) return nullptr;
    const uint64_t first = events_.front().number;
    for (size_t i = after < first ? 0 : after - first + 1; i < events_.size(); ++i)
      if (fits(events_[i])) return &events_[i];
    return nullptr;
  }

 private:
  std::deque<Event> events_;
  uint64_t last_ = 0;
};

}  // namespace rdu::platform::control
