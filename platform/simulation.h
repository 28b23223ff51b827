#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "core/parameter.h"
#include "core/time.h"
#include "pcie/endpoint.h"
#include "platform/debugger.h"
#include "platform/pacer.h"
#include "platform/serial/port.h"

namespace rdu::platform {

namespace control {
class Control;
}

struct CouplingParams {
  std::string mode = "lockstep";
  uint64_t settle_limit = 1'000'000'000;  ///< ps
  uint64_t slice = 20'000'000;            ///< ps

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Parameter;
    using core::Unit;
    v(mode,
      Parameter{"mode", Unit::text,
                "When a host access takes effect: when the device has settled (lockstep), or at once, while "
                "idle time follows the host's clock (free)",
                "ours", 0, 0, "lockstep|free"});
    v(settle_limit,
      Parameter{"settle_limit", Unit::time,
                "lockstep: longest simulated time that a waiting host access is put off while the device is "
                "busy",
                "ours", 1'000'000});
    v(slice, Parameter{"slice", Unit::time,
                       "Simulated time between looks at the host side; changes no result in lockstep", "ours",
                       1'000'000});
  }
};

/// Couples simulated time to the host, by one of two rules (README.md has what follows from them):
///
/// - lockstep: a host access takes effect when the device has settled, that is when nothing is left to happen
///   by itself, or after settle_limit of simulated time if it never settles (firmware that polls, or has a
///   timer). While the device has settled and no host access waits, simulated time stands still and the
///   process sleeps. So results do not depend on how fast host and simulator run: the same sequence of host
///   accesses gives the same simulated times and the same trace hash.
/// - free: a host access takes effect at once, at the end of the slice that runs. Simulated time in which
///   nothing happens passes as fast as on the host.
///
/// In either, the device goes on by itself as long as anything is left to happen: a host that only looks at
/// its memory sees it change.
///
/// While a debugger has halted the harts, or somebody has paused the simulation, time stands still and host
/// accesses wait. Host time that passes meanwhile is never made up for.
class Simulation {
 public:
  /// `host`: who is behind the endpoint, or nullptr. `console`: a serial line to serve meanwhile, or nullptr.
  /// Its input arrives between slices.
  Simulation(pcie::Endpoint& endpoint, pcie::HostPort* host, const CouplingParams& params,
             serial::Port* console)
      : endpoint_(endpoint), host_(host), params_(params), console_(console) {}

  /// Optional; the caller keeps it. With it a run without a host does not end when nothing is left to happen.
  void set_debugger(Debugger* debugger) { debugger_ = debugger; }

  /// Optional; the caller keeps it. As with a debugger, a run without a host does not end by itself then.
  void set_control(control::Control* control) { control_ = control; }

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

  /// From any thread. The slice that runs is finished, then time stands still, host accesses wait; console
  /// and debugger are still served. Both return at once, and may be called again.
  void pause();
  void resume();
  /// It stands still because of pause().
  bool paused() const { return paused_; }
  /// Waits until paused() is `wanted`; false if that took longer. Not from the thread in run().
  bool wait_paused(bool wanted, std::chrono::milliseconds most);

 private:
  bool is_free() const { return params_.mode == "free" && !stops_; }
  bool stands_still();
  bool stands_paused();
  bool console_holds();
  bool pass_time(core::Time until);
  bool simulate_slice(core::Time until);
  void rest(core::Time next);
  bool can_be_woken() const;
  void look(std::chrono::milliseconds most);
  bool has_hung_up();
  bool is_halted();

  pcie::Endpoint& endpoint_;
  pcie::HostPort* host_;
  CouplingParams params_;
  serial::Port* console_;
  Debugger* debugger_ = nullptr;
  control::Control* control_ = nullptr;
  std::atomic<unsigned> stops_{0};
  bool hung_up_ = false;
  Pacer pacer_;
  bool resting_ = false;
  bool stood_still_ = true;  ///< since time last passed

  std::mutex pause_mutex_;
  std::condition_variable pause_changed_;
  std::atomic<bool> pause_wanted_{false};
  std::atomic<bool> paused_{false};
};

}  // namespace rdu::platform
