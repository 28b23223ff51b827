#pragma once

#include <atomic>
#include <cstdint>

#include "core/parameter.h"
#include "core/time.h"
#include "pcie/endpoint.h"
#include "platform/debugger.h"
#include "platform/serial/port.h"

namespace rdu::platform {

struct CouplingParams {
  uint64_t settle_limit = 1'000'000'000;  ///< ps
  uint64_t slice = 20'000'000;            ///< ps

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Parameter;
    using core::Unit;
    v(settle_limit,
      Parameter{"settle_limit", Unit::time,
                "Longest simulated time that a waiting host access is put off while the device is busy",
                "ours", 1'000'000});
    v(slice,
      Parameter{"slice", Unit::time, "Simulated time between looks at the host side; changes no result",
                "ours", 1'000'000});
  }
};

/// Couples simulated time to the host. The rule: a host access takes effect when the device has settled, that
/// is when nothing is left to happen by itself, or after settle_limit of simulated time if it never settles
/// (firmware that polls). While the device has settled and no host access waits, simulated time stands still
/// and the process sleeps.
///
/// So results do not depend on how fast host and simulator run, as long as the device settles between the
/// host's accesses: the same sequence of host accesses gives the same simulated times and the same trace
/// hash.
///
/// While a debugger has halted the harts, time stands still and host accesses wait.
class Simulation {
 public:
  /// `host`: who is behind the endpoint, or nullptr. `console`: a serial line to serve meanwhile, or nullptr.
  /// Its input arrives between slices.
  Simulation(pcie::Endpoint& endpoint, pcie::HostPort* host, const CouplingParams& params,
             serial::Port* console)
      : endpoint_(endpoint), host_(host), params_(params), console_(console) {}

  /// Optional; the caller keeps it. With it a run without a host does not end when nothing is left to happen.
  void set_debugger(Debugger* debugger) { debugger_ = debugger; }

  enum class End {
    stopped,    ///< stop() was called or the console's user wants to, and the device has settled
    host_left,  ///< `once`: the first host has gone
    no_host,    ///< none came within `host_timeout`
    killed,     ///< the debugger wants it
    time_over,  ///< `run_for` is over
    settled,    ///< without a host boundary and input: nothing is left to happen
  };
  struct Limits {
    bool once = false;
    double host_timeout = 0;  ///< seconds of host time until the first host must have come; 0: no limit
    core::Time run_for = core::kNever;  ///< simulated time
  };

  /// Runs until one of these. Elaborates at the first call. Throws what models throw.
  End run(const Limits& limits);

  /// From a signal handler or another thread. The host is cut off; what it had asked for still happens, until
  /// the device has settled (or for settle_limit), so that the end does not depend on the moment of this call
  /// if the host had finished. A second call ends at once.
  void stop() { ++stops_; }

 private:
  bool simulate_slice(core::Time until);
  bool has_hung_up();
  bool is_halted();

  pcie::Endpoint& endpoint_;
  pcie::HostPort* host_;
  CouplingParams params_;
  serial::Port* console_;
  Debugger* debugger_ = nullptr;
  std::atomic<unsigned> stops_{0};
  bool hung_up_ = false;
};

}  // namespace rdu::platform
