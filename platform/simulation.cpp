#include "platform/simulation.h"

#include <algorithm>
#include <chrono>

#include "core/systemc.h"
#include "platform/control/control.h"
#include "platform/slice.h"

namespace rdu::platform {

using pcie::vfio_user::Request;
using std::chrono::milliseconds;

namespace {
constexpr milliseconds kLook{100};      // a signal handler's stop() cannot wake us
constexpr milliseconds kOftenLook{10};  // nor can console and debugger while we wait for a host
}  // namespace

/// One slice; true if something is still left to happen. Then nothing of the moment at its end has happened
/// yet: of a host access amid things a recording knows the time, and no more.
bool Simulation::simulate_slice(core::Time until) {
  const core::Time end = std::min(core::now() + params_.slice, until);
  if (!platform::simulate_slice(params_.slice, until)) return false;
  skip_to(std::min(end, next_event()));
  return true;
}

/// Waits for whoever may bring something to do.
void Simulation::look(milliseconds most) {
  if (host_) {
    host_->wait(console_ || debugger_ ? std::min(most, kOftenLook) : most);
  } else if (console_) {
    console_->wait(debugger_ || control_ ? std::min(most, kOftenLook) : most);
  } else if (debugger_) {
    debugger_->serve(control_ ? std::min(most, kOftenLook) : most);
  } else if (control_) {
    control_->wait(most);
  }
}

bool Simulation::can_be_woken() const {
  return host_ || debugger_ || control_ || (console_ && console_->can_receive());
}

// --- time passes ---

/// A slice, or a while in which nothing happens; true if something is still left to happen.
bool Simulation::pass_time(core::Time until) {
  if (!is_free()) return simulate_slice(until);
  if (stood_still_) {
    pacer_.forget(core::now());
    resting_ = stood_still_ = false;
  }
  const core::Time next = next_event();
  if (next == core::kNever && !can_be_woken()) return false;
  if (next != core::kNever && next - core::now() <= params_.slice) {  // so soon that it is no rest
    resting_ = false;
    return simulate_slice(until);
  }
  rest(std::min(next, until));
  return next != core::kNever;
}

/// Nothing happens before `next`: follows the host's clock until then, or until somebody comes.
void Simulation::rest(core::Time next) {
  if (!resting_) pacer_.begin(core::now());
  resting_ = true;
  const auto left = std::chrono::ceil<milliseconds>(pacer_.left(next));
  if (left.count() > 0) look(std::min(left, kLook));
  skip_to(std::min(pacer_.reached(), next));
}

// --- time stands still ---

void Simulation::pause() {
  const std::lock_guard lock(pause_mutex_);
  pause_wanted_ = true;
}

void Simulation::resume() {
  const std::lock_guard lock(pause_mutex_);
  pause_wanted_ = false;
  pause_changed_.notify_all();
}

bool Simulation::wait_paused(bool wanted, milliseconds most) {
  std::unique_lock lock(pause_mutex_);
  return pause_changed_.wait_for(lock, most, [&] { return paused_ == wanted; });
}

bool Simulation::stands_paused() {
  if (!pause_wanted_ && !paused_) return false;
  std::unique_lock lock(pause_mutex_);
  if (paused_ != pause_wanted_) {
    paused_ = pause_wanted_.load();
    pause_changed_.notify_all();
  }
  if (!paused_) return false;
  pause_changed_.wait_for(lock, debugger_ || console_ || control_ ? kOftenLook : kLook,
                          [this] { return !pause_wanted_; });
  return true;
}

/// Lets the debugger do what it wants to; true if time must not go on.
bool Simulation::is_halted() {
  if (!debugger_) return false;
  debugger_->serve(debugger_->halted() ? kLook : milliseconds(0));
  return debugger_->halted() || debugger_->killed();
}

bool Simulation::stands_still() {
  const bool still = is_halted() || stands_paused();
  stood_still_ |= still;
  return still;
}

/// Serves the console; true if time must wait until somebody takes its output.
bool Simulation::console_holds() {
  if (!console_) return false;
  console_->exchange();
  if (console_->backend().quit() && !stops_) stop();
  if (!console_->congested() || stops_) return false;
  console_->wait(kLook);
  stood_still_ = true;
  return true;
}

/// After stop(): true when nothing more can come from the host.
bool Simulation::has_hung_up() {
  if (!hung_up_) host_->hang_up();
  hung_up_ = true;
  return !host_->connected();
}

// --- the loop ---

Simulation::End Simulation::run(const Limits& limits) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  bool host_has_come = false;
  core::Time busy_since = core::now();
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  while (stops_ < 2) {
    if (debugger_ && debugger_->killed()) return End::killed;
    if (control_) control_->serve();
    if (console_holds()) continue;
    if (stands_still()) {
      if (stops_) return End::stopped;  // it will not settle
      continue;
    }
    const bool is_busy = pass_time(limits.run_for);
    if (stands_still()) continue;
    if (core::now() >= limits.run_for) return End::time_over;
    if (!host_) {
      if (stops_) return End::stopped;
      if (is_busy) continue;
      if (!can_be_woken()) return End::settled;
      if (!is_free()) look(kLook);
      continue;
    }
    if (!is_free() && is_busy && core::now() - busy_since < params_.settle_limit) continue;
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
      if (!host_->wait(milliseconds{0})) return End::stopped;
      continue;
    }
    if (is_busy) continue;
    if (!host_has_come && limits.host_timeout > 0 &&
        std::chrono::duration<double>(Clock::now() - start).count() > limits.host_timeout) {
      return End::no_host;
    }
    if (!is_free()) look(kLook);
  }
  return End::stopped;
}

}  // namespace rdu::platform
