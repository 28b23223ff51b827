#pragma once

#include <functional>

namespace rdu::platform {

/// While it exists, SIGINT and SIGTERM call `stop`, which must be async-signal-safe. One at a time.
class StopSignal {
 public:
  explicit StopSignal(std::function<void()> stop);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
};

}  // namespace rdu::platform
