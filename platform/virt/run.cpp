#include "platform/virt/run.h"

#include <algorithm>
#include <utility>

#include "core/systemc.h"
#include "platform/slice.h"

namespace rdu::platform::virt {

using std::chrono::milliseconds;

Run::Run(mgmt::Management& management, serial::Port& port, Pace pace)
    : management_(management), port_(port), pace_(pace) {}

void Run::power_off(uint64_t status) {
  status_ = status;
  sc_core::sc_pause();
}

void Run::request_reset() {
  reset_requested_ = true;
  sc_core::sc_pause();
}

bool Run::all_asleep() const {
  for (unsigned i = 0; i < management_.harts(); ++i) {
    const mgmt::Hart& hart = management_.hart(i);
    if (!hart.asleep() && !hart.parked()) return false;
  }
  return true;
}

unsigned Run::parked() const {
  unsigned count = 0;
  for (unsigned i = 0; i < management_.harts(); ++i) count += management_.hart(i).parked() ? 1 : 0;
  return count;
}

bool Run::only_polled() {
  uint64_t reads = 0;
  unsigned awake = 0;
  bool timer = false;
  for (unsigned i = 0; i < management_.harts(); ++i) {
    const mgmt::Hart& hart = management_.hart(i);
    reads += hart.clock_reads();
    timer |= hart.timer_deadline() != core::kNever;
    awake += hart.asleep() || hart.parked() ? 0 : 1;
  }
  const bool looked = std::exchange(clock_reads_, reads) != reads;
  return awake == 1 && !looked && !timer && management_.uart().vain_looks() >= kVainLooks;
}

Run::End Run::run(core::Time until) {
  constexpr milliseconds kLook{100};  // stop() comes from a signal handler, which cannot wake us for sure
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  while (!stop_) {
    port_.exchange();
    if (port_.backend().quit()) break;
    if (htif_ && !status_) status_ = htif_->poll();
    if (status_) return End::powered_off;
    if (reset_requested_) {
      reset_requested_ = false;
      reset_();
    }
    if (port_.congested()) {
      port_.wait(kLook);
      continue;
    }
    if (debugger_) {
      debugger_->serve(debugger_->halted() ? kLook : milliseconds(0));
      if (debugger_->killed()) break;
      if (debugger_->halted()) continue;
    }
    if (core::now() >= until) return End::time_over;
    const core::Time event = next_event();
    if (event > core::now() && all_asleep()) {
      const bool can_wake = debugger_ || (port_.can_receive() && parked() < management_.harts());
      if (event == core::kNever && !can_wake) return parked() != 0 ? End::stuck : End::settled;
      if (!rest(std::min(event, until))) continue;
      if (event == core::kNever) skip_to(until);
    } else {
      resting_ = false;
      if (until == core::kNever && port_.can_receive() && only_polled()) port_.wait(kLook);
    }
    simulate_slice(kSlice, until);
  }
  return End::stopped;
}

bool Run::rest(core::Time next) {
  if (port_.traffic() != traffic_) {
    traffic_ = port_.traffic();
    skipped_ = 0;
  }
  const bool endless = next == core::kNever;
  const bool paced = pace_ == Pace::realtime || (skipped_ > kMostSkipped && port_.can_receive());
  if (!paced && !endless) {
    skipped_ += next - core::now();
    return true;
  }
  if (!resting_) {
    pacer_.begin(core::now());
    resting_ = true;
  }
  const auto left = pacer_.left(next);
  if (left.count() > 0) port_.wait(left);
  if (paced) skip_to(std::min(pacer_.reached(), next));
  return core::now() >= next;
}

}  // namespace rdu::platform::virt
