#pragma once

#include <atomic>
#include <string>

#include "core/time.h"
#include "pcie/endpoint.h"
#include "pcie/record/replay_port.h"
#include "platform/debugger.h"
#include "platform/serial/port.h"

namespace rdu::platform {

/// Runs the simulation with a recorded host: each request takes effect at the simulated time at which it did,
/// and after the same events of the device. However the recording's time was coupled to its host.
class Replay {
 public:
  /// `slice`: simulated time between looks at console and debugger; changes no result. `console` may be null.
  Replay(pcie::Endpoint& endpoint, pcie::record::ReplayPort& host, core::Time slice, serial::Port* console)
      : endpoint_(endpoint), host_(host), slice_(slice), console_(console) {}

  /// Optional; the caller keeps it.
  void set_debugger(Debugger* debugger) { debugger_ = debugger; }

  enum class End {
    same,       ///< all of it, with no difference
    differed,   ///< ReplayPort::difference() says how
    cut_off,    ///< no difference up to where the file is damaged or ends without an end
    stopped,    ///< stop() was called or the console's user wants to
    killed,     ///< the debugger wants it
    time_over,  ///< `run_for` is over
  };

  /// Elaborates. Throws what models throw.
  End run(core::Time run_for);

  /// From a signal handler or another thread.
  void stop() { stopped_ = true; }

 private:
  bool is_due(const pcie::record::Record& next) const;
  void run_towards(const pcie::record::Record& next, core::Time run_for);

  pcie::Endpoint& endpoint_;
  pcie::record::ReplayPort& host_;
  core::Time slice_;
  serial::Port* console_;
  Debugger* debugger_ = nullptr;
  std::atomic<bool> stopped_{false};
};

}  // namespace rdu::platform
