#include "platform/simulation.h"

#include <algorithm>
#include <chrono>

#include "core/systemc.h"
#include "platform/slice.h"

namespace rdu::platform {

using pcie::vfio_user::Request;

namespace {
constexpr std::chrono::milliseconds kLook{100};      // a signal handler's stop() cannot wake us
constexpr std::chrono::milliseconds kOftenLook{10};  // nor can console and debugger while we wait for a host
}  // namespace

/// One slice; true if something is still left to happen.
bool Simulation::simulate_slice(core::Time until) {
  return platform::simulate_slice(params_.slice, until);
}

/// After stop(): true when nothing more can come from the host.
bool Simulation::has_hung_up() {
  if (!hung_up_) host_->hang_up();
  hung_up_ = true;
  return !host_->connected();
}

/// Lets the debugger do what it wants to; true if time must not go on.
bool Simulation::is_halted() {
  if (!debugger_) return false;
  debugger_->serve(debugger_->halted() ? kLook : std::chrono::milliseconds(0));
  return debugger_->halted() || debugger_->killed();
}

Simulation::End Simulation::run(const Limits& limits) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  bool host_has_come = false;
  core::Time busy_since = core::now();
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  while (stops_ < 2) {
    if (debugger_ && debugger_->killed()) return End::killed;
    if (console_) {
      console_->exchange();
      if (console_->backend().quit() && !stops_) stop();
      if (console_->congested() && !stops_) {
        console_->wait(kLook);
        continue;
      }
    }
    if (is_halted()) {
      if (stops_) return End::stopped;  // it will not settle
      continue;
    }
    const bool is_busy = simulate_slice(limits.run_for);
    if (is_halted()) continue;
    if (core::now() >= limits.run_for) return End::time_over;
    if (!host_) {
      if (stops_) return End::stopped;
      if (is_busy) continue;
      const bool may_wake = debugger_ || (console_ && console_->can_receive());
      if (!may_wake) return End::settled;
      if (console_) {
        console_->wait(debugger_ ? kOftenLook : kLook);
      } else {
        debugger_->serve(kLook);
      }
      continue;
    }
    if (is_busy && core::now() - busy_since < params_.settle_limit) continue;
    busy_since = core::now();
    if (!endpoint_.idle()) continue;
    if (auto request = host_->next()) {
      host_has_come = true;
      const bool is_farewell = request->kind() == Request::Kind::kDisconnect;
      endpoint_.submit(std::move(*request));
      if (is_farewell && limits.once) {
        while (simulate_slice(limits.run_for) && !stops_ && core::now() - busy_since < params_.settle_limit)
          continue;
        return End::host_left;
      }
      continue;
    }
    if (stops_ && has_hung_up()) {
      if (!host_->wait(std::chrono::milliseconds{0})) return End::stopped;
      continue;
    }
    if (is_busy) continue;
    if (!host_has_come && limits.host_timeout > 0 &&
        std::chrono::duration<double>(Clock::now() - start).count() > limits.host_timeout) {
      return End::no_host;
    }
    host_->wait(console_ || debugger_ ? kOftenLook : kLook);
  }
  return End::stopped;
}

}  // namespace rdu::platform
